/* One minibatch window of token ids: what the corpus makes and an engine consumes. */
#ifndef PX_BATCH_H
#define PX_BATCH_H

#include <stdint.h>

typedef struct px_batch {
    const int32_t *tokens;  /* [T,n] input ids, row t holds the n streams at step t; each in [0, V) */
    const int32_t *targets; /* [T,n] the id to predict, or -1: not scored */
    const uint8_t
        *reset;    /* [T,n] non-zero: the stream's H_{t-1} and the gradient returning to it are multiplied by 0 */
    int32_t T, n;  /* steps and streams of this window; T may be below the engine's shape (a tail) */
    uint64_t step; /* number of the training step, from 0: indexes every mask */
    uint32_t first_stream;   /* global number of stream 0 */
    uint32_t streams_in_all; /* streams of all ranks together */
    double inv_count;        /* 1 / scored tokens of the whole step, all ranks */
    int32_t group; /* training: whose carried state this window reads and writes (px_engine_shape.groups); 0 where there
                      is one */
    int32_t last;  /* training: 1 = the last window before update(): a reducer is started on gradients as they become
                      final */
} px_batch;

#endif
