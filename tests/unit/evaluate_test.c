/* Scoring and sampling with an engine: every token once, extremes right, and nothing depends on how the work is cut. */
#include "train_support.h"

#include "evaluate.h"
#include "sample.h"
#include "philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const engines[] = {"reference", "cpu"};
enum { V = 9, H = 13, COUNT = 211 };

static px_tokens *tokens;
static int32_t ids[COUNT];

static int make_tokens(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) ids[i] = 1 + (int32_t)(px_random_u32(3, PX_RANDOM_SYNTHETIC, 1, i) % (V - 1));
    assert_px_ok(px_tokens_from_ids(ids, COUNT, &tokens));
    return 0;
}

static int free_tokens(void **state)
{
    (void)state;
    px_tokens_destroy(tokens);
    return 0;
}

static px_range all(void) { return (px_range){tokens, 0, COUNT}; }

static px_model_config small_model(void)
{
    return (px_model_config){.vocab = V,
                             .hidden = H,
                             .layers = 2,
                             .init_scale = 3,
                             .init_gain = 1,
                             .init_recurrent = PX_INIT_RECURRENT_ORTHOGONAL};
}

/* random 0: all weights zero but the output bias, which is `bias` for token 1. */
static px_engine *make_engine(const char *device, int32_t n, int32_t T, int random, float bias)
{
    px_model_config model = small_model();
    px_optimizer_config optimizer = {0};
    px_engine_shape shape = {.n = n, .T = T, .threads = 1};
    px_parameters table;
    px_engine *engine;
    assert_px_ok(px_parameters_make(&model, &table));
    float *flat = calloc(table.count, sizeof *flat);
    if (random)
        assert_px_ok(px_parameters_init(&table, &model, 5, flat));
    else
        flat[px_parameters_find(&table, PX_TENSOR_B_Q, 0)->offset + 1] = bias;
    assert_px_ok(px_engine_create(device, &model, &optimizer, &shape, &engine));
    assert_px_ok(px_engine_write(engine, PX_SECTION_PARAMETERS, flat));
    free(flat);
    return engine;
}

static px_evaluation evaluate(px_engine *engine, px_range range, int32_t n, int32_t T)
{
    px_evaluation evaluation;
    px_evaluate_options options = {.n = n, .T = T, .reset_id = -1};
    assert_px_ok(px_evaluate(engine, range, &options, &evaluation));
    return evaluation;
}

static void a_uniform_model_has_perplexity_v(void **state)
{
    (void)state;
    for (int e = 0; e < 2; e++) {
        px_engine *engine = make_engine(engines[e], 4, 8, 0, 0);
        for (int32_t n = 1; n <= 4; n++) {
            px_evaluation evaluation = evaluate(engine, all(), n, 8);
            assert_int_equal(evaluation.tokens, COUNT - 1);
            assert_true(fabs(evaluation.perplexity - V) < 1e-5 * V);
            assert_true(fabs(evaluation.bits_per_token - log2(V)) < 1e-5);
        }
        px_engine_destroy(engine);
    }
}

static void certainty_has_perplexity_1_and_impossibility_inf(void **state)
{
    int32_t ones[50];
    px_tokens *same;
    (void)state;
    for (int i = 0; i < 50; i++) ones[i] = 1;
    assert_px_ok(px_tokens_from_ids(ones, 50, &same));
    for (int e = 0; e < 2; e++) {
        px_engine *engine = make_engine(engines[e], 2, 8, 0, 200);
        px_evaluation evaluation = evaluate(engine, (px_range){same, 0, 50}, 1, 8);
        assert_true(evaluation.perplexity == 1 && evaluation.loss == 0);
        px_engine_destroy(engine);
        engine = make_engine(engines[e], 2, 8, 0, -INFINITY);
        for (int32_t n = 1; n <= 2; n++) {
            evaluation = evaluate(engine, (px_range){same, 0, 50}, n, 8);
            assert_true(isinf(evaluation.loss) && evaluation.loss > 0 && isinf(evaluation.perplexity) &&
                        isinf(evaluation.bits_per_token));
        }
        evaluation = evaluate(engine, all(), 1, 8); /* one impossible token among others */
        assert_true(isinf(evaluation.loss));
        px_engine_destroy(engine);
    }
    px_tokens_destroy(same);
}

