/* metrics.jsonl: one JSON object a line, appended whole or not at all. Fields: docs/manual/metrics.md. */
#ifndef PX_METRICS_LOG_H
#define PX_METRICS_LOG_H

#include "text_buffer.h"

#include <perplex/status.h>
#include <stdint.h>

typedef struct px_metrics_log px_metrics_log;

/* Opens path, creating it, and cuts it to `keep_bytes` (a resumed run writes the lines after its checkpoint anew); a
 * shorter file is left as it is, up to its last whole line. PX_ERR_IO names path and reason. */
px_status px_metrics_log_open(const char *path, int64_t keep_bytes, px_metrics_log **log);
void px_metrics_log_close(px_metrics_log *log); /* NULL does nothing */
int64_t px_metrics_log_bytes(const px_metrics_log *log);
/* Flushes to disk. */
px_status px_metrics_log_sync(px_metrics_log *log);

/* Calls line(context, text, bytes) for each line once it stands in the file, without its newline; NULL: no longer. */
void px_metrics_log_watch(px_metrics_log *log, void (*line)(void *context, const char *text, size_t bytes),
                          void *context);

/* One line: begin, fields, end; a log that is NULL (a rank that writes none) takes them and does nothing. Errors are
 * returned by end, PX_ERR_IO with what is already there kept whole. */
void px_metrics_begin(px_metrics_log *log, const char *event);
void px_metrics_count(px_metrics_log *log, const char *name, int64_t value);
void px_metrics_number(px_metrics_log *log, const char *name, double value);
void px_metrics_text(px_metrics_log *log, const char *name, const char *value);
/* Any bytes: what is not UTF-8, and NUL, becomes U+FFFD. */
void px_metrics_bytes(px_metrics_log *log, const char *name, const char *value, size_t bytes);
void px_metrics_bool(px_metrics_log *log, const char *name, int value);
px_status px_metrics_end(px_metrics_log *log);

#endif
