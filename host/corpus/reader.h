/* The tokeniser: bytes of text in, tokens out, in bounded memory.
 *
 * A sink is called once for each token, with the token's text (valid during the call). What is a token:
 *   byte   every byte
 *   char   every Unicode code point of UTF-8 (checked)
 *   word   what stands between white space (as Python's str.split has it), and "<eos>" for every '\n'; a last line without
 *          '\n' gives none. UTF-8, checked.
 * Normalised to letters, byte and char see: a-z as they are, A-Z in lower case, and
 *   letters          every longest run of other characters as one space, at both ends of the text too;
 *   letters-by-line  the same in each line, without spaces at the line's ends, and nothing between lines.
 * Words of a normalised text are its runs of letters, in both ways, and lines give no "<eos>" (so the Time Machine has
 * its 32,775 words). Char and word check UTF-8 in normalised texts too. */
#ifndef PX_READER_H
#define PX_READER_H

#include "corpus.h"
#include "paths.h"

#define PX_EOS "<eos>"
#define PX_UNK "<unk>"
#define PX_WORD_LIMIT                                                                                                  \
    ((size_t)65536) /* bytes of the longest word: bounds memory, and says when a text has no white space */

typedef enum px_sink_answer { PX_SINK_MORE, PX_SINK_ENOUGH, PX_SINK_FAILED } px_sink_answer;

typedef struct px_sink {
    px_sink_answer (*token)(void *context, const char *token, size_t bytes);
    void *context;
    px_status status; /* set by token() before it answers PX_SINK_FAILED */
} px_sink;

typedef struct px_tokeniser {
    px_text_options options;
    const char *source; /* name for messages */
    px_sink *sink;
    uint64_t offset; /* bytes of text consumed */
    char *word;      /* [PX_WORD_LIMIT] the word being read (word level) */
    size_t word_bytes;
    int in_run;                         /* letters: inside a run of other characters */
    int line_has_letter, space_pending; /* letters-by-line */
    int enough;                         /* the sink wants no more */
} px_tokeniser;

/* PX_ERR_ARGUMENT for options out of range; PX_ERR_MEMORY. */
px_status px_tokeniser_init(px_tokeniser *tokeniser, px_text_options options, const char *source, px_sink *sink);
void px_tokeniser_free(px_tokeniser *tokeniser);
/* Consumes data. *used < bytes only where an UTF-8 sequence is cut at the end (give the rest again, with more behind
 * it; with final set nothing is left over) or where the sink had enough. After final, the last word has been given. */
px_status px_tokeniser_feed(px_tokeniser *tokeniser, const char *data, size_t bytes, int final, size_t *used);

typedef void (*px_progress)(void *context, const char *what, double share);

/* The length of a valid UTF-8 sequence at text (its code point in *code); 0: cut short by the end, more is needed;
 * -k: not valid, k bytes are to be replaced together (Unicode, "maximal subparts"). bytes > 0. */
int px_utf8_step(const char *text, size_t bytes, int final, int32_t *code);

/* What ends a word: Unicode's White_Space, and U+001C to U+001F, where Python's str.split splits too. */
int px_is_white_space(int32_t code);

/* A source of text: files one after the other, or standard input; compressed ones are unpacked as they are read.
 * Regular files are read as they are; pipes are spooled into an unlinked temporary file, so that every source can be
 * read again, and mapped. */
typedef struct px_source_file {
    const char *path, *name; /* of the source's paths; for messages */
    int descriptor;          /* -1: to be opened when its turn comes */
    int from_start;          /* 1: reading begins at its first byte; 0: a pipe, where it stands */
    int spooled;
    size_t bytes;
} px_source_file;

typedef struct px_source {
    int descriptor;                 /* of the only file, for mapping; -1 where there are several */
    size_t bytes;                   /* of all files, as they lie there */
    char name[PX_PATHS_NAME_BYTES]; /* for messages */
    px_paths paths;
    px_source_file *file; /* [file_count] */
    size_t file_count;
} px_source;

/* paths: one, or several as in paths.h; "-" is standard input. PX_ERR_INPUT: missing, not readable, a folder, a device.
 */
px_status px_source_open(const char *paths, const char *scratch_dir, px_source *source);
void px_source_close(px_source *source);
/* Feeds the whole source (or what the sink wants) from its first byte. A word ends where its file ends. A byte order
 * mark is left out at levels char and word, and said. *text_bytes: bytes consumed. PX_ERR_INPUT: other encodings, by
 * name; a token file. */
px_status px_source_tokenise(px_source *source, px_text_options options, px_sink *sink, size_t *text_bytes,
                             px_progress progress, void *progress_context);
/* An open, unlinked, empty file for reading and writing in directory (NULL: TMPDIR, else /tmp). */
px_status px_scratch_open(const char *directory, int *descriptor);

#endif
