/* The parameter table and the initial weights. */
#include "parameters.h"
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

/* scale and gain first, then any other member */
#define SCALED(scale, gain, ...) ((px_model_config){.init_scale = scale, .init_gain = gain, __VA_ARGS__})
#define MODEL(...) SCALED(1, 1, __VA_ARGS__)

static px_parameters table_of(px_model_config model)
{
    px_parameters table;
    assert_int_equal(px_parameters_make(&model, &table), PX_OK);
    return table;
}

static float *init_of(px_model_config model, uint64_t seed)
{
    px_parameters table = table_of(model);
    float *flat = malloc(table.count * sizeof *flat);
    assert_non_null(flat);
    memset(flat, 0xff, table.count * sizeof *flat); /* NaN where nothing is written */
    assert_int_equal(px_parameters_init(&table, &model, seed, flat), PX_OK);
    return flat;
}

static void check_table(px_model_config model, const char *names, size_t weights)
{
    px_parameters table = table_of(model);
    char got[600] = "";
    size_t end = 0, sum = 0;
    for (int32_t k = 0; k < table.tensor_count; k++) {
        const px_tensor *t = &table.tensor[k];
        size_t used = strlen(got);
        if (t->dims == 2)
            snprintf(got + used, sizeof got - used, "%s %dx%d, ", t->name, (int)t->rows, (int)t->cols);
        else
            snprintf(got + used, sizeof got - used, "%s %d, ", t->name, (int)t->rows);
        assert_int_equal(t->offset % PX_TENSOR_ALIGN, 0);
        assert_true(t->offset >= end && t->offset - end < PX_TENSOR_ALIGN);
        assert_int_equal(t->count, (size_t)t->rows * (size_t)t->cols);
        assert_ptr_equal(px_parameters_find(&table, t->role, t->layer), t);
        end = t->offset + t->count;
        sum += t->count;
    }
    assert_string_equal(got, names);
    assert_int_equal(sum, weights);
    assert_int_equal(table.weights, weights);
    assert_true(table.count >= end && table.count % PX_TENSOR_ALIGN == 0);
}

static void table_lists_the_tensors_of_each_kind_of_model(void **state)
{
    (void)state;
    check_table(MODEL(.vocab = 28, .hidden = 5, .layers = 1),
                "rnn.weight_ih_l0 5x28, rnn.weight_hh_l0 5x5, rnn.bias_ih_l0 5, decoder.weight 28x5, decoder.bias 28, ",
                140 + 25 + 5 + 140 + 28);
    check_table(
        MODEL(.vocab = 9, .embed = 3, .hidden = 4, .layers = 2),
        "encoder.weight 9x3, rnn.weight_ih_l0 4x3, rnn.weight_hh_l0 4x4, rnn.bias_ih_l0 4, rnn.weight_ih_l1 4x4, "
        "rnn.weight_hh_l1 4x4, rnn.bias_ih_l1 4, decoder.weight 9x4, decoder.bias 9, ",
        27 + 12 + 16 + 4 + 16 + 16 + 4 + 36 + 9);
    check_table(MODEL(.vocab = 9, .embed = 4, .hidden = 4, .layers = 1, .tied = 1),
                "encoder.weight 9x4, rnn.weight_ih_l0 4x4, rnn.weight_hh_l0 4x4, rnn.bias_ih_l0 4, decoder.bias 9, ",
                36 + 16 + 16 + 4 + 9);
    check_table(MODEL(.vocab = 100, .hidden = 33, .layers = 1, .output = PX_OUTPUT_ADAPTIVE, .cutoffs = {2, {10, 40}}),
                "rnn.weight_ih_l0 33x100, rnn.weight_hh_l0 33x33, rnn.bias_ih_l0 33, decoder.head.weight 12x33, "
                "decoder.tail.0.0.weight 8x33, decoder.tail.0.1.weight 30x8, decoder.tail.1.0.weight 2x33, "
                "decoder.tail.1.1.weight 60x2, ",
                3300 + 1089 + 33 + 396 + 264 + 240 + 66 + 120);
    check_table(MODEL(.vocab = 9, .embed = 3, .hidden = 4, .layers = 1, .tied = 1),
                "encoder.weight 9x3, rnn.weight_ih_l0 4x3, rnn.weight_hh_l0 4x4, rnn.bias_ih_l0 4, proj.weight 3x4, "
                "decoder.bias 9, ",
                27 + 12 + 16 + 4 + 12 + 9);
    px_parameters table = table_of(MODEL(.vocab = 28, .hidden = 5, .layers = 2));
    assert_true(px_parameters_find(&table, PX_TENSOR_W_XH, 0)->one_hot);
    assert_false(px_parameters_find(&table, PX_TENSOR_W_XH, 1)->one_hot);
    assert_null(px_parameters_find(&table, PX_TENSOR_EMBEDDING, 0));
    assert_null(px_parameters_find(&table, PX_TENSOR_W_HH, 2));
}

