/* Which stretches of a text a model foresaw best and worst. */
#ifndef PX_SURPRISE_H
#define PX_SURPRISE_H

#include "corpus.h"
#include "engine.h"

enum { PX_STRETCHES = 3 };

typedef struct px_stretch {
    size_t begin, count; /* of the scored tokens */
    double nll;          /* mean, nats per token */
} px_stretch;

typedef struct px_surprise {
    size_t count;                                       /* scored tokens: those of range after its first, in order */
    float *nll;                                         /* [count] nats */
    px_stretch least[PX_STRETCHES], most[PX_STRETCHES]; /* best first; they do not overlap */
    int least_count, most_count;
} px_surprise;

/* Scores the range with the engine's weights (all its streams side by side, each from a zero state) and picks stretches
 * of `length` tokens. begins (may be NULL): whether a stretch may begin behind that token, a space say; where no token
 * of the text is such a one, stretches begin anywhere. */
px_status px_surprise_find(px_engine *engine, px_range range, int32_t reset_id, size_t length,
                           int (*begins)(void *context, int32_t id), void *begins_context,
                           void (*progress)(void *context, const char *what, double share), void *context,
                           px_surprise *surprise);
void px_surprise_free(px_surprise *surprise);

#endif
