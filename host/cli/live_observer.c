/* The samples of a run that is drawn live: see live.h. */
#include "live.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

typedef struct live_observer {
    px_run_observer observer; /* context: this */
    px_live *live;
    const px_run_observer *other;
    int other_open, other_wants;
} live_observer;

static px_status open_both(void *context, const px_run_opening *opening, int *wanted)
{
    live_observer *o = context;
    *wanted = 1;
    o->other_wants = o->other_open = o->other != NULL;
    px_status status = o->other ? o->other->open(o->other->context, opening, &o->other_wants) : PX_OK;
    if (!o->other_wants) o->observer.snapshot = NULL; /* nothing here looks at one */
    return status;
}

/* {"event":"sample","step":500,...,"text":"..."} */
static void show_sample(px_live *live, const char *json, size_t bytes)
{
    cJSON *line = cJSON_ParseWithLength(json, bytes);
    const cJSON *event = cJSON_GetObjectItemCaseSensitive(line, "event");
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(line, "step");
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(line, "text");
    if (cJSON_IsString(event) && strcmp(event->valuestring, "sample") == 0 && cJSON_IsNumber(step) &&
        cJSON_IsString(text))
        px_live_sample(live, (int64_t)step->valuedouble, text->valuestring);
    cJSON_Delete(line);
}

static px_status line_to_both(void *context, const char *json, size_t bytes)
{
    live_observer *o = context;
    show_sample(o->live, json, bytes);
    return o->other_wants ? o->other->line(o->other->context, json, bytes) : PX_OK;
}

static px_status snapshot_to_other(void *context, const px_run_snapshot *snapshot)
{
    live_observer *o = context;
    return o->other_wants ? o->other->snapshot(o->other->context, snapshot) : PX_OK;
}

static void close_other(void *context)
{
    live_observer *o = context;
    if (o->other_open) o->other->close(o->other->context);
}

const px_run_observer *px_live_observer_create(px_live *live, const px_run_observer *other)
{
    live_observer *o = calloc(1, sizeof *o);
    if (!o) return NULL;
    o->live = live;
    o->other = other;
    o->observer = (px_run_observer){o, open_both, line_to_both, snapshot_to_other, close_other};
    return &o->observer;
}

void px_live_observer_destroy(const px_run_observer *observer) { free(observer ? observer->context : NULL); }
