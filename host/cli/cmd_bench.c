/* perplex bench: measures training, evaluation and decoding, compares two results, draws saved ones again. What is
 * measured and how it is counted is host/bench and bench/README.md; here are the flags, the progress line and where
 * results go. */
#include "bench.h"
#include "check.h"
#include "commands.h"
#include "file.h"
#include "inputs.h"
#include "machine.h"
#include "output.h"
#include "outputs.h"
#include "plot.h"
#include "printable.h"
#include "progress.h"
#include "registry.h"
#include "run_command.h"
#include "signals.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "perplex bench [--preset NAME | --sweep KEY=VALUES ...] [--device LIST] [--json] [--out DIR]\n"
    "       perplex bench --compare OLD.json NEW.json\n"
    "       perplex bench --plot RESULT.json ... --out DIR\n"
    "Measures whole training steps (or evaluation, decoding, one phase) of the real engines, beside the\n"
    "peaks of the same machine in the same run. Without a preset or sweep: the one case of --batch,\n"
    "--steps, --hidden, --layers, --embed and --vocab. bench/README.md says what is counted and how.\n";

static const char HELP_END[] =
    "presets: smoke, quick (under a minute), standard (minutes), full (an hour), seed-chapter\n"
    "sweeps:  --sweep hidden=128..2048 batch=1,8,64 threads=1,2: every combination; a..b doubles; keys:\n"
    "         hidden, batch, steps, vocab, layers, embed, threads, precision\n"
    "work:    train, evaluate, decode (as sample does it), next (the host reads the probabilities of\n"
    "         every token); or parts of a training step alone: data, embed,\n"
    "         recurrence_forward, head, recurrence_backward, embed_backward, update; phases: all of these\n"
    "Exit status of --compare: 0 no regression, 3 a regression. Ctrl-C keeps what was measured (exit\n"
    "status 1).\n";

static const char *const SETTINGS[] = {
    "data",           "level",     "normalise", "invalid",       "min-count",       "max-vocab",      "limit-tokens",
    "batch",          "steps",     "partition", "embed",         "hidden",          "layers",         "tied",
    "output",         "cutoffs",   "cell",      "dropout-input", "dropout-between", "dropout-output", "dropout-weight",
    "dropout-locked", "optimizer", "clip",      "precision",     "recurrence",      "wavefront",      "products",
    "threads",        "seed",      NULL};

/* What a preset or a sweep decides, so that a flag beside a preset would be ignored without a word. */
static const char *const SIZES[] = {"batch", "steps", "embed", "hidden", "layers", "tied", NULL};

typedef struct bench_flags {
    const char *preset, *device, *work, *out, *export_path;
    const char *compare[2];
    px_flag_list sweep, plot;
    int32_t vocab;
    double lr, spread, case_seconds, slow_down;
    int json, list, png;
    char *command; /* as it was typed */
    int code;      /* what the command ends with where nothing failed */
} bench_flags;

static px_status check(const px_command_line *line, const bench_flags *flags)
{
    for (int i = 0; flags->preset && SIZES[i]; i++)
        if (px_command_line_gave(line, SIZES[i]))
            return px_fail(PX_ERR_ARGUMENT,
                           "--preset %s and --%s: a preset brings its own sizes; leave one of the two out",
                           flags->preset, SIZES[i]);
    if (flags->preset && flags->vocab > 0)
        return px_fail(PX_ERR_ARGUMENT,
                       "--preset %s and --vocab: a preset brings its own sizes; leave one of the two out",
                       flags->preset);
    return PX_OK;
}

/* Every file that a result or its plots become. */
static px_status check_out(const px_command_line *line, const bench_flags *flags)
{
    static const char *const names[] = {"bench.json", "bench.csv", "bench.md"}, *const endings[] = {"gp", "svg", "png"};
    char path[PATH_MAX];
    PX_TRY(px_output_check_folder("out", flags->out));
    for (size_t i = 0; flags->plot.count == 0 && i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", flags->out, names[i]);
        PX_TRY(px_output_check(line, "out", path, PX_FLAG_OUT_FILE));
    }
    for (size_t i = 0; px_bench_picture(i / 3); i++) {
        snprintf(path, sizeof path, "%s/plots/%s.%s", flags->out, px_bench_picture(i / 3), endings[i % 3]);
        PX_TRY(px_output_check(line, "out", path, PX_FLAG_OUT_FILE));
    }
    return PX_OK;
}

