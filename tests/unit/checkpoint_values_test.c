/* A training goes on only from numbers: what a last.safetensors holds beside the weights, and of which one value is
 * made something else, with a checksum that is right. */
#include "train_runs.h"

#include "checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = PX_SECTION_EVAL_STATE + 1 };

/* A checkpoint's sections in memory. */
typedef struct held {
    size_t count[KINDS];
    float *values[KINDS];
} held;

static size_t held_count(const void *holder, px_section section) { return ((const held *)holder)->count[section]; }

static px_status held_read(void *holder, px_section section, float *values)
{
    const held *h = holder;
    memcpy(values, h->values[section], h->count[section] * sizeof *values);
    return PX_OK;
}

static px_status held_write(void *holder, px_section section, const float *values)
{
    const held *h = holder;
    memcpy(h->values[section], values, h->count[section] * sizeof *values);
    return PX_OK;
}

/* of, read from path, with one value of a section replaced, to the same path. */
static void spoil(const char *path, const px_checkpoint *of, px_section section, float value)
{
    const size_t states = 2 * (size_t)of->config.model.layers * (size_t)of->config.minibatch.batch *
                          (size_t)of->config.model.hidden; /* an LSTM's */
    const size_t room = px_checkpoint_buffer_count(&of->parameters, &of->config);
    held h = {.count = {[PX_SECTION_PARAMETERS] = of->parameters.count,
                        [PX_SECTION_MOMENT1] = of->parameters.count,
                        [PX_SECTION_MOMENT2] = of->parameters.count,
                        [PX_SECTION_AVERAGE] = of->parameters.count,
                        [PX_SECTION_STATE] = states}};
    for (int k = 0; k < KINDS; k++) h.values[k] = calloc(h.count[k] + 1, sizeof(float));
    float *buffer = malloc(room * sizeof *buffer);
    char *vocabulary = px_vocabulary_write(of->vocabulary);
    const px_sections sections = {&h, held_count, held_read, held_write};
    assert_px_ok(px_checkpoint_restore(of, &sections, 0, buffer));
    h.values[section][section == PX_SECTION_STATE ? states - 1 : of->parameters.tensor[1].offset] = value;
    const px_checkpoint_source source = {.kind = PX_CHECKPOINT_LAST,
                                         .config = &of->config,
                                         .vocabulary = vocabulary,
                                         .parameters = &of->parameters,
                                         .state = &of->state,
                                         .sections = sections,
                                         .buffer = buffer};
    assert_px_ok(px_checkpoint_write(path, &source));
    for (int k = 0; k < KINDS; k++) free(h.values[k]);
    free(buffer);
    free(vocabulary);
}

/* Resumes the run with one value spoilt; the checkpoint is whole again afterwards. */
static px_status resumed_with(const char *run, px_section section, float value)
{
    px_checkpoint last;
    px_train_result result;
    size_t bytes;
    const char *path = scratch_path(run, "last.safetensors"), *more[] = {"max-steps", "15", NULL};
    unsigned char *whole = read_bytes(path, &bytes);
    assert_px_ok(px_checkpoint_open(path, &last));
    spoil(path, &last, section, value);
    px_checkpoint_close(&last);
    px_status status = px_train_resume(run, more, NULL, &result);
    write_bytes(path, whole, bytes);
    free(whole);
    return status;
}

static void no_training_goes_on_from_what_is_no_number(void **state)
{
    static const struct {
        px_section section;
        const char *name;
        float bad[4], good;
    } cases[] = {
        {PX_SECTION_PARAMETERS, "tensor rnn.weight_hh_l0: value 0 is", {NAN, INFINITY, -INFINITY, NAN}, 0.5f},
        {PX_SECTION_AVERAGE, "tensor rnn.weight_hh_l0: value 0 is", {NAN, INFINITY, -INFINITY, NAN}, 0.5f},
        {PX_SECTION_MOMENT1, "state.moment1.rnn.weight_hh_l0: value 0 is", {NAN, INFINITY, -INFINITY, NAN}, -2},
        {PX_SECTION_MOMENT2, "state.moment2.rnn.weight_hh_l0: value 0 is", {NAN, -INFINITY, -1, NAN}, INFINITY},
        {PX_SECTION_STATE, "state.cell: value 43 is", {NAN, INFINITY, -INFINITY, NAN}, 0.25f},
    };
    char *folder = scratch_create(), *run = strdup(scratch_path(folder, "run"));
    const char *text = scratch_path(folder, "text");
    px_config config;
    px_train_result result;
    (void)state;
    write_text(text, 1500, 3);
    small_config(&config, text, run);
    set_all(&config, (const char *const[]){"cell=lstm", "optimizer=adam", "lr=0.01", "average=from", "average-from=5",
                                           "max-steps=12", NULL});
    assert_px_ok(px_train_start(&config, NULL, &result));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int k = 0; k < 4; k++)
            assert_px_fails(resumed_with(run, cases[i].section, cases[i].bad[k]), PX_ERR_INPUT, cases[i].name);
        assert_px_ok(resumed_with(run, cases[i].section, cases[i].good));
    }
    px_config_free(&config);
    free(run);
    scratch_destroy(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_training_goes_on_from_what_is_no_number)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
