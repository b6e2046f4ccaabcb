/* Dropout masks are the documented ones:  test_dropout [device]
 *
 * Parity compares two engines that might share a mistake; here masks are read off the gradients and compared with
 * Philox and the formulas of the design, written out once more. A unit that is dropped has a gradient of exactly 0 in
 * the weights that it feeds. */
#include "cases.h"
#include "philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *device = "cpu";

enum { SEED = 20, STEP = 3, STREAM = 5, STREAMS_IN_ALL = 11 }; /* px_case_engine's seed */

/* Gradient of one window of step STEP, one stream, number STREAM of STREAMS_IN_ALL. */
static float *gradient_of(const px_case *c, const int32_t *tokens)
{
    px_engine *engine = px_case_engine(c, device, 1, 0);
    px_window window = px_case_window(c, STEP, 0);
    if (tokens) memcpy(window.tokens, tokens, (size_t)window.batch.T * sizeof *tokens);
    window.batch.first_stream = STREAM;
    window.batch.streams_in_all = STREAMS_IN_ALL;
    PX_CHECK(px_engine_accumulate(engine, &window.batch));
    float *gradient = px_section_read(engine, PX_SECTION_GRADIENTS);
    px_window_free(&window);
    px_engine_destroy(engine);
    return gradient;
}

static int kept(uint32_t purpose, uint32_t layer, uint64_t element, double p)
{
    px_philox_block block = px_philox(SEED, purpose, layer, element >> 2);
    return block.lane[element & 3] >= (uint32_t)(p * 4294967296.0);
}

/* Whether column j of a tensor [rows,cols] has a gradient. */
static int column_lives(const px_tensor *tensor, const float *gradient, int32_t j)
{
    for (int32_t i = 0; i < tensor->rows; i++)
        if (gradient[tensor->offset + (size_t)i * (size_t)tensor->cols + (size_t)j] != 0) return 1;
    return 0;
}

/* Column j of the tensor lives exactly where element first + j of the mask is kept. */
static void check_columns(const px_case *c, px_tensor_role role, int32_t layer, const float *gradient, uint32_t purpose,
                          uint32_t mask_layer, uint64_t first, double p)
{
    px_parameters table;
    int lives = 0;
    PX_CHECK(px_parameters_make(&c->model, &table));
    const px_tensor *tensor = px_parameters_find(&table, role, layer);
    assert_non_null(tensor);
    for (int32_t j = 0; j < tensor->cols; j++) {
        int want = kept(purpose, mask_layer, first + (uint64_t)j, p), got = column_lives(tensor, gradient, j);
        lives += want;
        if (got == want) continue;
        print_error("%s: column %d of %s is %s, its mask says %s\n", c->name, (int)j, tensor->name,
                    got ? "alive" : "zero", want ? "kept" : "dropped");
        fail();
    }
    assert_true(lives > 0 && lives < tensor->cols); /* or the test shows nothing */
}

static void output_masks_are_those_of_the_design(void **state)
{
    px_case c = {"output", .model = {.vocab = 5, .hidden = 37, .layers = 2, .init_scale = 1, .dropout_output = 0.4},
                 .n = 1, .T = 1};
    (void)state;
    /* element ((step * streams + stream) * T + t) * width + j; a window of one step in an engine made for T = 6 */
    c.T = 6;
    c.batch_T = 1;
    float *gradient = gradient_of(&c, NULL);
    uint64_t row = (uint64_t)STEP * STREAMS_IN_ALL + STREAM;
    check_columns(&c, PX_TENSOR_W_HQ, 0, gradient, PX_RANDOM_DROPOUT_OUTPUT, 0, row * 6 * 37, 0.4);
    free(gradient);
    /* locked: no t, so that the same units are dropped at every step */
    c.model.dropout_locked = 1;
    c.batch_T = 6;
    gradient = gradient_of(&c, NULL);
    check_columns(&c, PX_TENSOR_W_HQ, 0, gradient, PX_RANDOM_DROPOUT_OUTPUT, 0, row * 37, 0.4);
    free(gradient);
}

