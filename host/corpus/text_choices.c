/* The names of what there is to choose of a text: see text_choices.h. */
#include "text_choices.h"

#include <stddef.h>

const char *const px_level_names[] = {"byte", "char", "word", "sentencepiece", "byte-bpe", NULL};
const char *const px_normalise_names[] = {"none", "letters", "letters-by-line", NULL};
const char *const px_invalid_names[] = {"error", "replace", NULL};
const char *const px_partition_names[] = {"sequential", "random", NULL};

#define NAME_OF(names, value)                                                                                          \
    ((value) >= 0 && (value) < (int)(sizeof(names) / sizeof((names)[0])) ? (names)[value] : NULL)

const char *px_level_name(int level) { return NAME_OF(px_level_names, level); }

const char *px_normalise_name(int normalise) { return NAME_OF(px_normalise_names, normalise); }

const char *px_invalid_name(int invalid) { return NAME_OF(px_invalid_names, invalid); }

const char *px_level_tokens(px_level level)
{
    static const char *const tokens[] = {"bytes", "characters", "words", "pieces", "pieces"};
    return tokens[level];
}

int px_level_is_pieces(px_level level) { return level == PX_LEVEL_SENTENCEPIECE || level == PX_LEVEL_BYTE_BPE; }
