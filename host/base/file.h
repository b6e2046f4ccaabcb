/* Files: reading that says what is wrong, and writing that is whole or not there at all. A call that a signal
 * interrupts goes on.
 *
 * Files of others are read, never mapped: one that becomes shorter, or a disk that fails, is then an error and no
 * SIGBUS. */
#ifndef PX_FILE_H
#define PX_FILE_H

#include <perplex/status.h>
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* ---- reading ----------------------------------------------------------------------------------------------------- */

typedef struct px_file {
    int descriptor;   /* -1: not open */
    size_t bytes;     /* when it was opened */
    const char *path; /* the caller's; it outlives this */
} px_file;

/* Opens a regular file. The failure names the path and the reason: PX_ERR_INPUT (missing, a folder, a pipe, not
 * readable), PX_ERR_MEMORY, or PX_ERR_IO where the system or the disk is short of something. */
px_status px_file_open(const char *path, px_file *file);
/* Exactly `bytes` bytes from `offset` on. PX_ERR_IO also where the file has become shorter. Threads may share a file.
 */
px_status px_file_read_at(const px_file *file, uint64_t offset, void *buffer, size_t bytes);
void px_file_close(px_file *file); /* harmless on one that was closed, or with descriptor -1 */
/* Reads a whole small file into a malloc'ed, NUL-terminated buffer; more than limit bytes is PX_ERR_INPUT. */
px_status px_file_read(const char *path, size_t limit, char **text, size_t *bytes);
/* The first `bytes` bytes, or as many as there are: *got. */
px_status px_file_read_start(const char *path, void *buffer, size_t bytes, size_t *got);

/* open(2) and others that go on where a signal interrupts them; px_write_all writes everything. -1 and errno on
 * failure. */
int px_open(const char *path, int flags, mode_t mode);
ssize_t px_read(int descriptor, void *buffer, size_t bytes);
int px_write_all(int descriptor, const void *data, size_t bytes);
int px_sync(int descriptor);
int px_truncate(int descriptor, off_t bytes);
int px_rename(const char *from, const char *to);
int px_link(const char *from, const char *to);
int px_make_folder(const char *path, mode_t mode);
/* A stream over a descriptor ("r" or "w") whose reads and writes go on where a signal interrupts them; fclose closes
 * the descriptor too. NULL and errno on failure: the descriptor is then still open. */
FILE *px_stream(int descriptor, const char *mode);

/* A stream into memory that remembers where memory ran out (open_memstream forgets it, and prints less). */
typedef struct px_memory_stream {
    FILE *stream; /* write here */
    char *text;
    size_t bytes, room; /* of text, without its NUL: after the end, or fflush */
    int failed;
} px_memory_stream;

px_status px_memory_open(px_memory_stream *memory, const char *what);
/* The whole text, NUL-terminated, malloc'ed; NULL where a part of it was lost. The stream is closed in every case. */
char *px_memory_end(px_memory_stream *memory);

/* ---- folders ----------------------------------------------------------------------------------------------------- */

typedef struct px_folder {
    DIR *listing;
    const char *path; /* the caller's; it outlives this */
} px_folder;

/* Its names, "." and ".." among them, in no order. A failure says why the folder cannot be listed: it is not an empty
 * one. */
px_status px_folder_open(const char *path, px_folder *folder);
px_status px_folder_next(px_folder *folder, const char **name); /* NULL at the end; valid until the next call */
void px_folder_close(px_folder *folder);

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* 1 where both names are those of one file, by device and inode; 0 also where one of them is not there. */
int px_file_is_same(const char *a, const char *b);

/* Atomic replacement: writing goes to a temporary name in the same folder; commit flushes it to disk and renames it to
 * path; abandon removes it. A crash leaves either the old file or the new one. The failure names path and reason; what
 * is there and is not a regular file (a folder, a device) is never replaced. */
typedef struct px_atomic_file {
    FILE *stream;   /* write here; errors may be left to commit */
    int descriptor; /* under the stream */
    char *path, *temporary;
} px_atomic_file;

px_status px_atomic_open(const char *path, px_atomic_file *file);
px_status px_atomic_write(px_atomic_file *file, const void *data, size_t bytes);
px_status px_atomic_commit(px_atomic_file *file); /* the file is closed in every case; on failure nothing is replaced */
void px_atomic_abandon(px_atomic_file *file);     /* after open only; harmless after commit */
/* Commits where status is PX_OK, else abandons; returns what came of it. */
px_status px_atomic_end(px_atomic_file *file, px_status status);
/* All of that for a file whose content is there: path is replaced by data [bytes]. */
px_status px_file_put(const char *path, const void *data, size_t bytes);

#endif