static void masks_between_layers_are_those_of_the_design(void **state)
{
    px_case c = {
        "between",
        .model = {.vocab = 5, .hidden = 37, .layers = 3, .init_scale = 1, .dropout_between = 0.4, .dropout_locked = 1},
        .n = 1, .T = 4};
    (void)state;
    float *gradient = gradient_of(&c, NULL);
    uint64_t first = ((uint64_t)STEP * STREAMS_IN_ALL + STREAM) * 37;
    check_columns(&c, PX_TENSOR_W_XH, 1, gradient, PX_RANDOM_DROPOUT_BETWEEN, 0, first, 0.4);
    check_columns(&c, PX_TENSOR_W_XH, 2, gradient, PX_RANDOM_DROPOUT_BETWEEN, 1, first, 0.4);
    free(gradient);
}

static void input_masks_are_those_of_the_design(void **state)
{
    px_case c = {"input",
                 .model = {.vocab = 5,
                           .embed = 29,
                           .hidden = 7,
                           .layers = 1,
                           .init_scale = 1,
                           .dropout_input = 0.4,
                           .dropout_locked = 1},
                 .n = 1, .T = 4};
    int32_t tokens[24];
    (void)state;
    float *gradient = gradient_of(&c, NULL);
    uint64_t row = (uint64_t)STEP * STREAMS_IN_ALL + STREAM;
    check_columns(&c, PX_TENSOR_W_XH, 0, gradient, PX_RANDOM_DROPOUT_INPUT, 0, row * 29, 0.4);
    free(gradient);
    /* one-hot, locked: a word type is dropped in the whole window */
    c = (px_case){
        "input, one-hot",
        .model = {.vocab = 24, .hidden = 7, .layers = 1, .init_scale = 1, .dropout_input = 0.4, .dropout_locked = 1},
        .n = 1, .T = 24};
    for (int t = 0; t < 24; t++) tokens[t] = 23 - t;
    gradient = gradient_of(&c, tokens);
    check_columns(&c, PX_TENSOR_W_XH, 0, gradient, PX_RANDOM_DROPOUT_INPUT, 0, row * 24, 0.4);
    free(gradient);
}

/* One mask for every stream of the window; the row of a token that is dropped has no gradient from the input. */
static void embedding_masks_are_those_of_the_design(void **state)
{
    enum { V = 24, D = 3 };
    px_case c = {"embedding",
                 .model = {.vocab = V, .embed = D, .hidden = 7, .layers = 1, .init_scale = 1, .dropout_embedding = 0.4},
                 .n = 1, .T = V};
    int32_t tokens[V];
    px_parameters table;
    int dropped = 0;
    (void)state;
    for (int t = 0; t < V; t++) tokens[t] = V - 1 - t;
    PX_CHECK(px_parameters_make(&c.model, &table));
    float *gradient = gradient_of(&c, tokens);
    const float *rows = gradient + px_parameters_find(&table, PX_TENSOR_EMBEDDING, 0)->offset;
    for (uint64_t token = 0; token < V; token++) {
        const int want = kept(PX_RANDOM_DROPOUT_EMBEDDING, 0, (uint64_t)STEP * V + token, 0.4);
        dropped += !want;
        assert_int_equal(rows[token * D] != 0 || rows[token * D + 1] != 0 || rows[token * D + 2] != 0, want);
    }
    assert_in_range(dropped, 1, V - 1);
    free(gradient);
    /* one-hot: columns of W_xh */
    c.model.embed = 0;
    gradient = gradient_of(&c, tokens);
    check_columns(&c, PX_TENSOR_W_XH, 0, gradient, PX_RANDOM_DROPOUT_EMBEDDING, 0, (uint64_t)STEP * V, 0.4);
    free(gradient);
}