static void deepest_model_fits_the_table(void **state)
{
    (void)state;
    px_parameters table = table_of(MODEL(.vocab = 9, .embed = 3, .hidden = 4, .layers = PX_MAX_LAYERS, .tied = 1));
    assert_int_equal(table.tensor_count, 3 * PX_MAX_LAYERS + 3);
    table = table_of(MODEL(.vocab = 9, .embed = 3, .hidden = 4, .layers = PX_MAX_LAYERS));
    assert_int_equal(table.tensor_count, 3 * PX_MAX_LAYERS + 3);
    table = table_of(MODEL(.vocab = 9, .embed = 3, .hidden = 65536, .layers = PX_MAX_LAYERS, .cell = PX_CELL_GRU,
                           .output = PX_OUTPUT_ADAPTIVE, .cutoffs = {PX_CUTOFFS_MAX, {1, 2, 3, 4, 5, 6, 7, 8}}));
    assert_int_equal(table.tensor_count, PX_MAX_TENSORS);
}

static void impossible_sizes_are_refused(void **state)
{
    const px_model_config bad[] = {
        MODEL(.vocab = 0, .hidden = 4, .layers = 1),
        MODEL(.vocab = -5, .hidden = 4, .layers = 1),
        MODEL(.vocab = 9, .hidden = 0, .layers = 1),
        MODEL(.vocab = 9, .hidden = -1, .layers = 1),
        MODEL(.vocab = 9, .hidden = 4, .layers = 0),
        MODEL(.vocab = 9, .hidden = 4, .layers = PX_MAX_LAYERS + 1),
        MODEL(.vocab = 9, .embed = -1, .hidden = 4, .layers = 1),
        MODEL(.vocab = 9, .hidden = 4, .layers = 1, .tied = 1),
        MODEL(.vocab = 9, .embed = 4, .hidden = 4, .layers = 1, .tied = 1, .output = PX_OUTPUT_ADAPTIVE,
              .cutoffs = {1, {3}}),
        MODEL(.vocab = 9, .hidden = 4, .layers = 1, .output = PX_OUTPUT_ADAPTIVE),
        MODEL(.vocab = 9, .hidden = 4, .layers = 1, .output = PX_OUTPUT_ADAPTIVE, .cutoffs = {1, {9}}),
        MODEL(.vocab = INT32_MAX, .embed = INT32_MAX, .hidden = INT32_MAX, .layers = PX_MAX_LAYERS),
    };
    px_parameters table;
    (void)state;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        assert_int_equal(px_parameters_make(&bad[k], &table), PX_ERR_ARGUMENT);
        assert_true(strlen(px_error_message()) > 20);
    }
}

