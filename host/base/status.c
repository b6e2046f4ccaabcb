/* Status names, texts, exit codes, and the thread's last error line. */
#include "check.h"
#include "printable.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[1024];
static _Thread_local int system_error; /* behind the message; 0: none */

static const struct {
    const char *name, *text;
    int exit_code;
} statuses[] = {
#define PX_STATUS_ROW(code, exit_code, text) {#code, text, exit_code},
    PX_STATUS_LIST(PX_STATUS_ROW)
#undef PX_STATUS_ROW
};

#define STATUS_COUNT (sizeof statuses / sizeof statuses[0])

const char *px_status_name(px_status status)
{
    return (unsigned)status < STATUS_COUNT ? statuses[status].name : "PX_UNKNOWN";
}

const char *px_status_text(px_status status)
{
    return (unsigned)status < STATUS_COUNT ? statuses[status].text : "unknown status";
}

int px_status_exit_code(px_status status) { return (unsigned)status < STATUS_COUNT ? statuses[status].exit_code : 1; }

const char *px_error_message(void) { return message; }

/* raw may hold anything that stands in a file: the message is one line that a terminal can show. */
static void record(const char *raw) { px_printable(message, sizeof message, raw, strlen(raw), 0); }

void px_record_failure(const char *format, ...)
{
    char raw[sizeof message]; /* an argument may be the message before */
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    record(raw);
    system_error = 0;
}

static px_status status_of(int error)
{
    switch (error) {
    case ENOMEM: return PX_ERR_MEMORY;
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case EPERM:
    case ELOOP:
    case ENAMETOOLONG: return PX_ERR_INPUT;
    default: return PX_ERR_IO;
    }
}

px_status px_record_system(int error, const char *format, ...)
{
    char raw[sizeof message];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    size_t used = strlen(raw);
    snprintf(raw + used, sizeof raw - used, ": %s", error ? strerror(error) : "failed");
    record(raw);
    system_error = error;
    return status_of(error);
}

int px_error_system(void) { return system_error; }

void px_record_context(const char *format, ...)
{
    char before[256], raw[sizeof message];
    va_list args;
    va_start(args, format);
    vsnprintf(before, sizeof before, format, args);
    va_end(args);
    snprintf(raw, sizeof raw, "%s: %.*s", before, (int)(sizeof raw - sizeof before - 3), message);
    record(raw);
}