static void weight_masks_are_those_of_the_design(void **state)
{
    enum { H = 23 };
    px_case c = {"weights", .model = {.vocab = 5, .hidden = H, .layers = 2, .init_scale = 1, .dropout_weight = 0.4},
                 .n = 1, .T = 5};
    px_parameters table;
    int dropped = 0;
    (void)state;
    PX_CHECK(px_parameters_make(&c.model, &table));
    float *gradient = gradient_of(&c, NULL);
    for (int32_t l = 0; l < 2; l++) {
        size_t offset = px_parameters_find(&table, PX_TENSOR_W_HH, l)->offset;
        for (uint64_t out = 0; out < H; out++)
            for (uint64_t in = 0; in < H; in++) {
                int want = kept(PX_RANDOM_DROPOUT_WEIGHT, (uint32_t)l, (uint64_t)STEP * H * H + out * H + in, 0.4);
                dropped += !want;
                assert_int_equal(gradient[offset + out * H + in] != 0, want);
            }
    }
    /* 1058 draws at 0.4: 423 expected, standard deviation 16 */
    assert_in_range(dropped, 423 - 64, 423 + 64);
    free(gradient);
}

/* Four streams on one engine, or two on each of two: the same masks, so that the gradients add up to the same. */
static void masks_do_not_depend_on_how_streams_are_shared_out(void **state)
{
    px_case c = {"shared out",
                 .model = {.vocab = 9,
                           .embed = 6,
                           .hidden = 20,
                           .layers = 2,
                           .init_scale = 1,
                           .dropout_input = 0.2,
                           .dropout_embedding = 0.2,
                           .dropout_between = 0.3,
                           .dropout_output = 0.4,
                           .dropout_weight = 0.2},
                 .n = 4, .T = 5};
    px_parameters table;
    (void)state;
    PX_CHECK(px_parameters_make(&c.model, &table));
    for (c.model.dropout_locked = 0; c.model.dropout_locked < 2; c.model.dropout_locked++) {
        c.n = 4;
        px_window window = px_case_window(&c, 2, 0);
        px_engine *whole = px_case_engine(&c, device, 1, 0);
        float *state4 = px_section_read(whole, PX_SECTION_STATE), *sum = calloc(table.count, sizeof *sum);
        assert_non_null(sum);
        PX_CHECK(px_engine_accumulate(whole, &window.batch));
        float *want = px_section_read(whole, PX_SECTION_GRADIENTS);
        c.n = 2;
        for (int half = 0; half < 2; half++) {
            int32_t tokens[10], targets[10];
            uint8_t reset[10];
            float state2[2 * 2 * 20];
            for (int row = 0; row < 10; row++) {
                int from = row / 2 * 4 + half * 2 + row % 2;
                tokens[row] = window.tokens[from];
                targets[row] = window.targets[from];
                reset[row] = window.reset[from];
            }
            for (int l = 0; l < 2; l++) memcpy(state2 + l * 40, state4 + l * 80 + half * 40, 40 * sizeof *state2);
            px_batch batch = window.batch;
            batch.tokens = tokens;
            batch.targets = targets;
            batch.reset = reset;
            batch.n = 2;
            batch.first_stream = (uint32_t)half * 2;
            px_engine *part = px_case_engine(&c, device, 1, 0);
            PX_CHECK(px_engine_write(part, PX_SECTION_STATE, state2));
            PX_CHECK(px_engine_accumulate(part, &batch));
            float *gradient = px_section_read(part, PX_SECTION_GRADIENTS);
            for (size_t i = 0; i < table.count; i++) sum[i] += gradient[i];
            free(gradient);
            px_engine_destroy(part);
        }
        assert_int_equal(px_compare_tensors(&table, sum, want, 1e-5, 1e-3, "gradient of two halves"), 0);
        free(state4), free(sum), free(want);
        px_window_free(&window);
        px_engine_destroy(whole);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_masks_are_those_of_the_design),
        cmocka_unit_test(masks_between_layers_are_those_of_the_design),
        cmocka_unit_test(input_masks_are_those_of_the_design),
        cmocka_unit_test(embedding_masks_are_those_of_the_design),
        cmocka_unit_test(weight_masks_are_those_of_the_design),
        cmocka_unit_test(masks_do_not_depend_on_how_streams_are_shared_out),
    };
    if (argc > 1) device = argv[1];
    if (argc > 2) cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests_name("dropout", tests, NULL, NULL);
}
