/* Pieces joined to text: see pieces.h. */
#include "pieces.h"
#include "reader.h"

#include <stdint.h>
#include <string.h>

#define SPACE "\xE2\x96\x81"       /* U+2581 */
#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */
enum { SPACE_BYTES = 3 };

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* The value of <0xNN>, or -1. */
static int byte_piece(const char *piece, size_t bytes)
{
    if (bytes != 6 || memcmp(piece, "<0x", 3) != 0 || piece[5] != '>') return -1;
    const int high = hex_digit(piece[3]), low = hex_digit(piece[4]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

int px_piece_is_mark(const char *piece, size_t bytes)
{
    if (bytes < 3 || byte_piece(piece, bytes) >= 0) return 0;
    const char first = piece[0], last = piece[bytes - 1];
    if (!(first == '<' && last == '>') && !(first == '[' && last == ']')) return 0;
    for (size_t i = 1; i + 1 < bytes; i++)
        if ((piece[i] >= 'a' && piece[i] <= 'z') || (piece[i] >= 'A' && piece[i] <= 'Z')) return 1;
    return 0;
}

/* Bytes that GPT-2 does not show as themselves get the characters from U+0100 on, in their order. */
static int spells_itself(int byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

enum { SHIFT = 0x100, CONTROLS = 0x21, DELETE = 0x7F, SOFT_HYPHEN = 0xAD, SOFT_HYPHEN_CODE = 0x143 };

static int32_t code_of_byte(int byte)
{
    if (spells_itself(byte)) return byte;
    return byte < CONTROLS ? SHIFT + byte : byte == SOFT_HYPHEN ? SOFT_HYPHEN_CODE : SHIFT + CONTROLS + byte - DELETE;
}

/* The byte that a character spells, or -1. */
static int byte_of_code(int32_t code)
{
    if (code < SHIFT) return spells_itself((int)code) ? (int)code : -1;
    if (code < SHIFT + CONTROLS) return (int)code - SHIFT;
    return code < SOFT_HYPHEN_CODE    ? (int)code - SHIFT - CONTROLS + DELETE
           : code == SOFT_HYPHEN_CODE ? SOFT_HYPHEN
                                      : -1;
}

size_t px_spell_byte(unsigned char byte, char out[2])
{
    const int32_t code = code_of_byte(byte);
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    out[0] = (char)(0xC0 | code >> 6);
    out[1] = (char)(0x80 | (code & 0x3F));
    return 2;
}

/* A piece that was added to GPT-2's by hand may hold any character: then it stands for itself. */
static size_t join_bytes(const char *piece, size_t bytes, char *out)
{
    size_t used = 0;
    for (size_t at = 0; at < bytes;) {
        int32_t code = -1;
        const int step = px_utf8_step(piece + at, bytes - at, 1, &code), byte = step > 0 ? byte_of_code(code) : -1;
        if (byte < 0) {
            memcpy(out, piece, bytes);
            return bytes;
        }
        out[used++] = (char)byte;
        at += (size_t)step;
    }
    return used;
}

static size_t join_spaces(const px_joiner *j, const char *piece, size_t bytes, char *out)
{
    const int byte = byte_piece(piece, bytes);
    size_t used = 0, at = 0;
    if (byte >= 0) {
        out[0] = (char)byte;
        return 1;
    }
    if (j->begins && bytes >= SPACE_BYTES && memcmp(piece, SPACE, SPACE_BYTES) == 0) at = SPACE_BYTES;
    while (at < bytes)
        if (bytes - at >= SPACE_BYTES && memcmp(piece + at, SPACE, SPACE_BYTES) == 0) {
            out[used++] = ' ';
            at += SPACE_BYTES;
        } else
            out[used++] = piece[at++];
    return used;
}

px_joiner px_joiner_start(px_level level) { return (px_joiner){.level = level, .begins = 1, .at_line_start = 1}; }

static size_t join_mark(px_joiner *j, char *out)
{
    const size_t used = j->at_line_start ? 0 : 1;
    out[0] = '\n';
    j->begins = j->at_line_start = 1;
    return used;
}

size_t px_join_piece(px_joiner *j, int32_t id, const char *piece, size_t bytes, char *out)
{
    if (id != 0 && px_piece_is_mark(piece, bytes)) return join_mark(j, out);
    size_t used = sizeof REPLACEMENT - 1;
    if (id == 0)
        memcpy(out, REPLACEMENT, used);
    else
        used = j->level == PX_LEVEL_BYTE_BPE ? join_bytes(piece, bytes, out) : join_spaces(j, piece, bytes, out);
    j->begins = 0;
    if (used > 0) j->at_line_start = out[used - 1] == '\n';
    return used;
}
