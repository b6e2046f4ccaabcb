/* Vocabularies: building by frequency, looking up, comparing. Their text form is in vocabulary_text.c. */
#include "vocabulary.h"
#include "check.h"
#include "reader.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void px_vocabulary_destroy(px_vocabulary *v)
{
    if (!v) return;
    px_dictionary_free(&v->dictionary);
    free(v);
}

int32_t px_vocabulary_size(const px_vocabulary *v) { return v->dictionary.count; }

int32_t px_vocabulary_id(const px_vocabulary *v, const char *token, size_t bytes)
{
    int32_t id = px_dictionary_find(&v->dictionary, token, bytes);
    return id == 0 && v->options.level != PX_LEVEL_WORD ? -1 : id; /* bytes and characters: "<unk>" is five tokens */
}

const char *px_vocabulary_token(const px_vocabulary *v, int32_t id, size_t *bytes)
{
    return px_dictionary_text(&v->dictionary, id, bytes);
}

int64_t px_vocabulary_frequency(const px_vocabulary *v, int32_t id) { return v->dictionary.frequency[id]; }

int px_vocabulary_lacks_unknown(const px_vocabulary *v)
{
    return px_vocabulary_frequency(v, 0) == 0 && px_vocabulary_size(v) > 1 && px_vocabulary_frequency(v, 1) > 0;
}

px_text_options px_vocabulary_options(const px_vocabulary *v) { return v->options; }

uint64_t px_vocabulary_hash(const px_vocabulary *v) { return v->hash; }

px_status px_vocabulary_start(px_dictionary *dictionary)
{
    int32_t index;
    PX_TRY(px_dictionary_init(dictionary));
    return px_dictionary_intern(dictionary, PX_UNK, sizeof PX_UNK - 1, &index);
}

/* A hash of hashes, so that no streaming state is needed: h <- XXH3(h, XXH3(token)). Invalid-UTF-8 handling and
 * frequencies are left out: they do not change which id a text gets. */
void px_vocabulary_seal(px_vocabulary *v)
{
    uint64_t mixed[2] = {(uint64_t)v->options.level << 8 | (uint64_t)v->options.normalise,
                         (uint64_t)v->dictionary.count};
    uint64_t hash = XXH3_64bits(mixed, sizeof mixed);
    for (int32_t id = 0; id < v->dictionary.count; id++) {
        size_t bytes;
        const char *token = px_dictionary_text(&v->dictionary, id, &bytes);
        mixed[0] = hash;
        mixed[1] = XXH3_64bits(token, bytes);
        hash = XXH3_64bits(mixed, sizeof mixed);
    }
    v->hash = hash;
}

/* Most frequent first, ties in byte order. */
static int by_frequency(const void *a, const void *b, void *context)
{
    const px_dictionary *d = context;
    int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
    if (d->frequency[i] != d->frequency[j]) return d->frequency[i] < d->frequency[j] ? 1 : -1;
    size_t bytes_i, bytes_j;
    const char *text_i = px_dictionary_text(d, i, &bytes_i), *text_j = px_dictionary_text(d, j, &bytes_j);
    int order = memcmp(text_i, text_j, bytes_i < bytes_j ? bytes_i : bytes_j);
    return order ? order : bytes_i < bytes_j ? -1 : bytes_i > bytes_j;
}

static px_status fill_vocabulary(px_vocabulary *v, const px_dictionary *counts, const int32_t *order, int32_t kept,
                                 int32_t *ids)
{
    int64_t left_out = 0;
    for (int32_t i = 0; i < counts->count; i++) {
        ids[i] = kept + 1;
        left_out += counts->frequency[i];
    }
    ids[0] = 0;
    for (int32_t k = 0; k < kept; k++) {
        size_t bytes;
        const char *token = px_dictionary_text(counts, order[k], &bytes);
        int32_t id;
        PX_TRY(px_dictionary_intern(&v->dictionary, token, bytes, &id));
        v->dictionary.frequency[id] = counts->frequency[order[k]];
        left_out -= counts->frequency[order[k]];
        ids[order[k]] = id;
    }
    v->dictionary.frequency[0] = left_out; /* literal "<unk>" and whatever became it */
    px_vocabulary_seal(v);
    return PX_OK;
}

/* What px_vocabulary_build and px_vocabulary_sort do: tokens of at least `least`, at most `most` of them (0 = no
 * bound). */
