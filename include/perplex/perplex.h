/** @file
 * libperplex: recurrent language models inside another program. This header includes all others.
 *
 * A *model* is read from a file that `perplex train` or `perplex import` wrote. A *session* runs one on a device: it
 * reads tokens, gives each its probability, and writes on.
 *
 * @code
 * px_model *model;
 * px_session *session;
 * px_line_score score;
 * if (px_model_open("runs/book", &model) != PX_OK) { puts(px_error_message()); return 1; }
 * if (px_session_create(model, NULL, &session) != PX_OK) { puts(px_error_message()); return 1; }
 * if (px_session_score_line(session, "It was late", 11, &score) == PX_OK)
 *     printf("%f\n", score.log_probability);
 * @endcode
 *
 * @par Errors
 * A call that can fail returns a px_status; results go through out-pointers, which are left alone (or set to NULL and
 * 0) on failure. px_error_message() then has one line for a person: the object, the place, the remedy. Nothing is
 * printed, and no call ends the program.
 *
 * @par Ownership
 * px_model_open() and px_session_create() make objects that the caller closes with px_model_close() and
 * px_session_destroy(). Memory that a call allocates for its caller is named there and given back with px_free() (or
 * the function named there). Texts and arrays given to a call remain the caller's and are not kept.
 *
 * @par Threads
 * A model is never changed once it is open: any number of threads may use it at the same time, and it must outlive its
 * sessions. A session is used by one thread at a time; threads that work at the same time have a session each. The
 * message of px_error_message() belongs to the thread whose call failed.
 *
 * @par Locale
 * Files, numbers and messages are read and written the same whatever locale the program has chosen, by setlocale() or
 * uselocale(); it is in force again when a call returns.
 *
 * @par Text
 * Texts are bytes with a length; at the levels `char` and `word` they are UTF-8. Probabilities are natural: nats, not
 * bits. */
#ifndef PERPLEX_PERPLEX_H
#define PERPLEX_PERPLEX_H

#include <perplex/api.h>
#include <perplex/model.h>
#include <perplex/session.h>
#include <perplex/status.h>

#endif
