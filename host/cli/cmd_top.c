/* perplex top: the runs below a folder while they train, drawn in place and read from their metrics files, so that it
 * shows what other machines do on a shared file system too. */
#include "check.h"
#include "commands.h"
#include "inputs.h"
#include "live_view.h"
#include "machine.h"
#include "quantity.h"
#include "run_command.h"
#include "run_list.h"
#include "screen.h"
#include "signals.h"
#include "utf8.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char USAGE[] =
    "perplex top [DIR] [--every s]      DIR: where run folders are looked for [.]\n"
    "Shows the runs below DIR while they train: loss, best validation perplexity, speed, time left;\n"
    "and of the run whose metrics are the latest also curves and the last sample. Ctrl-C ends it.\n"
    "Where the output is no terminal it prints the table once.\n";

enum { LINE_BYTES = 512, NAME_COLUMNS_MIN = 10, NUMBERS_COLUMNS = 64, VIEW_ROWS_MIN = 8 };
/* Reading many runs takes time: at most this share of one core. */
static const double READING_SHARE = 0.1;

typedef struct top {
    const char *folder;
    px_run_list runs;
    px_live_state state;      /* of the run that is shown whole; title "" where there is none */
    double read_s, reading_s; /* when it was read, and how long that took */
} top;

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const char *number(char text[32], double value, const char *format)
{
    if (isnan(value)) return "-";
    snprintf(text, 32, format, value);
    return text;
}

