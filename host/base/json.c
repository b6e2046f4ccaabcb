/* cJSON with a memory for what it lost: see json.h. */
#include "json.h"

#include "check.h"
#include "text_buffer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local int lost;

static void *watched_malloc(size_t bytes)
{
    void *block = malloc(bytes);
    lost |= !block;
    return block;
}

void px_json_watch(void) { cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = watched_malloc, .free_fn = free}); }

void px_json_lost(void) { lost = 1; }

px_status px_json_write(cJSON *object, int formatted, const char *what, char **text)
{
    *text = object && !lost ? formatted ? cJSON_Print(object) : cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    lost = 0;
    return *text ? PX_OK : px_fail(PX_ERR_MEMORY, "%s: no memory for the JSON output", what);
}

px_status px_json_parse(const char *text, size_t bytes, const char *place, const char *wrong, const char **end,
                        cJSON **root)
{
    errno = 0; /* cJSON returns NULL for both; malloc says which */
    *root = cJSON_ParseWithLengthOpts(text, bytes, end, 0);
    if (*root) return PX_OK;
    int memory = errno == ENOMEM;
    if (memory) lost = 0;
    return memory ? px_fail(PX_ERR_MEMORY, "%s: no memory to read it", place)
                  : px_fail(PX_ERR_INPUT, "%s: %s", place, wrong);
}

px_status px_json_bound(const char *text, size_t bytes, size_t values_max, const char *place)
{
    size_t values = 1;
    int in_string = 0;
    for (size_t i = 0; i < bytes; i++) {
        const char c = text[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string)
            values += c == ',' || c == '[' || c == '{';
    }
    if (values <= values_max) return PX_OK;
    return px_fail(PX_ERR_INPUT, "%s: JSON of %zu values; what belongs here has at most %zu", place, values,
                   values_max);
}

/* ---- members ----------------------------------------------------------------------------------------------------- */

void px_json_number(cJSON *object, const char *name, double value)
{
    if (isinf(value))
        cJSON_AddStringToObject(object, name, value > 0 ? "inf" : "-inf");
    else if (isnan(value))
        cJSON_AddNullToObject(object, name);
    else
        cJSON_AddNumberToObject(object, name, value);
}

void px_json_count(cJSON *object, const char *name, long long value)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", value);
    cJSON_AddRawToObject(object, name, text);
}

void px_json_text(cJSON *object, const char *name, const char *text, size_t bytes)
{
    px_text clean = {0};
    px_text_append_utf8(&clean, text, bytes);
    if (clean.failed)
        px_json_lost();
    else
        cJSON_AddStringToObject(object, name, clean.data ? clean.data : "");
    px_text_free(&clean);
}
