/* Token files: a whole text as ids with its vocabulary, in one file.
 *
 *     bytes 0..127   header (below), little-endian
 *     then           ids [count], uint16 or uint32 little-endian; the value V (the vocabulary's size) is a token that the
 *                    vocabulary lacks (the header counts them; 0 of them: plain ids)
 *     then           the vocabulary's text form (vocabulary_text.c), to the file's end
 *
 * Everything is under a checksum (XXH3, 64 bits): ids, vocabulary text, header. */
#ifndef PX_TOKEN_FILE_H
#define PX_TOKEN_FILE_H

#include "corpus.h"
#include "reader.h"

#define PX_TOKEN_MAGIC "\x89PXT\r\n\x1a\n" /* no text: a byte that is not UTF-8, and both kinds of line end */
#define PX_TOKEN_VERSION 1u

typedef struct px_token_header {
    char magic[8];
    uint32_t version, header_bytes;
    uint8_t level, normalise, invalid, id_bytes;
    uint32_t vocabulary;       /* V, entries */
    uint64_t count, unknown;   /* tokens; those stored as V (a literal <unk> is stored as 0) */
    uint64_t text_bytes;       /* of the text behind them; 0 = not known */
    uint64_t vocabulary_bytes; /* of its text form */
    uint64_t vocabulary_hash;  /* px_vocabulary_hash */
    uint64_t ids_checksum, vocabulary_checksum;
    uint64_t reserved[5];     /* 0 */
    uint64_t header_checksum; /* of the bytes before it */
} px_token_header;
_Static_assert(sizeof(px_token_header) == 128, "the header is written as it lies");

/* 1 if the source begins like a token file. A name that ends in .tok without that is PX_ERR_INPUT. */
px_status px_token_file_detect(const px_source *source, int *is_token_file);
/* Checks everything: checksums, sizes, ids against the vocabulary. PX_ERR_INPUT names what is wrong.
 * tokens may be NULL: only the vocabulary is read, and the ids are not looked at. The tokens are read from the file
 * when they are asked for, through a descriptor of their own. */
px_status px_token_file_open(const px_source *source, px_tokens **tokens, px_vocabulary **vocabulary);
/* Streams into path, atomically. */
px_status px_token_file_write(const char *path, const px_tokens *tokens, const px_vocabulary *vocabulary);

#endif
