/* Several files in one setting (--data A B): their paths with a newline between. A text that is the path of a file as
 * it stands is one path, whatever is in it. */
#ifndef PX_PATHS_H
#define PX_PATHS_H

#include <perplex/status.h>
#include <stddef.h>

typedef struct px_paths {
    char *text;        /* owned: the paths, each ended by NUL */
    const char **path; /* [count] */
    size_t count;      /* at least 1 */
} px_paths;

/* PX_ERR_ARGUMENT for an empty path among several; PX_ERR_MEMORY. */
px_status px_paths_split(const char *text, px_paths *paths);
/* The text of several paths, malloc'ed. PX_ERR_ARGUMENT where one of several has a line end in its name. count > 0. */
px_status px_paths_join(const char *const *path, size_t count, char **text);
void px_paths_free(px_paths *paths); /* zeroed afterwards; a zeroed one is fine */
/* 1 if path is one of them. */
int px_paths_hold(const char *text, const char *path);

enum { PX_PATHS_NAME_BYTES = 600 };
/* For a person: "a.txt", "standard input", "a.txt and 3 more files". */
const char *px_paths_name(const char *text, char name[PX_PATHS_NAME_BYTES]);

/* Where a path lies after the folder `from` beside it was moved to `to`: the path relative to `from`, seen from `to`.
 * All three are absolute; "." and ".." are resolved in the names alone, so that none of them need exist. malloc'ed;
 * NULL: no memory. */
char *px_path_moved(const char *path, const char *from, const char *to);
/* The path as it is found from any working folder: an absolute one, "-", or any where the working folder is gone, stays
 * as it is. malloc'ed; NULL: no memory. */
char *px_path_absolute(const char *path);

#endif
