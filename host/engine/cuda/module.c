/* The module's one exported function, and its side of error messages: they are recorded in the program, not here. */
#include "module.h"
#include "check.h"
#include "engine_cuda.h"
#include "px_build_id.h"
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const px_cuda_host *host;

/* The module brings its own record of failures (instead of base/status.c), so that px_error_message() of the program
 * has the line. */
void px_record_failure(const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    host->record(line);
}

void px_record_context(const char *format, ...)
{
    char before[512], line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(before, sizeof before, format, args);
    va_end(args);
    snprintf(line, sizeof line, "%s: %s", before, host->message());
    host->record(line);
}

static const px_cuda_module module = {
    .ops = &px_cuda_ops,
    .devices = px_cuda_devices,
    .probe = px_cuda_probe,
    .range_push = px_trace_push,
    .range_pop = px_trace_pop,
};

const px_cuda_module *px_engine_module_open(const char *build_id, const px_cuda_host *program)
{
    if (strcmp(build_id, PX_BUILD_ID) != 0) return NULL;
    host = program;
    return &module;
}
