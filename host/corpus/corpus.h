/* From text to token ids: reading and normalising, vocabularies, token files, splits.
 *
 * Texts are streamed; ids are memory-mapped (a token file, or an unlinked temporary file for plain text), so a
 * corpus may be larger than memory and costs no memory beyond its pages. */
#ifndef PX_CORPUS_H
#define PX_CORPUS_H

#include "text_choices.h"

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- vocabulary ---------------------------------------------------------------------------------------------
 * Id 0 is <unk>. Ids 1.. are the other tokens, most frequent first, ties in byte order. */
typedef struct px_vocabulary px_vocabulary;

void px_vocabulary_destroy(px_vocabulary *vocabulary);
int32_t px_vocabulary_size(const px_vocabulary *vocabulary);
/* The id of a token, or -1 if the vocabulary lacks it. At word level the literal text "<unk>" is id 0. */
int32_t px_vocabulary_id(const px_vocabulary *vocabulary, const char *token, size_t bytes);
/* The token's text; *bytes gets its length (it may contain NUL). "<unk>" for id 0. Valid as long as the vocabulary. */
const char *px_vocabulary_token(const px_vocabulary *vocabulary, int32_t id, size_t *bytes);
/* How often the token stood in the training text (id 0: with all that became <unk>); 0 where that was not kept. */
int64_t px_vocabulary_frequency(const px_vocabulary *vocabulary, int32_t id);
/* 1 where the frequencies are known and <unk> has none: a model trained on that text never sees it. */
int px_vocabulary_lacks_unknown(const px_vocabulary *vocabulary);
px_text_options px_vocabulary_options(const px_vocabulary *vocabulary);
/* Of level, normalise and tokens: equal hashes give equal ids to the same text. */
uint64_t px_vocabulary_hash(const px_vocabulary *vocabulary);
/* Text form for checkpoints and token files: options in the first line, then one token a line with its frequency,
 * escaped (\n, \\, \xNN), valid UTF-8 without NUL. malloc'ed, caller frees; NULL if out of memory. */
char *px_vocabulary_write(const px_vocabulary *vocabulary);
px_status px_vocabulary_read(const char *text, size_t bytes, const char *source, px_vocabulary **vocabulary);

enum { PX_SHOWN_TOKEN_BYTES = 64 }; /* of a token in a message */
/* Ids of a text in memory (a prompt, a line). ids is malloc'ed. Unknown tokens become 0 and are counted, with a literal
 * <unk>; the first that the vocabulary lacks is copied to unknown_token (may be NULL), escaped for a person. At word
 * level a line end gives <eos> only where the text has one. */
px_status px_vocabulary_encode(const px_vocabulary *vocabulary, const char *text, size_t bytes, const char *source,
                               int32_t **ids, size_t *count, size_t *unknown, char unknown_token[PX_SHOWN_TOKEN_BYTES]);

/* ---- token sequences ---------------------------------------------------------------------------------------- */
typedef struct px_tokens px_tokens;

void px_tokens_destroy(px_tokens *tokens);
size_t px_tokens_count(const px_tokens *tokens);
size_t px_tokens_text_bytes(const px_tokens *tokens); /* bytes of text behind all the tokens, 0 if not known */
/* ids[begin .. begin+n) into out. The range lies inside the sequence. The ids of a token file are read when they are
 * asked for: PX_ERR_IO where it has become shorter, or its disk fails; this holds for the two below too. */
px_status px_tokens_copy(const px_tokens *tokens, size_t begin, size_t n, int32_t *out)
    __attribute__((warn_unused_result));
px_status px_tokens_at(const px_tokens *tokens, size_t index, int32_t *id) __attribute__((warn_unused_result));
/* Tokens in [begin, end) that read as <unk>: those that the vocabulary lacks, and a literal <unk>. */
px_status px_tokens_unknown(const px_tokens *tokens, size_t begin, size_t end, size_t *unknown)
    __attribute__((warn_unused_result));
px_status px_tokens_from_ids(const int32_t *ids, size_t count, px_tokens **tokens); /* copies; none counts as unknown */

/* ---- a corpus: training, validation and test tokens with one vocabulary --------------------------------------- */
typedef struct px_range {
    const px_tokens *tokens; /* owned by the corpus */
    size_t begin, end;       /* empty (begin == end) where there is no such part */
} px_range;

typedef struct px_corpus {
    px_vocabulary *vocabulary;
    px_tokens *data, *valid_data, *test_data; /* NULL where not given */
    px_range train, valid, test;
} px_corpus;

