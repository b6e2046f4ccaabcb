/* Update phase of the CPU engine: global norm, clipping, optimiser and averaging, one pass each over the flat buffers.
 *
 * The rows of the token table (one-hot W_xh, or an untied E) have a gradient only where a token of the window used
 * them: norm, clearing and the step of an optimiser without moments visit those rows alone. Sums of squares are in
 * double, per block, added in order: the same for any threads. */
#include "cpu.h"

#include <math.h>
#include <string.h>

void px_cpu_touch_all(px_cpu *cpu)
{
    if (cpu->sparse) memset(cpu->touched, 1, (size_t)cpu->base.model.vocab);
}

static long list_touched(px_cpu *cpu)
{
    long count = 0;
    if (cpu->sparse)
        for (int32_t token = 0; token < cpu->base.model.vocab; token++)
            if (cpu->touched[token]) cpu->touched_list[count++] = token;
    return count;
}

/* The flat buffer without the token table is at most two runs; blocks of both are numbered through. */
typedef struct block_plan {
    size_t begin[2], count[2];
    long blocks[2];
    size_t table; /* offset of the token table */
    long table_width;
} block_plan;

static block_plan plan_blocks(const px_cpu *cpu)
{
    block_plan plan = {.begin = {0, cpu->table.count}, .count = {cpu->table.count, 0}};
    if (cpu->sparse) {
        plan.table = cpu->sparse->offset;
        plan.table_width = cpu->base.model.embed ? cpu->base.model.embed : cpu->gate_rows;
        plan.count[0] = plan.table;
        plan.begin[1] = plan.table + cpu->sparse->count;
        plan.count[1] = cpu->table.count - plan.begin[1];
    }
    for (int i = 0; i < 2; i++)
        plan.blocks[i] = (long)((plan.count[i] + PX_CPU_UPDATE_BLOCK - 1) / PX_CPU_UPDATE_BLOCK);
    return plan;
}

static void block_range(const block_plan *plan, long block, size_t *begin, long *count)
{
    const int run = block >= plan->blocks[0];
    const size_t first = (size_t)(block - (run ? plan->blocks[0] : 0)) * PX_CPU_UPDATE_BLOCK;
    *begin = plan->begin[run] + first;
    *count = (long)(plan->count[run] - first < PX_CPU_UPDATE_BLOCK ? plan->count[run] - first : PX_CPU_UPDATE_BLOCK);
}

/* One pass over all blocks, then over rows of the token table: what its pieces share. */
typedef struct update_pass {
    px_cpu *cpu;
    const block_plan *plan;
    const px_optimizer_step *step; /* of each span of rates */
    long blocks;
    int sparse_step; /* only rows that tokens touched are stepped */
    float average_weight;
} update_pass;

static void sum_some_squares(void *context, int thread, long begin, long end)
{
    const update_pass *pass = context;
    px_cpu *cpu = pass->cpu;
    const block_plan *plan = pass->plan;
    (void)thread;
    for (long i = begin; i < end; i++) {
        size_t first = plan->table;
        long count = plan->table_width;
        if (i < pass->blocks)
            block_range(plan, i, &first, &count);
        else
            first += (size_t)cpu->touched_list[i - pass->blocks] * (size_t)count;
        cpu->norms[i] = cpu->isa->sum_squares(cpu->g + first, count);
    }
}

static double gradient_norm(px_cpu *cpu, const block_plan *plan, long touched)
{
    update_pass pass = {.cpu = cpu, .plan = plan, .blocks = plan->blocks[0] + plan->blocks[1]};
    const long parts = pass.blocks + touched;
    px_team_for(cpu->team, parts, px_team_grain(cpu->team, parts, 4, 2), sum_some_squares, &pass);
    double sum = 0;
    for (long i = 0; i < parts; i++) sum += cpu->norms[i];
    return sqrt(sum);
}

static void apply(px_cpu *cpu, const px_optimizer_step *step, size_t begin, long count, const float *g)
{
    float *m = cpu->has_m1 ? cpu->m1 + begin : NULL, *v = cpu->has_m2 ? cpu->m2 + begin : NULL;
    cpu->isa->optimizer[cpu->optimizer.kind](cpu->w + begin, m, v, g, count, step);
}

/* Floats [begin, begin + count), which may lie in several spans of rates; g [count] belongs to them. */
static void apply_by_span(const update_pass *pass, size_t begin, long count, const float *g)
{
    const px_rate_spans *rates = &pass->cpu->rates;
    const size_t end = begin + (size_t)count;
    for (int32_t s = px_rate_span_of(rates, begin); begin < end; s++) {
        const size_t stop = rates->span[s].end < end ? rates->span[s].end : end;
        apply(pass->cpu, &pass->step[s], begin, (long)(stop - begin), g);
        g += stop - begin;
        begin = stop;
    }
}

static void step_block(const update_pass *pass, long block)
{
    px_cpu *cpu = pass->cpu;
    size_t begin;
    long count;
    block_range(pass->plan, block, &begin, &count);
    apply_by_span(pass, begin, count, cpu->g + begin);
    memset(cpu->g + begin, 0, sizeof(float) * (size_t)count);
    if (pass->average_weight != 0.0f)
        cpu->isa->average(cpu->average + begin, cpu->w + begin, count, pass->average_weight);
}

