/* Recording a failure and passing it on. Every host file that can fail includes this. */
#ifndef PX_CHECK_H
#define PX_CHECK_H

#include <perplex/status.h>

/* px_fail(status, format, ...) records the message (printf form; names the object, the place and the remedy) and is
 * status. What the message holds from files or arguments may be anything: control characters are escaped (printable.h).
 * A macro, so that a compiler and an analyser see which status a function returns, and that it is none but a failure.
 */
#define px_fail(status, ...) (px_record_failure(__VA_ARGS__), (status))
/* Puts "prefix" before the message already recorded: a caller adds what it knows (the file, the flag). */
#define px_fail_context(status, ...) (px_record_context(__VA_ARGS__), (status))
/* What the system refused: "message: Permission denied". The status says whose fault it is: PX_ERR_INPUT where the name
 * that was given is wrong (missing, a folder, no permission), PX_ERR_MEMORY for ENOMEM, else PX_ERR_IO. error: an
 * errno. */
#define px_fail_system(error, ...) px_failure_of(px_record_system(error, __VA_ARGS__))

void px_record_failure(const char *format, ...) __attribute__((format(printf, 1, 2)));
void px_record_context(const char *format, ...) __attribute__((format(printf, 1, 2)));
px_status px_record_system(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline px_status px_failure_of(px_status status)
{
    if (status == PX_OK) __builtin_unreachable();
    return status;
}

/* The errno of the last failure in this thread where px_fail_system recorded it; 0 where it was none of the system's:
 * only then can it be the content of a file that is wrong. */
int px_error_system(void);

#define PX_TRY(call)                                                                                                   \
    do {                                                                                                               \
        px_status px_try_ = (call);                                                                                    \
        if (px_try_ != PX_OK) return px_try_;                                                                          \
    } while (0)

#define PX_TRY_GOTO(status, call, label)                                                                               \
    do {                                                                                                               \
        (status) = (call);                                                                                             \
        if ((status) != PX_OK) goto label;                                                                             \
    } while (0)

#endif
