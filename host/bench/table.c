/* A result for people and spreadsheets: Markdown and CSV (bench.h). */
#include "bench.h"

#include "file.h"
#include "machine.h"
#include "plot.h"
#include "quantity.h"
#include "text_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "87.3 %", or "-" where there is no figure. */
static const char *percent(char buffer[16], double share)
{
    if (isfinite(share))
        snprintf(buffer, 16, "%.1f %%", 100 * share);
    else
        snprintf(buffer, 16, "-");
    return buffer;
}

/* A figure with so many decimals, "-" where there is none. */
static const char *figure(char buffer[32], double value, int decimals, int known)
{
    if (known)
        snprintf(buffer, 32, "%.*f", decimals, value);
    else
        snprintf(buffer, 32, "-");
    return buffer;
}

/* These return 1 where memory ran out and a table is lost. */
static int write_head(FILE *out, const px_bench_result *result)
{
    px_text_table table;
    char text[32];
    fprintf(out, "%s, %s, %.0f s%s\n\n", px_machine_processor(), result->date, result->seconds,
            result->complete ? "" : ", stopped before the end");
    px_text_table_start(&table);
    px_text_table_column(&table, "peaks of", PX_COLUMN_TEXT, PX_COLUMN_ALWAYS);
    px_text_table_column(&table, "threads", PX_COLUMN_NUMBER, PX_COLUMN_ALWAYS);
    px_text_table_column(&table, "GFLOP/s", PX_COLUMN_NUMBER, PX_COLUMN_ALWAYS);
    px_text_table_column(&table, "best probe", PX_COLUMN_NUMBER, PX_COLUMN_ALWAYS);
    px_text_table_column(&table, "by", PX_COLUMN_TEXT, PX_COLUMN_ALWAYS);
    px_text_table_column(&table, "copy GB/s", PX_COLUMN_NUMBER, PX_COLUMN_ALWAYS);
    px_text_table_column(&table, "ns per dependent step", PX_COLUMN_NUMBER, PX_COLUMN_ALWAYS);
    for (size_t i = 0; i < result->peak_count; i++) {
        const px_peak *p = &result->peaks[i];
        px_text_table_cell(&table, "%s", p->device);
        px_text_table_cell(&table, "%d", p->threads);
        px_text_table_cell(&table, "%s", figure(text, p->gflops, 1, p->gflops > 0));
        px_text_table_cell(&table, "%s", figure(text, p->gflops_best, 1, p->gflops_best > 0));
        px_text_table_cell(&table, "%s", p->instruction_set[0] ? p->instruction_set : "not measured");
        px_text_table_cell(&table, "%s", figure(text, p->copy_gb_s, 1, p->copy_gb_s > 0));
        px_text_table_cell(&table, "%s", figure(text, p->step_latency_s * 1e9, 0, p->step_latency_s > 0));
    }
    return px_text_table_end(&table, out);
}

/* The columns that name a case; those that are the same everywhere are written once, above the table. */
static void size_columns(px_text_table *table)
{
    px_text_table_column(table, "work", PX_COLUMN_TEXT, PX_COLUMN_FOLD_VALUE);
    px_text_table_column(table, "device", PX_COLUMN_TEXT, PX_COLUMN_FOLD_VALUE);
    px_text_table_column(table, "n", PX_COLUMN_NUMBER, PX_COLUMN_FOLD_NAMED);
    px_text_table_column(table, "T", PX_COLUMN_NUMBER, PX_COLUMN_FOLD_NAMED);
    px_text_table_column(table, "d", PX_COLUMN_NUMBER, PX_COLUMN_FOLD_NAMED);
    px_text_table_column(table, "h", PX_COLUMN_NUMBER, PX_COLUMN_FOLD_NAMED);
    px_text_table_column(table, "L", PX_COLUMN_NUMBER, PX_COLUMN_FOLD_NAMED);
    px_text_table_column(table, "V", PX_COLUMN_NUMBER, PX_COLUMN_FOLD_NAMED);
    px_text_table_column(table, "", PX_COLUMN_TEXT, PX_COLUMN_FOLD_VALUE); /* tied */
    px_text_table_column(table, "precision", PX_COLUMN_TEXT, PX_COLUMN_FOLD_VALUE);
    px_text_table_column(table, "threads", PX_COLUMN_NUMBER, PX_COLUMN_FOLD_NAMED);
}

