/* What gradient and parity tests share beside the table: windows, engines, comparisons. See cases.h. */
#include "cases.h"

#include "philox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Streams of synthetic numbers in tests; the seed is fixed, so that a failure repeats. */
enum { SEED = 20, STREAM_TOKEN = 1, STREAM_TARGET, STREAM_RESET, STREAM_UNSCORED, STREAM_STATE };

static void *allocate(size_t bytes)
{
    void *block = calloc(1, bytes ? bytes : 1);
    if (!block) {
        fprintf(stderr, "out of memory in a test: %zu bytes\n", bytes);
        exit(1);
    }
    return block;
}

static void require(px_status status, const char *what)
{
    if (status == PX_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, px_status_name(status), px_error_message());
    exit(1);
}

static uint32_t draw(uint32_t stream, uint64_t element)
{
    return px_random_u32(SEED, PX_RANDOM_SYNTHETIC, stream, element);
}

float px_test_uniform(uint32_t stream, uint64_t element, double bound)
{
    return (float)(bound * (2 * px_uniform(draw(stream + 1000, element)) - 1));
}

px_window px_case_window(const px_case *c, uint64_t step, int32_t index)
{
    int32_t n = c->batch_n ? c->batch_n : c->n, T = c->batch_T ? c->batch_T : c->T;
    size_t rows = (size_t)n * (size_t)T;
    px_window w = {.tokens = allocate(rows * sizeof *w.tokens),
                   .targets = allocate(rows * sizeof *w.targets),
                   .reset = allocate(rows)};
    for (size_t row = 0; row < rows; row++) {
        uint64_t e = ((step * 16 + (uint64_t)index) << 32) + row;
        w.tokens[row] = (int32_t)(draw(STREAM_TOKEN, e) % (uint32_t)c->model.vocab);
        w.targets[row] = (int32_t)(draw(STREAM_TARGET, e) % (uint32_t)c->model.vocab);
        if (px_uniform(draw(STREAM_UNSCORED, e)) < c->unscored_share) w.targets[row] = -1;
        w.reset[row] = px_uniform(draw(STREAM_RESET, e)) < c->reset_share;
        w.scored += w.targets[row] >= 0;
    }
    w.batch = (px_batch){.tokens = w.tokens,
                         .targets = w.targets,
                         .reset = w.reset,
                         .T = T,
                         .n = n,
                         .step = step,
                         .first_stream = c->first_stream,
                         .streams_in_all = c->streams_in_all ? c->streams_in_all : (uint32_t)n,
                         .inv_count = 1 / (double)(w.scored ? w.scored : 1)};
    return w;
}

void px_window_free(px_window *window)
{
    free(window->tokens);
    free(window->targets);
    free(window->reset);
    *window = (px_window){0};
}

px_engine *px_case_engine(const px_case *c, const char *device, int32_t threads, int32_t averaging)
{
    return px_case_engine_in(c, device, threads, averaging, PX_FP32);
}

void px_test_skip_missing_isa(void)
{
    const px_engine_shape shape = {.n = 1, .T = 1, .threads = 1};
    const char *asked = getenv("PERPLEX_ISA");
    px_engine *engine = NULL;
    const px_status status = px_engine_create("cpu", &px_cases[0].model, &px_cases[0].optimizer, &shape, &engine);
    px_engine_destroy(engine);
    if (status != PX_ERR_DEVICE || !asked) return;
    printf("SKIP: instruction set %s: %s\n", asked, px_error_message());
    exit(77);
}

/* The way that PERPLEX_TEST_RECURRENCE names, for what every way is for: so each test of a device tests each of its
 * ways. */
static px_recurrence asked_recurrence(const px_model_config *model, px_precision precision)
{
    enum { MOST_WITH_GATES = 256 }; /* units on the chip, in every precision (engine/cuda/recurrence_persistent.c) */
    const int keeps = px_cell_of(model->cell)->keeps;
    const char *asked = getenv("PERPLEX_TEST_RECURRENCE");
    if (!asked) return PX_RECURRENCE_AUTO;
    for (int k = 0; k < PX_RECURRENCE_COUNT; k++) {
        if (strcmp(asked, px_recurrence_names[k]) != 0) continue;
        const int one_gate = k == PX_RECURRENCE_FUSED || k == PX_RECURRENCE_GRID || k == PX_RECURRENCE_WIDE;
        const int fits = !(keeps && (one_gate || model->hidden > MOST_WITH_GATES)) &&
                         !(k == PX_RECURRENCE_FUSED && precision == PX_TF32) &&
                         !(k == PX_RECURRENCE_WIDE && precision == PX_FP32);
        return fits ? (px_recurrence)k : PX_RECURRENCE_AUTO;
    }
    fprintf(stderr, "PERPLEX_TEST_RECURRENCE=%s: no such way\n", asked);
    exit(1);
}

