/* The factors of --lr-scaling: their table (rate_scaling.h), and the spans of the flat buffer that share one. */
#include "rate_scaling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

static double factor_of(const px_model_config *model, px_optimizer kind, px_tensor_role role, int32_t layer)
{
    const px_optimizer_config optimizer = {.kind = kind, .lr_scaling = PX_LR_SCALING_MUP};
    px_parameters table;
    assert_int_equal(px_parameters_make(model, &table), PX_OK);
    const px_tensor *tensor = px_parameters_find(&table, role, layer);
    assert_non_null(tensor);
    return px_rate_factor(model, &optimizer, tensor);
}

static void assert_factor(double got, double want)
{
    if (fabs(got - want) > 1e-12 * want) fail_msg("factor %.17g, want %.17g", got, want);
}

static void adaptive_optimisers_scale_matrices_by_their_fan_in(void **state)
{
    static const px_optimizer kinds[] = {PX_ADAM, PX_ADAMW, PX_RMSPROP};
    const px_model_config one_hot = {.vocab = 50, .hidden = 128, .layers = 4},
                          tied = {.vocab = 50, .embed = 64, .hidden = 1024, .layers = 1, .tied = 1},
                          narrow = {.vocab = 50, .embed = 5, .hidden = 7, .layers = 3},
                          adaptive = {.vocab = 50,
                                      .embed = 64,
                                      .hidden = 128,
                                      .layers = 2,
                                      .output = PX_OUTPUT_ADAPTIVE,
                                      .cutoffs = {1, {20}}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const double depth = 0.25; /* 1 / L; with an embedding L + 1 below the output layer */
        assert_factor(factor_of(&one_hot, kinds[i], PX_TENSOR_W_XH, 0), 4 * depth);
        assert_factor(factor_of(&one_hot, kinds[i], PX_TENSOR_W_XH, 1), 4 * depth);
        assert_factor(factor_of(&one_hot, kinds[i], PX_TENSOR_W_HH, 3), 4 * depth);
        assert_factor(factor_of(&one_hot, kinds[i], PX_TENSOR_W_HQ, 0), 4 * depth);
        assert_factor(factor_of(&one_hot, kinds[i], PX_TENSOR_B_H, 0), 4 * depth);
        assert_factor(factor_of(&one_hot, kinds[i], PX_TENSOR_B_Q, 0), 4 * depth);
        assert_factor(factor_of(&tied, kinds[i], PX_TENSOR_EMBEDDING, 0), 3 * sqrt(8) / 2);
        assert_factor(factor_of(&tied, kinds[i], PX_TENSOR_W_XH, 0), 8 / 2.0);
        assert_factor(factor_of(&tied, kinds[i], PX_TENSOR_W_HH, 0), 0.5 / 2);
        assert_factor(factor_of(&tied, kinds[i], PX_TENSOR_B_H, 0), 4);
        assert_factor(factor_of(&tied, kinds[i], PX_TENSOR_PROJECTION, 0), 0.5);
        assert_factor(factor_of(&narrow, kinds[i], PX_TENSOR_EMBEDDING, 0), 16 / 4.0);
        assert_factor(factor_of(&narrow, kinds[i], PX_TENSOR_W_XH, 0), 8 / 4.0);
        assert_factor(factor_of(&narrow, kinds[i], PX_TENSOR_W_XH, 2), 8 / 4.0);
        assert_factor(factor_of(&narrow, kinds[i], PX_TENSOR_W_HQ, 0), 2 * 8); /* with an embedding at any depth */
        assert_factor(factor_of(&adaptive, kinds[i], PX_TENSOR_HEAD, 0), 2 * 4);
        assert_factor(factor_of(&adaptive, kinds[i], PX_TENSOR_TAIL_IN, 0), 4 / 2.0);
        assert_factor(factor_of(&adaptive, kinds[i], PX_TENSOR_TAIL_OUT, 0), 2 * 4);
    }
}

