/* Writing ids to an unlinked temporary file that becomes a token sequence: see tokens.h. */
#include "check.h"
#include "reader.h"
#include "tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 20 };

static px_status disk_failed(int error)
{
    return px_fail(PX_ERR_IO, "the temporary file of token ids cannot be written: %s; set TMPDIR to a folder with room",
                   strerror(error));
}

px_status px_id_writer_open(const char *scratch_dir, int id_bytes, px_id_writer *writer)
{
    *writer = (px_id_writer){.descriptor = -1, .id_bytes = id_bytes, .buffer = malloc(BUFFER_BYTES)};
    px_status status = writer->buffer ? px_scratch_open(scratch_dir, &writer->descriptor)
                                      : px_fail(PX_ERR_MEMORY, "no memory to write token ids");
    if (status != PX_OK) px_id_writer_close(writer);
    return status;
}

void px_id_writer_close(px_id_writer *writer)
{
    if (writer->descriptor >= 0) close(writer->descriptor);
    free(writer->buffer);
    *writer = (px_id_writer){.descriptor = -1};
}

static px_status flush(px_id_writer *w)
{
    if (px_write_all(w->descriptor, w->buffer, w->buffered) != 0) return disk_failed(errno);
    w->buffered = 0;
    return PX_OK;
}

/* Maps what was written, for reading and writing. The blocks are there already, so that a full disk cannot strike
 * later. */
static px_status map_ids(px_id_writer *w, size_t bytes, int protection, void **ids)
{
    PX_TRY(flush(w));
    void *mapped = mmap(NULL, bytes, protection, MAP_SHARED, w->descriptor, 0);
    if (mapped == MAP_FAILED) return px_fail_system(errno, "the temporary file of token ids cannot be mapped");
    *ids = mapped;
    return PX_OK;
}

static px_status widen(px_id_writer *w)
{
    PX_TRY(flush(w));
    if (w->count > 0) {
        void *ids;
        int error;
        do error = posix_fallocate(w->descriptor, 0, (off_t)(4 * w->count));
        while (error == EINTR);
        if (error) return disk_failed(error);
        PX_TRY(map_ids(w, 4 * w->count, PROT_READ | PROT_WRITE, &ids));
        const unsigned char *narrow = ids;
        for (size_t i = w->count;
             i-- > 0;) { /* from the end: the narrow ids are overwritten only after they were read */
            uint16_t id;
            memcpy(&id, narrow + 2 * i, 2);
            uint32_t wide = id;
            memcpy((unsigned char *)ids + 4 * i, &wide, 4);
        }
        munmap(ids, 4 * w->count);
    }
    w->id_bytes = 4;
    return lseek(w->descriptor, (off_t)(4 * w->count), SEEK_SET) >= 0 ? PX_OK : disk_failed(errno);
}

px_status px_id_writer_append(px_id_writer *w, uint32_t id)
{
    if (w->id_bytes == 2 && id > UINT16_MAX) PX_TRY(widen(w));
    if (w->buffered + 4 > BUFFER_BYTES) PX_TRY(flush(w));
    if (w->id_bytes == 2) {
        uint16_t narrow = (uint16_t)id;
        memcpy(w->buffer + w->buffered, &narrow, 2);
    } else
        memcpy(w->buffer + w->buffered, &id, 4);
    w->buffered += (size_t)w->id_bytes;
    w->count++;
    return PX_OK;
}

px_status px_id_writer_count(px_id_writer *w, size_t end, int64_t *frequency)
{
    if (end == 0) return PX_OK;
    void *ids;
    size_t bytes = end * (size_t)w->id_bytes;
    PX_TRY(map_ids(w, bytes, PROT_READ, &ids));
    if (w->id_bytes == 2)
        for (size_t i = 0; i < end; i++) frequency[((const uint16_t *)ids)[i]]++;
    else
        for (size_t i = 0; i < end; i++) frequency[((const uint32_t *)ids)[i]]++;
    munmap(ids, bytes);
    return PX_OK;
}

px_status px_id_writer_recode(px_id_writer *w, const int32_t *map, int id_bytes)
{
    if (w->count == 0) return PX_OK;
    if (w->id_bytes < id_bytes) PX_TRY(widen(w));
    void *ids;
    size_t bytes = w->count * (size_t)w->id_bytes;
    PX_TRY(map_ids(w, bytes, PROT_READ | PROT_WRITE, &ids));
    uint16_t *narrow = ids;
    uint32_t *wide = ids;
    if (w->id_bytes == 2)
        for (size_t i = 0; i < w->count; i++) narrow[i] = (uint16_t)map[narrow[i]];
    else if (id_bytes == 4)
        for (size_t i = 0; i < w->count; i++) wide[i] = (uint32_t)map[wide[i]];
    else
        for (size_t i = 0; i < w->count; i++) { /* forward: id i is written at or before where it was read */
            uint32_t id;
            memcpy(&id, (const unsigned char *)ids + 4 * i, 4);
            uint16_t small = (uint16_t)map[id];
            memcpy((unsigned char *)ids + 2 * i, &small, 2);
        }
    munmap(ids, bytes);
    if (id_bytes < w->id_bytes) {
        w->id_bytes = id_bytes;
        if (px_truncate(w->descriptor, (off_t)(w->count * 2)) != 0) return disk_failed(errno);
    }
    return PX_OK;
}

px_status px_id_writer_finish(px_id_writer *w, uint32_t mark, size_t text_bytes, px_tokens **tokens)
{
    px_tokens *t = calloc(1, sizeof *t);
    px_status status = t ? PX_OK : px_fail(PX_ERR_MEMORY, "no memory for a sequence of tokens");
    if (status == PX_OK) {
        *t = (px_tokens){.id_bytes = w->id_bytes, .mark = mark, .count = w->count, .text_bytes = text_bytes};
        if (w->count) status = map_ids(w, w->count * (size_t)w->id_bytes, PROT_READ, &t->mapping);
        t->mapping_bytes = t->mapping ? w->count * (size_t)w->id_bytes : 0;
        t->ids = t->mapping;
    }
    px_id_writer_close(w);
    if (status != PX_OK) {
        px_tokens_destroy(t);
        return status;
    }
    for (size_t i = 0; i < t->count; i++) {
        uint32_t stored = t->id_bytes == 2 ? ((const uint16_t *)t->ids)[i] : ((const uint32_t *)t->ids)[i];
        t->unknown += stored == 0 || stored == mark;
        t->marked += stored == mark;
    }
    *tokens = t;
    return PX_OK;
}
