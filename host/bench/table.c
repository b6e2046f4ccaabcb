/* A result for people and spreadsheets: Markdown and CSV (bench.h). */
#include "bench.h"

#include "machine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *precision(const px_bench_case *c)
{
    return c->precision == PX_BF16 ? "bf16" : c->precision == PX_TF32 ? "tf32" : "fp32";
}

/* "87.3 %", or "-" where there is no figure. */
static const char *percent(char buffer[16], double share)
{
    if (isfinite(share)) snprintf(buffer, 16, "%.1f %%", 100 * share);
    else snprintf(buffer, 16, "-");
    return buffer;
}

/* "248,113". */
static const char *thousands(char buffer[32], double value)
{
    char digits[32];
    int count = snprintf(digits, sizeof digits, "%.0f", value), used = 0;
    for (int i = 0; i < count && used < 30; i++) {
        buffer[used++] = digits[i];
        if ((count - 1 - i) % 3 == 0 && i < count - 1) buffer[used++] = ',';
    }
    buffer[used] = 0;
    return buffer;
}

static void write_head(FILE *out, const px_bench_result *result)
{
    fprintf(out, "%s, %s, %.0f s%s\n\n", px_machine_processor(), result->date, result->seconds,
            result->complete ? "" : ", stopped before the end");
    fprintf(out, "| device | threads | peak GFLOP/s (best probe) | by | copy GB/s | one dependent step |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < result->peak_count; i++) {
        const px_peak *p = &result->peaks[i];
        fprintf(out, "| %s | %d | %.1f (%.1f) | %s | %.1f | %.0f ns |\n", p->device, p->threads, p->gflops, p->gflops_best,
                p->instruction_set[0] ? p->instruction_set : "not measured", p->copy_gb_s, p->step_latency_s * 1e9);
    }
}

static void write_speeds(FILE *out, const px_bench_result *result)
{
    fprintf(out, "\n| work | device | n | T | d | h | L | V | precision | threads | tokens/s (quartiles) | GFLOP/s | of peak | GB/s "
                 "| of roofline | recurrence, of its floor | memory |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *m = &result->measures[i];
        const px_bench_case *c = &m->c;
        char a[32], b[32], d[32], peak[16], roof[16], floor_share[16];
        if (!m->measured) continue;
        fprintf(out, "| %s | %s | %d | %d | %d | %d | %d | %d | %s | %d | %s (%s to %s)%s | %.1f | %s | %.1f | %s | %s | %.1f MB |\n",
                px_bench_work_name(c->work), c->device, c->batch, c->steps, c->embed, c->hidden, c->layers, c->vocab, precision(c),
                c->threads, thousands(a, m->tokens_per_s.median), thousands(b, m->tokens_per_s.q1), thousands(d, m->tokens_per_s.q3),
                m->noisy ? " noisy" : "", m->gflops, percent(peak, m->share_of_peak), m->gb_s, percent(roof, m->share_of_roofline),
                percent(floor_share, m->share_of_floor), (double)m->memory.total * 1e-6);
    }
}

static void write_phases(FILE *out, const px_bench_result *result)
{
    fprintf(out, "\nShares of a step; their sum is held against the whole step.\n\n| case | step | data");
    for (int p = 0; p < PX_PHASE_COUNT; p++) fprintf(out, " | %s", px_phase_name((px_phase)p));
    fprintf(out, " | sum |\n|---|---|---");
    for (int p = 0; p < PX_PHASE_COUNT; p++) fprintf(out, "|---");
    fprintf(out, "|---|\n");
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *m = &result->measures[i];
        char name[160], text[16];
        if (!m->measured) continue;
        px_bench_case_name(&m->c, name, sizeof name);
        fprintf(out, "| %s | %.3f ms | %s", name, m->step_s * 1e3, percent(text, m->data_s / m->step_s));
        for (int p = 0; p < PX_PHASE_COUNT; p++) fprintf(out, " | %s", percent(text, m->phase_s[p] / m->step_s));
        fprintf(out, " | %s |\n", percent(text, m->phase_sum));
    }
}

