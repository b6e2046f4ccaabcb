/* Plans: presets and sweeps become a list of cases (bench.h). */
#include "bench.h"

#include "check.h"
#include "machine.h"
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const px_bench_preset px_bench_presets[] = {
    {"smoke", "a few tiny sizes: does the benchmark itself work (seconds)", 0.4},
    {"quick", "the sizes of the book, a large vocabulary, two layers, odd sizes (under a minute)", 2},
    {"standard", "h 128 to 1024, n 1 to 128, V 28 and 10,000, evaluation and decoding (minutes)", 4},
    {"full", "h 64 to 2048, n 1 to 256, V to 33,278, up to 4 layers (an hour)", 6},
    {"seed-chapter", "the models of Dive into Deep Learning 8.5 and 8.6, beside the figures it prints", 6},
    {NULL, NULL, 0},
};

const px_bench_preset *px_bench_preset_find(const char *name)
{
    for (const px_bench_preset *preset = px_bench_presets; preset->name; preset++)
        if (strcmp(preset->name, name) == 0) return preset;
    return NULL;
}

const char *px_bench_work_name(px_bench_work work)
{
    switch (work) {
    case PX_BENCH_TRAIN: return "train";
    case PX_BENCH_EVALUATE: return "evaluate";
    case PX_BENCH_DECODE: return "decode";
    case PX_BENCH_NEXT: return "next";
    case PX_BENCH_DATA: return "data";
    default: return px_phase_name((px_phase)(work - PX_BENCH_PHASE));
    }
}

int px_bench_work_is_part(px_bench_work work) { return work >= PX_BENCH_DATA; }

int px_bench_work_decodes(px_bench_work work) { return work == PX_BENCH_DECODE || work == PX_BENCH_NEXT; }

void px_bench_case_name(const px_bench_case *c, char *buffer, size_t buffer_bytes)
{
    snprintf(buffer, buffer_bytes, "%s n=%d T=%d d=%d h=%d L=%d V=%d%s %s threads=%d %s", px_bench_work_name(c->work),
             c->batch, c->steps, c->embed, c->hidden, c->layers, c->vocab, c->tied ? " tied" : "",
             px_precision_name(c->precision), c->threads, c->device);
}

double px_bench_rate(px_optimizer kind) { return px_optimizer_of(kind)->rate / 10; }

void px_bench_config_default(px_config *config)
{
    px_config_default(config);
    config->model.init_recurrent = PX_INIT_RECURRENT_SAME;
    config->optimizer.kind = PX_SGD; /* as in the book */
    config->optimizer.clip = 1;
    config->lr = px_bench_rate(PX_SGD);
    config->minibatch.reset_probability = 0;
}

/* ---- a growing plan ---------------------------------------------------------------------------------------------- */
typedef struct builder {
    px_bench_plan *plan;
    size_t room;
    px_bench_case base; /* sizes not named by a preset: work, precision, tied, ... */
    int32_t all_threads, next_group;
    px_sweep devices, works;
} builder;

static px_status push(builder *b, const px_bench_case *c)
{
    px_bench_plan *plan = b->plan;
    if (plan->count >= PX_BENCH_MAX_CASES)
        return px_fail(PX_ERR_ARGUMENT, "bench: more than %d cases; sweep fewer values", PX_BENCH_MAX_CASES);
    if (plan->count == b->room) {
        size_t room = b->room ? 2 * b->room : 32;
        px_bench_case *cases = realloc(plan->cases, room * sizeof *cases);
        if (!cases) return px_fail(PX_ERR_MEMORY, "bench: no memory for %zu cases", room);
        plan->cases = cases;
        b->room = room;
    }
    plan->cases[plan->count++] = *c;
    return PX_OK;
}

/* One size on every device, for every kind of work; each kind is a group of its own unless `keep` goes on with the
 * last. */