static void rows_layout_transposes_the_one_hot_tensor_alone(void **state)
{
    static const px_model_config models[] = {{.vocab = 70, .hidden = 45, .layers = 2},
                                             {.vocab = 1, .hidden = 1, .layers = 1},
                                             {.vocab = 9, .embed = 3, .hidden = 4, .layers = 1}};
    (void)state;
    for (int m = 0; m < 3; m++) {
        px_parameters table = table_of(models[m]);
        float *file = calloc(table.count, 4), *rows = calloc(table.count, 4), *back = calloc(table.count, 4);
        assert_true(file && rows && back);
        for (size_t i = 0; i < table.count; i++) file[i] = (float)i;
        px_parameters_to_rows(&table, file, rows);
        for (int32_t k = 0; k < table.tensor_count; k++) {
            const px_tensor *t = &table.tensor[k];
            for (int32_t r = 0; r < t->rows; r++)
                for (int32_t c = 0; c < t->cols; c++) {
                    size_t in_file = t->offset + (size_t)r * (size_t)t->cols + (size_t)c;
                    size_t in_rows = t->one_hot ? t->offset + (size_t)c * (size_t)t->rows + (size_t)r : in_file;
                    assert_true(rows[in_rows] == file[in_file]);
                }
        }
        px_parameters_from_rows(&table, rows, back);
        assert_memory_equal(back, file, table.count * sizeof *file);
        free(file), free(rows), free(back);
    }
}

typedef struct moments {
    double mean, deviation, least, largest;
} moments;

static moments moments_of(const float *values, size_t count)
{
    moments m = {0, 0, INFINITY, -INFINITY};
    for (size_t i = 0; i < count; i++) {
        m.mean += values[i] / (double)count;
        m.deviation += (double)values[i] * values[i] / (double)count;
        m.least = fmin(m.least, values[i]);
        m.largest = fmax(m.largest, values[i]);
    }
    m.deviation = sqrt(m.deviation - m.mean * m.mean);
    return m;
}

/* A uniform distribution on [-bound, bound], to five standard errors; its ends are reached to 1 %. */
static void check_uniform(const float *values, size_t count, double bound)
{
    moments m = moments_of(values, count);
    assert_true(m.largest <= (float)bound && m.least >= -(float)bound);
    if (count < 1000) return;
    assert_true(fabs(m.mean) < 5 * bound / sqrt(3.0 * (double)count));
    assert_true(fabs(m.deviation / (bound / sqrt(3)) - 1) < 5 / sqrt((double)count));
    assert_true(m.largest > 0.99 * bound && m.least < -0.99 * bound);
}

static void uniform_weights_fill_the_interval_of_width_1_over_root_h(void **state)
{
    px_model_config model = SCALED(1.5, 1, .vocab = 100, .embed = 30, .hidden = 64, .layers = 2);
    px_parameters table = table_of(model);
    float *flat = init_of(model, 3);
    (void)state;
    for (int32_t k = 0; k < table.tensor_count; k++)
        check_uniform(flat + table.tensor[k].offset, table.tensor[k].count, 1.5 / 8);
    /* biases too, as PyTorch has it */
    assert_true(moments_of(flat + px_parameters_find(&table, PX_TENSOR_B_H, 1)->offset, 64).deviation > 0.05);
    /* element i of tensor k is element i of the stream (seed, INIT, k) */
    const px_tensor *w = &table.tensor[2];
    double want = 1.5 / 8 * (2 * px_uniform_open(px_random_u32(3, PX_RANDOM_INIT, 2, 77)) - 1);
    assert_true(flat[w->offset + 77] == (float)want);
    free(flat);
}

static void normal_weights_have_the_deviation_asked_for(void **state)
{
    px_model_config model = SCALED(0.02, 1, .vocab = 100, .hidden = 63, .layers = 2, .init = PX_INIT_NORMAL);
    px_parameters table = table_of(model);
    float *flat = init_of(model, 3);
    (void)state;
    for (int32_t k = 0; k < table.tensor_count; k++) {
        const px_tensor *t = &table.tensor[k];
        moments m = moments_of(flat + t->offset, t->count);
        if (t->dims == 1) {
            assert_true(m.least == 0 && m.largest == 0);
            continue;
        }
        double error = 5 / sqrt((double)t->count), fourth = 0;
        for (size_t i = t->offset; i < t->offset + t->count; i++) fourth += pow(flat[i] / 0.02, 4) / (double)t->count;
        assert_true(fabs(m.mean) < 0.02 * error && fabs(m.deviation / 0.02 - 1) < error);
        assert_true(fabs(fourth - 3) <
                    10 * error); /* a normal distribution's fourth moment, standard error sqrt(96 / count) */
    }
    free(flat);
}

