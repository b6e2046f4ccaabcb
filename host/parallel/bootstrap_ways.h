/* The ways of bootstrap.h, and what they share: the user's key, and files that only this user can have written. */
#ifndef PX_BOOTSTRAP_WAYS_H
#define PX_BOOTSTRAP_WAYS_H

#include "bootstrap.h"

enum { PX_KEY_BYTES = 32 };
typedef struct px_bootstrap_key {
    unsigned char bytes[PX_KEY_BYTES];
} px_bootstrap_key;

/* ---- bootstrap_tcp.c, bootstrap_file.c: as px_bootstrap_run; end is a time of px_clock(). */
px_status px_bootstrap_tcp(const px_bootstrap *bootstrap, void *data, size_t bytes, double end);
px_status px_bootstrap_file(const px_bootstrap *bootstrap, void *data, size_t bytes, double end);

/* ---- bootstrap_private.c: files of mode 0600 that belong to this user. */
/* The key of this user; made where the file is missing (of several ranks that make one, one wins). PX_ERR_INPUT: others
 * can read it, it belongs to somebody else, or it is no key. */
px_status px_private_key(const char *path, px_bootstrap_key *key);
/* The folder, made with mode 0700 where it is missing. */
px_status px_private_folder(const char *path);
/* Writes a whole new file: a temporary one made O_EXCL with mode 0600, then renamed to path (what was there is
 * replaced). */
px_status px_private_write(const char *path, const void *data, size_t bytes);
/* Reads a whole file of at most limit bytes; *found 0 where there is none. PX_ERR_INPUT where it is not this user's
 * own, not of mode 0600, or no plain file. */
px_status px_private_read(const char *path, void *data, size_t limit, size_t *bytes, int *found);
/* path = "folder/perplex-JOB-RESTART-what"; and the same up to the restart's number: "perplex-JOB-". PX_ERR_ARGUMENT:
 * too long. */
px_status px_private_path(const px_bootstrap *bootstrap, const char *what, char path[PX_BOOTSTRAP_PATH_MAX]);
/* Removes this job's files of other restarts. */
void px_private_clean(const px_bootstrap *bootstrap);
/* Random bytes of the system. */
px_status px_private_random(void *data, size_t bytes);

/* Sleeps for a moment that gets longer with every try: 2 ms to 50 ms. */
void px_bootstrap_pause(int *tries);

#endif
