/* Counting n-grams: every position of the text is sorted by the K tokens that begin there, and each order is read off
 * that one sorted list, so that no hash table is needed. See ngram.h for what is counted. */
#include "ngram_internal.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

typedef struct builder {
    px_ngram *model;
    const px_ngram_options *options;
    size_t N;          /* tokens; in lines, with a line end put before the first one */
    uint32_t *text;    /* [N] */
    uint8_t *reach;    /* [N] how long an n-gram that begins there can be, up to K */
    uint32_t *order;   /* [N] positions, sorted */
    uint32_t *spare;   /* [N] */
    uint32_t *id;      /* [N] number of the (k-1)-gram that begins at a position, while level k is built */
    uint32_t *next_id; /* [N] the same for k */
    int done, work;    /* passes over the text, for progress */
} builder;

static px_status no_memory(const builder *b)
{
    return px_fail(PX_ERR_MEMORY, "no memory to count the %d-grams of %zu tokens; lower --order or give --limit-tokens",
                   b->model->order, b->N);
}

/* After each pass over the text. */
static px_status passed(builder *b)
{
    b->done++;
    if (b->options->stop && *b->options->stop) return px_fail(PX_STOPPED, "stopped while counting n-grams");
    if (b->options->progress) b->options->progress(b->options->progress_context, (double)b->done / b->work);
    return PX_OK;
}

static px_status read_text(builder *b, px_range range)
{
    enum { CHUNK = 1024 };
    int32_t chunk[CHUNK];
    size_t before = b->model->line_end >= 0, tokens = b->N - before;
    if (before) b->text[0] = (uint32_t)b->model->line_end;
    for (size_t begin = 0; begin < tokens; begin += CHUNK) {
        size_t count = tokens - begin < CHUNK ? tokens - begin : CHUNK;
        PX_TRY(px_tokens_copy(range.tokens, range.begin + begin, count, chunk));
        for (size_t i = 0; i < count; i++) {
            if (chunk[i] < 0 || chunk[i] >= b->model->vocab)
                return px_fail(PX_ERR_INPUT, "token %zu is %d, outside a vocabulary of %d", begin + i, chunk[i],
                               b->model->vocab);
            b->text[before + begin + i] = (uint32_t)chunk[i];
        }
    }
    for (size_t i = b->N, end = b->N - 1;
         i-- > 0;) { /* end: the last token of i's line, or the next one's if i ends one */
        b->reach[i] = (uint8_t)(end - i < (size_t)b->model->order ? end - i + 1 : (size_t)b->model->order);
        if (before && b->text[i] == (uint32_t)b->model->line_end) end = i;
    }
    return PX_OK;
}

/* Stable counting sorts by the K-th token from a position, then by the one before, ... at last by its own; what is
 * behind the text's end comes first. */
static px_status sort_positions(builder *b)
{
    size_t buckets = (size_t)b->model->vocab + 1;
    size_t *begin = malloc((buckets + 1) * sizeof *begin);
    px_status status = begin ? PX_OK : no_memory(b);
    for (size_t i = 0; i < b->N; i++) b->order[i] = (uint32_t)i;
    for (size_t j = (size_t)b->model->order; status == PX_OK && j-- > 0;) {
        memset(begin, 0, (buckets + 1) * sizeof *begin);
        for (size_t i = j; i < b->N; i++) begin[b->text[i] + 2]++;
        begin[1] = b->N < j ? b->N : j; /* so many positions have no j-th token */
        for (size_t v = 1; v <= buckets; v++) begin[v] += begin[v - 1];
        for (size_t r = 0; r < b->N; r++) {
            size_t i = b->order[r] + j;
            b->spare[begin[i < b->N ? b->text[i] + 1 : 0]++] = b->order[r];
        }
        uint32_t *sorted = b->spare;
        b->spare = b->order;
        b->order = sorted;
        status = passed(b);
    }
    free(begin);
    return status;
}

/* Goes through the sorted positions that have k tokens; 1 where a new k-gram begins. */
static int is_new(const builder *b, size_t k, size_t i, size_t previous)
{
    return previous == SIZE_MAX || b->id[i] != b->id[previous] || b->text[i + k - 1] != b->text[previous + k - 1];
}

static size_t count_different(const builder *b, size_t k)
{
    size_t count = 0, previous = SIZE_MAX;
    for (size_t r = 0; r < b->N; r++) {
        size_t i = b->order[r];
        if (k > b->reach[i]) continue;
        count += (size_t)is_new(b, k, i, previous);
        previous = i;
    }
    return count;
}

