/* Several paths in one text: see paths.h. */
#include "paths.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- several paths in one text ---------------------------------------------------------------------------------- */

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
    px_status status =
        paths->text && paths->path ? PX_OK : px_fail(PX_ERR_MEMORY, "no memory for the names of %zu files", count);
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

px_status px_paths_join(const char *const *path, size_t count, char **text)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (count > 1 && strchr(path[i], '\n'))
            return px_fail(PX_ERR_ARGUMENT,
                           "%s: of several files none has a line end in its name; rename it, or give it alone",
                           path[i]);
        bytes += strlen(path[i]) + 1;
    }
    if (!(*text = malloc(bytes))) return px_fail(PX_ERR_MEMORY, "no memory for the names of %zu files", count);
    char *end = *text;
    for (size_t i = 0; i < count; i++) {
        if (i) *end++ = '\n';
        end = stpcpy(end, path[i]);
    }
    return PX_OK;
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
    int bytes = shown != text                      ? (int)strlen(shown)
                : first < PX_PATHS_NAME_BYTES - 40 ? (int)first
                                                   : PX_PATHS_NAME_BYTES - 40;
    if (count == 1)
        snprintf(name, PX_PATHS_NAME_BYTES, "%.*s", bytes, shown);
    else
        snprintf(name, PX_PATHS_NAME_BYTES, "%.*s and %zu more file%s", bytes, shown, count - 1, count > 2 ? "s" : "");
    return name;
}

/* ---- one path ---------------------------------------------------------------------------------------------------- */

/* The next name of a path, without its slashes; NULL at the end. */
static const char *next_name(const char **at, size_t *bytes)
{
    const char *name = *at + strspn(*at, "/");
    *bytes = strcspn(name, "/");
    *at = name + *bytes;
    return *bytes ? name : NULL;
}

/* Appends a path's names to out, "/a/b/c"; ".." takes the name before it away. Returns out's length. */
static size_t append_names(char *out, size_t length, const char *path)
{
    size_t bytes;
    for (const char *name; (name = next_name(&path, &bytes)) != NULL;) {
        if (bytes == 1 && name[0] == '.') continue;
        if (bytes == 2 && name[0] == '.' && name[1] == '.') {
            while (length > 0 && out[--length] != '/') {
            }
            continue;
        }
        out[length++] = '/';
        memcpy(out + length, name, bytes);
        length += bytes;
    }
    out[length] = 0;
    return length;
}

/* How many bytes of two plain paths are whole names that they share. */
static size_t shared_bytes(const char *a, const char *b)
{
    size_t shared = 0;
    for (size_t i = 0;; i++) {
        const int ends_a = !a[i] || a[i] == '/', ends_b = !b[i] || b[i] == '/';
        if (ends_a && ends_b) shared = i;
        if (a[i] != b[i] || !a[i]) return shared;
    }
}

char *px_path_moved(const char *path, const char *from, const char *to)
{
    const size_t path_bytes = strlen(path) + 2, from_bytes = strlen(from) + 2;
    char *file = malloc(path_bytes), *old = malloc(from_bytes), *moved = NULL;
    if (file && old) {
        append_names(file, 0, path);
        append_names(old, 0, from);
        const size_t shared = shared_bytes(file, old);
        moved = malloc(strlen(to) + 2 + path_bytes);
        size_t length = moved ? append_names(moved, 0, to) : 0, bytes;
        for (const char *up = old + shared; moved && next_name(&up, &bytes);)
            length = append_names(moved, length, "..");
        if (moved) append_names(moved, length, file + shared);
    }
    free(file);
    free(old);
    return moved;
}

/* "." and ".." go where the path is then still one of the same file: not behind a link to a folder elsewhere. */
static void tidy(char *absolute)
{
    struct stat before, after;
    char *plain = malloc(strlen(absolute) + 2);
    if (plain && append_names(plain, 0, absolute) > 0 && stat(absolute, &before) == 0 && stat(plain, &after) == 0 &&
        before.st_dev == after.st_dev && before.st_ino == after.st_ino)
        memcpy(absolute, plain, strlen(plain) + 1); /* never longer: absolute begins with a slash */
    free(plain);
}

/* The working folder as the shell names it: a home that is mounted elsewhere on each machine has one name on all of
 * them. */
char *px_path_absolute(const char *path)
{
    char *folder = path[0] == '/' || strcmp(path, "-") == 0 ? NULL : get_current_dir_name(), *absolute = NULL;
    if (!folder) return strdup(path);
    if (asprintf(&absolute, "%s/%s", folder, path) < 0) absolute = NULL;
    free(folder);
    if (absolute) tidy(absolute);
    return absolute;
}
