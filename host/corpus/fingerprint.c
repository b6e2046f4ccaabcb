/* Whether two corpora are the same: see fingerprint.h. */
#include "fingerprint.h"

#include "check.h"

#include <xxhash.h>

static px_status range_hash(px_range range, uint64_t *value)
{
    enum { BLOCK = 1024, BLOCKS = 1024 };
    int32_t ids[BLOCK];
    size_t count = range.end - range.begin, blocks = (count + BLOCK - 1) / BLOCK;
    uint64_t hash = XXH3_64bits_withSeed(&(uint64_t){count}, sizeof(uint64_t), *value);
    size_t taken = blocks < BLOCKS ? blocks : BLOCKS;
    for (size_t i = 0; i < taken; i++) {
        size_t block = blocks <= BLOCKS ? i : (size_t)((unsigned __int128)i * (blocks - 1) / (BLOCKS - 1));
        size_t begin = block * BLOCK, n = count - begin < BLOCK ? count - begin : BLOCK;
        PX_TRY(px_tokens_copy(range.tokens, range.begin + begin, n, ids));
        hash = XXH3_64bits_withSeed(ids, n * sizeof *ids, hash);
    }
    *value = hash;
    return PX_OK;
}

px_status px_corpus_hash(const px_corpus *corpus, uint64_t *hash)
{
    *hash = px_vocabulary_hash(corpus->vocabulary);
    PX_TRY(range_hash(corpus->train, hash));
    PX_TRY(range_hash(corpus->valid, hash));
    return range_hash(corpus->test, hash);
}
