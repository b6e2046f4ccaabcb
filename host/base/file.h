/* Files: mapped reading, and writing that is whole or not there at all. */
#ifndef PX_FILE_H
#define PX_FILE_H

#include <perplex/status.h>
#include <stddef.h>
#include <stdio.h>

typedef struct px_mapping {
    const unsigned char *data; /* NULL when empty */
    size_t bytes;
} px_mapping;

/* Maps a regular file for reading. PX_ERR_INPUT names the path and the reason (missing, a folder, a pipe, not readable). */
px_status px_file_map(const char *path, px_mapping *mapping);
void px_file_unmap(px_mapping *mapping);
/* Reads a whole small file into a malloc'ed, NUL-terminated buffer; more than limit bytes is PX_ERR_INPUT. */
px_status px_file_read(const char *path, size_t limit, char **text, size_t *bytes);

/* Atomic replacement: writing goes to a temporary name in the same folder; commit flushes it to disk and renames it to
 * path; abandon removes it. A crash leaves either the old file or the new one. PX_ERR_IO names path and reason; what is there and
 * is not a regular file (a folder, a device) is never replaced. */
typedef struct px_atomic_file {
    FILE *stream; /* write here; errors may be left to commit */
    char *path, *temporary;
} px_atomic_file;

px_status px_atomic_open(const char *path, px_atomic_file *file);
px_status px_atomic_write(px_atomic_file *file, const void *data, size_t bytes);
px_status px_atomic_commit(px_atomic_file *file);  /* the file is closed in every case; on failure nothing is replaced */
void px_atomic_abandon(px_atomic_file *file);      /* after open only; harmless after commit */

#endif
