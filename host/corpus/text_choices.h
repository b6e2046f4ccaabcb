/* What there is to choose of a text and of the minibatches cut from it, and the one table of names of each choice:
 * flags, files, token files and messages take them from here. Each list of names is in the order of its enum and ended
 * by NULL. */
#ifndef PX_TEXT_CHOICES_H
#define PX_TEXT_CHOICES_H

typedef enum px_level {
    PX_LEVEL_BYTE,
    PX_LEVEL_CHAR,
    PX_LEVEL_WORD,
    PX_LEVEL_SENTENCEPIECE, /* these two are of other tools (pieces.h): a text of them comes as ids */
    PX_LEVEL_BYTE_BPE
} px_level;
typedef enum px_normalise { PX_NORMALISE_NONE, PX_NORMALISE_LETTERS, PX_NORMALISE_LETTERS_BY_LINE } px_normalise;
typedef enum px_invalid { PX_INVALID_ERROR, PX_INVALID_REPLACE } px_invalid;
typedef enum px_partition { PX_PARTITION_SEQUENTIAL, PX_PARTITION_RANDOM } px_partition;

extern const char *const px_level_names[], *const px_normalise_names[], *const px_invalid_names[],
                                                                            *const px_partition_names[];

/* 1 for the levels whose tokens are pieces of words (pieces.h). */
int px_level_is_pieces(px_level level);
/* "word", "letters-by-line", "replace"; NULL if there is no such value. */
const char *px_level_name(int level);
const char *px_normalise_name(int normalise);
const char *px_invalid_name(int invalid);
/* What tokens of that level are, for a person: "bytes", "characters", "words", "pieces". */
const char *px_level_tokens(px_level level);

/* How text becomes tokens.
 *
 * byte: every byte. char: every Unicode code point. word: what stands between white space (as Python's str.split has
 * it: Unicode's White_Space and U+001C to U+001F), and "<eos>" for every '\n' (a last line without '\n' gives none).
 * char and word need valid UTF-8. Normalised to letters, all but a-z and A-Z (made lower case) becomes space: "letters"
 * gives one space for every run of other characters, at the text's ends too; "letters-by-line" strips every line and
 * puts nothing between lines. Words of a normalised text are its runs of letters, the same in both ways; line ends give
 * no <eos> there. */
typedef struct px_text_options {
    px_level level;
    px_normalise normalise;
    px_invalid invalid; /* UTF-8 that is none: an error that gives the byte offset, or replaced by U+FFFD */
} px_text_options;

#endif
