/* Signals at the beginning: over the first 64 steps of a random text, from a zero state and weights of --init fan-in,
 * every layer's pre-activations have an rms of 0.3 to 1 and the logits of every softmax one below 1, for any cell, from
 * 16 units a layer on (docs/DESIGN.md, "Initial weights"; a tied table of one column is in the range with this seed, with
 * others its logits come to 1.22; so is a cluster of one column, with others up to 2.5). Where a unit keeps what it has
 * read, bounds are wider, but do not depend on the depth. */
#include "network.h"
#include "philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 64 };

static double rms(double sum, size_t count) { return sqrt(sum / (double)count); }

static double squares(const double *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += x[i] * x[i];
    return sum;
}

/* A model's softmaxes at one position: the head and every cluster of an adaptive output layer, else the only one. */
enum { SOFTMAXES_MAX = PX_CUTOFFS_MAX + 1 };

/* Squares of the logits of each softmax are added to sum; how many logits each has is in count. Scores a target in each
 * of them, since that is what computes its logits. dh [h] is overwritten. */
static int add_logits(px_network *network, double sum[SOFTMAXES_MAX], size_t count[SOFTMAXES_MAX], double *dh)
{
    const px_model_config *model = network->model;
    const px_cutoffs *cutoffs = &model->cutoffs;
    const int adaptive = model->output == PX_OUTPUT_ADAPTIVE;
    count[0] = (size_t)(adaptive ? px_cutoffs_head_rows(cutoffs) : model->vocab);
    px_network_loss(network, 0, dh);
    sum[0] += squares(network->o, count[0]);
    for (int32_t i = 0; adaptive && i < cutoffs->count; i++) {
        const px_cluster cluster = px_cutoffs_cluster(cutoffs, model->vocab, model->hidden, i);
        count[i + 1] = (size_t)(cluster.end - cluster.begin);
        px_network_loss(network, cluster.begin, dh);
        sum[i + 1] += squares(network->o, count[i + 1]);
    }
    return adaptive ? cutoffs->count + 1 : 1;
}

/* Reads the random text with the lowest `layers` layers of a model: rms of the top one's pre-activations, a lone gate's
 * recurrent part aside, and of the logits, of the softmax where it is largest. */
static void read_text(px_model_config model, int32_t layers, const px_parameters *table, const float *weights,
                      double *z_rms, double *logit_rms)
{
    px_network network;
    const size_t gates = (size_t)px_cell_of(model.cell)->gates * (size_t)model.hidden;
    size_t count[SOFTMAXES_MAX];
    int softmaxes = 0;
    double z = 0, o[SOFTMAXES_MAX] = {0}, *dh = calloc((size_t)model.hidden, sizeof *dh);
    assert_non_null(dh);
    model.layers = layers;
    assert_int_equal(px_network_create(&model, table, weights, &network), PX_OK);
    for (uint64_t t = 0; t < STEPS; t++) {
        const int32_t token = (int32_t)(px_random_u32(5, PX_RANDOM_SYNTHETIC, 0, t) % (uint32_t)model.vocab);
        assert_int_equal(px_network_step(&network, token, t == 0), PX_OK);
        z += squares(network.z, gates);
        softmaxes = add_logits(&network, o, count, dh);
    }
    *z_rms = rms(z, STEPS * gates);
    *logit_rms = 0;
    for (int k = 0; k < softmaxes; k++) *logit_rms = fmax(*logit_rms, rms(o[k], STEPS * count[k]));
    px_network_destroy(&network);
    free(dh);
}

typedef struct bounds {
    double least, most, most_logits;
} bounds;

