/* What the tree of sums stands on: a window's gradient has the same bits for any number of threads, and with panels a
 * stream has the same bits whatever streams stand beside it. Windows of 1 ... 70 streams pass every rest of a tile's
 * rows. */
#include "cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 70, STEPS = 3, THREADS = 3 };

static px_case shape_of_all = {"rows",
                               .model = {.vocab = 41,
                                         .embed = 11,
                                         .hidden = 37,
                                         .layers = 2,
                                         .init_scale = 1,
                                         .dropout_between = 0.2,
                                         .dropout_output = 0.1},
                               .n = MOST,
                               .T = STEPS,
                               .reset_share = 0.05,
                               .unscored_share = 0.1,
                               .zero_state = 1};

static px_engine *engine_of(const px_case *c, int32_t threads)
{
    const px_engine_shape shape = {.n = c->n, .T = c->T, .training = 1, .threads = threads, .seed = 5};
    px_parameters table;
    px_engine *engine;
    PX_CHECK(px_parameters_make(&c->model, &table));
    PX_CHECK(px_engine_create("cpu", &c->model, &c->optimizer, &shape, &engine));
    float *weights = calloc(table.count, sizeof *weights);
    assert_non_null(weights);
    PX_CHECK(px_parameters_init(&table, &c->model, 5, weights));
    PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, weights));
    free(weights);
    return engine;
}

/* Streams [first, first + n) of the whole window, on an engine of its own. */
static px_engine *computed(const px_window *whole, int32_t first, int32_t n, int32_t threads)
{
    px_case c = shape_of_all;
    int32_t tokens[MOST * STEPS], targets[MOST * STEPS];
    uint8_t reset[MOST * STEPS];
    c.n = n;
    px_engine *engine = engine_of(&c, threads);
    for (int32_t t = 0; t < STEPS; t++)
        for (int32_t i = 0; i < n; i++) {
            const int32_t from = t * MOST + first + i, to = t * n + i;
            tokens[to] = whole->tokens[from];
            targets[to] = whole->targets[from];
            reset[to] = whole->reset[from];
        }
    px_batch batch = whole->batch;
    batch.tokens = tokens;
    batch.targets = targets;
    batch.reset = reset;
    batch.n = n;
    batch.first_stream = (uint32_t)first;
    PX_CHECK(px_engine_accumulate(engine, &batch));
    return engine;
}

static int same(px_engine *a, px_engine *b, px_section section)
{
    const size_t count = px_engine_section_count(a, section);
    float *x = px_section_read(a, section), *y = px_section_read(b, section);
    const int equal = count == px_engine_section_count(b, section) && memcmp(x, y, count * sizeof *x) == 0;
    free(x);
    free(y);
    return equal;
}

static void gradients_have_the_same_bits_for_any_threads_and_1_to_70_streams(void **state)
{
    (void)state;
    px_window whole = px_case_window(&shape_of_all, 4, 0);
    for (int32_t n = 1; n <= MOST; n++) {
        px_engine *one = computed(&whole, 0, n, 1);
        for (int32_t threads = 2; threads <= THREADS; threads++) {
            px_engine *more = computed(&whole, 0, n, threads);
            if (!same(more, one, PX_SECTION_GRADIENTS) || !same(more, one, PX_SECTION_STATE))
                fail_msg("%d streams, %d threads: other bits", n, threads);
            px_engine_destroy(more);
        }
        px_engine_destroy(one);
    }
    px_window_free(&whole);
}

static void a_stream_has_the_same_bits_among_1_to_70(void **state)
{
    (void)state;
    const size_t h = (size_t)shape_of_all.model.hidden, L = px_state_blocks(&shape_of_all.model);
    px_window whole = px_case_window(&shape_of_all, 4, 0);
    px_engine *all = computed(&whole, 0, MOST, 2);
    float *want = px_section_read(all, PX_SECTION_STATE);
    for (int32_t n = 1; n < MOST; n++) {
        const int32_t first = (n * 7) % (MOST - n + 1);
        px_engine *some = computed(&whole, first, n, 1 + n % THREADS);
        float *got = px_section_read(some, PX_SECTION_STATE);
        for (size_t l = 0; l < L; l++)
            if (memcmp(got + l * (size_t)n * h, want + (l * MOST + (size_t)first) * h, (size_t)n * h * sizeof *got) !=
                0)
                fail_msg("layer %zu: streams %d to %d alone have other bits than among %d", l, first, first + n - 1,
                         MOST);
        free(got);
        px_engine_destroy(some);
    }
    free(want);
    px_engine_destroy(all);
    px_window_free(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_have_the_same_bits_for_any_threads_and_1_to_70_streams),
        cmocka_unit_test(a_stream_has_the_same_bits_among_1_to_70),
    };
    int failures = 0;
    for (int cell = 0; cell < PX_CELL_COUNT; cell++) {
        char name[40];
        snprintf(name, sizeof name, "rows of %s", px_cell_names[cell]);
        shape_of_all.model.cell = (px_cell)cell;
        failures += cmocka_run_group_tests_name(name, tests, NULL, NULL);
    }
    return failures;
}
