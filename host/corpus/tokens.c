/* Token sequences: see corpus.h and tokens.h. */
#include "tokens.h"
#include "check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "ids are taken as they lie in the file, in little-endian order: this machine needs a swapping reader"
#endif

void px_tokens_destroy(px_tokens *tokens)
{
    if (!tokens) return;
    if (tokens->file.path) px_file_close(&tokens->file);
    free((char *)tokens->file.path);
    if (tokens->mapping) munmap(tokens->mapping, tokens->mapping_bytes);
    free(tokens->owned);
    free(tokens);
}

size_t px_tokens_count(const px_tokens *tokens) { return tokens->count; }

size_t px_tokens_text_bytes(const px_tokens *tokens) { return tokens->text_bytes; }

px_status px_tokens_stored(const px_tokens *tokens, size_t begin, size_t n, void *stored)
{
    const size_t size = (size_t)tokens->id_bytes;
    assert(begin <= tokens->count && n <= tokens->count - begin);
    if (!tokens->ids) return px_file_read_at(&tokens->file, tokens->first_byte + begin * size, stored, n * size);
    if (n) memcpy(stored, (const char *)tokens->ids + begin * size, n * size);
    return PX_OK;
}

static px_status count_unknown(const px_tokens *tokens, size_t begin, size_t end, size_t *unknown, size_t *marked)
{
    enum { PART = 4096 };
    union {
        uint16_t narrow[PART];
        uint32_t wide[PART];
    } part;
    *unknown = *marked = 0;
    for (size_t at = begin, n; at < end; at += n) {
        n = end - at < PART ? end - at : PART;
        PX_TRY(px_tokens_stored(tokens, at, n, &part));
        for (size_t i = 0; i < n; i++) {
            uint32_t stored = tokens->id_bytes == 2 ? part.narrow[i] : part.wide[i];
            *unknown += stored == 0 || stored == tokens->mark;
            *marked += stored == tokens->mark;
        }
    }
    return PX_OK;
}

px_status px_tokens_unknown(const px_tokens *tokens, size_t begin, size_t end, size_t *unknown)
{
    assert(begin <= end && end <= tokens->count);
    *unknown = tokens->unknown;
    if (tokens->unknown == 0 || (begin == 0 && end == tokens->count)) return PX_OK;
    size_t marked;
    return count_unknown(tokens, begin, end, unknown, &marked);
}

px_status px_tokens_limit(px_tokens *tokens, size_t limit)
{
    if (limit == 0 || limit >= tokens->count) return PX_OK;
    if (tokens->unknown) PX_TRY(count_unknown(tokens, 0, limit, &tokens->unknown, &tokens->marked));
    tokens->count = limit;
    tokens->text_bytes = 0;
    return PX_OK;
}

px_status px_tokens_copy(const px_tokens *tokens, size_t begin, size_t n, int32_t *out)
{
    const uint32_t mark = tokens->mark;
    if (tokens->id_bytes == 4) {
        PX_TRY(px_tokens_stored(tokens, begin, n, out));
        for (size_t i = 0; i < n; i++) out[i] = (uint32_t)out[i] == mark ? 0 : out[i];
        return PX_OK;
    }
    /* narrow ids go to the end of out and are widened from its start: id i is written at or before where it was read */
    const unsigned char *narrow = (const unsigned char *)out + 2 * n;
    PX_TRY(px_tokens_stored(tokens, begin, n, (unsigned char *)out + 2 * n));
    for (size_t i = 0; i < n; i++) {
        uint16_t id;
        memcpy(&id, narrow + 2 * i, sizeof id);
        out[i] = id == mark ? 0 : id;
    }
    return PX_OK;
}

px_status px_tokens_at(const px_tokens *tokens, size_t index, int32_t *id)
{
    return px_tokens_copy(tokens, index, 1, id);
}

px_status px_tokens_from_ids(const int32_t *ids, size_t count, px_tokens **tokens)
{
    px_tokens *t = calloc(1, sizeof *t);
    int32_t *copy = malloc((count ? count : 1) * sizeof *copy);
    if (!t || !copy) {
        free(t);
        free(copy);
        return px_fail(PX_ERR_MEMORY, "no memory for %zu tokens", count);
    }
    if (count) memcpy(copy, ids, count * sizeof *copy);
    *t = (px_tokens){.ids = copy, .owned = copy, .id_bytes = 4, .mark = UINT32_MAX, .count = count};
    *tokens = t;
    return PX_OK;
}