typedef struct px_corpus_request {
    const char *data, *valid,
        *test; /* plain texts, several as in paths.h, or a token file ("-" = standard input); valid, test may be NULL */
    px_text_options text;
    int64_t min_count, max_vocab; /* max_vocab counts <unk>; 0 = no bound */
    /* By position of data: boundaries floor(N s0), floor(N (s0+s1)). Not used where valid is given (all of data is
     * trained on) or all are 0; where only test is, the third share lies idle. */
    double split[3];
    int64_t limit_tokens;            /* only the first so many tokens of data, before it is split; 0 = all */
    const px_vocabulary *vocabulary; /* given: use it (copied) instead of building one from the training part */
    const char *scratch_dir;         /* for the unlinked temporary file; NULL = TMPDIR or /tmp */
    void (*progress)(void *context, const char *what, double share); /* may be NULL */
    void *progress_context;
} px_corpus_request;

/* Reads everything and fills corpus; on failure nothing is left behind. A token file brings its own vocabulary (made of
 * all that was tokenised) and options, which must agree with the request's vocabulary where one is given, as those of
 * valid and test must with data's. PX_ERR_INPUT: a file that is missing, empty, not readable, damaged, or too short:
 * every part needs 2 tokens. */
px_status px_corpus_open(const px_corpus_request *request, px_corpus *corpus);
void px_corpus_close(px_corpus *corpus); /* zeroed afterwards */

/* One text or token file as tokens of a given vocabulary (evaluation, rescoring); progress (may be NULL) is told what
 * is read and which share of it is done. */
px_status px_tokens_open(const char *path, const px_vocabulary *vocabulary, int invalid,
                         void (*progress)(void *context, const char *what, double share), void *context,
                         px_tokens **tokens);

typedef struct px_text_size {
    size_t words; /* tokens of a model of words: its words, as white space parts them, and its line ends */
    size_t bytes; /* an unknown character counts as "<unk>", an unknown piece as U+FFFD */
} px_text_size;

/* The text of a range of bytes, characters or pieces (joined, as pieces.h says). */
px_status px_text_measure(const px_vocabulary *vocabulary, px_range range, px_text_size *size);

/* One file's text, unpacked and without byte order mark, as a stream for reading lines, which fclose closes; a pipe is
 * read as it comes. Where reading fails the stream's error is set, and *failure, which outlives the stream, is what was
 * recorded. level as in px_text_options. */
px_status px_text_stream(const char *path, int level, px_status *failure, FILE **stream);

/* ---- token files ----------------------------------------------------------------------------------------------
 * `tokenize`: streams request->data (whole, or its first limit_tokens) into path, atomically. */
typedef struct px_tokenize_result {
    size_t tokens, unknown, text_bytes;
    int32_t vocabulary;
    int id_bytes; /* 2 or 4 */
} px_tokenize_result;

/* The vocabulary of a token file, checked; its ids are not looked at. For tokenising other texts alike. */
px_status px_token_file_vocabulary(const char *path, px_vocabulary **vocabulary);

/* path NULL: count only. vocabulary_out may be NULL. */
px_status px_tokenize(const px_corpus_request *request, const char *path, px_tokenize_result *result,
                      px_vocabulary **vocabulary_out);

/* `tokenize --ids`: ids that another program wrote. */
typedef struct px_ids_request {
    const char *paths;               /* of files of ids (id_file.h), several as in paths.h */
    int id_bytes;                    /* 2, 4; 0: what a header says, else what the list's size needs */
    size_t list_count;               /* tokens of the list that the ids number */
    const char *list_name;           /* for messages */
    const px_vocabulary *listed;     /* the list as a vocabulary, and */
    const int32_t *row;              /* [size of listed] the list's index of each of its ids, -1: of none */
    const px_vocabulary *vocabulary; /* what is written; NULL: all listed tokens, the most frequent first */
    int64_t limit_tokens;            /* only the first so many; 0 = all */
    const char *scratch_dir;         /* as in px_corpus_request */
    void (*progress)(void *context, const char *what, double share); /* may be NULL */
    void *progress_context;
} px_ids_request;

/* path NULL: count only. A token that `vocabulary` lacks becomes unknown. PX_ERR_INPUT: a file that id_file.h refuses,
 * an id that the list has not, a list of another level than `vocabulary`. */
px_status px_tokenize_ids(const px_ids_request *request, const char *path, px_tokenize_result *result,
                          px_vocabulary **vocabulary_out);

#endif