static void size_cells(px_text_table *table, const px_bench_case *c)
{
    char vocab[32];
    px_text_table_cell(table, "%s", px_bench_work_name(c->work));
    px_text_table_cell(table, "%s", c->device);
    px_text_table_cell(table, "%d", c->batch);
    px_text_table_cell(table, "%d", c->steps);
    px_text_table_cell(table, "%d", c->embed);
    px_text_table_cell(table, "%d", c->hidden);
    px_text_table_cell(table, "%d", c->layers);
    px_text_table_cell(table, "%s", px_text_count(vocab, c->vocab));
    px_text_table_cell(table, "%s", c->tied ? "tied" : "");
    px_text_table_cell(table, "%s", px_precision_name(c->precision));
    px_text_table_cell(table, "%d", c->threads);
}

static void result_columns(px_text_table *table)
{
    px_text_table_column(table, "tokens/s", PX_COLUMN_NUMBER, PX_COLUMN_ALWAYS);
    px_text_table_column(table, "quartiles", PX_COLUMN_NUMBER, PX_COLUMN_ALWAYS);
    px_text_table_column(table, "", PX_COLUMN_TEXT, PX_COLUMN_IF_ANY); /* noisy */
    px_text_table_column(table, "GFLOP/s", PX_COLUMN_NUMBER, PX_COLUMN_ALWAYS);
    px_text_table_column(table, "of peak", PX_COLUMN_NUMBER, PX_COLUMN_IF_ANY);
    px_text_table_column(table, "GB/s", PX_COLUMN_NUMBER, PX_COLUMN_ALWAYS);
    px_text_table_column(table, "weights GB/s", PX_COLUMN_NUMBER, PX_COLUMN_IF_ANY);
    px_text_table_column(table, "of roofline", PX_COLUMN_NUMBER, PX_COLUMN_IF_ANY);
    px_text_table_column(table, "step latency, ns", PX_COLUMN_NUMBER, PX_COLUMN_IF_ANY);
    px_text_table_column(table, "of latency floor", PX_COLUMN_NUMBER, PX_COLUMN_IF_ANY);
    px_text_table_column(table, "memory", PX_COLUMN_NUMBER, PX_COLUMN_ALWAYS);
    px_text_table_column(table, "J/million", PX_COLUMN_NUMBER, PX_COLUMN_IF_ANY);
    px_text_table_column(table, "loss differs by", PX_COLUMN_NUMBER, PX_COLUMN_IF_ANY);
    px_text_table_column(table, "in the book", PX_COLUMN_NUMBER, PX_COLUMN_IF_ANY);
}

static void result_cells(px_text_table *table, const px_bench_measure *m, int in_book)
{
    char a[32], b[32], share[16];
    px_text_table_cell(table, "%s", px_text_count(a, llround(m->tokens_per_s.median)));
    px_text_table_cell(table, "%s to %s", px_text_count(a, llround(m->tokens_per_s.q1)),
                       px_text_count(b, llround(m->tokens_per_s.q3)));
    px_text_table_cell(table, "%s", m->contended ? "contended" : m->noisy ? "noisy" : "");
    px_text_table_cell(table, "%.1f", m->gflops);
    px_text_table_cell(table, "%s", percent(share, m->share_of_peak));
    px_text_table_cell(table, "%.1f", m->gb_s);
    if (isfinite(m->read_gb_s))
        px_text_table_cell(table, "%.1f of %.1f", m->weight_gb_s, m->read_gb_s);
    else
        px_text_table_cell(table, "-");
    px_text_table_cell(table, "%s", percent(share, m->share_of_roofline));
    px_text_table_cell(table, "%s", figure(a, m->peak.step_latency_s * 1e9, 0, m->peak.step_latency_s > 0));
    px_text_table_cell(table, "%s", percent(share, m->share_of_floor));
    px_text_table_cell(table, "%.1f MB", (double)m->memory.total * 1e-6);
    px_text_table_cell(table, "%s", figure(a, m->joules_per_token * 1e6, 2, isfinite(m->joules_per_token)));
    if (isfinite(m->loss_difference))
        px_text_table_cell(table, "%.1e", m->loss_difference);
    else
        px_text_table_cell(table, "-");
    px_text_table_cell(table, "%s",
                       in_book && m->published_tokens_per_s > 0 ? px_text_count(a, llround(m->published_tokens_per_s))
                                                                : "-");
}