static void write_differences(FILE *out, const px_bench_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *m = &result->measures[i];
        char name[160], a[32], b[32];
        px_bench_case_name(&m->c, name, sizeof name);
        if (m->failure[0]) fprintf(out, "\n%s: not measured: %s\n", name, m->failure);
        if (!m->measured) continue;
        if (isfinite(m->loss_difference))
            fprintf(out, "\n%s: largest difference of its first %d losses to the first device's: %.2e nats\n", name, m->loss_count,
                    m->loss_difference);
        if (isfinite(m->joules_per_token)) fprintf(out, "\n%s: %.3g J per token\n", name, m->joules_per_token);
        if (m->published_source && strcmp(result->preset, "seed-chapter") == 0)
            fprintf(out, "\n%s: %s tokens/s here; %s in the book (%s)\n", name, thousands(a, m->tokens_per_s.median),
                    thousands(b, m->published_tokens_per_s), m->published_source);
    }
}

static void write_crossovers(FILE *out, const px_bench_result *result)
{
    for (size_t i = 0; i < result->crossover_count; i++) {
        const px_bench_crossover *c = &result->crossovers[i];
        fprintf(out, "\n%s n=%d T=%d d=%d h=%d L=%d V=%d threads=%d, over %s: ", px_bench_work_name(c->at.work), c->at.batch, c->at.steps,
                c->at.embed, c->at.hidden, c->at.layers, c->at.vocab, c->at.threads, c->key);
        if (c->from > 0) fprintf(out, "%s is faster than %s from %s = %d; ", c->other, c->base, c->key, c->from);
        else fprintf(out, "%s is not faster than %s at the largest size; ", c->other, c->base);
        fprintf(out, "at %d by a factor of %.3g\n", c->largest, c->ratio_at_largest);
    }
}

char *px_bench_markdown(const px_bench_result *result, const px_bench_options *options)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return NULL;
    write_head(out, result);
    write_speeds(out, result);
    write_phases(out, result);
    write_differences(out, result);
    write_crossovers(out, result);
    if (options->slow_down > 0) fprintf(out, "\nEvery step was delayed by %.0f %% of its time (--slow-down).\n", 100 * options->slow_down);
    fclose(out);
    return text;
}

static void csv_number(FILE *out, double value)
{
    if (isfinite(value)) fprintf(out, ",%.9g", value);
    else fprintf(out, ",");
}

char *px_bench_csv(const px_bench_result *result)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return NULL;
    fprintf(out, "work,device,batch,steps,embed,hidden,layers,vocab,tied,precision,threads,rounds,tokens_per_s,tokens_per_s_q1,"
                 "tokens_per_s_q3,spread,noisy,step_s,gflops,gb_s,peak_gflops,copy_gb_s,share_of_peak,share_of_roofline,"
                 "share_of_floor,memory_bytes,joules_per_token,data_s");
    for (int p = 0; p < PX_PHASE_COUNT; p++) fprintf(out, ",%s_s", px_phase_name((px_phase)p));
    fprintf(out, "\n");
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *m = &result->measures[i];
        const px_bench_case *c = &m->c;
        if (!m->measured) continue;
        fprintf(out, "%s,%s,%d,%d,%d,%d,%d,%d,%d,%s,%d,%d", px_bench_work_name(c->work), c->device, c->batch, c->steps, c->embed,
                c->hidden, c->layers, c->vocab, c->tied, precision(c), c->threads, m->rounds);
        csv_number(out, m->tokens_per_s.median);
        csv_number(out, m->tokens_per_s.q1);
        csv_number(out, m->tokens_per_s.q3);
        csv_number(out, m->spread);
        fprintf(out, ",%d", m->noisy);
        csv_number(out, m->step_s);
        csv_number(out, m->gflops);
        csv_number(out, m->gb_s);
        csv_number(out, m->peak.gflops > 0 ? m->peak.gflops : NAN);
        csv_number(out, m->peak.copy_gb_s > 0 ? m->peak.copy_gb_s : NAN);
        csv_number(out, m->share_of_peak);
        csv_number(out, m->share_of_roofline);
        csv_number(out, m->share_of_floor);
        csv_number(out, (double)m->memory.total);
        csv_number(out, m->joules_per_token);
        csv_number(out, m->data_s);
        for (int p = 0; p < PX_PHASE_COUNT; p++) csv_number(out, m->phase_s[p]);
        fprintf(out, "\n");
    }
    fclose(out);
    return text;
}
