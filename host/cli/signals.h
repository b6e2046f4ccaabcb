/* What happens when someone wants the program to end.
 *
 * No handler runs anywhere: the signals that are cared for are blocked in every thread, and one thread waits for them
 * (sigwait), so that a signal never interrupts a computation. Threads inherit what is blocked: the calls below come
 * before a command starts any. */
#ifndef PX_SIGNALS_H
#define PX_SIGNALS_H

#include <perplex/status.h>
#include <stdatomic.h>

/* For every command: a write into a closed pipe or past a file-size limit is an error that is reported, not a sudden
 * end. */
void px_signals_prepare(void);
/* From here on SIGINT, SIGTERM, SIGUSR1, SIGUSR2, and SIGHUP unless it is ignored (nohup), set the flag that is
 * returned to PX_STOP_ASKED (a job's end, as batch systems announce it); a second SIGINT, a fifth of a second later or
 * more, ends the program at once. PX_ERR_MEMORY where no thread can be started. */
px_status px_signals_stop_flag(const atomic_int **flag);
/* What is done first where a signal ends the program at once, in the thread that waits for signals; NULL: nothing. */
void px_signals_before_end(void (*first)(void));
/* After so many seconds the flag becomes PX_STOP_TIME, unless it is set already. Once per process, after
 * px_signals_stop_flag. */
void px_signals_stop_after(double seconds);
/* SIGINT, SIGTERM and SIGHUP remove path's unfinished copy (px_atomic_open's temporary name) and end the program. */
px_status px_signals_remove_unfinished(const char *path);

#endif