static int write_speeds(FILE *out, const px_bench_result *result)
{
    px_text_table table;
    int in_book = strcmp(result->preset, "seed-chapter") == 0;
    fputc('\n', out);
    px_text_table_start(&table);
    size_columns(&table);
    result_columns(&table);
    for (size_t i = 0; i < result->count; i++) {
        if (!result->measures[i].measured) continue;
        size_cells(&table, &result->measures[i].c);
        result_cells(&table, &result->measures[i], in_book);
    }
    return px_text_table_end(&table, out);
}

/* Shares of a step; a case that is one phase alone has no shares. */
static int write_phases(FILE *out, const px_bench_result *result)
{
    px_text_table table;
    char text[16];
    int rows = 0;
    for (size_t i = 0; i < result->count; i++)
        rows += result->measures[i].measured && !px_bench_work_is_part(result->measures[i].c.work);
    if (rows == 0) return 0;
    fprintf(out, "\nShares of a step; their sum is held against the whole step.\n\n");
    px_text_table_start(&table);
    size_columns(&table);
    px_text_table_column(&table, "step", PX_COLUMN_NUMBER, PX_COLUMN_ALWAYS);
    px_text_table_column(&table, "data", PX_COLUMN_NUMBER, PX_COLUMN_ALWAYS);
    for (int p = 0; p < PX_PHASE_COUNT; p++)
        px_text_table_column(&table, px_phase_name((px_phase)p), PX_COLUMN_NUMBER, PX_COLUMN_ALWAYS);
    px_text_table_column(&table, "sum", PX_COLUMN_NUMBER, PX_COLUMN_ALWAYS);
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *m = &result->measures[i];
        if (!m->measured || px_bench_work_is_part(m->c.work)) continue;
        size_cells(&table, &m->c);
        px_text_table_cell(&table, "%.3f ms", m->step_s * 1e3);
        px_text_table_cell(&table, "%s", percent(text, m->data_s / m->step_s));
        for (int p = 0; p < PX_PHASE_COUNT; p++)
            px_text_table_cell(&table, "%s", percent(text, m->phase_s[p] / m->step_s));
        px_text_table_cell(&table, "%s", percent(text, m->phase_sum));
    }
    return px_text_table_end(&table, out);
}

/* What energy was counted by, or why it was not: a line for each device. */
static void write_energy_notes(FILE *out, const px_bench_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *m = &result->measures[i];
        if (!px_bench_is_first_of_device(result, i)) continue;
        if (m->energy_counter[0])
            fprintf(out, "\nEnergy, in joules per million tokens, on %s: %s\n", m->c.device, m->energy_counter);
        else if (m->no_energy[0]) /* a result that was read back has neither */
            fprintf(out, "\nEnergy on %s: not counted: %s\n", m->c.device, m->no_energy);
    }
}

/* What the columns do not say by themselves: failures, whose losses are compared with whose, where a figure was
 * published. */
static void write_notes(FILE *out, const px_bench_result *result)
{
    int compared = 0;
    write_energy_notes(out, result);
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *m = &result->measures[i];
        char name[160];
        px_bench_case_name(&m->c, name, sizeof name);
        if (m->failure[0]) fprintf(out, "\n%s: not measured: %s\n", name, m->failure);
        compared |= m->measured && isfinite(m->loss_difference);
        if (m->measured && m->published_source && strcmp(result->preset, "seed-chapter") == 0)
            fprintf(out, "\nIn the book, h=%d: %s\n", m->c.hidden, m->published_source);
    }
    if (compared)
        fprintf(out, "\nLosses: the largest difference of the first steps' losses, in nats per token, to those of the "
                     "first device at the same sizes,\n"
                     "from the same weights and batches.\n");
}

