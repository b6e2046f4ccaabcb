/* The readers that are given broken files, and how a file is broken so that it gets past the checksum that would stop
 * it. */
#ifndef FUZZ_TARGETS_H
#define FUZZ_TARGETS_H

#include "mutate.h"

#include <perplex/status.h>

enum { FUZZ_SEEDS_MAX = 4 };

typedef struct fuzz_target {
    const char *name;
    const char *seeds[FUZZ_SEEDS_MAX]; /* files in the folder of valid ones, NULL-ended */
    /* breaks input (a copy of a seed) */
    void (*mutate)(fuzz_bytes *input, const fuzz_bytes *other, fuzz_random *random);
    /* reads `path`, which holds the input, as the program would; folder is a place of its own */
    px_status (*read)(const char *folder, const char *path, const fuzz_bytes *input);
    int iterations;
} fuzz_target;

extern const fuzz_target fuzz_targets[];
extern const size_t fuzz_target_count;

/* Fills folder with valid files: the targets' seeds. Ends the program where that fails. */
void fuzz_make_seeds(const char *folder);
/* What a reader may not do, whatever the file: NULL where status, and the message that goes with it, are right. */
const char *fuzz_mistake(px_status status);
/* Once in the process that reads; folder as above. */
void fuzz_prepare(const char *folder);

#endif
