/* Writing text with a model: see sample.h. */
#include "sample.h"

#include "check.h"
#include "philox.h"

#define PX_DRAW_FUNCTION static inline
#define PX_DRAW_MUL(a, b) ((a) * (b)) /* CMakeLists.txt: this file is compiled without contraction */
#include "draw_maths.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the choice of one token ------------------------------------------------------------------------------------- */

static px_draw draw_of(const px_sample_options *options)
{
    return (px_draw){.temperature = options->temperature,
                     .top_p = options->top_p,
                     .seed = options->seed,
                     .top_k = options->top_k,
                     .greedy = options->greedy,
                     .exclude_unknown = options->exclude_unknown};
}

_Static_assert(sizeof(px_candidate) <= 2 * sizeof(double), "candidates fit the scratch that sample.h asks for");

int32_t px_sample_choose(const float *probabilities, int32_t vocab, const px_sample_options *options, double u,
                         void *scratch)
{
    const px_draw draw = draw_of(options);
    return px_draw_choose(probabilities, vocab, &draw, u, scratch);
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

/* Texts in the making. */
typedef struct sampler {
    px_engine *engine;
    const px_sample_options *options;
    px_draw draw;
    int32_t n, V, running;
    int32_t block;        /* tokens of each text that are made at a time */
    int32_t *tokens;      /* [n]: the next input */
    int32_t *drawn;       /* [block,n] */
    uint8_t *reset;       /* [n]: of the first token */
    uint8_t *ended;       /* [n] */
    float *probabilities; /* [n,V] where the host draws, else NULL */
    double *scratch;      /* [2 V], likewise */
} sampler;

static void sampler_free(sampler *s)
{
    free(s->tokens);
    free(s->drawn);
    free(s->reset);
    free(s->ended);
    free(s->probabilities);
    free(s->scratch);
}

static px_status sampler_make(sampler *s, px_engine *engine, int32_t vocab, const px_sample_options *options)
{
    const size_t N = (size_t)options->count, V = (size_t)vocab;
    *s = (sampler){engine, options, draw_of(options), options->count, vocab, options->count, 1, NULL, NULL, NULL, NULL,
                   NULL,   NULL};
    const int host = !px_engine_decodes(engine, &s->draw);
    if (!host) s->block = PX_DECODE_TOKENS_MAX;
    s->tokens = malloc(N * sizeof *s->tokens);
    s->drawn = malloc((size_t)s->block * N * sizeof *s->drawn);
    s->reset = calloc(N, 1);
    s->ended = calloc(N, 1);
    s->probabilities = host ? malloc(N * V * sizeof *s->probabilities) : NULL;
    s->scratch = host ? malloc(2 * V * sizeof *s->scratch) : NULL;
    if (!s->tokens || !s->drawn || !s->reset || !s->ended || (host && (!s->probabilities || !s->scratch)))
        return px_fail(PX_ERR_MEMORY, "no memory to sample %d texts at once", (int)s->n);
    for (size_t i = 0; i < N; i++) {
        s->tokens[i] = options->prompt[options->prompt_count - 1];
        s->reset[i] = options->prompt_count == 1;
    }
    return PX_OK;
}

/* One token of each text. */
static px_status draw_on_host(sampler *s, const uint8_t *reset)
{
    PX_TRY(px_engine_next(s->engine, s->tokens, reset, s->n, s->probabilities));
    for (int32_t i = 0; i < s->n; i++) {
        if (s->ended[i]) continue;
        const uint32_t lane = px_random_u32(s->draw.seed, PX_RANDOM_SAMPLE, (uint32_t)i, s->draw.position);
        s->drawn[i] = px_draw_choose(s->probabilities + (size_t)i * (size_t)s->V, s->V, &s->draw, px_uniform(lane),
                                     (px_candidate *)s->scratch);
    }
    return PX_OK;
}

/* Hands out what has been drawn for one position. */
static px_status take(sampler *s, uint64_t position, const int32_t *drawn)
{
    const px_sample_options *options = s->options;
    for (int32_t i = 0; i < s->n; i++) {
        if (s->ended[i]) continue;
        if (drawn[i] < 0)
            return px_fail(PX_ERR_NUMERIC,
                           "text %d, token %llu: the model gives no token a probability that can be drawn from",
                           (int)i + 1, (unsigned long long)position + 1);
        s->tokens[i] = drawn[i];
        if (options->token && options->token(options->context, i, drawn[i])) {
            s->ended[i] = 1;
            s->running--;
        }
    }
    return PX_OK;
}

/* The next `count` tokens of each text, of which those after its end are made in vain. */
static px_status advance(sampler *s, int32_t count)
{
    const uint8_t *reset = s->draw.position == 0 ? s->reset : NULL;
    if (s->probabilities)
        PX_TRY(draw_on_host(s, reset));
    else
        PX_TRY(px_engine_decode(s->engine, s->tokens, reset, s->n, &s->draw, count, s->drawn));
    for (int32_t k = 0; k < count && s->running > 0; k++, s->draw.position++)
        PX_TRY(take(s, s->draw.position, s->drawn + (size_t)k * (size_t)s->n));
    return PX_OK;
}

px_status px_sample(px_engine *engine, int32_t vocab, const px_sample_options *options)
{
    PX_TRY(check_options(engine, vocab, options));
    sampler s;
    px_status status = sampler_make(&s, engine, vocab, options);
    if (status == PX_OK) status = feed_prompt(engine, options);
    while (status == PX_OK && s.running > 0 && (int64_t)s.draw.position < options->length) {
        const int64_t left = options->length - (int64_t)s.draw.position;
        status = advance(&s, left < s.block ? (int32_t)left : s.block);
    }
    sampler_free(&s);
    return status;
}
