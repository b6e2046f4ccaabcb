/* Crossovers of a sweep: the size from which one device is faster than another (part of px_bench_run, bench.h). */
#include "bench.h"

#include "check.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The swept sizes that a crossover makes sense for. */
static const struct key {
    const char *name;
    size_t offset;
} keys[] = {
    {"hidden", offsetof(px_bench_case, hidden)}, {"batch", offsetof(px_bench_case, batch)},
    {"steps", offsetof(px_bench_case, steps)},   {"vocab", offsetof(px_bench_case, vocab)},
    {"layers", offsetof(px_bench_case, layers)}, {"embed", offsetof(px_bench_case, embed)},
};

static int32_t size_of(const px_bench_case *c, const struct key *key)
{
    return *(const int32_t *)((const char *)c + key->offset);
}

/* Equal but for that key, and the device too where any_device. */
static int same_but(const px_bench_case *a, const px_bench_case *b, const struct key *key, int any_device)
{
    px_bench_case x = *a;
    *(int32_t *)((char *)&x + key->offset) = size_of(b, key);
    return x.work == b->work && x.batch == b->batch && x.steps == b->steps && x.hidden == b->hidden &&
           x.embed == b->embed && x.layers == b->layers && x.vocab == b->vocab && x.tied == b->tied &&
           x.precision == b->precision && x.threads == b->threads && (any_device || strcmp(x.device, b->device) == 0);
}

/* The other device's measure at exactly the same sizes. */
static const px_bench_measure *partner(const px_bench_result *result, const px_bench_measure *base, const char *device)
{
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *m = &result->measures[i];
        if (m->measured && strcmp(m->c.device, device) == 0 && same_but(&base->c, &m->c, &keys[0], 1) &&
            base->c.hidden == m->c.hidden)
            return m;
    }
    return NULL;
}

/* One series: every measured case of `first`'s device that differs from it in the key alone, against `device`. */
static int make(const px_bench_result *result, const px_bench_measure *first, const char *device, const struct key *key,
                px_bench_crossover *out)
{
    int32_t slowest = -1, points = 0; /* the largest size at which the other device is not faster */
    *out = (px_bench_crossover){.key = key->name, .at = first->c};
    snprintf(out->base, sizeof out->base, "%s", first->c.device);
    snprintf(out->other, sizeof out->other, "%s", device);
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *base = &result->measures[i], *other;
        if (!base->measured || !same_but(&first->c, &base->c, key, 0) || !(other = partner(result, base, device)))
            continue;
        int32_t size = size_of(&base->c, key);
        double ratio = other->tokens_per_s.median / base->tokens_per_s.median;
        points++;
        if (ratio <= 1 && size > slowest) slowest = size;
        if (size >= out->largest) {
            out->largest = size;
            out->ratio_at_largest = ratio;
        }
    }
    for (size_t i = 0; i < result->count; i++) { /* the least size above the last one that was not faster */
        const px_bench_measure *base = &result->measures[i];
        if (!base->measured || !same_but(&first->c, &base->c, key, 0) || !partner(result, base, device)) continue;
        int32_t size = size_of(&base->c, key);
        if (size > slowest && (out->from == 0 || size < out->from)) out->from = size;
    }
    return points >= 2;
}

static int is_known(const px_bench_result *result, const px_bench_crossover *made, const struct key *key)
{
    for (size_t i = 0; i < result->crossover_count; i++) {
        const px_bench_crossover *c = &result->crossovers[i];
        if (strcmp(c->key, made->key) == 0 && strcmp(c->other, made->other) == 0 && same_but(&c->at, &made->at, key, 0))
            return 1;
    }
    return 0;
}

px_status px_bench_find_crossovers(const px_bench_plan *plan, px_bench_result *result)
{
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        int swept = 0;
        for (int32_t i = 0; i < plan->swept_count; i++) swept |= strcmp(plan->swept[i], keys[k].name) == 0;
        if (!swept) continue;
        for (size_t i = 0; i < result->count; i++) {
            const px_bench_measure *base = &result->measures[i];
            /* the group's first device is what the others are held against */
            if (!base->measured || (i > 0 && result->measures[i - 1].c.group == base->c.group)) continue;
            for (size_t j = i + 1; j < result->count && result->measures[j].c.group == base->c.group; j++) {
                px_bench_crossover made;
                if (!make(result, base, result->measures[j].c.device, &keys[k], &made) ||
                    is_known(result, &made, &keys[k]))
                    continue;
                px_bench_crossover *grown = realloc(result->crossovers, (result->crossover_count + 1) * sizeof *grown);
                if (!grown) return px_fail(PX_ERR_MEMORY, "bench: no memory for crossovers");
                grown[result->crossover_count++] = made;
                result->crossovers = grown;
            }
        }
    }
    return PX_OK;
}