/* How many of a model's values lie outside; each is printed. */
static int check_model(px_model_config model, bounds b)
{
    px_parameters table;
    int outside = 0;
    assert_int_equal(px_parameters_make(&model, &table), PX_OK);
    float *weights = malloc(table.count * sizeof *weights);
    assert_non_null(weights);
    assert_int_equal(px_parameters_init(&table, &model, 1, weights), PX_OK);
    for (int32_t l = 0; l < model.layers; l++) {
        double z, o;
        read_text(model, l + 1, &table, weights, &z, &o);
        const int bad = !(z >= b.least && z <= b.most) || (l == model.layers - 1 && !(o < b.most_logits));
        if (bad)
            print_message(
                "%s, --init-recurrent %s, V=%d d=%d h=%d L=%d%s%s: layer %d: pre-activations %.3f, logits %.3f\n",
                px_cell_of(model.cell)->name, px_init_recurrent_names[model.init_recurrent], model.vocab, model.embed,
                model.hidden, model.layers, model.tied ? ", tied" : "",
                model.output == PX_OUTPUT_ADAPTIVE ? ", adaptive" : "", l, z, o);
        outside += bad;
    }
    free(weights);
    return outside;
}

/* How many values lie outside over many sizes. */
static int check_sizes(px_cell cell, px_init_recurrent recurrent, bounds b)
{
    static const struct {
        int32_t V, d, h, L, tied;
        px_cutoffs cutoffs; /* of an adaptive output layer; others have none */
    } sizes[] = {
        {64, 0, 16, 1, 0, {0}},
        {64, 0, 128, 3, 0, {0}},
        {2, 0, 64, 2, 0, {0}},
        {64, 0, 256, 1, 0, {0}},
        {2000, 0, 64, 8, 0, {0}},
        {64, 8, 32, 1, 0, {0}},
        {2000, 96, 192, 3, 0, {0}},
        {500, 256, 128, 2, 0, {0}},
        {500, 128, 128, 1, 1, {0}},
        {2000, 96, 192, 3, 1, {0}},
        {500, 16, 256, 2, 1, {0}},
        {500, 200, 64, 2, 1, {0}},
        {300, 32, 32, 8, 1, {0}},
        {300, 64, 512, 1, 1, {0}},
        {300, 1, 32, 2, 0, {0}},
        {300, 1, 32, 2, 1, {0}},
        {64, 0, 32, 16, 0, {0}},
        {300, 16, 32, 16, 1, {0}},
        {600, 32, 64, 2, 0, {3, {40, 200, 400}}},
        {600, 0, 256, 1, 0, {2, {40, 200}}},
    };
    int outside = 0;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        outside +=
            check_model((px_model_config){.vocab = sizes[k].V,
                                          .embed = sizes[k].d,
                                          .hidden = sizes[k].h,
                                          .layers = sizes[k].L,
                                          .tied = sizes[k].tied,
                                          .output = sizes[k].cutoffs.count > 0 ? PX_OUTPUT_ADAPTIVE : PX_OUTPUT_SOFTMAX,
                                          .cutoffs = sizes[k].cutoffs,
                                          .cell = cell,
                                          .init = PX_INIT_FAN_IN,
                                          .init_scale = 1,
                                          .init_recurrent = recurrent,
                                          .init_gain = 1},
                        b);
    }
    return outside;
}

/* relu: its bounds; others: those of all other cells. */
static int check_cells(px_init_recurrent recurrent, bounds relu, bounds others)
{
    int outside = 0;
    for (int cell = 0; cell < PX_CELL_COUNT; cell++)
        outside += check_sizes((px_cell)cell, recurrent, cell == PX_CELL_RELU ? relu : others);
    return outside;
}

static void signals_have_the_same_size_at_every_width_depth_and_cell(void **state)
{
    (void)state;
    assert_int_equal(check_cells(PX_INIT_RECURRENT_ORTHOGONAL, (bounds){0.3, 1, 1}, (bounds){0.3, 1, 1}), 0);
}

static void signals_stay_where_recurrent_weights_are_drawn_as_the_others(void **state)
{
    (void)state;
    assert_int_equal(check_cells(PX_INIT_RECURRENT_SAME, (bounds){0.3, 1, 1}, (bounds){0.3, 1, 1}), 0);
}