static void glorot_weights_have_the_bound_of_their_fans(void **state)
{
    px_model_config model = MODEL(.vocab = 100, .embed = 30, .hidden = 60, .layers = 1, .init = PX_INIT_GLOROT);
    px_parameters table = table_of(model);
    float *flat = init_of(model, 3);
    (void)state;
    for (int32_t k = 0; k < table.tensor_count; k++) {
        const px_tensor *t = &table.tensor[k];
        if (t->dims == 2)
            check_uniform(flat + t->offset, t->count, sqrt(6.0 / (t->rows + t->cols)));
        else
            for (size_t i = 0; i < t->count; i++) assert_true(flat[t->offset + i] == 0);
    }
    free(flat);
}

/* What a tensor's values are uniform within, whatever its cell gives: rows of embeddings and one-hot inputs, and the
 * output layer; biases are zero. */
static void fan_in_weights_have_the_bound_of_what_they_read(void **state)
{
    const px_model_config one_hot = SCALED(2, 1, .vocab = 100, .hidden = 60, .layers = 2, .init = PX_INIT_FAN_IN),
                          embedded =
                              MODEL(.vocab = 100, .embed = 30, .hidden = 60, .layers = 1, .init = PX_INIT_FAN_IN);
    px_parameters table = table_of(one_hot);
    float *flat = init_of(one_hot, 3);
    (void)state;
    check_uniform(flat + table.tensor[0].offset, table.tensor[0].count, 2 * sqrt(3) * 0.5);
    const px_tensor *w_hq = px_parameters_find(&table, PX_TENSOR_W_HQ, 0);
    check_uniform(flat + w_hq->offset, w_hq->count, 2 * sqrt(3) / 60);
    for (int32_t k = 0; k < table.tensor_count; k++)
        for (size_t i = 0; table.tensor[k].dims == 1 && i < table.tensor[k].count; i++)
            assert_true(flat[table.tensor[k].offset + i] == 0);
    free(flat);
    table = table_of(embedded);
    flat = init_of(embedded, 3);
    check_uniform(flat + table.tensor[0].offset, table.tensor[0].count, sqrt(3));
    check_uniform(flat + table.tensor[1].offset, table.tensor[1].count, sqrt(3) * 0.5 / sqrt(30));
    free(flat);
}

static void cells_have_their_tensors(void **state)
{
    static const struct {
        px_cell cell;
        int32_t gates, tensors;
    } wanted[] = {{PX_CELL_TANH, 1, 9}, {PX_CELL_RELU, 1, 9}, {PX_CELL_GRU, 3, 11}, {PX_CELL_LSTM, 4, 9}};
    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        px_model_config model = MODEL(.vocab = 20, .embed = 5, .hidden = 7, .layers = 2, .cell = wanted[i].cell);
        px_parameters table = table_of(model);
        int32_t rows = wanted[i].gates * 7;
        assert_int_equal(table.tensor_count, wanted[i].tensors);
        for (int32_t l = 0; l < 2; l++) {
            const px_tensor *w_xh = px_parameters_find(&table, PX_TENSOR_W_XH, l),
                            *w_hh = px_parameters_find(&table, PX_TENSOR_W_HH, l),
                            *b_h = px_parameters_find(&table, PX_TENSOR_B_H, l),
                            *lone = px_parameters_find(&table, PX_TENSOR_B_HN, l);
            assert_true(w_xh->rows == rows && w_xh->cols == (l ? 7 : 5) && w_hh->rows == rows && w_hh->cols == 7 &&
                        b_h->rows == rows);
            assert_true(!lone == (wanted[i].cell != PX_CELL_GRU) && (!lone || lone->rows == 7));
            const px_second_bias second = px_parameters_second_bias(&table, b_h);
            assert_true(second.tensor == lone && second.rows == rows &&
                        second.before + second.after == (size_t)(lone ? rows - 7 : rows));
            assert_int_equal(second.before, lone ? 14 : rows); /* n is the third of r, z, n */
            assert_int_equal(px_parameters_layer_begin(&table, l), w_xh->offset);
        }
        assert_int_equal(px_parameters_layer_begin(&table, 2), px_parameters_find(&table, PX_TENSOR_W_HQ, 0)->offset);
    }
}

