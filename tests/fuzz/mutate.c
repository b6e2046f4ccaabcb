/* See mutate.h. */
#include "mutate.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 1 << 20 };

/* SplitMix64: Steele, Lea, Flood 2014. */
uint64_t fuzz_next(fuzz_random *random)
{
    uint64_t z = (random->state += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

size_t fuzz_below(fuzz_random *random, size_t bound) { return bound ? (size_t)(fuzz_next(random) % bound) : 0; }

fuzz_bytes fuzz_copy(const void *data, size_t bytes)
{
    fuzz_bytes copy = {malloc(bytes + 1), bytes};
    if (!copy.data) abort();
    if (bytes) memcpy(copy.data, data, bytes);
    return copy;
}

void fuzz_replace(fuzz_bytes *input, size_t at, size_t removed, const void *inserted, size_t bytes)
{
    if (at > input->bytes) at = input->bytes;
    if (removed > input->bytes - at) removed = input->bytes - at;
    fuzz_bytes out = {malloc(input->bytes - removed + bytes + 1), input->bytes - removed + bytes};
    if (!out.data) abort();
    memcpy(out.data, input->data, at);
    if (bytes) memcpy(out.data + at, inserted, bytes);
    memcpy(out.data + at + bytes, input->data + at + removed, input->bytes - at - removed);
    free(input->data);
    *input = out;
}

static const char *const NUMBERS[] = {"0",
                                      "-1",
                                      "1",
                                      "2147483647",
                                      "2147483648",
                                      "4294967295",
                                      "4294967296",
                                      "9007199254740992",
                                      "9007199254740993",
                                      "9223372036854775807",
                                      "18446744073709551615",
                                      "99999999999999999999999999",
                                      "1e308",
                                      "1e999",
                                      "-0",
                                      "0.5",
                                      "1e-320",
                                      "nan",
                                      "inf",
                                      "-inf",
                                      "0x10",
                                      "00007"};
static const char *const WORDS[] = {"\"",
                                    "\\",
                                    "{",
                                    "}",
                                    "[",
                                    "]",
                                    ",",
                                    ":",
                                    "null",
                                    "true",
                                    "\"a\":",
                                    "\\u0000",
                                    "\\ud800",
                                    "\n",
                                    "\t",
                                    "\r\n",
                                    " = ",
                                    "#",
                                    "\xff",
                                    "\xc3",
                                    "\xf0\x9f\x99\x82",
                                    "F32",
                                    "F64",
                                    "F16",
                                    "BF16",
                                    "I64",
                                    "BOOL",
                                    "\"dtype\"",
                                    "\"shape\"",
                                    "\"data_offsets\"",
                                    "__metadata__",
                                    "perplex.checksum",
                                    "perplex.version",
                                    "rnn.weight_hh_l0",
                                    "decoder.weight",
                                    "encoder.weight",
                                    "hidden = ",
                                    "layers = ",
                                    "level = word",
                                    "\"event\":\"train\"",
                                    "\"step\":",
                                    "<unk>",
                                    "\\x00",
                                    "\\n",
                                    "size=",
                                    "level=byte",
                                    "[[[[[[[[",
                                    "{\"a\":{\"a\":"};
static const unsigned char BYTES[] = {0, 1, 0x7f, 0x80, 0xff, '"', '\\', '{', '[', '0', '9', '-', '\n', ' '};
#define COUNT(list) (sizeof(list) / sizeof(list)[0])

/* A run of digits somewhere behind a random place; 0 bytes where there is none. */
static size_t find_number(const fuzz_bytes *input, fuzz_random *random, size_t *at)
{
    *at = fuzz_below(random, input->bytes);
    while (*at < input->bytes && !isdigit(input->data[*at])) ++*at;
    size_t end = *at;
    while (end < input->bytes && isdigit(input->data[end])) end++;
    return end - *at;
}

static void mutate_once(fuzz_bytes *input, const fuzz_bytes *other, fuzz_random *random)
{
    size_t at = fuzz_below(random, input->bytes),
           length = 1 + fuzz_below(random, fuzz_below(random, 4) ? 16 : input->bytes);
    if (length > input->bytes - at) length = input->bytes - at;
    switch (fuzz_below(random, 11)) {
    case 0:
        if (input->bytes) input->data[at] ^= (unsigned char)(1u << fuzz_below(random, 8));
        return;
    case 1:
        if (input->bytes) input->data[at] = BYTES[fuzz_below(random, COUNT(BYTES))];
        return;
    case 2: fuzz_replace(input, at, length, NULL, 0); return;
    case 3: fuzz_replace(input, at, input->bytes, NULL, 0); return; /* cut short */
    case 4: {
        fuzz_bytes piece = fuzz_copy(input->data + at, length);
        fuzz_replace(input, fuzz_below(random, input->bytes + 1), fuzz_below(random, 2) ? length : 0, piece.data,
                     piece.bytes);
        free(piece.data);
        return;
    }
    case 5:
    case 6: {
        const char *number = NUMBERS[fuzz_below(random, COUNT(NUMBERS))];
        size_t digits = find_number(input, random, &at);
        fuzz_replace(input, at, digits, number, strlen(number));
        return;
    }
    case 7:
    case 8: {
        const char *word = WORDS[fuzz_below(random, COUNT(WORDS))];
        fuzz_replace(input, at, fuzz_below(random, 2) ? 0 : length, word, strlen(word));
        return;
    }
    case 9: {
        size_t from = fuzz_below(random, other->bytes), bytes = 1 + fuzz_below(random, 200);
        if (bytes > other->bytes - from) bytes = other->bytes - from;
        fuzz_replace(input, at, fuzz_below(random, 2) ? bytes : 0, other->data + from, bytes);
        return;
    }
    default: {
        unsigned char many[5000];
        memset(many, fuzz_below(random, 2) && input->bytes ? input->data[at] : BYTES[fuzz_below(random, COUNT(BYTES))],
               sizeof many);
        fuzz_replace(input, at, 0, many, 1 + fuzz_below(random, sizeof many));
    }
    }
}

void fuzz_mutate(fuzz_bytes *input, const fuzz_bytes *other, fuzz_random *random)
{
    for (size_t left = 1 + fuzz_below(random, 4); left > 0; left--) mutate_once(input, other, random);
    if (input->bytes > LIMIT) input->bytes = LIMIT;
}
