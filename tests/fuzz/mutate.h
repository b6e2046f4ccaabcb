/* Changes that break files: the same seed makes the same changes, so that every input can be made again. */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

typedef struct fuzz_bytes {
    unsigned char *data; /* malloc'ed */
    size_t bytes;
} fuzz_bytes;

typedef struct fuzz_random {
    uint64_t state;
} fuzz_random;

uint64_t fuzz_next(fuzz_random *random);
/* Below bound; 0 where bound is 0. */
size_t fuzz_below(fuzz_random *random, size_t bound);

fuzz_bytes fuzz_copy(const void *data, size_t bytes);
/* Replaces removed bytes from `at` on by others. */
void fuzz_replace(fuzz_bytes *input, size_t at, size_t removed, const void *inserted, size_t bytes);
/* One to four changes: bits, bytes, numbers, words of the formats, pieces cut, doubled, moved, taken from another
 * input, or repeated some thousand times. At most 1 MB comes out. */
void fuzz_mutate(fuzz_bytes *input, const fuzz_bytes *other, fuzz_random *random);

#endif