/* The sizes that a crossover holds for: all but the swept one, without a device. */
static const char *crossover_sizes(const px_bench_crossover *c, char *buffer, size_t buffer_bytes)
{
    static const struct {
        const char *key;
        px_case_field field;
    } keys[] = {
        {"hidden", PX_CASE_HIDDEN}, {"batch", PX_CASE_BATCH},   {"steps", PX_CASE_STEPS},
        {"vocab", PX_CASE_VOCAB},   {"layers", PX_CASE_LAYERS}, {"embed", PX_CASE_EMBED},
    };
    px_bench_case at = c->at;
    const px_bench_case *one = &at;
    px_case_field skip = PX_CASE_FIELDS;
    at.device[0] = 0;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(keys[i].key, c->key) == 0) skip = keys[i].field;
    px_case_common(&one, 1, skip, buffer, buffer_bytes);
    return buffer;
}

static void write_crossovers(FILE *out, const px_bench_result *result)
{
    for (size_t i = 0; i < result->crossover_count; i++) {
        const px_bench_crossover *c = &result->crossovers[i];
        char sizes[192];
        fprintf(out, "\n%s: ", crossover_sizes(c, sizes, sizeof sizes));
        if (c->from > 0)
            fprintf(out, "%s is faster than %s from %s = %d on; ", c->other, c->base, c->key, c->from);
        else
            fprintf(out, "%s is not faster than %s at the largest %s; ", c->other, c->base, c->key);
        fprintf(out, "at %d by a factor of %.3g\n", c->largest, c->ratio_at_largest);
    }
}

char *px_bench_markdown(const px_bench_result *result, const px_bench_options *options)
{
    px_memory_stream memory;
    if (px_memory_open(&memory, "bench") != PX_OK) return NULL;
    FILE *out = memory.stream;
    memory.failed = write_head(out, result);
    memory.failed |= write_speeds(out, result);
    memory.failed |= write_phases(out, result);
    write_notes(out, result);
    write_crossovers(out, result);
    if (options->slow_down > 0)
        fprintf(out, "\nEvery step was delayed by %.0f %% of its time (--slow-down).\n", 100 * options->slow_down);
    return px_memory_end(&memory);
}

static void csv_number(FILE *out, double value)
{
    if (isfinite(value))
        fprintf(out, ",%.9g", value);
    else
        fprintf(out, ",");
}

char *px_bench_csv(const px_bench_result *result)
{
    px_memory_stream memory;
    if (px_memory_open(&memory, "bench") != PX_OK) return NULL;
    FILE *out = memory.stream;
    fprintf(
        out,
        "work,device,batch,steps,embed,hidden,layers,vocab,tied,precision,threads,rounds,tokens_per_s,tokens_per_s_q1,"
        "tokens_per_s_q3,spread,noisy,step_s,gflops,gb_s,peak_gflops,copy_gb_s,share_of_peak,share_of_roofline,"
        "share_of_floor,weight_gb_s,read_gb_s,memory_bytes,joules_per_token,data_s");
    for (int p = 0; p < PX_PHASE_COUNT; p++) fprintf(out, ",%s_s", px_phase_name((px_phase)p));
    fprintf(out, "\n");
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *m = &result->measures[i];
        const px_bench_case *c = &m->c;
        if (!m->measured) continue;
        fprintf(out, "%s,%s,%d,%d,%d,%d,%d,%d,%d,%s,%d,%d", px_bench_work_name(c->work), c->device, c->batch, c->steps,
                c->embed, c->hidden, c->layers, c->vocab, c->tied, px_precision_name(c->precision), c->threads,
                m->rounds);
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
        csv_number(out, m->weight_gb_s);
        csv_number(out, m->read_gb_s);
        csv_number(out, (double)m->memory.total);
        csv_number(out, m->joules_per_token);
        csv_number(out, m->data_s);
        for (int p = 0; p < PX_PHASE_COUNT; p++) csv_number(out, m->phase_s[p]);
        fprintf(out, "\n");
    }
    return px_memory_end(&memory);
}
