/* The frames of an event file: TFRecord.
 *
 *     u64 length   u32 masked CRC of those 8 bytes   data   u32 masked CRC of data        all little-endian
 *     masked CRC = rotate right by 15 of the CRC-32C, plus 0xa282ead8
 *
 * Source: TensorFlow, "TFRecord and tf.train.Example", and tensorboard's record reader. */
#ifndef PX_EVENT_FILE_H
#define PX_EVENT_FILE_H

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct px_event_file {
    char *path;
    int fd;               /* -1: not open */
    unsigned char *frame; /* one frame is put together here, so that a reader never waits for the rest of one */
    size_t room;
} px_event_file;

/* A new file in folder, named so that it sorts behind those already there. PX_ERR_IO names it and the reason. */
px_status px_event_file_create(const char *folder, px_event_file *file);
void px_event_file_close(px_event_file *file); /* zeroed afterwards, fd -1 */
/* One frame around data, in one write. */
px_status px_event_file_append(px_event_file *file, const void *data, size_t bytes);
/* The CRC as it stands in a frame. */
uint32_t px_event_masked_crc(const void *data, size_t bytes);

#endif
