/* Recording a failure and passing it on. Every host file that can fail includes this. */
#ifndef PX_CHECK_H
#define PX_CHECK_H

#include <perplex/status.h>

/* Records the message (printf form; names the object, the place and the remedy) and returns status. What it holds from files or arguments
 * may be anything: control characters are escaped (printable.h). */
px_status px_fail(px_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "prefix" before the message already recorded: a caller adds what it knows (the file, the flag). */
px_status px_fail_context(px_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What the system refused: "message: Permission denied". The status says whose fault it is: PX_ERR_INPUT where the name that was given is
 * wrong (missing, a folder, no permission), PX_ERR_MEMORY for ENOMEM, else PX_ERR_IO. error: an errno. */
px_status px_fail_system(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The errno of the last failure in this thread where px_fail_system recorded it; 0 where it was none of the system's: only then can it be
 * the content of a file that is wrong. */
int px_error_system(void);

#define PX_TRY(call)                        \
    do {                                    \
        px_status px_try_ = (call);         \
        if (px_try_ != PX_OK) return px_try_; \
    } while (0)

#define PX_TRY_GOTO(status, call, label)    \
    do {                                    \
        (status) = (call);                  \
        if ((status) != PX_OK) goto label;  \
    } while (0)

#endif