static px_status add(builder *b, px_bench_case c, int keep)
{
    for (int32_t w = 0; w < b->works.count; w++) {
        c.work = (px_bench_work)b->works.value[w];
        c.group = keep ? b->next_group - 1 : b->next_group++;
        for (int32_t i = 0; i < b->devices.count; i++) {
            snprintf(c.device, sizeof c.device, "%s", b->devices.text[i]);
            PX_TRY(push(b, &c));
        }
    }
    return PX_OK;
}

static px_status add_size(builder *b, int32_t n, int32_t T, int32_t h, int32_t V, int32_t L, int32_t threads, int keep)
{
    px_bench_case c = b->base;
    c.batch = n, c.steps = T, c.hidden = h, c.vocab = V, c.layers = L, c.threads = threads, c.embed = 0, c.tied = 0;
    return add(b, c, keep);
}

/* Evaluation and decoding, T=35, V=28, one layer; nothing where the caller chose works of his own. */
static px_status add_inference(builder *b, int32_t n, int32_t h, int32_t threads)
{
    if (b->works.count > 1 || b->works.value[0] != PX_BENCH_TRAIN) return PX_OK;
    const px_sweep asked = b->works;
    b->works = (px_sweep){.count = 2, .value = {PX_BENCH_EVALUATE, PX_BENCH_DECODE}};
    px_status status = add_size(b, n, 35, h, 28, 1, threads, 0);
    b->works = asked;
    return status;
}

static px_status plan_smoke(builder *b)
{
    PX_TRY(add_size(b, 4, 8, 32, 28, 1, 1, 0));
    PX_TRY(add_size(b, 1, 5, 33, 28, 2, 1, 0));
    return add_size(b, 16, 16, 96, 300, 1, 1, 0);
}

static px_status plan_quick(builder *b)
{
    int32_t all = b->all_threads;
    PX_TRY(add_size(b, 32, 35, 512, 28, 1, 1, 0));
    if (all > 1) PX_TRY(add_size(b, 32, 35, 512, 28, 1, all, 0));
    PX_TRY(add_size(b, 32, 35, 512, 10000, 1, all, 0));
    PX_TRY(add_size(b, 32, 35, 256, 28, 2, all, 0));
    PX_TRY(add_size(b, 32, 35, 1024, 28, 2, all, 0));
    /* odd sizes beside the even ones they are judged against, in turns */
    PX_TRY(add_size(b, 7, 35, 512, 28, 1, all, 0));
    PX_TRY(add_size(b, 8, 35, 512, 28, 1, all, b->works.count == 1));
    PX_TRY(add_size(b, 33, 35, 512, 28, 1, all, 0));
    PX_TRY(add_size(b, 40, 35, 512, 28, 1, all, b->works.count == 1));
    PX_TRY(add_size(b, 32, 35, 250, 28, 1, all, 0));
    PX_TRY(add_size(b, 32, 35, 256, 28, 1, all, b->works.count == 1));
    PX_TRY(add_size(b, 1, 35, 33, 28, 1, all, 0));
    /* one stream: products of a matrix with a vector */
    PX_TRY(add_inference(b, 1, 512, 1));
    return all > 1 ? add_inference(b, 1, 512, all) : PX_OK;
}

static px_status plan_grid(builder *b, const int32_t *hidden, const int32_t *batch, const int32_t *vocab,
                           const int32_t *layers)
{
    for (int i = 0; vocab[i]; i++)
        for (int j = 0; layers[j]; j++)
            for (int k = 0; batch[k]; k++)
                for (int l = 0; hidden[l]; l++)
                    PX_TRY(add_size(b, batch[k], 35, hidden[l], vocab[i], layers[j], b->all_threads, 0));
    return PX_OK;
}