/* The time left is guessed from the cases that are done; sizes differ, so it is given in whole minutes. */
static void show_progress(void *context, size_t done, size_t count, const char *text)
{
    px_progress *progress = context;
    char shown[256], left[48] = "";
    double minutes = done > 0 ? (px_clock() - progress->started_s) / (double)done * (double)(count - done) / 60 : 0;
    if (done >= 2 && minutes >= 1) snprintf(left, sizeof left, "  (about %.0f min left)", minutes);
    snprintf(shown, sizeof shown, "%zu of %zu: %s%s", done + 1, count, text, left);
    px_progress_show(progress, shown);
}

static px_status print_list(const px_bench_plan *plan, int json)
{
    cJSON *list = json ? cJSON_CreateArray() : NULL;
    for (size_t i = 0; i < plan->count; i++) {
        char name[160];
        px_bench_case_name(&plan->cases[i], name, sizeof name);
        if (json)
            cJSON_AddItemToArray(list, cJSON_CreateString(name));
        else
            printf("%s\n", name);
    }
    return json ? px_json_print(list) : PX_OK;
}

/* The command as it was typed, for the result. */
static char *join(int argc, char **argv)
{
    px_memory_stream memory;
    if (px_memory_open(&memory, "bench") != PX_OK) return NULL;
    fputs("perplex", memory.stream);
    for (int i = 0; i < argc; i++) fprintf(memory.stream, " %s", argv[i]);
    return px_memory_end(&memory);
}

static px_status print_result(const px_bench_result *result, const px_bench_options *options, const bench_flags *flags,
                              const char *command)
{
    if (flags->out) {
        char note[256];
        PX_TRY(px_bench_write_folder(result, options, command, flags->out, note, sizeof note));
        if (note[0]) px_print(stderr, "perplex: %s\n", note);
    }
    char *text = flags->json ? px_bench_json(result, options, command) : px_bench_markdown(result, options);
    if (!text) return px_fail(PX_ERR_MEMORY, "bench: no memory for the report");
    if (flags->json)
        printf("%s\n", text);
    else
        px_print(stdout, "%s", text);
    free(text);
    if (flags->out && !flags->json)
        px_print(stdout, "\nwritten: %s/bench.json, bench.csv, bench.md, plots\n", flags->out);
    return PX_OK;
}

/* Says on standard error what the result lacks; 1 after a stop, else 0. */
static int report_gaps(const px_bench_result *result)
{
    size_t measured = 0, failed = 0;
    for (size_t i = 0; i < result->count; i++) {
        measured += (size_t)result->measures[i].measured;
        failed += result->measures[i].failure[0] != 0;
    }
    if (failed > 0)
        fprintf(stderr, "perplex: bench: %zu of %zu cases could not be measured; the report says why\n", failed,
                result->count);
    if (result->complete) return 0;
    fprintf(stderr, "perplex: bench: stopped; %zu of %zu cases were measured and are kept\n", measured, result->count);
    return 1;
}

static void set_options(px_bench_options *options, const px_config *config, const bench_flags *flags)
{
    px_bench_options_default(options);
    const px_bench_preset *preset = flags->preset ? px_bench_preset_find(flags->preset) : NULL;
    if (preset) options->case_seconds = preset->case_seconds;
    if (preset && strcmp(preset->name, "quick") == 0) options->total_seconds = 42; /* it promises less than a minute */
    if (flags->case_seconds > 0) options->case_seconds = flags->case_seconds;
    if (flags->spread > 0) options->spread = flags->spread;
    options->slow_down = flags->slow_down;
    options->png = flags->png;
    options->export_path = flags->export_path;
    options->config = config;
}

static px_status measure_plan(const px_bench_plan *plan, const px_config *config, bench_flags *flags)
{
    px_bench_result result;
    px_progress progress;
    px_bench_options options;
    if (flags->list) return print_list(plan, flags->json);
    set_options(&options, config, flags);
    PX_TRY(px_signals_stop_flag(&options.stop));
    options.progress = show_progress;
    options.context = &progress;
    px_progress_start(&progress, stderr);
    px_status status = px_bench_run(plan, &options, &result);
    px_progress_clear(&progress);
    PX_TRY(status);
    status = print_result(&result, &options, flags, flags->command ? flags->command : "perplex bench");
    flags->code = report_gaps(&result);
    px_bench_result_free(&result);
    return status;
}

static px_status measure(px_config *config, bench_flags *flags)
{
    px_bench_plan plan;
    config->model.vocab = flags->vocab;
    config->lr = flags->lr > 0 ? flags->lr : px_bench_rate(config->optimizer.kind);
    PX_TRY(px_bench_plan_make(config, flags->preset, flags->sweep.value, flags->sweep.count,
                              px_device_or_default(flags->device), flags->work ? flags->work : "train", &plan));
    px_status status = measure_plan(&plan, config, flags);
    px_bench_plan_free(&plan);
    return status;
}

