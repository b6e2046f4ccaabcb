/* Several paths in one text: see paths.h. */
#include "paths.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How many paths a text holds. */
static size_t count_of(const char *text)
{
    size_t count = 1;
    if (!strchr(text, '\n') || access(text, F_OK) == 0) return 1;
    for (const char *c = text; (c = strchr(c, '\n')); c++) count++;
    return count;
}

px_status px_paths_split(const char *text, px_paths *paths)
{
    size_t count = count_of(text);
    *paths = (px_paths){.text = strdup(text), .path = malloc(count * sizeof *paths->path), .count = count};
    px_status status = paths->text && paths->path ? PX_OK : px_fail(PX_ERR_MEMORY, "no memory for the names of %zu files", count);
    char *at = paths->text;
    for (size_t i = 0; status == PX_OK && i < count; i++) {
        char *end = count > 1 ? strchr(at, '\n') : NULL;
        paths->path[i] = at;
        if (end) *end = 0;
        if (count > 1 && !*at) status = px_fail(PX_ERR_ARGUMENT, "an empty name among those of %zu files", count);
        if (end) at = end + 1;
    }
    if (status != PX_OK) px_paths_free(paths);
    return status;
}

void px_paths_free(px_paths *paths)
{
    free(paths->text);
    free(paths->path);
    *paths = (px_paths){0};
}

int px_paths_hold(const char *text, const char *path)
{
    size_t bytes = strlen(path);
    if (count_of(text) == 1) return strcmp(text, path) == 0;
    for (const char *at = text;; at += strcspn(at, "\n") + 1) {
        if (strcspn(at, "\n") == bytes && strncmp(at, path, bytes) == 0) return 1;
        if (!strchr(at, '\n')) return 0;
    }
}

const char *px_paths_name(const char *text, char name[PX_PATHS_NAME_BYTES])
{
    size_t count = count_of(text), first = count > 1 ? strcspn(text, "\n") : strlen(text);
    const char *shown = first == 1 && *text == '-' ? "standard input" : text;
    int bytes = shown != text ? (int)strlen(shown) : first < PX_PATHS_NAME_BYTES - 40 ? (int)first : PX_PATHS_NAME_BYTES - 40;
    if (count == 1)
        snprintf(name, PX_PATHS_NAME_BYTES, "%.*s", bytes, shown);
    else
        snprintf(name, PX_PATHS_NAME_BYTES, "%.*s and %zu more file%s", bytes, shown, count - 1, count > 2 ? "s" : "");
    return name;
}
