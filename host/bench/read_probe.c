/* Reading weights again and again: see read_probe.h. */
#include "read_probe.h"

#include "arena.h"
#include "check.h"
#include "fma.h"
#include "machine.h"
#include "peak.h"
#include "team.h"

#include <stdlib.h>

static const double PROBE_SECONDS = 0.003;
enum {
    UNIT = PX_READ_FLOATS,
    BLOCK = 256 * UNIT,    /* 128 KiB: read forwards, also in a pass that goes backwards */
    LEAST_BYTES = 4 << 20, /* an arena of this size gets large pages, as an engine's does */
    MOST_PASSES = 1 << 20
};

struct px_read_probe {
    int32_t threads;
    px_arena arena;
    float *data;
    size_t count; /* of data */
    int touched;
};

/* One probe as its threads see it. */
typedef struct read_run {
    px_team *team;
    px_meeting meeting;
    int32_t threads;
    const px_read_probe *probe;
    long units; /* of all threads together */
    int passes;
    double begin, end;
} read_run;

static long units_of(const px_read_probe *probe, size_t bytes)
{
    const long units = (long)((bytes / sizeof(float) + UNIT - 1) / UNIT);
    return units > probe->threads ? units : probe->threads;
}

px_status px_read_probe_create(int32_t threads, size_t bytes, px_read_probe **probe)
{
    px_read_probe *p = calloc(1, sizeof *p);
    if (!p) return px_fail(PX_ERR_MEMORY, "bench: no memory for a probe");
    p->threads = threads;
    bytes = (size_t)units_of(p, bytes) * UNIT * sizeof(float);
    const size_t room = px_arena_round(bytes);
    px_status status = px_arena_create(&p->arena, room > LEAST_BYTES ? room : LEAST_BYTES,
                                       "a probe that reads as much as the weights");
    if (status != PX_OK) {
        free(p);
        return status;
    }
    p->data = px_arena_take(&p->arena, bytes);
    p->count = bytes / sizeof *p->data;
    *probe = p;
    return PX_OK;
}

void px_read_probe_destroy(px_read_probe *probe)
{
    if (!probe) return;
    px_arena_destroy(&probe->arena);
    free(probe);
}

/* Pages that were never written are all the same one. */
static void touch_all(px_read_probe *probe)
{
    for (size_t i = 0; i < probe->count; i++) probe->data[i] = 1;
    probe->touched = 1;
}

/* One thread's share [begin, end), in floats; returns a value that depends on all of it. */
static float read_pass(const float *data, long begin, long end, int backwards)
{
    float (*const read)(const float *, size_t) = px_fma_kernels()[0].read;
    const long blocks = (end - begin + BLOCK - 1) / BLOCK;
    float sum = 0;
    for (long i = 0; i < blocks; i++) {
        const long first = begin + (backwards ? blocks - 1 - i : i) * BLOCK;
        sum += read(data + first, (size_t)(first + BLOCK < end ? BLOCK : end - first));
    }
    return sum;
}

static volatile float sink; /* written so that the work is not thrown away */

static void read_often(void *context, int thread, long part, long part_end)
{
    read_run *r = context;
    long begin, end;
    float sum = 0;
    (void)thread, (void)part_end;
    px_share(r->units, (int)part, r->threads, &begin, &end);
    px_team_meet(r->team, &r->meeting, (unsigned)r->threads);
    if (part == 0) r->begin = px_clock();
    for (int pass = 0; pass < r->passes; pass++) sum += read_pass(r->probe->data, begin * UNIT, end * UNIT, pass % 2);
    px_team_meet(r->team, &r->meeting, (unsigned)r->threads);
    if (part == 0) r->end = px_clock();
    if (sum == 0.125f) sink = sum; /* never: the values are ones */
}

static double seconds_of(const px_read_probe *probe, px_team *team, long units, int passes)
{
    read_run r = {.team = team, .threads = probe->threads, .probe = probe, .units = units, .passes = passes};
    px_team_together(team, probe->threads, read_often, &r);
    return r.end - r.begin;
}

double px_read_probe_take(px_read_probe *probe, size_t bytes)
{
    px_team *team = px_peak_team(probe->threads);
    const long units = units_of(probe, bytes);
    if (!team) return 0;
    if (!probe->touched) touch_all(probe);
    /* passes until they take a quarter of a probe bring the caches into their state and say how many a probe needs */
    int passes = 2;
    double seconds = seconds_of(probe, team, units, passes);
    for (; seconds < PROBE_SECONDS / 4 && passes < MOST_PASSES; seconds = seconds_of(probe, team, units, passes))
        passes *= 2;
    const double wanted = PROBE_SECONDS / seconds * passes;
    passes = wanted > MOST_PASSES ? MOST_PASSES : wanted > 2 ? (int)wanted : 2;
    return (double)units * UNIT * sizeof(float) * passes / seconds_of(probe, team, units, passes) * 1e-9;
}