static px_status compare(bench_flags *flags)
{
    px_bench_verdict verdict;
    PX_TRY(px_bench_compare(flags->compare[0], flags->compare[1], &verdict));
    if (flags->json) {
        cJSON *object = cJSON_CreateObject();
        px_json_count(object, "compared", verdict.compared);
        px_json_count(object, "regressions", verdict.regressions);
        px_json_count(object, "faster", verdict.improvements);
        px_json_count(object, "noisy", verdict.noisy);
        px_json_count(object, "missing", verdict.missing);
        px_json_text(object, "report", verdict.report, strlen(verdict.report));
        free(verdict.report);
        PX_TRY(px_json_print(object));
    } else {
        px_print(stdout, "%s", verdict.report);
        free(verdict.report);
    }
    if (verdict.regressions > 0) flags->code = 3;
    return PX_OK;
}

/* Draws saved results again, together: a CPU's and a GPU's come onto one page. */
static px_status plot(const bench_flags *flags)
{
    px_bench_result result;
    char note[256];
    if (!flags->out) return px_fail(PX_ERR_ARGUMENT, "--plot: needs --out DIR for the pictures");
    PX_TRY(px_bench_result_read(flags->plot.value, flags->plot.count, &result));
    px_status status = px_bench_plot(&result, flags->out, flags->png, note, sizeof note);
    px_bench_result_free(&result);
    if (status != PX_OK) return status;
    if (note[0]) return px_fail(PX_ERR_IO, "%s", note);
    px_print(stdout, "written: %s/plots\n", flags->out);
    return PX_OK;
}

static px_status bench(px_command_line *line, void *context)
{
    bench_flags *flags = context;
    if (flags->compare[0]) return compare(flags);
    if (flags->out) PX_TRY(check_out(line, flags));
    if (flags->plot.count > 0) return plot(flags);
    PX_TRY(check(line, flags));
    PX_TRY(px_input_settle_level(line, line->config));
    return measure(line->config, flags);
}

int px_cmd_bench(int argc, char **argv)
{
    bench_flags flags = {.command = join(argc, argv)};
    const px_flag own[] = {
        {"preset", "NAME", PX_FLAG_STRING, &flags.preset, 0, 0, "a fixed set of sizes, see below"},
        {"sweep", "KEY=a..b ...", PX_FLAG_LIST, &flags.sweep, 0, 0, "every combination of the values, see below"},
        {"device", "LIST", PX_FLAG_STRING, &flags.device, 0, 0,
         "measured side by side: cpu, reference, cuda:0 ... [cpu]"},
        {"work", "LIST", PX_FLAG_STRING, &flags.work, 0, 0, "what is measured, see below [train]"},
        {"vocab", "V", PX_FLAG_INT32, &flags.vocab, 2, 1 << 24, "vocabulary of synthetic tokens [28]"},
        {"spread", "x", PX_FLAG_DOUBLE, &flags.spread, 1e-6, 1,
         "repeat until the median is known to this share of it [0.01]"},
        {"case-seconds", "s", PX_FLAG_DOUBLE, &flags.case_seconds, 0.01, 86400,
         "... or for this long [4; presets have their own]"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "the result as JSON on standard output (bench/schema.json)"},
        {"out", "DIR", PX_FLAG_OUT_NAME, &flags.out, 0, 0,
         "write bench.json, bench.csv, bench.md and plots (SVG) there"},
        {"png", NULL, PX_FLAG_SWITCH, &flags.png, 0, 0, "plots as PNG too"},
        {"plot", "FILE ...", PX_FLAG_LIST, &flags.plot, 0, 0, "draw the plots of saved results, together, into --out"},
        {"compare", "OLD NEW", PX_FLAG_PAIR, flags.compare, 0, 0, "compare two results; exit status 3 on a regression"},
        {"lr", "x", PX_FLAG_DOUBLE, &flags.lr, 1e-12, 1e6,
         "learning rate [a tenth of what train has for the optimizer]"},
        {"list", NULL, PX_FLAG_SWITCH, &flags.list, 0, 0, "print the cases, measure nothing"},
        {"export", "FILE", PX_FLAG_OUT_FILE, &flags.export_path, 0, 0,
         "also write the first case's weights and batches, for a peer"},
        {"slow-down", "x", PX_FLAG_DOUBLE, &flags.slow_down, 0, 100,
         "testing aid: delay every step by this share of its time"},
        {0},
    };
    px_config config;
    px_bench_config_default(&config);
    px_command_line line = {.command = "bench",
                            .usage = USAGE,
                            .flags = own,
                            .settings = SETTINGS,
                            .help_end = HELP_END,
                            .config = &config};
    int failed = px_command_run(&line, argc, argv, bench, &flags);
    free(flags.command);
    return failed ? failed : flags.code;
}