static px_status build(const px_dictionary *counts, px_text_options options, int64_t least, int64_t most,
                       const char *source, int32_t **ids, px_vocabulary **vocabulary)
{
    px_status status = px_fail(PX_ERR_MEMORY, "%s: no memory for its vocabulary of %d tokens", source, counts->count);
    px_vocabulary *v = calloc(1, sizeof *v);
    int32_t *order = malloc((size_t)counts->count * sizeof *order), *map = malloc((size_t)counts->count * sizeof *map);
    if (!v || !order || !map) goto fail;
    v->options = options;
    PX_TRY_GOTO(status, px_vocabulary_start(&v->dictionary), fail);
    int32_t kept = 0;
    for (int32_t i = 1; i < counts->count; i++)
        if (counts->frequency[i] >= least) order[kept++] = i;
    qsort_r(order, (size_t)kept, sizeof *order, by_frequency, (void *)counts);
    if (most > 0 && kept > most) kept = (int32_t)most;
    if (kept == 0) {
        status = px_fail(PX_ERR_ARGUMENT, "%s: no token of its training part occurs %lld times; lower --min-count",
                         source, (long long)least);
        goto fail;
    }
    PX_TRY_GOTO(status, fill_vocabulary(v, counts, order, kept, map), fail);
    free(order);
    *ids = map;
    *vocabulary = v;
    return PX_OK;
fail:
    px_vocabulary_destroy(v);
    free(order);
    free(map);
    return status;
}

px_status px_vocabulary_build(const px_dictionary *counts, px_text_options options, int64_t min_count,
                              int64_t max_vocab, const char *source, int32_t **ids, px_vocabulary **vocabulary)
{
    if (min_count < 0 || max_vocab < 0 || max_vocab == 1)
        return px_fail(PX_ERR_ARGUMENT,
                       "--min-count %lld, --max-vocab %lld: neither is negative, and a bound of the vocabulary leaves "
                       "<unk> and a token",
                       (long long)min_count, (long long)max_vocab);
    return build(counts, options, min_count > 1 ? min_count : 1, max_vocab > 0 ? max_vocab - 1 : 0, source, ids,
                 vocabulary);
}

px_status px_vocabulary_sort(const px_dictionary *counts, px_text_options options, const char *source, int32_t **ids,
                             px_vocabulary **vocabulary)
{
    return build(counts, options, 0, 0, source, ids, vocabulary);
}

px_status px_vocabulary_copy(const px_vocabulary *from, px_vocabulary **to)
{
    px_vocabulary *v = calloc(1, sizeof *v);
    px_status status;
    if (!v) return px_fail(PX_ERR_MEMORY, "no memory to copy a vocabulary");
    PX_TRY_GOTO(status, px_dictionary_init(&v->dictionary), fail);
    for (int32_t i = 0; i < from->dictionary.count; i++) {
        size_t bytes;
        const char *token = px_dictionary_text(&from->dictionary, i, &bytes);
        int32_t id;
        PX_TRY_GOTO(status, px_dictionary_intern(&v->dictionary, token, bytes, &id), fail);
        v->dictionary.frequency[id] = from->dictionary.frequency[i];
    }
    v->options = from->options;
    v->hash = from->hash;
    *to = v;
    return PX_OK;
fail:
    px_vocabulary_destroy(v);
    return status;
}

/* The lowest id whose tokens differ (the shorter size if all before it agree). */
static int32_t first_difference(const px_vocabulary *a, const px_vocabulary *b)
{
    int32_t count = a->dictionary.count < b->dictionary.count ? a->dictionary.count : b->dictionary.count, id = 0;
    for (; id < count; id++) {
        size_t bytes_a, bytes_b;
        const char *text_a = px_dictionary_text(&a->dictionary, id, &bytes_a),
                   *text_b = px_dictionary_text(&b->dictionary, id, &bytes_b);
        if (bytes_a != bytes_b || memcmp(text_a, text_b, bytes_a) != 0) break;
    }
    return id;
}

px_status px_vocabulary_check_same(const px_vocabulary *wanted, const px_vocabulary *got, const char *got_name)
{
    px_text_options w = wanted->options, g = got->options;
    if (w.level != g.level || w.normalise != g.normalise)
        return px_fail(PX_ERR_INPUT,
                       "%s: tokens of level %s, normalise %s, where level %s, normalise %s is needed; give the text "
                       "itself or tokenise it that way",
                       got_name, px_level_name(g.level), px_normalise_name(g.normalise), px_level_name(w.level),
                       px_normalise_name(w.normalise));
    if (wanted->hash == got->hash && wanted->dictionary.count == got->dictionary.count) return PX_OK;
    return px_fail(PX_ERR_INPUT,
                   "%s: its vocabulary (%d entries) is not the training text's or model's (%d entries; they differ "
                   "from id %d on); give the text itself, "
                   "or tokenise it with that vocabulary",
                   got_name, got->dictionary.count, wanted->dictionary.count, first_difference(wanted, got));
}
