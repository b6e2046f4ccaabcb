/* The bytes of a file, or of a pipe, unpacked where it is compressed by gzip or zstd: streamed, in bounded memory.
 * Whether it is says its content, not its name. */
#ifndef PX_UNPACK_H
#define PX_UNPACK_H

#include <perplex/status.h>
#include <stddef.h>

typedef struct px_unpack px_unpack;

/* Reads on from where descriptor stands, which stays the caller's, as name does (for messages). PX_ERR_INPUT: not
 * readable; compressed in a way that this build does not unpack, with what to do. */
px_status px_unpack_open(int descriptor, const char *name, px_unpack **unpack);
void px_unpack_close(px_unpack *unpack); /* NULL does nothing */
/* *got bytes into buffer, fewer than room only at the end. PX_ERR_INPUT: not readable, damaged or cut short. */
px_status px_unpack_read(px_unpack *unpack, char *buffer, size_t room, size_t *got);
size_t px_unpack_position(const px_unpack *unpack); /* bytes taken from the descriptor */
int px_unpack_is_packed(const px_unpack *unpack);

#endif