/* "2:05", "1:02:05" */
static const char *clock_text(char text[32], double seconds)
{
    if (!(seconds >= 0 && seconds < 1e7)) return "-";
    const long long s = (long long)(seconds + 0.5);
    if (s < 3600)
        snprintf(text, 32, "%lld:%02lld", s / 60, s % 60);
    else
        snprintf(text, 32, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    return text;
}

static int name_columns(int columns)
{
    return columns - NUMBERS_COLUMNS < NAME_COLUMNS_MIN ? NAME_COLUMNS_MIN : columns - NUMBERS_COLUMNS;
}

static void describe_titles(int columns, char *text)
{
    snprintf(text, LINE_BYTES, "%-*s %-8s %10s %5s %7s %10s %9s %8s", name_columns(columns), "run", "state", "steps",
             "done", "loss", "perplexity", "tokens/s", "left");
}

/* The end of a long name says more than its beginning. */
static const char *fitting_end(const char *name, int columns)
{
    while (px_utf8_columns(name) > columns && *name) name++;
    while (((unsigned char)*name & 0xc0) == 0x80) name++;
    return name;
}

/* Why a run cannot be read, without its folder, which the row has. */
static const char *why_unreadable(const px_run_entry *e, char *text, size_t bytes)
{
    const char *why = e->error ? e->error : "";
    const size_t folder = strlen(e->folder);
    if (strncmp(why, e->folder, folder) == 0) why += folder;
    px_input_escape(why, strlen(why), text, bytes);
    return text;
}

static void describe_run(const px_run_entry *e, int columns, char *text)
{
    char name[1024], why[512], steps[32], share[32], loss[32], perplexity[32], speed[32], left[32];
    const int room = name_columns(columns);
    px_input_escape(e->folder, strlen(e->folder), name, sizeof name);
    const char *shown = fitting_end(name, room);
    int used = snprintf(text, LINE_BYTES, "%s%*s ", shown, room - px_utf8_columns(shown), "");
    if (used >= LINE_BYTES) return;
    if (e->status != PX_OK)
        snprintf(text + used, (size_t)(LINE_BYTES - used), "unreadable%s", why_unreadable(e, why, sizeof why));
    else
        snprintf(text + used, (size_t)(LINE_BYTES - used), "%-8s %10s %5s %7s %10s %9s %8s",
                 px_run_condition_name(e->condition), px_text_count(steps, e->steps),
                 number(share, floor(100 * e->share), "%.0f %%"), number(loss, e->loss, "%.4f"),
                 isnan(e->best_perplexity) ? "-" : px_text_perplexity(perplexity, e->best_perplexity),
                 isfinite(e->tokens_per_s) ? px_text_count(speed, (long long)(e->tokens_per_s + 0.5)) : "-",
                 clock_text(left, e->seconds_left));
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void take_series(px_live_curve *curve, const px_series *series)
{
    for (size_t i = 0; i < series->count; i++) px_live_curve_add(curve, series->step[i], series->value[i]);
}

static double latest(const px_series *series) { return series->count ? series->value[series->count - 1] : NAN; }

static void take_run(px_live_state *state, const px_run_data *run)
{
    px_live_state_start(state, run->folder);
    state->step = run->steps;
    state->steps_in_all = run->config.max_steps;
    state->epoch = run->epoch;
    state->epochs = run->config.epochs;
    state->share = px_run_data_share(run);
    state->seconds_left = px_run_data_seconds_left(run);
    if (isnan(state->seconds_left)) state->seconds_left = -1;
    state->loss = latest(&run->train_loss);
    state->tokens_per_s = latest(&run->speed);
    state->learning_rate = latest(&run->learning_rate);
    state->grad_norm = latest(&run->grad_norm);
    state->valid_loss = latest(&run->valid_loss);
    state->valid_step = run->valid_loss.count ? (int64_t)run->valid_loss.step[run->valid_loss.count - 1] : -1;
    state->best_loss = run->best_step >= 0 ? run->best_valid_loss : NAN;
    state->best_step = run->best_step;
    take_series(&state->train, &run->train_loss);
    take_series(&state->valid, &run->valid_loss);
    if (run->sample_count > 0)
        px_live_set_sample(state, run->samples[run->sample_count - 1].step, run->samples[run->sample_count - 1].text);
}

/* The run that trains and wrote last; where none trains, the one that wrote last. */
static const px_run_entry *pick(const px_run_list *runs)
{
    const px_run_entry *picked = NULL;
    for (size_t i = 0; i < runs->count; i++) {
        const px_run_entry *e = &runs->entry[i];
        const int trains = e->condition == PX_RUN_RUNNING;
        if (e->status != PX_OK) continue;
        const int before = picked && picked->condition == PX_RUN_RUNNING;
        if (!picked || trains > before || (trains == before && e->modified > picked->modified)) picked = e;
    }
    return picked;
}

static px_status read_runs(top *t)
{
    px_run_data data;
    const double begin = px_clock();
    px_run_list_free(&t->runs);
    PX_TRY(px_run_list_read(t->folder, &t->runs));
    px_run_list_sort(&t->runs, PX_RUNS_BY_STATE);
    px_live_state_start(&t->state, "");
    const px_run_entry *picked = pick(&t->runs);
    if (picked && px_run_data_read(picked->folder, &data) == PX_OK) {
        take_run(&t->state, &data);
        px_run_data_free(&data);
    }
    t->read_s = px_clock();
    t->reading_s = t->read_s - begin;
    return PX_OK;
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

static void draw_top(const top *t, px_screen *screen)
{
    char text[LINE_BYTES], now[32];
    size_t training = 0;
    const time_t seconds = time(NULL);
    struct tm local;
    px_screen_begin(screen);
    const int rows = px_screen_rows(screen), columns = px_screen_columns(screen);
    for (size_t i = 0; i < t->runs.count; i++) training += t->runs.entry[i].condition == PX_RUN_RUNNING;
    strftime(now, sizeof now, "%H:%M:%S", localtime_r(&seconds, &local));
    px_screen_row(screen, 0, PX_SCREEN_PLAIN, "perplex top %s   %zu runs, %zu training   %s", t->folder, t->runs.count,
                  training, now);
    describe_titles(columns, text);
    px_screen_row(screen, 1, PX_SCREEN_BOLD, "%s", text);
    int shown = (int)(t->runs.count < 1000 ? t->runs.count : 1000);
    if (shown > rows / 3 && t->state.title[0]) shown = rows / 3;
    for (int i = 0; i < shown; i++) {
        const px_run_entry *e = &t->runs.entry[i];
        describe_run(e, columns, text);
        px_screen_row(screen, 2 + i, e->condition == PX_RUN_RUNNING ? PX_SCREEN_GREEN : PX_SCREEN_PLAIN, "%s", text);
    }
    if (t->state.title[0] && rows - shown - 3 >= VIEW_ROWS_MIN)
        px_live_draw(&t->state, screen, shown + 3, rows - shown - 3);
    px_screen_end(screen);
}

static px_screen *shown;
static pthread_mutex_t drawing = PTHREAD_MUTEX_INITIALIZER;

/* A second Ctrl-C ends the program from the signals' thread: nothing is drawn any more. */
static void give_back_at_once(void)
{
    pthread_mutex_lock(&drawing);
    px_screen_close(shown);
}

static px_status watch(top *t, px_screen *screen, double every, const atomic_int *stop)
{
    const struct timespec moment = {.tv_nsec = 200 * 1000 * 1000};
    while (!*stop) {
        if (px_clock() - t->read_s >= fmax(every, t->reading_s / READING_SHARE)) PX_TRY(read_runs(t));
        pthread_mutex_lock(&drawing);
        draw_top(t, screen);
        pthread_mutex_unlock(&drawing);
        nanosleep(&moment, NULL);
    }
    return PX_OK;
}

static void print_once(const top *t)
{
    char text[LINE_BYTES];
    describe_titles(100, text);
    puts(text);
    for (size_t i = 0; i < t->runs.count; i++) {
        describe_run(&t->runs.entry[i], 100, text);
        puts(text);
    }
}

/* The runs drawn until it is asked to stop, or printed once where there is no terminal. */
static px_status draw_or_print(top *t, double every)
{
    const atomic_int *stop;
    PX_TRY(read_runs(t));
    PX_TRY(px_signals_stop_flag(&stop));
    px_status status = PX_OK;
    shown = px_screen_open(stdout);
    if (shown) px_signals_before_end(give_back_at_once);
    if (shown)
        status = watch(t, shown, every, stop);
    else
        print_once(t);
    px_signals_before_end(NULL);
    px_screen_close(shown);
    return status;
}

/* context: double *, the value of --every. */
static px_status show(px_command_line *line, void *context)
{
    top *t = calloc(1, sizeof *t);
    if (!t) return px_fail(PX_ERR_MEMORY, "no memory for the runs");
    t->folder = line->positional_count ? line->positional[0] : ".";
    px_status status = draw_or_print(t, *(double *)context);
    px_run_list_free(&t->runs);
    free(t);
    return status;
}

int px_cmd_top(int argc, char **argv)
{
    double every = 2;
    const px_flag own[] = {
        {"every", "s", PX_FLAG_DOUBLE, &every, 0.1, 3600, "seconds from one look at the files to the next [2]"},
        {0},
    };
    px_command_line line = {.command = "top", .usage = USAGE, .flags = own, .max_positional = 1};
    return px_command_run(&line, argc, argv, show, &every);
}
