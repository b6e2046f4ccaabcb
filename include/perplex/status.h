/** @file
 * Status codes: what every fallible call of perplex returns.
 *
 * One list makes the enum, the names and the messages. A call that fails also records one line for
 * a person (object, place, remedy) in a thread-local buffer; px_error_message() reads it. */
#ifndef PERPLEX_STATUS_H
#define PERPLEX_STATUS_H

#include <perplex/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/** X(code, exit status of a program, general meaning), once for each code. */
#define PX_STATUS_LIST(X)                                                                                              \
    X(PX_OK, 0, "done")                                                                                                \
    X(PX_ERR_ARGUMENT, 2, "wrong argument")                                                                            \
    X(PX_ERR_INPUT, 2, "wrong or damaged input file")                                                                  \
    X(PX_ERR_DEVICE, 2, "the device cannot be used")                                                                   \
    X(PX_ERR_MEMORY, 1, "not enough memory")                                                                           \
    X(PX_ERR_IO, 1, "reading or writing failed")                                                                       \
    X(PX_ERR_NUMERIC, 1, "a value is not finite")                                                                      \
    X(PX_ERR_INTERNAL, 1, "a mistake in perplex itself")                                                               \
    X(PX_ERR_CUDA, 1, "a CUDA call failed")                                                                            \
    X(PX_STOPPED, 75, "stopped with a checkpoint; run again to go on")

/** The codes of PX_STATUS_LIST, in its order; PX_OK is 0. */
typedef enum px_status {
/** @cond */
#define PX_STATUS_ENUM(code, exit_code, text) code,
    PX_STATUS_LIST(PX_STATUS_ENUM)
#undef PX_STATUS_ENUM
    /** @endcond */
} px_status;

/** The code's name: "PX_ERR_IO". */
PERPLEX_API const char *px_status_name(px_status status);
/** Its general meaning: "reading or writing failed". */
PERPLEX_API const char *px_status_text(px_status status);
/** The exit status that a program ends with: 0, 1, 2, or 75 where it can be run again. */
PERPLEX_API int px_status_exit_code(px_status status);

/** The line recorded by the last failure in this thread; "" if none. Valid until the next failure in this thread. */
PERPLEX_API const char *px_error_message(void);

#ifdef __cplusplus
}
#endif
#endif