static void one_stream_gives_the_same_bits_for_every_window(void **state)
{
    (void)state;
    for (int e = 0; e < 2; e++) {
        px_engine *engine = make_engine(engines[e], 4, 16, 1, 0);
        double first = evaluate(engine, all(), 1, 1).loss;
        assert_true(first > 1 && first < 10);
        for (int32_t T = 2; T <= 64; T += 7) {
            double loss = evaluate(engine, all(), 1, T).loss;
            if (loss != first) fail_msg("%s: T = %d: %.17g, T = 1: %.17g", engines[e], (int)T, loss, first);
        }
        px_engine_destroy(engine);
    }
}

/* Values in order of position: targets and a sum that is the loss. */
typedef struct collected {
    int64_t count;
    double sum, last;
} collected;

static px_status collect(void *context, int32_t id, double nll)
{
    collected *list = context;
    assert_int_equal(id, ids[++list->count]);
    list->sum += nll;
    list->last = nll;
    return PX_OK;
}

static void single_tokens_come_in_order_and_add_up(void **state)
{
    (void)state;
    for (int e = 0; e < 2; e++) {
        px_engine *engine = make_engine(engines[e], 1, 10, 1, 0);
        collected list = {0};
        px_evaluation evaluation;
        px_evaluate_options options = {.n = 1, .T = 10, .reset_id = -1, .per_token = collect, .context = &list};
        assert_px_ok(px_evaluate(engine, all(), &options, &evaluation));
        assert_int_equal(list.count, COUNT - 1);
        assert_true(list.sum / (COUNT - 1) == evaluation.loss);
        options.n = 2;
        assert_px_fails(px_evaluate(engine, all(), &options, &evaluation), PX_ERR_ARGUMENT, "--batch 1");
        px_engine_destroy(engine);
    }
}

static void the_state_of_one_evaluation_carries_into_the_next_where_asked(void **state)
{
    (void)state;
    for (int e = 0; e < 2; e++) {
        px_engine *engine = make_engine(engines[e], 1, 10, 1, 0);
        px_evaluate_options cold = {.n = 1, .T = 10, .reset_id = -1}, warm = cold;
        px_evaluation whole, first, second, alone;
        warm.keep_state = 1;
        assert_px_ok(px_evaluate(engine, all(), &cold, &whole));
        assert_px_ok(px_evaluate(engine, (px_range){tokens, 0, 101}, &cold, &first));
        assert_px_ok(px_evaluate(engine, (px_range){tokens, 100, COUNT}, &warm, &second));
        double sum = first.loss * 100 + second.loss * (COUNT - 101);
        assert_true(fabs(sum / (COUNT - 1) - whole.loss) < 1e-12);
        assert_px_ok(px_evaluate(engine, (px_range){tokens, 100, COUNT}, &cold, &alone));
        assert_true(alone.loss != second.loss);
        px_engine_destroy(engine);
    }
}

static void ranges_without_a_target_are_refused(void **state)
{
    px_engine *engine = make_engine("reference", 1, 4, 1, 0);
    px_evaluate_options options = {.n = 1, .T = 4, .reset_id = -1};
    px_evaluation evaluation;
    atomic_int stop = 1;
    (void)state;
    assert_px_fails(px_evaluate(engine, (px_range){tokens, 5, 6}, &options, &evaluation), PX_ERR_INPUT, "at least 2");
    options.stop = &stop;
    assert_int_equal(px_evaluate(engine, all(), &options, &evaluation), PX_STOPPED);
    px_engine_destroy(engine);
}

/* ---- sequences --------------------------------------------------------------------------------------------------- */

enum { SEQUENCES = 23 };

/* Lengths 0, 1, 2, ... with a long one among them, taken from the tokens in an order by `salt`. */
static size_t lay_sequences(uint32_t salt, int32_t *out, size_t *begin, int *which)
{
    size_t used = 0;
    for (int i = 0; i < SEQUENCES; i++) which[i] = i;
    for (int i = SEQUENCES - 1; salt && i > 0; i--) {
        int j = (int)(px_random_u32(salt, PX_RANDOM_SYNTHETIC, 2, (uint64_t)i) % (uint32_t)(i + 1)), moved = which[i];
        which[i] = which[j];
        which[j] = moved;
    }
    for (int i = 0; i < SEQUENCES; i++) {
        int length = which[i] == 7 ? 150 : which[i];
        begin[i] = used;
        memcpy(out + used, ids + which[i], (size_t)length * sizeof *out);
        used += (size_t)length;
    }
    begin[SEQUENCES] = used;
    return used;
}