static px_status plan_standard(builder *b)
{
    static const int32_t hidden[] = {128, 256, 512, 1024, 0}, batch[] = {1, 8, 32, 128, 0}, small[] = {28, 0};
    static const int32_t large[] = {10000, 0}, one[] = {1, 0}, two[] = {2, 0}, n32[] = {32, 0};
    PX_TRY(plan_grid(b, hidden, batch, small, one));
    PX_TRY(plan_grid(b, hidden, n32, large, one));
    PX_TRY(plan_grid(b, hidden, n32, small, two));
    for (int i = 0; hidden[i]; i++) {
        PX_TRY(add_inference(b, 1, hidden[i], b->all_threads));
        PX_TRY(add_inference(b, 32, hidden[i], b->all_threads));
    }
    return PX_OK;
}

static px_status plan_full(builder *b)
{
    static const int32_t hidden[] = {64, 128, 256, 512, 1024, 2048, 0}, batch[] = {1, 4, 16, 32, 64, 256, 0};
    static const int32_t vocab[] = {28, 256, 10000, 33278, 0}, layers[] = {2, 4, 0}, one[] = {1, 0}, n32[] = {32, 0};
    PX_TRY(plan_grid(b, hidden, batch, vocab, one));
    return plan_grid(b, hidden, n32, vocab, layers);
}

/* Dive into Deep Learning 8.5 (from scratch, 512 units) and 8.6 (concise, 256 units), both n=32, T=35, 28 characters.
 */
static px_status plan_seed_chapter(builder *b)
{
    PX_TRY(add_size(b, 32, 35, 512, 28, 1, b->all_threads, 0));
    return add_size(b, 32, 35, 256, 28, 1, b->all_threads, 0);
}

/* ---- sweeps ------------------------------------------------------------------------------------------------------ */
typedef struct axis {
    const char *name;
    size_t offset; /* into px_bench_case; every swept field is 32 bits wide */
    int32_t min, max;
} axis;

static const axis axes[] = {
    {"hidden", offsetof(px_bench_case, hidden), 1, 1 << 16},
    {"batch", offsetof(px_bench_case, batch), 1, 1 << 20},
    {"steps", offsetof(px_bench_case, steps), 1, 1 << 20},
    {"vocab", offsetof(px_bench_case, vocab), 2, 1 << 24},
    {"layers", offsetof(px_bench_case, layers), 1, PX_MAX_LAYERS},
    {"embed", offsetof(px_bench_case, embed), 0, 1 << 16},
    {"threads", offsetof(px_bench_case, threads), 1, 4096},
    {"precision", offsetof(px_bench_case, precision), 0, 2},
};
enum { AXES = sizeof axes / sizeof axes[0] };

static px_status parse_sweep(const char *text, px_sweep *values, int *which)
{
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    for (int i = 0; i < AXES; i++) {
        if (strlen(axes[i].name) != length || strncmp(axes[i].name, text, length) != 0) continue;
        if (!equals) break;
        char what[128];
        snprintf(what, sizeof what, "--sweep %.100s", text);
        *which = i;
        if (strcmp(axes[i].name, "precision") == 0) return px_sweep_names(what, equals + 1, px_precision_names, values);
        return px_sweep_numbers(what, equals + 1, axes[i].min, axes[i].max, values);
    }
    return px_fail(PX_ERR_ARGUMENT,
                   "--sweep %s: expected key=a..b or key=a,b,c with hidden, batch, steps, vocab, layers, embed, "
                   "threads or precision",
                   text);
}

static int32_t *field(px_bench_case *c, const axis *a) { return (int32_t *)((char *)c + a->offset); }

/* The product of all axes; the first sweep given varies slowest, and a device fastest of all. */
static px_status expand(builder *b, const px_sweep *values, const int *which, size_t axis_count, size_t depth,
                        px_bench_case c)
{
    if (depth == axis_count) return add(b, c, 0);
    for (int32_t i = 0; i < values[depth].count; i++) {
        *field(&c, &axes[which[depth]]) = values[depth].value[i];
        PX_TRY(expand(b, values, which, axis_count, depth + 1, c));
    }
    return PX_OK;
}