static void step_table_row(const update_pass *pass, long i)
{
    px_cpu *cpu = pass->cpu;
    const long width = pass->plan->table_width;
    const int32_t token = pass->sparse_step ? cpu->touched_list[i] : (int32_t)i;
    const size_t begin = pass->plan->table + (size_t)token * (size_t)width;
    apply_by_span(pass, begin, width, cpu->touched[token] ? cpu->g + begin : cpu->zeros);
    if (cpu->touched[token]) memset(cpu->g + begin, 0, sizeof(float) * (size_t)width);
}

static void step_some(void *context, int thread, long begin, long end)
{
    const update_pass *pass = context;
    (void)thread;
    for (long i = begin; i < end; i++) {
        if (i < pass->blocks)
            step_block(pass, i);
        else
            step_table_row(pass, i - pass->blocks);
    }
}

static void average_table_rows(void *context, int thread, long begin, long end)
{
    const update_pass *pass = context;
    px_cpu *cpu = pass->cpu;
    const size_t width = (size_t)pass->plan->table_width, first = pass->plan->table + (size_t)begin * width;
    (void)thread;
    cpu->isa->average(cpu->average + first, cpu->w + first, (end - begin) * (long)width, pass->average_weight);
}

static void optimise(px_cpu *cpu, const block_plan *plan, const px_optimizer_step *step, long touched,
                     float average_weight)
{
    update_pass pass = {.cpu = cpu,
                        .plan = plan,
                        .step = step,
                        .blocks = plan->blocks[0] + plan->blocks[1],
                        .average_weight = average_weight,
                        .sparse_step = !cpu->has_m1 && !cpu->has_m2 && step->decay == 0.0f && step->shrink == 1.0f};
    const long table_rows = !cpu->sparse       ? 0
                            : pass.sparse_step ? touched
                                               : cpu->base.model.vocab,
               parts = pass.blocks + table_rows;
    px_team_for(cpu->team, parts, px_team_grain(cpu->team, parts, 4, 2), step_some, &pass);
    if (cpu->sparse && average_weight != 0.0f)
        px_cpu_for_rows(cpu, cpu->base.model.vocab, plan->table_width, average_table_rows, &pass);
    if (cpu->sparse) memset(cpu->touched, 0, (size_t)cpu->base.model.vocab);
}

/* factor: of the rate of the gradient's step. The decoupled decay keeps the update's own. */
static px_optimizer_step step_of(const px_optimizer_config *config, const px_update *update, double norm, double factor)
{
    const double t = (double)update->step + (double)update->moment_steps + 1, rate = update->lr * factor;
    const int decoupled = px_optimizer_of(config->kind)->decoupled;
    return (px_optimizer_step){.scale = config->clip > 0 && norm > config->clip ? (float)(config->clip / norm) : 1.0f,
                               .lr = (float)rate,
                               .decay = decoupled ? 0.0f : (float)config->weight_decay,
                               .shrink = decoupled ? (float)(1 - update->lr * config->weight_decay) : 1.0f,
                               .momentum = (float)config->momentum,
                               .beta1 = (float)config->beta1,
                               .rest1 = (float)(1 - config->beta1),
                               .beta2 = (float)config->beta2,
                               .rest2 = (float)(1 - config->beta2),
                               .alpha = (float)config->alpha,
                               .rest_alpha = (float)(1 - config->alpha),
                               .epsilon = (float)config->epsilon,
                               .mean_scale = (float)(rate / (1 - pow(config->beta1, t))),
                               .root_scale = (float)(1 / sqrt(1 - pow(config->beta2, t)))};
}

void px_cpu_update(px_cpu *cpu, const px_update *update)
{
    const block_plan plan = plan_blocks(cpu);
    const long touched = list_touched(cpu);
    const double norm = gradient_norm(cpu, &plan, touched);
    cpu->metrics.grad_norm = norm;
    if (cpu->metrics.bad_step < 0 && (cpu->loss_is_bad || update->loss_not_finite || !isfinite(norm))) {
        cpu->metrics.bad_step = (int64_t)update->step;
        cpu->metrics.bad_norm = norm;
    }
    cpu->loss_is_bad = 0;
    if (cpu->metrics.bad_step >= 0) { /* nothing is trained past it */
        memset(cpu->g, 0, sizeof(float) * cpu->table.count);
        if (cpu->sparse) memset(cpu->touched, 0, (size_t)cpu->base.model.vocab);
        return;
    }
    px_optimizer_step step[PX_MAX_TENSORS];
    for (int32_t s = 0; s < cpu->rates.count; s++)
        step[s] = step_of(&cpu->optimizer, update, norm, cpu->rates.span[s].factor);
    optimise(cpu, &plan, step, touched, cpu->average ? (float)update->average_weight : 0.0f);
    cpu->metrics.updates++;
    px_cpu_weights_changed(cpu);
}
