#include "decoding.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

px_status px_decoding_create(px_decoding *d, px_engine *engine, int32_t n, int32_t V, int by_engine, uint64_t seed)
{
    *d = (px_decoding){.engine = engine, .n = n, .V = V, .tokens = 1};
    d->draw = (px_draw){.temperature = 1, .top_p = 1, .seed = seed};
    d->probabilities = malloc((size_t)n * (size_t)V * sizeof *d->probabilities);
    if (by_engine && px_engine_decodes(engine, &d->draw)) {
        d->tokens = PX_DECODE_TOKENS_MAX;
        d->drawn = malloc((size_t)(1 + d->tokens) * (size_t)n * sizeof *d->drawn);
    }
    if (d->probabilities && (d->drawn || d->tokens == 1)) return PX_OK;
    px_decoding_free(d);
    return px_fail(PX_ERR_MEMORY, "bench: no memory for probabilities [%d,%d]", (int)n, (int)V);
}

void px_decoding_free(px_decoding *d)
{
    free(d->probabilities);
    free(d->drawn);
    *d = (px_decoding){0};
}

static size_t place(const px_decoding *d, int32_t row, int32_t stream)
{
    return (size_t)row * (size_t)d->n + (size_t)stream;
}

px_status px_decoding_next(px_decoding *d, const px_batch *window, int32_t row)
{
    const size_t at = place(d, row, 0);
    return px_engine_next(d->engine, window->tokens + at, window->reset + at, d->n, d->probabilities);
}

double px_decoding_loss(const px_decoding *d, const px_batch *window, int32_t row)
{
    double sum = 0;
    for (int32_t i = 0; i < d->n; i++) {
        const size_t target = (size_t)window->targets[place(d, row, i)];
        sum -= log((double)d->probabilities[(size_t)i * (size_t)d->V + target]);
    }
    return sum / d->n;
}

px_status px_decoding_step(px_decoding *d, const px_batch *window, int32_t row)
{
    if (!d->drawn) return px_decoding_next(d, window, row);
    const int32_t *input = d->begun ? d->drawn + place(d, d->tokens, 0) : window->tokens + place(d, row, 0);
    memcpy(d->drawn, input, (size_t)d->n * sizeof *d->drawn);
    PX_TRY(px_engine_decode(d->engine, d->drawn, NULL, d->n, &d->draw, d->tokens, d->drawn + d->n));
    d->draw.position += (uint64_t)d->tokens;
    d->begun = 1;
    return PX_OK;
}
