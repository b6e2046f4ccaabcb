/* A result as files in one folder (bench.h). */
#include "bench.h"

#include "check.h"
#include "file.h"
#include "plot.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Writes and frees text; NULL is out of memory. */
static px_status write_file(const char *folder, const char *name, char *text)
{
    char path[PATH_MAX];
    if (!text) return px_fail(PX_ERR_MEMORY, "bench: no memory for %s", name);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    px_status status = px_file_put(path, text, strlen(text));
    free(text);
    return status;
}

px_status px_bench_write_folder(const px_bench_result *result, const px_bench_options *options, const char *command,
                                const char *folder, char *note, size_t note_bytes)
{
    note[0] = 0;
    if (px_make_folder(folder, 0777) != 0 && errno != EEXIST)
        return px_fail(PX_ERR_IO, "%s: cannot be made: %s", folder, strerror(errno));
    PX_TRY(write_file(folder, "bench.json", px_bench_json(result, options, command)));
    PX_TRY(write_file(folder, "bench.csv", px_bench_csv(result)));
    PX_TRY(write_file(folder, "bench.md", px_bench_markdown(result, options)));
    return px_bench_plot(result, folder, options->png, note, note_bytes);
}
