/* Raw token ids as other programs write them, little-endian: uint16 or uint32 and nothing else (nanoGPT), or behind a
 * header of 256 int32 {magic, version, count, 0, ...} (llm.c: 20240520 and uint16 for GPT-2, 20240801 and uint32 for
 * Llama 3). */
#ifndef PX_ID_FILE_H
#define PX_ID_FILE_H

#include "file.h"

typedef struct px_id_file {
    px_file file;
    int id_bytes; /* 2 or 4 */
    int guessed;  /* neither a header nor the caller has said so */
    size_t first_byte, count;
    size_t zeros; /* of the ids read so far at odd places, those that are 0: all of them where ids have 4 bytes */
} px_id_file;

/* id_bytes 0: what the header says, else as many as an id below `vocabulary` needs. PX_ERR_INPUT: missing, no whole
 * number of ids, none, cut short, a header of another kind or width, a token file, an array of numpy. */
px_status px_id_file_open(const char *path, int id_bytes, size_t vocabulary, px_id_file *ids);
/* Ids [begin, begin + n), n at most PX_ID_FILE_PART. PX_ERR_INPUT for one that is not below `vocabulary`. */
enum { PX_ID_FILE_PART = 1 << 16 };
px_status px_id_file_read(px_id_file *ids, size_t begin, size_t n, size_t vocabulary, uint32_t *out);
/* After all have been read: PX_ERR_INPUT where a guess of 2 bytes was wrong, as every second id says by being 0. */
px_status px_id_file_check(const px_id_file *ids);
void px_id_file_close(px_id_file *ids);

#endif
