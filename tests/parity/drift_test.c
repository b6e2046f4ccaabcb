/* A whole run against the reference, judged by how far a run drifts by itself:  test_drift [device]
 *
 * Trainings are chaotic, so that two right engines part in the end. How fast is measured: the reference runs a second
 * time from weights of which half are moved by one unit in the last place. An engine in fp32 is nudged so at every
 * step, not only at the first: after s steps its run may have left the reference's by sqrt(s) times what the nudged one
 * has so far, and by 1e-6 for the rounding of the loss itself. */
#include "cases.h"

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

enum { STEPS = 200 };

static const px_case run = {"drift",
                            .model = {.vocab = 12, .hidden = 48, .layers = 1, .init_scale = 1},
                            .optimizer = {.kind = PX_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .clip = 1},
                            .n = 8,
                            .T = 10,
                            .zero_state = 1};

/* Text with something to learn: a count around 12 that now and then jumps. */
static void window_of(px_window *window, uint64_t step)
{
    int32_t n = window->batch.n, T = window->batch.T;
    for (int32_t t = 0; t < T; t++)
        for (int32_t i = 0; i < n; i++) {
            uint64_t at = (uint64_t)i * 10000 + step * (uint64_t)T + (uint64_t)t;
            uint64_t jump = at * at / 7 % 11 == 0, next_jump = (at + 1) * (at + 1) / 7 % 11 == 0;
            window->tokens[t * n + i] = (int32_t)((at + jump * 5) % 12);
            window->targets[t * n + i] = (int32_t)((at + 1 + next_jump * 5) % 12);
        }
    window->batch.step = step;
}

static double train_step(px_engine *engine, const px_window *window, uint64_t step)
{
    px_metrics metrics;
    px_update update = {.step = step, .lr = 1e-3};
    PX_CHECK(px_engine_accumulate(engine, &window->batch));
    PX_CHECK(px_engine_update(engine, &update));
    PX_CHECK(px_engine_metrics(engine, 1, &metrics));
    assert_int_equal(metrics.bad_step, -1);
    return metrics.loss_sum / (double)metrics.tokens;
}

static void run_drifts_no_further_than_a_nudge_would_make_it(void **state)
{
    double nudge_drift = 0, first_loss = 0, loss = 0, engine_drift = 0;
    (void)state;
    px_engine *want = px_case_engine(&run, "reference", 1, 0), *nudged = px_case_engine(&run, "reference", 1, 0);
    px_engine *got = px_case_engine(&run, device, 2, 0);
    float *weights = px_section_read(nudged, PX_SECTION_PARAMETERS);
    for (size_t i = 0; i < px_engine_section_count(nudged, PX_SECTION_PARAMETERS); i += 2)
        if (weights[i] != 0) weights[i] = nextafterf(weights[i], INFINITY);
    PX_CHECK(px_engine_write(nudged, PX_SECTION_PARAMETERS, weights));
    free(weights);
    px_window window = px_case_window(&run, 0, 0);
    for (uint64_t step = 0; step < STEPS; step++) {
        window_of(&window, step);
        loss = train_step(want, &window, step);
        double other = train_step(nudged, &window, step), ours = train_step(got, &window, step);
        if (step == 0) first_loss = loss;
        nudge_drift = fmax(nudge_drift, fabs(other - loss) / loss);
        engine_drift = fmax(engine_drift, fabs(ours - loss) / loss);
        if (fabs(ours - loss) / loss > sqrt((double)step + 1) * nudge_drift + 1e-6) {
            print_error("step %d: loss %.9g, reference %.9g: %.3g apart, a nudge makes %.3g\n", (int)step, ours, loss,
                        fabs(ours - loss) / loss, nudge_drift);
            fail();
        }
    }
    assert_true(loss < 0.6 * first_loss); /* it did train */
    print_message("after %d steps: loss %.4f from %.4f; drift %.2g, of a nudge %.2g\n", STEPS, loss, first_loss,
                  engine_drift, nudge_drift);
    px_window_free(&window);
    px_engine_destroy(want);
    px_engine_destroy(nudged);
    px_engine_destroy(got);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(run_drifts_no_further_than_a_nudge_would_make_it)};
    if (argc > 1) device = argv[1];
    return cmocka_run_group_tests_name("drift", tests, NULL, NULL);
}
