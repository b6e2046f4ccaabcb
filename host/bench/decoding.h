/* Decoding as a benchmark's work, the way `perplex sample` does it on the same engine: where the engine draws by
 * itself, up to PX_DECODE_TOKENS_MAX tokens of each stream between two waits, each the next one's input; elsewhere the
 * probabilities of one token, from the tokens of a text. */
#ifndef PX_DECODING_H
#define PX_DECODING_H

#include "engine.h"

typedef struct px_decoding {
    px_engine *engine; /* the caller's */
    int32_t n, V;
    int32_t tokens;       /* of each stream in a step: PX_DECODE_TOKENS_MAX or 1 */
    px_draw draw;         /* from the whole distribution, temperature 1 */
    float *probabilities; /* [n,V] after px_decoding_next */
    int32_t *drawn;       /* [1 + tokens,n]: a step's input, then what it drew; NULL where the engine does not draw */
    int begun;
} px_decoding;

/* by_engine 0: a token at a time, its probabilities read by the host, on every engine. PX_ERR_MEMORY. A zeroed one is
 * fine to free. */
px_status px_decoding_create(px_decoding *d, px_engine *engine, int32_t n, int32_t V, int by_engine, uint64_t seed);
void px_decoding_free(px_decoding *d);
/* One token of each stream: the probabilities after row `row` of a window. */
px_status px_decoding_next(px_decoding *d, const px_batch *window, int32_t row);
/* Mean -log p of that row's targets, after px_decoding_next. Nats. */
double px_decoding_loss(const px_decoding *d, const px_batch *window, int32_t row);
/* d->tokens of each stream, the first step's input being row `row` of the window, later ones' what was drawn last. */
px_status px_decoding_step(px_decoding *d, const px_batch *window, int32_t row);

#endif
