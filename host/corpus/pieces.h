/* Pieces: tokens that are parts of words, as the tools that cut texts into them spell them.
 *
 *     sentencepiece  U+2581 stands for a space, and one stands before a text; <0xNN> is a byte
 *                    (Kudo and Richardson 2018)
 *     byte-bpe       GPT-2's: each byte is a printable character, a space U+0120 and a line end U+010A
 *                    (Radford et al. 2019)
 *
 * A name in angle or square brackets (<s>, </s>, <|endoftext|>, [PAD]) is a mark, no text: joined, it ends a line,
 * unless one has just begun. So joined pieces read as the text that was cut, and their bytes and words can be
 * counted. */
#ifndef PX_PIECES_H
#define PX_PIECES_H

#include "text_choices.h"

#include <stddef.h>
#include <stdint.h>

/* 1 for a mark: a letter between <> or [], which is not SentencePiece's spelling of a byte. */
int px_piece_is_mark(const char *piece, size_t bytes);

/* Where joining stands. */
typedef struct px_joiner {
    px_level level;
    int begins; /* no text since the start, or since a mark: a space of SentencePiece is none here */
    int at_line_start;
} px_joiner;

enum { PX_JOIN_MORE = 3 }; /* bytes that the text of a piece may be longer than its spelling */

px_joiner px_joiner_start(px_level level);
/* The text that a piece adds, into out, which has room for bytes + PX_JOIN_MORE; returns how many bytes that are. id 0
 * is U+FFFD. */
size_t px_join_piece(px_joiner *joiner, int32_t id, const char *piece, size_t bytes, char *out);

/* Spells one byte as GPT-2 does: 1 or 2 bytes of UTF-8. */
size_t px_spell_byte(unsigned char byte, char out[2]);

#endif
