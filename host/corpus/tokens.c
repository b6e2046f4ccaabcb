/* Token sequences: see corpus.h and tokens.h. */
#include "tokens.h"
#include "check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "ids are mapped as they lie in the file, in little-endian order: this machine needs a swapping reader"
#endif

void px_tokens_destroy(px_tokens *tokens)
{
    if (!tokens) return;
    if (tokens->mapping) munmap(tokens->mapping, tokens->mapping_bytes);
    free(tokens->owned);
    free(tokens);
}

size_t px_tokens_count(const px_tokens *tokens)
{
    return tokens->count;
}

size_t px_tokens_text_bytes(const px_tokens *tokens)
{
    return tokens->text_bytes;
}

static size_t count_marks(const px_tokens *tokens, size_t begin, size_t end)
{
    size_t unknown = 0;
    if (tokens->id_bytes == 2) {
        const uint16_t *ids = tokens->ids;
        for (size_t i = begin; i < end; i++) unknown += ids[i] == tokens->mark;
    } else {
        const uint32_t *ids = tokens->ids;
        for (size_t i = begin; i < end; i++) unknown += ids[i] == tokens->mark;
    }
    return unknown;
}

size_t px_tokens_unknown(const px_tokens *tokens, size_t begin, size_t end)
{
    assert(begin <= end && end <= tokens->count);
    if (tokens->unknown == 0) return 0;
    return begin == 0 && end == tokens->count ? tokens->unknown : count_marks(tokens, begin, end);
}

void px_tokens_limit(px_tokens *tokens, size_t limit)
{
    if (limit == 0 || limit >= tokens->count) return;
    if (tokens->unknown) tokens->unknown = count_marks(tokens, 0, limit);
    tokens->count = limit;
    tokens->text_bytes = 0;
}

void px_tokens_copy(const px_tokens *tokens, size_t begin, size_t n, int32_t *out)
{
    assert(begin <= tokens->count && n <= tokens->count - begin);
    uint32_t mark = tokens->mark;
    if (tokens->id_bytes == 2) {
        const uint16_t *ids = (const uint16_t *)tokens->ids + begin;
        for (size_t i = 0; i < n; i++) out[i] = ids[i] == mark ? 0 : ids[i];
    } else {
        const uint32_t *ids = (const uint32_t *)tokens->ids + begin;
        for (size_t i = 0; i < n; i++) out[i] = ids[i] == mark ? 0 : (int32_t)ids[i];
    }
}

int32_t px_tokens_at(const px_tokens *tokens, size_t index)
{
    int32_t id;
    px_tokens_copy(tokens, index, 1, &id);
    return id;
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