static void gradient_descent_scales_rows_biases_and_the_output_layer(void **state)
{
    static const px_optimizer kinds[] = {PX_SGD, PX_MOMENTUM};
    const px_model_config model = {.vocab = 50, .embed = 64, .hidden = 1024, .layers = 1},
                          one_hot = {.vocab = 50, .hidden = 256, .layers = 1},
                          tied = {.vocab = 50, .embed = 128, .hidden = 256, .layers = 2, .tied = 1};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_factor(factor_of(&tied, kinds[i], PX_TENSOR_EMBEDDING, 0), 2);
        assert_factor(factor_of(&tied, kinds[i], PX_TENSOR_PROJECTION, 0), 1);
        assert_factor(factor_of(&model, kinds[i], PX_TENSOR_EMBEDDING, 0), 2);
        assert_factor(factor_of(&model, kinds[i], PX_TENSOR_W_XH, 0), 1);
        assert_factor(factor_of(&model, kinds[i], PX_TENSOR_W_HH, 0), 1);
        assert_factor(factor_of(&model, kinds[i], PX_TENSOR_B_Q, 0), 2);
        assert_factor(factor_of(&model, kinds[i], PX_TENSOR_W_HQ, 0), 0.5);
        assert_factor(factor_of(&one_hot, kinds[i], PX_TENSOR_W_XH, 0), 0.5);
    }
}

/* Every float of every tensor has its tensor's factor, and neighbours of one factor are one span. */
static void spans_cover_the_buffer(void **state)
{
    const px_model_config models[] = {
        {.vocab = 50, .hidden = 33, .layers = 3},
        {.vocab = 9, .embed = 7, .hidden = 512, .layers = 1, .tied = 1},
        {.vocab = 9, .embed = 5, .hidden = 20, .layers = PX_MAX_LAYERS, .cell = PX_CELL_GRU}};
    (void)state;
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++)
        for (int scaling = PX_LR_SCALING_NONE; scaling <= PX_LR_SCALING_MUP; scaling++) {
            const px_optimizer_config optimizer = {.kind = PX_ADAM, .lr_scaling = (px_lr_scaling)scaling};
            px_parameters table;
            assert_int_equal(px_parameters_make(&models[m], &table), PX_OK);
            const px_rate_spans spans = px_rate_spans_make(&table, &models[m], &optimizer);
            assert_int_equal(spans.span[spans.count - 1].end, table.count);
            if (scaling == PX_LR_SCALING_NONE) assert_int_equal(spans.count, 1);
            for (int32_t s = 0; s < spans.count; s++) {
                assert_int_equal(spans.span[s].end % PX_TENSOR_ALIGN, 0);
                if (s > 0) assert_true(spans.span[s].factor != spans.span[s - 1].factor);
            }
            for (int32_t k = 0; k < table.tensor_count; k++) {
                const px_tensor *tensor = &table.tensor[k];
                const float factor = (float)px_rate_factor(&models[m], &optimizer, tensor);
                assert_true(spans.span[px_rate_span_of(&spans, tensor->offset)].factor == factor);
                assert_true(spans.span[px_rate_span_of(&spans, tensor->offset + tensor->count - 1)].factor == factor);
            }
        }
}

/* An LSTM begins at twice the rate, where the rule of widths is on and a step's size does not follow the gradient's. */
static void an_lstm_has_a_default_of_its_own(void **state)
{
    (void)state;
    for (int cell = 0; cell < PX_CELL_COUNT; cell++)
        for (int kind = 0; kind < PX_OPTIMIZER_COUNT; kind++)
            for (int scaling = PX_LR_SCALING_NONE; scaling <= PX_LR_SCALING_MUP; scaling++) {
                const px_optimizer_config optimizer = {.kind = (px_optimizer)kind,
                                                       .lr_scaling = (px_lr_scaling)scaling};
                const int normalised = kind == PX_ADAM || kind == PX_ADAMW || kind == PX_RMSPROP;
                const double factor = cell == PX_CELL_LSTM && normalised && scaling == PX_LR_SCALING_MUP ? 2 : 1;
                assert_true(px_rate_default((px_cell)cell, &optimizer) ==
                            factor * px_optimizer_of((px_optimizer)kind)->rate);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_lstm_has_a_default_of_its_own),
        cmocka_unit_test(adaptive_optimisers_scale_matrices_by_their_fan_in),
        cmocka_unit_test(gradient_descent_scales_rows_biases_and_the_output_layer),
        cmocka_unit_test(spans_cover_the_buffer),
    };
    return cmocka_run_group_tests_name("rate_scaling", tests, NULL, NULL);
}