static void sequences_do_not_depend_on_order_company_or_shape(void **state)
{
    double first[SEQUENCES];
    px_sequence_score score[SEQUENCES];
    int which[SEQUENCES];
    size_t begin[SEQUENCES + 1];
    int32_t list[2000];
    (void)state;
    for (int e = 0; e < 2; e++) {
        /* alone, from a zero state, by the other way of scoring */
        px_engine *engine = make_engine(engines[e], 1, 40, 1, 0);
        lay_sequences(0, list, begin, which);
        for (int i = 0; i < SEQUENCES; i++) {
            px_tokens *alone;
            first[i] = 0;
            if (begin[i + 1] - begin[i] < 2) continue;
            assert_px_ok(px_tokens_from_ids(list + begin[i], begin[i + 1] - begin[i], &alone));
            px_evaluation one = evaluate(engine, (px_range){alone, 0, begin[i + 1] - begin[i]}, 1, 40);
            first[i] = one.loss * (double)one.tokens;
            px_tokens_destroy(alone);
        }
        px_engine_destroy(engine);
        double exact[SEQUENCES];
        int known = 0;
        static const int32_t shapes[][2] = {{1, 1}, {1, 40}, {3, 5}, {16, 3}, {40, 1}, {64, 20}};
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
            for (uint32_t salt = 0; salt < 3; salt++) {
                engine = make_engine(engines[e], shapes[s][0], shapes[s][1], 1, 0);
                lay_sequences(salt, list, begin, which);
                assert_px_ok(px_evaluate_sequences(engine, list, begin, SEQUENCES, score));
                for (int i = 0; i < SEQUENCES; i++) {
                    size_t length = begin[i + 1] - begin[i];
                    const double nll = score[i].nll;
                    assert_int_equal(score[i].tokens, length < 2 ? 0 : length - 1);
                    assert_true(fabs(nll - first[which[i]]) <= 1e-12 * fabs(first[which[i]]));
                    if (!known)
                        exact[which[i]] = nll;
                    else if (nll != exact[which[i]])
                        fail_msg("%s, n = %d, T = %d, order %u: sequence %d: %.17g, at first %.17g", engines[e],
                                 (int)shapes[s][0], (int)shapes[s][1], (unsigned)salt, which[i], nll, exact[which[i]]);
                }
                known = 1;
                px_engine_destroy(engine);
            }
    }
}

/* ---- sampling ---------------------------------------------------------------------------------------------------- */

enum { LENGTH = 60, STREAMS = 5 };
typedef struct texts {
    int32_t id[STREAMS][LENGTH];
    int count[STREAMS];
    int end_at; /* a stream ends after so many tokens times its number + 1; 0: never */
} texts;

static int keep(void *context, int32_t stream, int32_t id)
{
    texts *t = context;
    t->id[stream][t->count[stream]++] = id;
    return t->end_at > 0 && t->count[stream] == t->end_at * (stream + 1);
}

static texts sample(px_engine *engine, int32_t count, uint64_t seed, int greedy, int end_at)
{
    static const int32_t prompt[] = {1, 4, 2, 8, 5, 7};
    texts t = {.end_at = end_at};
    px_sample_options options = {.length = LENGTH,
                                 .temperature = 0.9,
                                 .top_p = 1,
                                 .seed = seed,
                                 .count = count,
                                 .greedy = greedy,
                                 .prompt = prompt,
                                 .prompt_count = 6,
                                 .token = keep,
                                 .context = &t};
    assert_px_ok(px_sample(engine, V, &options));
    return t;
}

static void a_stream_of_a_seed_is_the_same_text_whatever_the_count(void **state)
{
    (void)state;
    for (int e = 0; e < 2; e++) {
        px_engine *one = make_engine(engines[e], 1, 3, 1, 0), *many = make_engine(engines[e], STREAMS, 8, 1, 0);
        texts alone = sample(one, 1, 1, 0, 0), other = sample(one, 1, 2, 0, 0),
              all_of_them = sample(many, STREAMS, 1, 0, 0);
        assert_memory_equal(alone.id[0], all_of_them.id[0], sizeof alone.id[0]);
        assert_memory_not_equal(alone.id[0], other.id[0], sizeof alone.id[0]);
        assert_memory_not_equal(all_of_them.id[0], all_of_them.id[1], sizeof alone.id[0]);
        for (int32_t count = 2; count < STREAMS; count++) {
            texts some = sample(many, count, 1, 0, 0);
            for (int i = 0; i < STREAMS; i++) {
                assert_int_equal(some.count[i], i < count ? LENGTH : 0);
                if (i < count) assert_memory_equal(some.id[i], all_of_them.id[i], sizeof some.id[i]);
            }
        }
        /* streams that end take nothing from the others */
        texts ended = sample(many, STREAMS, 1, 0, 7);
        for (int i = 0; i < STREAMS; i++) {
            assert_int_equal(ended.count[i], 7 * (i + 1));
            assert_memory_equal(ended.id[i], all_of_them.id[i], (size_t)ended.count[i] * sizeof(int32_t));
        }
        texts g1 = sample(many, 3, 1, 1, 0), g2 = sample(one, 1, 9, 1, 0);
        assert_memory_equal(g1.id[0], g1.id[2], sizeof g1.id[0]);
        assert_memory_equal(g1.id[0], g2.id[0], sizeof g1.id[0]);
        px_engine_destroy(one);
        px_engine_destroy(many);
    }
}