/* The continuations of level k - 1, and what they say of their own endings. */
static px_status build_level(builder *b, size_t k)
{
    px_ngram_level *level = &b->model->level[k], *above = level - 1;
    int lines = b->model->line_end >= 0, top = k == (size_t)b->model->order;
    level->count = count_different(b, k);
    level->token = malloc((level->count + 1) * sizeof *level->token);
    level->c = calloc(level->count + 1, sizeof *level->c);
    above->first = calloc(above->count + 2, sizeof *above->first);
    if (!level->token || !level->c || !above->first) return no_memory(b);

    size_t node = SIZE_MAX, previous = SIZE_MAX; /* node SIZE_MAX + 1 is 0 */
    for (size_t r = 0; r < b->N; r++) {
        size_t i = b->order[r];
        if (k > b->reach[i]) continue;
        if (is_new(b, k, i, previous)) {
            node++;
            level->token[node] = b->text[i + k - 1];
            above->first[b->id[i] + 1]++;
            if (k > 1) above->c[b->id[i + 1]]++; /* one more token before the (k-1)-gram that ends this k-gram */
        }
        if (top || (lines && k > 1 && b->text[i] == b->text[0])) level->c[node]++;
        b->next_id[i] = (uint32_t)node;
        previous = i;
    }
    if (!lines && k > 1 && b->N >= k - 1) above->c[b->id[0]]++; /* the place before the text */
    if (lines && k == 1 && top) level->c[b->next_id[0]]--; /* what was put before the first line was never predicted */
    for (size_t p = 0; p < above->count; p++) above->first[p + 1] += above->first[p];
    uint32_t *ids = b->next_id;
    b->next_id = b->id;
    b->id = ids;
    return passed(b);
}

static px_status sum_contexts(builder *b, size_t k)
{
    px_ngram_level *level = &b->model->level[k], *below = level + 1;
    level->total = calloc(level->count + 1, sizeof *level->total);
    level->ones = calloc(level->count + 1, sizeof *level->ones);
    level->twos = calloc(level->count + 1, sizeof *level->twos);
    if (!level->total || !level->ones || !level->twos) return no_memory(b);
    for (size_t p = 0; p < level->count; p++)
        for (size_t i = level->first[p]; i < level->first[p + 1]; i++) {
            level->total[p] += below->c[i];
            level->ones[p] += below->c[i] == 1;
            level->twos[p] += below->c[i] == 2;
        }
    return PX_OK;
}

static void find_discounts(px_ngram_level *level)
{
    double n[5] = {0}, *D = level->discount;
    for (size_t i = 0; i < level->count; i++)
        if (level->c[i] < 5) n[level->c[i]]++;
    double Y = n[1] / (n[1] + 2 * n[2]);
    int sound = 1;
    for (int i = 1; i <= 3; i++) {
        D[i] = i - (i + 1) * Y * n[i + 1] / n[i];
        sound &= D[i] > 0 && D[i] <= i; /* a NaN is not */
    }
    for (int i = 1; i <= 3 && !sound; i++) D[i] = 0.5 * i;
}

static px_status build(builder *b, px_range range)
{
    size_t K = (size_t)b->model->order;
    b->text = malloc(b->N * sizeof *b->text);
    b->reach = malloc(b->N);
    b->order = malloc(b->N * sizeof *b->order);
    b->spare = malloc(b->N * sizeof *b->spare);
    if (!b->text || !b->reach || !b->order || !b->spare) return no_memory(b);
    PX_TRY(read_text(b, range));
    PX_TRY(sort_positions(b));
    b->id = calloc(b->N, sizeof *b->id);
    b->next_id = b->spare;
    b->spare = NULL;
    if (!b->id) return no_memory(b);
    b->model->level[0].count = 1;
    for (size_t k = 1; k <= K; k++) PX_TRY(build_level(b, k));
    for (size_t k = 0; k < K; k++) PX_TRY(sum_contexts(b, k));
    for (size_t i = 0; i < b->model->level[1].count; i++) b->model->unseen += b->model->level[1].c[i] == 0;
    for (size_t k = 1; k <= K; k++) find_discounts(&b->model->level[k]);
    return PX_OK;
}

px_status px_ngram_create(px_range text, const px_ngram_options *options, px_ngram **ngram)
{
    *ngram = NULL;
    if (options->order < 1 || options->order > PX_NGRAM_MAX_ORDER)
        return px_fail(PX_ERR_ARGUMENT, "--order %d: from 1 to %d", options->order, PX_NGRAM_MAX_ORDER);
    if (options->vocab < 1) return px_fail(PX_ERR_ARGUMENT, "an n-gram model needs a vocabulary");
    if (options->line_end >= options->vocab)
        return px_fail(PX_ERR_ARGUMENT, "a line end that is no token of the vocabulary");
    if (text.end == text.begin) return px_fail(PX_ERR_INPUT, "no tokens to count n-grams in");
    builder b = {.options = options, .N = text.end - text.begin + (options->line_end >= 0), .work = 2 * options->order};
    if (b.N >= UINT32_MAX - 1)
        return px_fail(PX_ERR_INPUT, "%zu tokens are more than n-grams are counted in (2^32 - 2); give --limit-tokens",
                       b.N);
    b.model = calloc(1, sizeof *b.model);
    if (!b.model) return px_fail(PX_ERR_MEMORY, "no memory for an n-gram model");
    b.model->order = options->order;
    b.model->vocab = options->vocab;
    b.model->line_end = options->line_end;
    px_status status = build(&b, text);
    free(b.text);
    free(b.reach);
    free(b.order);
    free(b.spare);
    free(b.id);
    free(b.next_id);
    if (status == PX_OK)
        *ngram = b.model;
    else
        px_ngram_destroy(b.model);
    return status;
}
