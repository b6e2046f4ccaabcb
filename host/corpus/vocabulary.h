/* Inside of a vocabulary: shared by the files of this folder. The promises are in corpus.h. */
#ifndef PX_VOCABULARY_H
#define PX_VOCABULARY_H

#include "corpus.h"
#include "dictionary.h"

struct px_vocabulary {
    px_text_options options;
    px_dictionary dictionary; /* index = id; index 0 is "<unk>"; frequency = that of the training text */
    uint64_t hash;
};

/* What stands in a token's place while a text is collected: a dictionary whose index 0 is "<unk>". */
px_status px_vocabulary_start(px_dictionary *dictionary);

/* Makes the vocabulary of the counted tokens: those of at least min_count (1 at least), the most frequent first, at
 * most max_vocab with <unk> (0 = no bound). ids, [counts->count], malloc'ed, gets each token's id, and the vocabulary's
 * size where it was left out. PX_ERR_ARGUMENT if nothing is left. source names the text in messages. */
px_status px_vocabulary_build(const px_dictionary *counts, px_text_options options, int64_t min_count,
                              int64_t max_vocab, const char *source, int32_t **ids, px_vocabulary **vocabulary);
/* The same with every counted token, those that never occur behind the others. */
px_status px_vocabulary_sort(const px_dictionary *counts, px_text_options options, const char *source, int32_t **ids,
                             px_vocabulary **vocabulary);
px_status px_vocabulary_copy(const px_vocabulary *from, px_vocabulary **to);
/* Sets the hash once all tokens are in. */
void px_vocabulary_seal(px_vocabulary *vocabulary);
/* PX_ERR_INPUT, with what differs and what to do, unless both give the same ids to the same text. */
px_status px_vocabulary_check_same(const px_vocabulary *wanted, const px_vocabulary *got, const char *got_name);

/* Appends a token's escaped form: \n, \\, \xNN; raw_utf8: bytes >= 0x80 stand as they are. out has room for 4 bytes of
 * each; returns the bytes written (no NUL). */
size_t px_token_escape(const char *token, size_t bytes, int raw_utf8, char *out);

#endif