/* Greedy texts against decoding by hand, for prompts that fit a window and ones that do not. */
static void a_text_goes_on_from_the_whole_prompt(void **state)
{
    (void)state;
    for (int e = 0; e < 2; e++) {
        px_engine *engine = make_engine(engines[e], 2, 6, 1, 0);
        for (size_t length = 1; length <= 40; length += 13) {
            texts t = {0};
            px_sample_options options = {.length = 20,
                                         .greedy = 1,
                                         .top_p = 1,
                                         .count = 1,
                                         .prompt = ids,
                                         .prompt_count = length,
                                         .token = keep,
                                         .context = &t};
            float probabilities[V];
            int32_t last = 0;
            uint8_t reset = 1;
            assert_px_ok(px_sample(engine, V, &options));
            for (size_t i = 0; i < length; i++, reset = 0)
                assert_px_ok(px_engine_next(engine, &ids[i], &reset, 1, probabilities));
            for (int made = 0; made < 20; made++) {
                last = 0;
                for (int32_t j = 1; j < V; j++)
                    if (probabilities[j] > probabilities[last]) last = j;
                if (t.id[0][made] != last)
                    fail_msg("%s: prompt of %zu, token %d: %d, by hand %d", engines[e], length, made,
                             (int)t.id[0][made], (int)last);
                assert_px_ok(px_engine_next(engine, &last, NULL, 1, probabilities));
            }
        }
        px_engine_destroy(engine);
    }
}

static void sampling_refuses_what_it_cannot_do(void **state)
{
    px_engine *engine = make_engine("reference", 2, 3, 1, 0);
    int32_t prompt[] = {1, V};
    px_sample_options good =
                          {.length = 1, .temperature = 1, .top_p = 1, .count = 1, .prompt = prompt, .prompt_count = 1},
                      bad;
    (void)state;
    assert_px_ok(px_sample(engine, V, &good));
    bad = good, bad.count = 3;
    assert_px_fails(px_sample(engine, V, &bad), PX_ERR_ARGUMENT, "--count 3");
    bad = good, bad.prompt_count = 0;
    assert_px_fails(px_sample(engine, V, &bad), PX_ERR_ARGUMENT, "prompt");
    bad = good, bad.prompt_count = 2;
    assert_px_fails(px_sample(engine, V, &bad), PX_ERR_ARGUMENT, "id 9");
    bad = good, bad.temperature = -1;
    assert_px_fails(px_sample(engine, V, &bad), PX_ERR_ARGUMENT, "--temperature -1");
    bad = good, bad.top_p = 0;
    assert_px_fails(px_sample(engine, V, &bad), PX_ERR_ARGUMENT, "--top-p");
    bad = good, bad.top_k = -1;
    assert_px_fails(px_sample(engine, V, &bad), PX_ERR_ARGUMENT, "--top-k");
    px_engine_destroy(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uniform_model_has_perplexity_v),
        cmocka_unit_test(certainty_has_perplexity_1_and_impossibility_inf),
        cmocka_unit_test(one_stream_gives_the_same_bits_for_every_window),
        cmocka_unit_test(single_tokens_come_in_order_and_add_up),
        cmocka_unit_test(the_state_of_one_evaluation_carries_into_the_next_where_asked),
        cmocka_unit_test(ranges_without_a_target_are_refused),
        cmocka_unit_test(sequences_do_not_depend_on_order_company_or_shape),
        cmocka_unit_test(a_stream_of_a_seed_is_the_same_text_whatever_the_count),
        cmocka_unit_test(a_text_goes_on_from_the_whole_prompt),
        cmocka_unit_test(sampling_refuses_what_it_cannot_do),
    };
    return cmocka_run_group_tests(tests, make_tokens, free_tokens);
}
