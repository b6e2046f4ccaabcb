/* Inside of a token sequence, and the way there: ids are written to an unlinked temporary file, which is then mapped.
 * The ids of a token file are not mapped but read: it belongs to others, who may cut it short while a training goes on.
 *
 * Stored ids are uint16 where the vocabulary's size V allows it (V <= 65535), else uint32. The stored value V, one past
 * the last id, is a token that the vocabulary lacks: it reads as id 0, as the literal "<unk>" does, and both count as
 * unknown. */
#ifndef PX_TOKENS_H
#define PX_TOKENS_H

#include "corpus.h"
#include "file.h"

struct px_tokens {
    const void *ids;   /* [count] of id_bytes each; NULL: they are read from file */
    px_file file;      /* of a token file; path is owned */
    size_t first_byte; /* where its ids begin */
    int id_bytes;      /* 2 or 4 */
    uint32_t mark;     /* the stored value of an unknown token; UINT32_MAX: there is none */
    size_t count, text_bytes;
    size_t unknown, marked; /* tokens that read as id 0; those among them that are stored as mark */
    void *mapping;          /* what to unmap, or NULL */
    size_t mapping_bytes;
    void *owned; /* what to free, or NULL */
};

static inline int px_id_bytes(int32_t vocabulary) { return vocabulary <= 65535 ? 2 : 4; }

/* Shortens to the first `limit` tokens (0 = all), recounting the unknown ones. text_bytes becomes 0 where cut: not
 * known. */
px_status px_tokens_limit(px_tokens *tokens, size_t limit);
/* Stored values [begin, begin + n), of id_bytes each. */
px_status px_tokens_stored(const px_tokens *tokens, size_t begin, size_t n, void *stored);

typedef struct px_id_writer {
    int descriptor; /* unlinked temporary file */
    int id_bytes;
    size_t count; /* ids given so far */
    unsigned char *buffer;
    size_t buffered; /* bytes waiting in buffer */
} px_id_writer;

px_status px_id_writer_open(const char *scratch_dir, int id_bytes, px_id_writer *writer);
void px_id_writer_close(
    px_id_writer *writer); /* harmless after finish, and on one never opened if zeroed with descriptor -1 */
/* Appends; an id that 2 bytes do not hold makes the whole file one of 4 bytes an id. PX_ERR_IO when the disk is full.
 */
px_status px_id_writer_append(px_id_writer *writer, uint32_t id);
/* Adds to frequency[id] for ids [0, end). */
px_status px_id_writer_count(px_id_writer *writer, size_t end, int64_t *frequency);
/* Replaces every id by map[id], and gives the ids that many bytes. */
px_status px_id_writer_recode(px_id_writer *writer, const int32_t *map, int id_bytes);
/* The finished sequence; counts stored values `mark` as unknown. The writer is closed in every case. */
px_status px_id_writer_finish(px_id_writer *writer, uint32_t mark, size_t text_bytes, px_tokens **tokens);

#endif