/* Steps of the pieces that PERPLEX_TEST_WAVEFRONT says, for models that have a use for them. */
static int32_t asked_wavefront(const px_model_config *model)
{
    const char *asked = getenv("PERPLEX_TEST_WAVEFRONT");
    return asked && model->layers > 1 && !px_cell_of(model->cell)->keeps ? atoi(asked) : PX_WAVEFRONT_OFF;
}

/* cuBLASLt where PERPLEX_TEST_PRODUCTS is set, for models whose output layer it is for. */
static px_products asked_products(const px_model_config *model)
{
    return getenv("PERPLEX_TEST_PRODUCTS") && model->output == PX_OUTPUT_SOFTMAX ? PX_PRODUCTS_CUBLASLT
                                                                                 : PX_PRODUCTS_AUTO;
}

px_engine *px_case_engine_in(const px_case *c, const char *device, int32_t threads, int32_t averaging,
                             px_precision precision)
{
    px_engine_shape shape = {.n = c->n,
                             .T = c->T,
                             .training = 1,
                             .averaging = averaging,
                             .threads = threads,
                             .precision = precision,
                             .seed = SEED};
    if (strncmp(device, "cuda", 4) == 0) {
        shape.recurrence = asked_recurrence(&c->model, precision);
        shape.wavefront = asked_wavefront(&c->model);
        shape.products = asked_products(&c->model);
    }
    px_engine *engine;
    px_parameters table;
    require(px_engine_create(device, &c->model, &c->optimizer, &shape, &engine), c->name);
    require(px_parameters_make(&c->model, &table), c->name);
    float *weights = allocate(table.count * sizeof *weights);
    require(px_parameters_init(&table, &c->model, SEED, weights), c->name);
    require(px_engine_write(engine, PX_SECTION_PARAMETERS, weights), c->name);
    if (averaging) require(px_engine_write(engine, PX_SECTION_AVERAGE, weights), c->name);
    free(weights);
    if (!c->zero_state) {
        size_t count = px_engine_section_count(engine, PX_SECTION_STATE);
        float *state = allocate(count * sizeof *state);
        for (size_t i = 0; i < count; i++) state[i] = px_test_uniform(STREAM_STATE, i, 0.9);
        require(px_engine_write(engine, PX_SECTION_STATE, state), c->name);
        require(px_engine_write(engine, PX_SECTION_EVAL_STATE, state), c->name);
        free(state);
    }
    return engine;
}

float *px_section_read(px_engine *engine, px_section section)
{
    size_t count = px_engine_section_count(engine, section);
    if (count == 0) return NULL;
    float *values = allocate(count * sizeof *values);
    require(px_engine_read(engine, section, values), "reading a section");
    return values;
}

void px_sections_copy(px_engine *from, px_engine *to)
{
    for (int s = 0; s <= PX_SECTION_EVAL_STATE; s++) {
        float *values = px_section_read(from, (px_section)s);
        if (values && px_engine_section_count(to, (px_section)s) > 0)
            require(px_engine_write(to, (px_section)s, values), "writing a section");
        free(values);
    }
}

double px_largest(const float *values, size_t count)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        if (fabs((double)values[i]) > largest) largest = fabs((double)values[i]);
    return largest;
}

/* Prints the worst element where one is out of tolerance; returns 1 then, 0 otherwise. cols 1: a plain index is
 * printed. */
static int compare(const float *got, const float *want, size_t count, size_t cols, double relative, double floor,
                   const char *what, const char *tensor)
{
    double scale = px_largest(want, count), worst = -1;
    size_t at = 0, bad = 0;
    if (scale < floor) scale = floor;
    double tolerance = relative * scale;
    for (size_t i = 0; i < count; i++) {
        double error = fabs((double)got[i] - (double)want[i]);
        if (got[i] == want[i]) error = 0; /* equal infinities */
        if (error <= tolerance) continue; /* false for NaN */
        bad++;
        if (error > worst || error != error) {
            worst = error;
            at = i;
        }
        if (error != error) break;
    }
    if (!bad) return 0;
    fprintf(stderr,
            "%s: %s[%zu,%zu]: got %.9g, want %.9g, tolerance %.3g (%g of the largest, %.3g); %zu of %zu differ\n", what,
            tensor, at / cols, at % cols, (double)got[at], (double)want[at], tolerance, relative, scale, bad, count);
    return 1;
}

int px_compare_tensors(const px_parameters *table, const float *got, const float *want, double relative, double floor,
                       const char *what)
{
    int failures = 0;
    for (int32_t k = 0; k < table->tensor_count; k++) {
        const px_tensor *tensor = &table->tensor[k];
        failures += compare(got + tensor->offset, want + tensor->offset, tensor->count, (size_t)tensor->cols, relative,
                            floor, what, tensor->name);
    }
    return failures;
}

int px_compare_values(const float *got, const float *want, size_t count, double relative, double floor,
                      const char *what)
{
    return compare(got, want, count, 1, relative, floor, what, "value");
}
