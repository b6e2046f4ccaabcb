/* Whose run folder it is: the text of its file `lock`, for the people who find it taken and, where a file system has no
 * locks, for the next job.
 *
 *     process 4711 on HOST, Slurm job 12, since 2026-11-28 12:00:00 UTC
 *     started 81034 job 12 boot 6d0e...            when, in ticks of that machine since its start, which is named: no other process has all three
 */
#ifndef PX_RUN_OWNER_H
#define PX_RUN_OWNER_H

enum { PX_OWNER_BYTES = 640 };

typedef enum px_owner {
    PX_OWNER_ENDED, /* its process is gone, or it was an earlier turn of this very batch job */
    PX_OWNER_LIVES,
    PX_OWNER_UNKNOWN /* on another machine, or by a program that did not write the second line */
} px_owner;

/* This process. */
void px_owner_describe(char text[PX_OWNER_BYTES]);
/* What a file holds, fit to be shown; "" where it is empty or cannot be read. */
void px_owner_read(int descriptor, char text[PX_OWNER_BYTES]);
px_owner px_owner_state(const char *text);

#endif
