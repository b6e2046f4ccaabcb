/* Stateless random numbers: Philox 4x32 with 10 rounds, the twin of cuRAND's curand_Philox4x32_10(ctr, key).
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 * Every random value of perplex is a pure function of (seed, purpose, layer, element), so that it is the
 * same on every engine, for every number of threads and ranks, and after a resume.
 * Mapping: key = seed; counter words 0,1 = 64-bit block number, 2 = layer, 3 = purpose;
 * element e is lane e mod 4 of block e / 4. */
#ifndef PX_PHILOX_H
#define PX_PHILOX_H

#include <stdint.h>

/* What a stream of random numbers is for; part of the counter. Numbers are fixed: checkpoints and tests rely on them.
 */
typedef enum px_random_purpose {
    PX_RANDOM_INIT = 1,            /* initial weights; layer = index of the tensor in the parameter table */
    PX_RANDOM_DROPOUT_INPUT = 2,   /* masks of the embedded input; layer 0; width d, or V where the input is one-hot */
    PX_RANDOM_DROPOUT_BETWEEN = 3, /* masks of the output of layer `layer` on its way up; width h */
    PX_RANDOM_DROPOUT_OUTPUT = 4,  /* masks of the top layer's output before the head; layer 0; width h */
    PX_RANDOM_DROPOUT_WEIGHT = 5,  /* masks of W_hh of layer `layer`: element = step * h^2 + out * h + in */
    PX_RANDOM_RESET = 6,           /* --reset-probability: element = step * streams_in_all + stream */
    PX_RANDOM_SHUFFLE = 7,         /* order of the windows in random sampling */
    PX_RANDOM_OFFSET = 8,          /* where the first window of an epoch starts in random sampling */
    PX_RANDOM_SAMPLE = 9,          /* the uniforms behind sampled tokens: layer = stream, element = position */
    PX_RANDOM_SYNTHETIC = 10,      /* synthetic tokens of benchmarks and generated sources */
    /* masks of the input's rows: element = step * V + token, the same for all streams */
    PX_RANDOM_DROPOUT_EMBEDDING = 11,
    PX_RANDOM_STEPS = 12 /* lengths of windows: layer = epoch, 16 elements a window */
} px_random_purpose;

typedef struct px_philox_block {
    uint32_t lane[4];
} px_philox_block;

static inline px_philox_block px_philox(uint64_t seed, uint32_t purpose, uint32_t layer, uint64_t block)
{
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = layer, c3 = purpose;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return (px_philox_block){{c0, c1, c2, c3}};
}

/* One 32-bit value: element `element` of the stream (seed, purpose, layer). */
static inline uint32_t px_random_u32(uint64_t seed, uint32_t purpose, uint32_t layer, uint64_t element)
{
    return px_philox(seed, purpose, layer, element / 4).lane[element % 4];
}

/* Uniform in [0, 1), 32 bits; uniform in (0, 1), never 0, for logarithms. */
static inline double px_uniform(uint32_t lane) { return (double)lane * 0x1p-32; }

static inline double px_uniform_open(uint32_t lane) { return ((double)lane + 0.5) * 0x1p-32; }

/* Dropout: an element is kept iff its lane >= px_dropout_threshold(p); kept values are multiplied by
 * px_dropout_scale(p). Integers are compared, never floats, so every engine drops the same elements. p in [0, 1). */
static inline uint32_t px_dropout_threshold(double p) { return (uint32_t)(p * 4294967296.0); }

static inline float px_dropout_scale(double p) { return (float)(1.0 / (1.0 - p)); }

/* Index of an activation mask's element. T_max is the configured number of steps, also in a shorter window;
 * stream is global (first_stream + i). Locked masks (the same at every t) leave t out. */
static inline uint64_t px_mask_element(uint64_t step, uint64_t streams_in_all, uint64_t stream, uint64_t T_max,
                                       uint64_t t, uint64_t width, uint64_t j, int locked)
{
    uint64_t row = step * streams_in_all + stream;
    if (!locked) row = row * T_max + t;
    return row * width + j;
}

#endif
