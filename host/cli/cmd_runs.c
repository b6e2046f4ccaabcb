/* perplex runs: the runs below a folder, a line each. */
#include "check.h"
#include "commands.h"
#include "inputs.h"
#include "nearest.h"
#include "output.h"
#include "printable.h"
#include "quantity.h"
#include "run_command.h"
#include "run_list.h"
#include "utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char USAGE[] = "perplex runs [DIR] [--sort KEY] [--json]      DIR: where run folders are looked for [.]\n"
                            "Lists run folders: state, steps, best validation perplexity, speed, size and device.\n";

enum { COLUMNS = 9, CELL_BYTES = 256 };

/* ---- for people -------------------------------------------------------------------------------------------------- */

static const char *const TITLES[COLUMNS] = {"run",        "state", "steps",  "perplexity", "tokens/s",
                                            "parameters", "model", "device", "last line"};
static const int RIGHT[COLUMNS] = {0, 0, 1, 1, 1, 1, 0, 0, 0};

typedef char row[COLUMNS][CELL_BYTES];

static const char *state_colour(const px_run_entry *e)
{
    static const char *const colours[] = {"\033[36m", "\033[33m", "\033[32m", "\033[31m"};
    return e->status == PX_OK ? colours[e->condition] : "\033[31m";
}

/* "12 s ago", "3 h ago", "5 days ago" */
static void age_text(double seconds, char cell[CELL_BYTES])
{
    if (seconds < 120)
        snprintf(cell, CELL_BYTES, "%.0f s ago", seconds < 0 ? 0 : seconds);
    else if (seconds < 2 * 3600)
        snprintf(cell, CELL_BYTES, "%.0f min ago", seconds / 60);
    else if (seconds < 2 * 86400)
        snprintf(cell, CELL_BYTES, "%.0f h ago", seconds / 3600);
    else
        snprintf(cell, CELL_BYTES, "%.0f days ago", seconds / 86400);
}

static void fill(row cells, const px_run_entry *e, double now)
{
    char count[32];
    memset(cells, 0, sizeof(row));
    px_input_escape(e->folder, strlen(e->folder), cells[0], CELL_BYTES - 40);
    if (e->status != PX_OK) {
        snprintf(cells[1], CELL_BYTES, "unreadable");
        return;
    }
    snprintf(cells[1], CELL_BYTES, "%s", px_run_condition_name(e->condition));
    snprintf(cells[2], CELL_BYTES, "%s", px_text_count(count, e->steps));
    snprintf(cells[3], CELL_BYTES, "%s",
             isnan(e->best_perplexity) ? "-" : px_text_perplexity(count, e->best_perplexity));
    snprintf(cells[4], CELL_BYTES, "%s",
             isfinite(e->tokens_per_s) ? px_text_count(count, (long long)(e->tokens_per_s + 0.5)) : "-");
    snprintf(cells[5], CELL_BYTES, "%s", px_text_count(count, e->parameters));
    snprintf(cells[6], CELL_BYTES, "%s", e->model);
    px_input_escape(e->device, strlen(e->device), cells[7], CELL_BYTES);
    age_text(now - e->modified, cells[8]);
}

static void print_row(row cells, const int *width, const char *colour)
{
    for (int c = 0; c < COLUMNS; c++) {
        int room = width[c] - px_utf8_columns(cells[c]);
        if (c) printf("  ");
        if (RIGHT[c]) printf("%*s", room, "");
        printf("%s%s%s", colour && c == 1 ? colour : "", cells[c], colour && c == 1 ? "\033[0m" : "");
        if (!RIGHT[c] && c + 1 < COLUMNS) printf("%*s", room, "");
    }
    printf("\n");
}