static void forget_gates_begin_open(void **state)
{
    px_model_config model = MODEL(.vocab = 20, .hidden = 9, .layers = 2, .cell = PX_CELL_LSTM);
    px_parameters table = table_of(model);
    float *flat = init_of(model, 3);
    (void)state;
    for (int32_t l = 0; l < 2; l++)
        for (int32_t j = 0; j < 36; j++)
            assert_true((flat[px_parameters_find(&table, PX_TENSOR_B_H, l)->offset + (size_t)j] == 1) == (j / 9 == 1));
    free(flat);
}

/* Every gate's block, and no two alike. */
static void gates_have_orthogonal_recurrences_of_their_own(void **state)
{
    enum { H = 31 };
    px_model_config model = SCALED(1, 1, .vocab = 3, .hidden = H, .layers = 1, .cell = PX_CELL_LSTM,
                                   .init_recurrent = PX_INIT_RECURRENT_ORTHOGONAL);
    px_parameters table = table_of(model);
    float *flat = init_of(model, 3);
    const float *w = flat + px_parameters_find(&table, PX_TENSOR_W_HH, 0)->offset;
    (void)state;
    for (int32_t gate = 0; gate < 4; gate++, w += H * H) {
        for (int32_t i = 0; i < H; i++)
            for (int32_t j = 0; j < H; j++) {
                double dot = i == j ? -1 : 0;
                for (int32_t k = 0; k < H; k++) dot += (double)w[i * H + k] * w[j * H + k];
                assert_true(fabs(dot) < 5e-7);
            }
        if (gate > 0) assert_true(memcmp(w, w - H * H, H * H * sizeof *w) != 0);
    }
    free(flat);
}

static void orthogonal_recurrence_is_orthogonal(void **state)
{
    static const int32_t sizes[] = {1, 2, 3, 4, 5, 31, 33, 64, 130};
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int32_t h = sizes[s];
        double worst = 0, gain = 1.25;
        px_model_config model =
            SCALED(1, gain, .vocab = 3, .hidden = h, .layers = 2, .init_recurrent = PX_INIT_RECURRENT_ORTHOGONAL);
        px_parameters table = table_of(model);
        float *flat = init_of(model, 3);
        for (int32_t l = 0; l < 2; l++) {
            const float *q = flat + px_parameters_find(&table, PX_TENSOR_W_HH, l)->offset;
            for (int32_t i = 0; i < h; i++)
                for (int32_t j = 0; j < h; j++) {
                    double dot = i == j ? -gain * gain : 0;
                    for (int32_t k = 0; k < h; k++) dot += (double)q[i * h + k] * q[j * h + k];
                    worst = fmax(worst, fabs(dot));
                }
        }
        assert_true(worst < 5e-7); /* rounding of Q to fp32 */
        free(flat);
    }
}

/* Without the sign correction the diagonal would lean to one side (a Householder Q of a normal matrix has a negative
 * first element more often than not): over many matrices the elements average to 0 and the traces have variance 1. */
