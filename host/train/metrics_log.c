/* metrics.jsonl: see metrics_log.h. */
#include "metrics_log.h"

#include "check.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Nine digits: more than any reader needs, and fewer than what differs when a sum is made in another order. */
enum { NUMBER_DIGITS = 9 };

struct px_metrics_log {
    char *path;
    int fd;
    int64_t bytes;
    px_text line;
    void (*watch)(void *context, const char *text, size_t bytes);
    void *watch_context;
};

static px_status fail_io(const px_metrics_log *log, const char *what)
{
    return px_fail(PX_ERR_IO, "%s: %s: %s", log->path, what, strerror(errno));
}

/* Cuts the file to keep_bytes, or, where it is shorter, behind its last whole line. */
static px_status cut(px_metrics_log *log, int64_t keep_bytes)
{
    struct stat info;
    if (fstat(log->fd, &info) != 0) return fail_io(log, "cannot be read");
    int64_t bytes = info.st_size < keep_bytes ? info.st_size : keep_bytes;
    if (info.st_size < keep_bytes) {
        char last = '\n';
        while (bytes > 0 && pread(log->fd, &last, 1, bytes - 1) == 1 && last != '\n') bytes--;
    }
    if (px_truncate(log->fd, bytes) != 0) return fail_io(log, "cannot be cut to the checkpoint's length");
    log->bytes = bytes;
    return PX_OK;
}

px_status px_metrics_log_open(const char *path, int64_t keep_bytes, px_metrics_log **out)
{
    px_metrics_log *log = calloc(1, sizeof *log);
    px_status status;
    *out = NULL;
    if (!log || !(log->path = strdup(path))) {
        free(log);
        return px_fail(PX_ERR_MEMORY, "%s: no memory to open it", path);
    }
    /* appended whole, a line stays whole even where a second job writes to the same file: no lock keeps it out on some
     * file systems */
    log->fd = px_open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log->fd < 0) {
        status = fail_io(log, "cannot be written");
        goto fail;
    }
    PX_TRY_GOTO(status, cut(log, keep_bytes), fail);
    *out = log;
    return PX_OK;
fail:
    px_metrics_log_close(log);
    return status;
}

void px_metrics_log_close(px_metrics_log *log)
{
    if (!log) return;
    if (log->fd >= 0) close(log->fd);
    px_text_free(&log->line);
    free(log->path);
    free(log);
}

int64_t px_metrics_log_bytes(const px_metrics_log *log) { return log->bytes; }

px_status px_metrics_log_sync(px_metrics_log *log)
{
    if (!log) return PX_OK;
    /* some file systems cannot flush; a full disk shows here at the latest */
    if (px_sync(log->fd) != 0 && errno != EINVAL && errno != ENOSYS) return fail_io(log, "writing failed");
    return PX_OK;
}

void px_metrics_log_watch(px_metrics_log *log, void (*line)(void *context, const char *text, size_t bytes),
                          void *context)
{
    log->watch = line;
    log->watch_context = context;
}

static void name_field(px_metrics_log *log, const char *name)
{
    px_text_append(&log->line, ",", 1);
    px_text_json_string(&log->line, name, strlen(name));
    px_text_append(&log->line, ":", 1);
}

void px_metrics_begin(px_metrics_log *log, const char *event)
{
    if (!log) return;
    px_text_clear(&log->line);
    px_text_format(&log->line, "{\"event\":");
    px_text_json_string(&log->line, event, strlen(event));
}

void px_metrics_count(px_metrics_log *log, const char *name, int64_t value)
{
    if (!log) return;
    name_field(log, name);
    px_text_format(&log->line, "%lld", (long long)value);
}

void px_metrics_number(px_metrics_log *log, const char *name, double value)
{
    if (!log) return;
    name_field(log, name);
    px_text_json_number(&log->line, value, NUMBER_DIGITS);
}

void px_metrics_text(px_metrics_log *log, const char *name, const char *value)
{
    if (!log) return;
    name_field(log, name);
    px_text_json_string(&log->line, value, strlen(value));
}

void px_metrics_bytes(px_metrics_log *log, const char *name, const char *value, size_t bytes)
{
    if (!log) return;
    px_text clean = {0};
    px_text_append_utf8(&clean, value, bytes);
    name_field(log, name);
    px_text_json_string(&log->line, clean.data ? clean.data : "", clean.bytes);
    log->line.failed |= clean.failed;
    px_text_free(&clean);
}

void px_metrics_bool(px_metrics_log *log, const char *name, int value)
{
    if (!log) return;
    name_field(log, name);
    px_text_format(&log->line, "%s", value ? "true" : "false");
}

px_status px_metrics_end(px_metrics_log *log)
{
    if (!log) return PX_OK;
    px_text_append(&log->line, "}\n", 2);
    PX_TRY(px_text_check(&log->line, log->path));
    if (px_write_all(log->fd, log->line.data, log->line.bytes) != 0) {
        int error = errno;
        (void)!px_truncate(log->fd, log->bytes); /* no half line stays behind */
        errno = error;
        return fail_io(log, "writing failed");
    }
    log->bytes += (int64_t)log->line.bytes;
    if (log->watch) log->watch(log->watch_context, log->line.data, log->line.bytes - 1);
    return PX_OK;
}