/* A unit that keeps all that it has read grows with every token: a ReLU's sum of 64 that have one sign has 64 times the
 * size of each. What must not be is growth from layer to layer. */
static void signals_do_not_grow_with_depth_where_recurrent_weights_are_the_identity(void **state)
{
    (void)state;
    assert_int_equal(check_cells(PX_INIT_RECURRENT_IDENTITY, (bounds){0.3, 32, 6}, (bounds){0.3, 1.5, 1}), 0);
}

/* Initial weights of a ReLU model; the caller frees them. */
static float *relu_weights(const px_model_config *model, px_parameters *table)
{
    assert_int_equal(px_parameters_make(model, table), PX_OK);
    float *weights = malloc(table->count * sizeof *weights);
    assert_non_null(weights);
    assert_int_equal(px_parameters_init(table, model, 1, weights), PX_OK);
    return weights;
}

static px_model_config relu_model(px_init_recurrent recurrent, double scale)
{
    return (px_model_config){.vocab = 300,
                             .embed = 16,
                             .hidden = 32,
                             .layers = 3,
                             .tied = 1,
                             .cell = PX_CELL_RELU,
                             .init = PX_INIT_FAN_IN,
                             .init_scale = scale,
                             .init_recurrent = recurrent,
                             .init_gain = 1};
}

/* A ReLU's weights are measured without --init-scale, which multiplies all that are drawn. */
static void the_scale_multiplies_what_was_measured(void **state)
{
    (void)state;
    enum { SCALE = 3 };
    const px_init_recurrent recurrent[] = {PX_INIT_RECURRENT_ORTHOGONAL, PX_INIT_RECURRENT_SAME};
    for (size_t r = 0; r < 2; r++) {
        const px_model_config plain = relu_model(recurrent[r], 1), larger = relu_model(recurrent[r], SCALE);
        px_parameters table;
        float *one = relu_weights(&plain, &table), *more = relu_weights(&larger, &table);
        for (int32_t k = 0; k < table.tensor_count; k++) {
            const px_tensor *tensor = &table.tensor[k];
            const int drawn = tensor->role != PX_TENSOR_W_HH || recurrent[r] == PX_INIT_RECURRENT_SAME;
            for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i++)
                assert_true(fabs(more[i] - (drawn ? SCALE : 1) * one[i]) <= 1e-5 * fabs(more[i]));
        }
        free(one);
        free(more);
    }
}

/* Where signals are meant to grow, a ReLU's one-hot rows keep the deviation of 1/2 that they are drawn with. */
static void rows_keep_their_size_where_signals_grow(void **state)
{
    (void)state;
    px_model_config model = relu_model(PX_INIT_RECURRENT_IDENTITY, 1);
    model.embed = model.tied = 0;
    for (int growing = 0; growing < 2; growing++) {
        px_parameters table;
        float *weights = relu_weights(&model, &table);
        const px_tensor *rows = px_parameters_find(&table, PX_TENSOR_W_XH, 0);
        double sum = 0;
        for (size_t i = 0; i < rows->count; i++) sum += pow(weights[rows->offset + i], 2);
        const double size = rms(sum, rows->count);
        assert_true(size > 0.48 && size < 0.52);
        free(weights);
        model.init_recurrent = PX_INIT_RECURRENT_ORTHOGONAL;
        model.init_gain = 1.5;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_have_the_same_size_at_every_width_depth_and_cell),
        cmocka_unit_test(signals_stay_where_recurrent_weights_are_drawn_as_the_others),
        cmocka_unit_test(signals_do_not_grow_with_depth_where_recurrent_weights_are_the_identity),
        cmocka_unit_test(the_scale_multiplies_what_was_measured),
        cmocka_unit_test(rows_keep_their_size_where_signals_grow),
    };
    return cmocka_run_group_tests_name("signal", tests, NULL, NULL);
}
