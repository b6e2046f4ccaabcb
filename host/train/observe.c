/* Showing a run to its observer: see observer.h and observe.h. */
#include "observe.h"

#include "check.h"
#include "file.h"
#include "metrics_log.h"
#include "run.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TAIL_BYTES = 1 << 18 }; /* of metrics.jsonl: more than the lines of one step take */

/* What an observer meets is no failure of the run. */
static void leave(px_run *run)
{
    run->observed = 0;
    px_run_line(run, "warning: %s; the run goes on without it", px_error_message());
}

static void show_line(void *context, const char *line, size_t bytes)
{
    px_run *run = context;
    if (!run->observed) return;
    if (run->hooks->observer->line(run->hooks->observer->context, line, bytes) != PX_OK) leave(run);
}

static int64_t step_of(const char *line, size_t bytes)
{
    cJSON *object = cJSON_ParseWithLength(line, bytes);
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(object, "step");
    int64_t value = cJSON_IsNumber(step) ? (int64_t)step->valuedouble : -1;
    cJSON_Delete(object);
    return value;
}

/* The lines of this very step that an earlier job wrote: they stand at the file's end. */
static void show_again(px_run *run)
{
    char *tail = malloc(TAIL_BYTES);
    px_file log = {.descriptor = -1};
    const int64_t all = px_metrics_log_bytes(run->log), from = all > TAIL_BYTES ? all - TAIL_BYTES : 0;
    size_t got = (size_t)(all - from);
    if (!tail || px_file_open(run->metrics_path, &log) != PX_OK ||
        px_file_read_at(&log, (uint64_t)from, tail, got) != PX_OK)
        got = 0;
    for (char *line = tail, *end;
         got > 0 && line < tail + got && (end = memchr(line, '\n', (size_t)(tail + got - line))); line = end + 1)
        if ((from == 0 || line > tail) && step_of(line, (size_t)(end - line)) >= run->state.step)
            show_line(run, line, (size_t)(end - line));
    px_file_close(&log);
    free(tail);
}

px_status px_run_observe(px_run *run)
{
    const px_run_observer *observer = run->hooks->observer;
    px_run_opening opening = {
        .folder = run->folder, .config = &run->config, .step = run->state.step, .resumed = run->resumed};
    if (!observer || !run->log) return PX_OK;
    run->observed = run->observer_open = 1;
    if (observer->open(observer->context, &opening, &run->observed) != PX_OK) leave(run);
    px_metrics_log_watch(run->log, show_line, run);
    if (!run->observed) return PX_OK;
    show_again(run);
    /* the model at this step is that of its evaluation, if there was one here */
    return run->state.step > 0 && run->state.evaluated_step == run->state.step ? px_run_look(run, 0) : PX_OK;
}

void px_run_observe_end(px_run *run)
{
    if (run->log) px_metrics_log_watch(run->log, NULL, NULL);
    if (run->observer_open) run->hooks->observer->close(run->hooks->observer->context);
    run->observed = run->observer_open = 0;
}

void px_run_show_snapshot(px_run *run, const px_run_snapshot *snapshot)
{
    if (run->observed && run->hooks->observer->snapshot(run->hooks->observer->context, snapshot) != PX_OK) leave(run);
}
