/* Weights that a model file may not hold: each is refused where it is opened, by its tensor and place. */
#include "corpus.h"
#include "model_file.h"
#include "parameters.h"
#include "train_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *folder;

static int set_up(void **state)
{
    (void)state;
    folder = scratch_create();
    return folder ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_destroy(folder);
    return 0;
}

/* A model of two tokens and <unk>, all weights 0.25 but one, written and opened again. */
static px_status write_and_open(px_tensor_role role, size_t place, float value)
{
    static const char vocabulary_text[] =
        "perplex-vocabulary 1 level=byte normalise=none invalid=error size=3\n<unk>\t0\na\t1\nb\t1\n";
    const char *path = scratch_path(folder, "model.safetensors");
    px_config config;
    px_vocabulary *vocabulary;
    px_parameters table;
    px_model_file model;
    px_config_default(&config);
    config.model.embed = 4;
    config.model.hidden = 5;
    assert_px_ok(px_vocabulary_read(vocabulary_text, sizeof vocabulary_text - 1, "test", &vocabulary));
    config.model.vocab = px_vocabulary_size(vocabulary);
    assert_px_ok(px_parameters_make(&config.model, &table));
    float *weights = calloc(table.count, sizeof *weights);
    assert_non_null(weights);
    for (int32_t k = 0; k < table.tensor_count; k++)
        for (size_t i = 0; i < table.tensor[k].count; i++) weights[table.tensor[k].offset + i] = 0.25f;
    weights[px_parameters_find(&table, role, 0)->offset + place] = value;
    assert_px_ok(px_model_file_write(path, &config, vocabulary, &table, weights));
    px_status status = px_model_file_open(path, &model);
    if (status == PX_OK) px_model_file_close(&model);
    free(weights);
    px_vocabulary_destroy(vocabulary);
    px_config_free(&config);
    return status;
}

static void a_weight_that_is_no_number_is_refused_by_tensor_and_place(void **state)
{
    static const px_tensor_role roles[] = {PX_TENSOR_EMBEDDING, PX_TENSOR_W_XH, PX_TENSOR_W_HH,
                                           PX_TENSOR_B_H,       PX_TENSOR_W_HQ, PX_TENSOR_B_Q};
    static const char *const names[] = {"encoder.weight: value 2 ",   "rnn.weight_ih_l0: value 2 ",
                                        "rnn.weight_hh_l0: value 2 ", "rnn.bias_ih_l0: value 2 ",
                                        "decoder.weight: value 2 ",   "decoder.bias: value 2 "};
    (void)state;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        assert_px_fails(write_and_open(roles[i], 2, NAN), PX_ERR_INPUT, names[i]);
        assert_px_fails(write_and_open(roles[i], 2, INFINITY), PX_ERR_INPUT, names[i]);
        if (roles[i] != PX_TENSOR_B_Q) assert_px_fails(write_and_open(roles[i], 2, -INFINITY), PX_ERR_INPUT, names[i]);
    }
}

static void minus_infinity_in_the_output_bias_is_a_token_that_never_comes(void **state)
{
    (void)state;
    assert_px_ok(write_and_open(PX_TENSOR_B_Q, 0, -INFINITY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weight_that_is_no_number_is_refused_by_tensor_and_place),
        cmocka_unit_test(minus_infinity_in_the_output_bias_is_a_token_that_never_comes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
