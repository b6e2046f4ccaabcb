/* Writing text with a model: see sample.h. */
#include "sample.h"

#include "check.h"
#include "philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the choice of one token ------------------------------------------------------------------------------------- */

static int32_t most_probable(const float *probabilities, int32_t vocab, int32_t first)
{
    int32_t best = -1;
    for (int32_t i = first; i < vocab; i++) {
        if (!isfinite(probabilities[i])) return -1;
        if (probabilities[i] > 0 && (best < 0 || probabilities[i] > probabilities[best])) best = i;
    }
    return best;
}

/* A token and its weight exp(log(p / p_max) / temperature). */
typedef struct candidate {
    double weight;
    int32_t id;
} candidate;

static int better(const candidate *a, const candidate *b)
{
    return a->weight != b->weight ? a->weight > b->weight : a->id < b->id;
}

static void sift_down(candidate *heap, size_t count, size_t i)
{
    candidate moved = heap[i];
    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && better(&heap[child + 1], &heap[child])) child++;
        if (!better(&heap[child], &moved)) break;
        heap[i] = heap[child];
    }
    heap[i] = moved;
}

/* Takes the best `want` out of a heap of count; they end up behind what is left, the best one last. */
static void pop_best(candidate *heap, size_t *count, size_t want)
{
    while (want-- > 0 && *count > 0) {
        candidate best = heap[0];
        heap[0] = heap[--*count];
        heap[*count] = best;
        if (*count) sift_down(heap, *count, 0);
    }
}

static void make_heap(candidate *heap, size_t count)
{
    for (size_t i = count / 2; i-- > 0;) sift_down(heap, count, i);
}

/* The first of list[0], list[step], ... at which the running sum exceeds u times the whole; the last where rounding
 * eats it. */
static int32_t draw(const candidate *list, ptrdiff_t step, size_t count, double u)
{
    double mass = 0, sum = 0;
    for (size_t i = 0; i < count; i++) mass += list[(ptrdiff_t)i * step].weight;
    for (size_t i = 0; i < count; i++) {
        sum += list[(ptrdiff_t)i * step].weight;
        if (u * mass < sum) return list[(ptrdiff_t)i * step].id;
    }
    return list[(ptrdiff_t)(count - 1) * step].id;
}

_Static_assert(sizeof(candidate) <= 2 * sizeof(double), "candidates fit the scratch that sample.h asks for");

int32_t px_sample_choose(const float *probabilities, int32_t vocab, const px_sample_options *options, double u,
                         void *scratch)
{
    int32_t first = options->exclude_unknown ? 1 : 0, best = most_probable(probabilities, vocab, first);
    if (best < 0 || options->greedy || options->temperature == 0) return best;

    candidate *list = scratch;
    size_t count = 0, left;
    double log_best = log((double)probabilities[best]);
    for (int32_t i = first; i < vocab; i++) {
        if (!(probabilities[i] > 0)) continue;
        double weight = exp((log((double)probabilities[i]) - log_best) / options->temperature);
        if (weight > 0) list[count++] = (candidate){weight, i};
    }
    size_t keep = options->top_k > 0 && (size_t)options->top_k < count ? (size_t)options->top_k : count;
    if (keep == count && !(options->top_p < 1)) return draw(list, 1, count, u); /* nothing is cut: no sorting */

    make_heap(list, count);
    left = count;
    if (keep < count) {
        pop_best(list, &left, keep);
        /* list[count-1], list[count-2], ... are the best, in order */
        if (!(options->top_p < 1)) return draw(list + count - 1, -1, keep, u);
    }
    double mass = 0, sum = 0;
    if (keep < count)
        for (size_t i = 0; i < keep; i++) mass += list[count - 1 - i].weight;
    else
        for (size_t i = 0; i < count; i++) mass += list[i].weight;
    size_t taken = 0;
    while (taken < keep) {
        if (keep == count) pop_best(list, &left, 1);
        sum += list[count - 1 - taken].weight;
        taken++;
        if (sum >= options->top_p * mass) break;
    }
    return draw(list + count - 1, -1, taken, u);
}

/* ---- whole texts ------------------------------------------------------------------------------------------------- */

/* Brings all streams from a zero state to the one before the prompt's last token, window by window, nothing scored. */
static px_status feed_prompt(px_engine *engine, const px_sample_options *options)
{
    int32_t n = options->count;
    size_t left = options->prompt_count - 1, place = 0;
    size_t T_max = (size_t)engine->shape.T * (size_t)engine->shape.n / (size_t)n, rows;
    if (left == 0) return PX_OK;
    if (T_max > left) T_max = left;
    rows = T_max * (size_t)n;
    int32_t *tokens = malloc(rows * sizeof *tokens), *targets = malloc(rows * sizeof *targets);
    uint8_t *reset = calloc(rows, 1);
    px_status status = tokens && targets && reset ? PX_OK : px_fail(PX_ERR_MEMORY, "no memory for the prompt");
    while (status == PX_OK && place < left) {
        size_t T = left - place < T_max ? left - place : T_max;
        for (size_t t = 0; t < T; t++)
            for (int32_t i = 0; i < n; i++) {
                tokens[t * (size_t)n + (size_t)i] = options->prompt[place + t];
                targets[t * (size_t)n + (size_t)i] = -1;
            }
        memset(reset, place == 0, (size_t)n);
        px_batch batch = {.tokens = tokens,
                          .targets = targets,
                          .reset = reset,
                          .T = (int32_t)T,
                          .n = n,
                          .streams_in_all = (uint32_t)n,
                          .inv_count = 0};
        status = px_engine_evaluate(engine, &batch, NULL);
        place += T;
    }
    free(tokens);
    free(targets);
    free(reset);
    return status;
}