static px_status print_table(const px_run_list *list, const char *folder)
{
    const char *no_colour = getenv("NO_COLOR");
    int coloured = px_output_is_terminal() && !(no_colour && no_colour[0]), width[COLUMNS];
    double now = (double)time(NULL);
    if (list->count == 0) {
        px_print(stdout, "no runs in %s\n", folder);
        return PX_OK;
    }
    row *rows = calloc(list->count + 1, sizeof *rows);
    if (!rows) return px_fail(PX_ERR_MEMORY, "no memory for a table of %zu runs", list->count);
    for (int c = 0; c < COLUMNS; c++) snprintf(rows[0][c], CELL_BYTES, "%s", TITLES[c]);
    for (size_t i = 0; i < list->count; i++) fill(rows[i + 1], &list->entry[i], now);
    for (int c = 0; c < COLUMNS; c++) {
        width[c] = 0;
        for (size_t i = 0; i <= list->count; i++)
            if (px_utf8_columns(rows[i][c]) > width[c]) width[c] = px_utf8_columns(rows[i][c]);
    }
    print_row(rows[0], width, NULL);
    for (size_t i = 0; i < list->count; i++)
        print_row(rows[i + 1], width, coloured ? state_colour(&list->entry[i]) : NULL);
    for (size_t i = 0; i < list->count; i++)
        if (list->entry[i].status != PX_OK) printf("%s\n", list->entry[i].error);
    free(rows);
    return PX_OK;
}

/* ---- for programs ------------------------------------------------------------------------------------------------ */

static px_status print_json(const px_run_list *list)
{
    cJSON *object = cJSON_CreateObject(), *runs = cJSON_CreateArray();
    for (size_t i = 0; i < list->count; i++) {
        const px_run_entry *e = &list->entry[i];
        cJSON *run = cJSON_CreateObject();
        px_json_text(run, "run", e->folder, strlen(e->folder));
        cJSON_AddStringToObject(run, "state", e->status == PX_OK ? px_run_condition_name(e->condition) : "unreadable");
        px_json_number(run, "bytes", e->bytes);
        if (e->status != PX_OK)
            px_json_text(run, "error", e->error, strlen(e->error));
        else {
            px_json_text(run, "reason", e->reason, strlen(e->reason));
            px_json_count(run, "steps", e->steps);
            px_json_count(run, "tokens", e->tokens);
            px_json_number(run, "best_valid_perplexity", e->best_perplexity);
            px_json_count(run, "best_step", e->best_step);
            px_json_number(run, "test_perplexity", e->test_perplexity);
            px_json_number(run, "tokens_per_s", e->tokens_per_s);
            px_json_count(run, "parameters", e->parameters);
            px_json_text(run, "model", e->model, strlen(e->model));
            px_json_text(run, "device", e->device, strlen(e->device));
            px_json_number(run, "modified", e->modified);
        }
        cJSON_AddItemToArray(runs, run);
    }
    cJSON_AddItemToObject(object, "runs", runs);
    return px_json_print(object);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static px_status read_order(const char *text, px_run_order *order)
{
    for (int i = 0; i < PX_RUN_ORDERS; i++)
        if (strcmp(text, px_run_order_names[i]) == 0) {
            *order = (px_run_order)i;
            return PX_OK;
        }
    size_t near = px_nearest(text, px_run_order_names, PX_RUN_ORDERS);
    if (near < PX_RUN_ORDERS)
        return px_fail(PX_ERR_ARGUMENT, "--sort %.40s: no such order; did you mean %s?", text,
                       px_run_order_names[near]);
    return px_fail(PX_ERR_ARGUMENT,
                   "--sort %.40s: no such order; there are name, state, steps, perplexity, speed, parameters and time",
                   text);
}

typedef struct runs_flags {
    const char *sort;
    int json;
} runs_flags;

static px_status list_runs(px_command_line *line, void *context)
{
    const runs_flags *flags = context;
    const char *folder = line->positional_count ? line->positional[0] : ".";
    px_run_order order = PX_RUNS_BY_NAME;
    px_run_list list;
    PX_TRY(read_order(flags->sort, &order));
    PX_TRY(px_run_list_read(folder, &list));
    px_run_list_sort(&list, order);
    px_status status = flags->json ? print_json(&list) : print_table(&list, folder);
    px_run_list_free(&list);
    return status;
}

int px_cmd_runs(int argc, char **argv)
{
    runs_flags flags = {.sort = "name"};
    const px_flag own[] = {
        {"sort", "KEY", PX_FLAG_STRING, &flags.sort, 0, 0,
         "name, state, steps, perplexity, speed, parameters or time [name]"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "as one JSON object on standard output"},
        {0},
    };
    px_command_line line = {.command = "runs", .usage = USAGE, .flags = own, .max_positional = 1};
    return px_command_run(&line, argc, argv, list_runs, &flags);
}