static px_status plan_sweeps(builder *b, const char *const *sweeps, size_t sweep_count, int has_data)
{
    px_sweep values[AXES];
    int which[AXES];
    if (sweep_count > AXES) return px_fail(PX_ERR_ARGUMENT, "--sweep: more than %d keys", AXES);
    for (size_t i = 0; i < sweep_count; i++) {
        PX_TRY(parse_sweep(sweeps[i], &values[i], &which[i]));
        for (size_t j = 0; j < i; j++)
            if (which[j] == which[i])
                return px_fail(PX_ERR_ARGUMENT, "--sweep %s: \"%s\" is swept already; give all its values at once",
                               sweeps[i], axes[which[i]].name);
        if (has_data && strcmp(axes[which[i]].name, "vocab") == 0)
            return px_fail(PX_ERR_ARGUMENT, "--sweep %s: the text of --data brings its own vocabulary; use --max-vocab",
                           sweeps[i]);
        if (values[i].count > 1)
            snprintf(b->plan->swept[b->plan->swept_count++], sizeof b->plan->swept[0], "%s", axes[which[i]].name);
    }
    return expand(b, values, which, sweep_count, 0, b->base);
}

static px_status fill(builder *b, const px_config *config, const char *preset, const char *const *sweeps,
                      size_t sweep_count)
{
    if (preset && config->corpus.data)
        return px_fail(PX_ERR_ARGUMENT,
                       "--preset and --data: a preset brings its own vocabulary; give --sweep or sizes with --data");
    if (!preset)
        return sweep_count ? plan_sweeps(b, sweeps, sweep_count, config->corpus.data != NULL) : add(b, b->base, 0);
    if (sweep_count)
        return px_fail(PX_ERR_ARGUMENT, "--preset and --sweep: a preset brings its own sizes; give one of the two");
    const px_bench_preset *known = px_bench_preset_find(preset);
    if (!known)
        return px_fail(PX_ERR_ARGUMENT, "--preset %s: not known; use smoke, quick, standard, full or seed-chapter",
                       preset);
    snprintf(b->plan->preset, sizeof b->plan->preset, "%s", preset);
    if (strcmp(preset, "smoke") == 0) return plan_smoke(b);
    if (strcmp(preset, "quick") == 0) return plan_quick(b);
    if (strcmp(preset, "standard") == 0) return plan_standard(b);
    if (strcmp(preset, "full") == 0) return plan_full(b);
    return plan_seed_chapter(b);
}

px_status px_bench_plan_make(const px_config *config, const char *preset, const char *const *sweeps, size_t sweep_count,
                             const char *devices, const char *works, px_bench_plan *plan)
{
    memset(plan, 0, sizeof *plan);
    builder b = {.plan = plan};
    b.all_threads = config->threads > 0 ? config->threads : px_machine_cores();
    b.base = (px_bench_case){.batch = config->minibatch.batch,
                             .steps = config->minibatch.steps,
                             .hidden = config->model.hidden,
                             .embed = config->model.embed,
                             .layers = config->model.layers,
                             .vocab = config->corpus.data       ? 0
                                      : config->model.vocab > 0 ? config->model.vocab
                                                                : 28,
                             .tied = config->model.tied,
                             .precision = config->precision,
                             .threads = b.all_threads};
    PX_TRY(px_sweep_devices(devices, &b.devices));
    if (strcmp(works, "phases") == 0)
        works = "data,embed,recurrence_forward,head,recurrence_backward,embed_backward,update";
    PX_TRY(px_sweep_names("--work", works, px_sweep_works, &b.works));
    px_status status = fill(&b, config, preset, sweeps, sweep_count);
    if (status != PX_OK) px_bench_plan_free(plan);
    return status;
}

void px_bench_plan_free(px_bench_plan *plan)
{
    free(plan->cases);
    memset(plan, 0, sizeof *plan);
}