int32_t px_sample_start(const px_vocabulary *vocabulary)
{
    static const char *const of_texts[] = {"\n", "<eos>", " ", NULL};
    static const char *const of_pieces[] = {
        "<|endoftext|>", "</s>", "<s>", "<0x0A>", "\xC4\x8A" /* U+010A: GPT-2's line end */, NULL};
    const char *const *starts = px_level_is_pieces(px_vocabulary_options(vocabulary).level) ? of_pieces : of_texts;
    for (; *starts; starts++) {
        int32_t id = px_vocabulary_id(vocabulary, *starts, strlen(*starts));
        if (id > 0) return id;
    }
    return px_vocabulary_size(vocabulary) > 1 ? 1 : 0;
}

static px_status check_options(const px_engine *engine, int32_t vocab, const px_sample_options *options)
{
    if (options->count < 1 || options->count > engine->shape.n)
        return px_fail(PX_ERR_ARGUMENT, "--count %d: this engine was created for at most %d texts", (int)options->count,
                       (int)engine->shape.n);
    if (options->prompt_count < 1)
        return px_fail(PX_ERR_ARGUMENT, "a text needs a prompt of at least one token to begin with");
    for (size_t i = 0; i < options->prompt_count; i++)
        if (options->prompt[i] < 0 || options->prompt[i] >= vocab)
            return px_fail(PX_ERR_ARGUMENT, "prompt token %zu: id %d is not in the vocabulary of %d", i,
                           (int)options->prompt[i], (int)vocab);
    if (!options->greedy && !(options->temperature >= 0 && isfinite(options->temperature)))
        return px_fail(PX_ERR_ARGUMENT, "--temperature %g: a number from 0 is needed; 0 takes the most probable token",
                       options->temperature);
    if (!(options->top_p > 0 && options->top_p <= 1))
        return px_fail(PX_ERR_ARGUMENT, "--top-p %g: a share above 0 and at most 1 is needed", options->top_p);
    if (options->top_k < 0)
        return px_fail(PX_ERR_ARGUMENT, "--top-k %d: give 0 for all tokens or a number above 0", (int)options->top_k);
    if (options->length < 0)
        return px_fail(PX_ERR_ARGUMENT, "--length %lld: give a number of tokens", (long long)options->length);
    return PX_OK;
}

px_status px_sample(px_engine *engine, int32_t vocab, const px_sample_options *options)
{
    PX_TRY(check_options(engine, vocab, options));
    int32_t n = options->count, running = n;
    size_t N = (size_t)n, V = (size_t)vocab;
    int32_t *tokens = malloc(N * sizeof *tokens);
    uint8_t *reset = calloc(N, 1), *ended = calloc(N, 1);
    float *probabilities = malloc(N * V * sizeof *probabilities);
    double *scratch = malloc(2 * V * sizeof *scratch);
    px_status status;
    if (!tokens || !reset || !ended || !probabilities || !scratch) {
        status = px_fail(PX_ERR_MEMORY, "no memory to sample %d texts at once", (int)n);
        goto done;
    }
    PX_TRY_GOTO(status, feed_prompt(engine, options), done);
    for (size_t i = 0; i < N; i++) {
        tokens[i] = options->prompt[options->prompt_count - 1];
        reset[i] = options->prompt_count == 1;
    }
    for (int64_t position = 0; position < options->length && running > 0; position++) {
        PX_TRY_GOTO(status, px_engine_next(engine, tokens, position == 0 ? reset : NULL, n, probabilities), done);
        for (int32_t i = 0; i < n; i++) {
            if (ended[i]) continue;
            uint32_t lane = px_random_u32(options->seed, PX_RANDOM_SAMPLE, (uint32_t)i, (uint64_t)position);
            tokens[i] = px_sample_choose(probabilities + (size_t)i * V, vocab, options, px_uniform(lane), scratch);
            if (tokens[i] < 0) {
                status = px_fail(PX_ERR_NUMERIC,
                                 "text %d, token %lld: the model gives no token a probability that can be drawn from",
                                 (int)i + 1, (long long)position + 1);
                goto done;
            }
            if (options->token && options->token(options->context, i, tokens[i])) {
                ended[i] = 1;
                running--;
            }
        }
    }
done:
    free(tokens);
    free(reset);
    free(ended);
    free(probabilities);
    free(scratch);
    return status;
}