static void orthogonal_recurrence_is_uniformly_distributed(void **state)
{
    enum { MATRICES = 4000, H = 3 };
    px_model_config model = MODEL(.vocab = 1, .hidden = H, .layers = 1, .init_recurrent = PX_INIT_RECURRENT_ORTHOGONAL);
    px_parameters table = table_of(model);
    size_t offset = px_parameters_find(&table, PX_TENSOR_W_HH, 0)->offset;
    double mean[H * H] = {0}, trace2 = 0;
    (void)state;
    for (uint64_t seed = 0; seed < MATRICES; seed++) {
        float *flat = init_of(model, seed);
        double trace = 0;
        for (int i = 0; i < H * H; i++) mean[i] += flat[offset + (size_t)i] / (double)MATRICES;
        for (int i = 0; i < H; i++) trace += flat[offset + (size_t)(i * H + i)];
        trace2 += trace * trace / MATRICES;
        free(flat);
    }
    /* an element has variance 1/3: standard error 0.009; the trace's square has mean 1, variance 2: 0.022 */
    for (int i = 0; i < H * H; i++) assert_true(fabs(mean[i]) < 0.045);
    assert_true(fabs(trace2 - 1) < 0.11);
}

static void identity_recurrence_is_a_multiple_of_the_identity(void **state)
{
    px_model_config model =
        SCALED(1, 0.5, .vocab = 3, .hidden = 5, .layers = 2, .init_recurrent = PX_INIT_RECURRENT_IDENTITY);
    px_parameters table = table_of(model);
    float *flat = init_of(model, 3);
    (void)state;
    for (int32_t l = 0; l < 2; l++)
        for (int i = 0; i < 25; i++)
            assert_true(flat[px_parameters_find(&table, PX_TENSOR_W_HH, l)->offset + (size_t)i] ==
                        (i % 6 == 0 ? 0.5f : 0));
    free(flat);
}

static void weights_are_a_function_of_the_seed(void **state)
{
    (void)state;
    for (int recurrent = 0; recurrent < 3; recurrent++)
        for (int init = 0; init <= PX_INIT_FAN_IN; init++) {
            px_model_config model = MODEL(.vocab = 7, .hidden = 5, .layers = 2, .init = (px_init)init,
                                          .init_recurrent = (px_init_recurrent)recurrent);
            px_parameters table = table_of(model);
            float *first = init_of(model, 3), *again = init_of(model, 3), *other = init_of(model, 4);
            assert_memory_equal(first, again, table.count * sizeof *first);
            assert_memory_not_equal(first, other, table.count * sizeof *first);
            /* layers differ from each other, and the gaps between tensors are zero */
            const px_tensor *low = px_parameters_find(&table, PX_TENSOR_W_HH, 0),
                            *high = px_parameters_find(&table, PX_TENSOR_W_HH, 1);
            if (recurrent != PX_INIT_RECURRENT_IDENTITY)
                assert_memory_not_equal(first + low->offset, first + high->offset, low->count * sizeof *first);
            assert_true(first[low->offset + low->count] == 0);
            free(first), free(again), free(other);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_lists_the_tensors_of_each_kind_of_model),
        cmocka_unit_test(deepest_model_fits_the_table),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(rows_layout_transposes_the_one_hot_tensor_alone),
        cmocka_unit_test(uniform_weights_fill_the_interval_of_width_1_over_root_h),
        cmocka_unit_test(normal_weights_have_the_deviation_asked_for),
        cmocka_unit_test(glorot_weights_have_the_bound_of_their_fans),
        cmocka_unit_test(fan_in_weights_have_the_bound_of_what_they_read),
        cmocka_unit_test(cells_have_their_tensors),
        cmocka_unit_test(forget_gates_begin_open),
        cmocka_unit_test(gates_have_orthogonal_recurrences_of_their_own),
        cmocka_unit_test(orthogonal_recurrence_is_orthogonal),
        cmocka_unit_test(orthogonal_recurrence_is_uniformly_distributed),
        cmocka_unit_test(identity_recurrence_is_a_multiple_of_the_identity),
        cmocka_unit_test(weights_are_a_function_of_the_seed),
    };
    return cmocka_run_group_tests_name("parameters", tests, NULL, NULL);
}
