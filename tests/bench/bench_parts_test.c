/* The benchmark's parts: what is counted, how sweeps are read, order statistics, synthetic tokens, crossovers, peaks.
 */
#include "bench.h"
#include "samples.h"
#include "statistics.h"
#include "synthetic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static px_model_config model_of(int32_t d, int32_t h, int32_t L, int32_t V)
{
    px_config config;
    px_bench_config_default(&config);
    px_model_config model = config.model;
    px_config_free(&config);
    model.embed = d, model.hidden = h, model.layers = L, model.vocab = V;
    return model;
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

/* One layer, one-hot: 2 h^2 forward, 2 h^2 dW, 2 h^2 dH but for the first step; 6 h V in the head. By hand. */
static void flops_of_a_one_hot_layer_are_counted_by_hand(void **state)
{
    px_work_count count;
    px_model_config model = model_of(0, 512, 1, 28);
    px_optimizer_config optimizer = {.kind = PX_SGD};
    px_count_train(&model, NULL, &optimizer, 32, 35, &count);
    double rows = 32.0 * 35, h2 = 512.0 * 512;
    double want = rows * (4 * h2 + 6 * 512 * 28) + 32.0 * 34 * 2 * h2;
    assert_true(count.flops == want);
    assert_true(count.tokens == rows);
    assert_true(count.phase_flops[PX_PHASE_EMBED] == 0 && count.phase_flops[PX_PHASE_EMBED_BACKWARD] == 0);
    assert_true(count.dependent_steps == 35 + 34);
}

static void flops_of_two_layers_with_a_table_are_counted_by_hand(void **state)
{
    px_work_count count;
    px_model_config model = model_of(20, 30, 2, 50);
    px_optimizer_config optimizer = {.kind = PX_ADAM};
    px_count_train(&model, NULL, &optimizer, 3, 4, &count);
    double rows = 12, want = rows * 6 * 20 * 30                   /* W_xh of layer 0 */
                             + rows * 6 * 30 * 30                 /* W_xh of layer 1 */
                             + 2 * (rows * 4 * 900 + 9 * 2 * 900) /* W_hh twice; 3 streams, 3 steps back */
                             + rows * 6 * 30 * 50;
    assert_true(count.flops == want);
}

static void flops_of_tied_embeddings_with_a_projection_are_counted_by_hand(void **state)
{
    px_work_count count;
    px_model_config model = model_of(20, 30, 1, 50);
    px_optimizer_config optimizer = {.kind = PX_SGD};
    model.tied = 1;
    px_count_train(&model, NULL, &optimizer, 3, 4, &count);
    assert_true(count.phase_flops[PX_PHASE_HEAD] == 12.0 * 3 * (2 * 20 * 50 + 2 * 30 * 20));
}

/* Clusters of 40 and 50 of 100 tokens, which make up 3/10 and 1/10 of the text; 12 rows. */
static void an_adaptive_output_layer_counts_a_cluster_for_its_share_of_the_tokens(void **state)
{
    px_work_count count, decode;
    px_model_config model = model_of(0, 32, 1, 100);
    px_optimizer_config optimizer = {.kind = PX_SGD};
    const double share[PX_CUTOFFS_MAX] = {0.3, 0.1}, head = 12 * 32, first = 8 * (32 + 40), second = 2 * (32 + 50);
    model.output = PX_OUTPUT_ADAPTIVE;
    model.cutoffs = (px_cutoffs){2, {10, 50}};
    px_count_train(&model, share, &optimizer, 3, 4, &count);
    assert_true(fabs(count.phase_flops[PX_PHASE_HEAD] - 12 * 6 * (head + 0.3 * first + 0.1 * second)) < 1e-6);
    px_count_decode(&model, 3, &decode); /* the probabilities of all tokens */
    assert_true(fabs(decode.phase_flops[PX_PHASE_HEAD] - 3 * 2 * (head + first + second)) < 1e-6);
}

static void the_count_of_parameters_in_the_update_is_the_tables(void **state)
{
    static const int32_t d[] = {0, 20, 20, 30}, L[] = {1, 2, 1, 3}, tied[] = {0, 0, 1, 1};
    for (int i = 0; i < 4; i++) {
        px_work_count count;
        px_parameters table;
        px_model_config model = model_of(d[i], 30, L[i], 50);
        px_optimizer_config optimizer = {.kind = PX_SGD};
        model.tied = tied[i];
        assert_int_equal(px_parameters_make(&model, &table), PX_OK);
        px_count_train(&model, NULL, &optimizer, 3, 4, &count);
        assert_true(count.phase_bytes[PX_PHASE_UPDATE] == 20.0 * (double)table.weights);
    }
}

/* On a GPU: 12 rows of 50, in bf16 written, read, written as gradients, and read twice; no other phase has any. */
static void logits_that_leave_a_gpus_caches_are_counted_by_hand(void **state)
{
    px_work_count with, without;
    px_model_config model = model_of(0, 30, 1, 50);
    px_optimizer_config optimizer = {.kind = PX_SGD};
    px_count_train(&model, NULL, &optimizer, 3, 4, &without);
    with = without;
    px_count_logits(&model, NULL, 1, 2, &with);
    assert_true(with.bytes - without.bytes == 12.0 * 50 * 2 * 5);
    assert_true(with.phase_bytes[PX_PHASE_HEAD] - without.phase_bytes[PX_PHASE_HEAD] == 12.0 * 50 * 2 * 5);
    px_count_decode(&model, 3, &without);
    with = without;
    px_count_logits(&model, NULL, 0, 4, &with);
    assert_true(with.bytes - without.bytes == 3.0 * 50 * 4 * 2);
    model.output = PX_OUTPUT_ADAPTIVE; /* all tokens' logits, and those of the two clusters in the head */
    model.cutoffs = (px_cutoffs){2, {10, 20}};
    px_count_logits(&model, NULL, 0, 4, &with);
    assert_true(with.bytes - without.bytes == 3.0 * (50 + 52) * 4 * 2);
    px_count_phase(&model, NULL, &optimizer, 3, 4, PX_PHASE_UPDATE, &without);
    with = without;
    px_count_logits(&model, NULL, 1, 2, &with);
    assert_true(with.bytes == without.bytes);
}

static void evaluation_counts_a_third_of_the_head_and_no_update(void **state)
{
    px_work_count train, evaluate;
    px_model_config model = model_of(0, 64, 2, 100);
    px_optimizer_config optimizer = {.kind = PX_SGD};
    px_count_train(&model, NULL, &optimizer, 8, 10, &train);
    px_count_evaluate(&model, NULL, 8, 10, &evaluate);
    assert_true(3 * evaluate.phase_flops[PX_PHASE_HEAD] == train.phase_flops[PX_PHASE_HEAD]);
    assert_true(evaluate.phase_flops[PX_PHASE_RECURRENCE_FORWARD] == train.phase_flops[PX_PHASE_RECURRENCE_FORWARD]);
    assert_true(evaluate.phase_bytes[PX_PHASE_UPDATE] == 0 && evaluate.phase_flops[PX_PHASE_RECURRENCE_BACKWARD] == 0);
}

/* Two layers of 30 with a table of 20, 50 tokens: 4 steps read every matrix once and each W_hh three times more. */
static void weights_that_evaluation_and_decoding_read_are_counted_by_hand(void **state)
{
    px_work_count evaluate, decode, train;
    px_model_config model = model_of(20, 30, 2, 50);
    px_optimizer_config optimizer = {.kind = PX_SGD};
    const double w_hh = 4.0 * 30 * 30,
                 all = 3 * w_hh + 4.0 * (20 * 30 + 30 * 50); /* two W_hh and one W_xh of 30 x 30 */
    px_count_evaluate(&model, NULL, 3, 4, &evaluate);
    px_count_decode(&model, 3, &decode);
    px_count_train(&model, NULL, &optimizer, 3, 4, &train);
    assert_true(evaluate.model_bytes == all && evaluate.model_recurrent_bytes == 3 * w_hh);
    assert_true(evaluate.loop_bytes == w_hh && evaluate.loop_passes == 2 * 3);
    assert_true(px_count_weight_bytes(&evaluate) == all + 6 * w_hh);
    assert_true(px_count_weight_bytes(&decode) == all && decode.loop_passes == 0);
    assert_true(px_count_weight_bytes(&train) == 0);
    model.tied = 1; /* the head is E [V,d] behind a projection [h,d] */
    px_count_decode(&model, 3, &decode);
    assert_true(decode.model_bytes == 3 * w_hh + 4.0 * (20 * 30 + 20 * 50 + 30 * 20));
}

/* ---- plans ------------------------------------------------------------------------------------------------------- */

static px_status make_plan(const char *preset, const char *const *sweeps, size_t count, const char *devices,
                           const char *works, px_bench_plan *plan)
{
    px_config config;
    px_bench_config_default(&config);
    config.threads = 2;
    px_status status = px_bench_plan_make(&config, preset, sweeps, count, devices, works, plan);
    px_config_free(&config);
    return status;
}

static void a_range_doubles_and_ends_at_its_end(void **state)
{
    px_bench_plan plan;
    const char *sweeps[] = {"hidden=100..500"};
    assert_int_equal(make_plan(NULL, sweeps, 1, "cpu", "train", &plan), PX_OK);
    static const int32_t want[] = {100, 200, 400, 500};
    assert_int_equal(plan.count, 4);
    for (size_t i = 0; i < 4; i++) assert_int_equal(plan.cases[i].hidden, want[i]);
    px_bench_plan_free(&plan);
}

static void a_sweep_is_the_product_of_its_keys_and_devices_share_a_group(void **state)
{
    px_bench_plan plan;
    const char *sweeps[] = {"hidden=64,128", "batch=1..4", "threads=1,2"};
    assert_int_equal(make_plan(NULL, sweeps, 3, "cpu,reference", "train", &plan), PX_OK);
    assert_int_equal(plan.count, 2 * 3 * 2 * 2);
    assert_int_equal(plan.swept_count, 3);
    for (size_t i = 0; i < plan.count; i += 2) {
        assert_int_equal(plan.cases[i].group, plan.cases[i + 1].group);
        assert_string_equal(plan.cases[i].device, "cpu");
        assert_string_equal(plan.cases[i + 1].device, "reference");
        if (i > 0) assert_int_not_equal(plan.cases[i].group, plan.cases[i - 1].group);
    }
    px_bench_plan_free(&plan);
}

static void bad_sweeps_say_what_is_wrong(void **state)
{
    static const struct {
        const char *sweep, *word;
    } bad[] = {
        {"hidden", "key=a..b"},
        {"hiden=3", "expected key"},
        {"hidden=", "no whole number"},
        {"hidden=a", "no whole number"},
        {"hidden=0", "out of range"},
        {"hidden=512..128", "backwards"},
        {"hidden=128..", "no whole number"},
        {"hidden=1,1", "twice"},
        {"hidden=3x", "not understood"},
        {"hidden=99999999999", "out of range"},
        {"batch=-1", "out of range"},
        {"embed=0..8", "cannot start at 0"},
        {"precision=fp64", "fp32, tf32, bf16"},
        {"hidden=1,2,", "no whole number"},
        {"vocab=1", "out of range"},
        {"hidden=1...4", "no whole number"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        px_bench_plan plan;
        px_status status = make_plan(NULL, &bad[i].sweep, 1, "cpu", "train", &plan);
        if (status != PX_ERR_ARGUMENT) fail_msg("%s: accepted", bad[i].sweep);
        if (!strstr(px_error_message(), bad[i].word) || !strstr(px_error_message(), bad[i].sweep))
            fail_msg("%s: the message is \"%s\", without \"%s\" or the sweep itself", bad[i].sweep, px_error_message(),
                     bad[i].word);
    }
}

static void other_bad_plans_are_refused(void **state)
{
    px_bench_plan plan;
    const char *twice[] = {"hidden=64", "hidden=128"}, *one[] = {"hidden=64"};
    assert_int_equal(make_plan(NULL, twice, 2, "cpu", "train", &plan), PX_ERR_ARGUMENT);
    assert_int_equal(make_plan("quick", one, 1, "cpu", "train", &plan), PX_ERR_ARGUMENT);
    assert_int_equal(make_plan("quik", NULL, 0, "cpu", "train", &plan), PX_ERR_ARGUMENT);
    assert_int_equal(make_plan(NULL, NULL, 0, "cpu,cpu", "train", &plan), PX_ERR_ARGUMENT);
    assert_int_equal(make_plan(NULL, NULL, 0, "cpu,", "train", &plan), PX_ERR_ARGUMENT);
    assert_int_equal(make_plan(NULL, NULL, 0, "cpu", "walk", &plan), PX_ERR_ARGUMENT);
    const char *huge[] = {"hidden=1..65536", "batch=1..65536", "steps=1..65536"};
    assert_int_equal(make_plan(NULL, huge, 3, "cpu", "train", &plan), PX_ERR_ARGUMENT);
    assert_non_null(strstr(px_error_message(), "4096"));
}

static int has_case(const px_bench_plan *plan, int32_t n, int32_t h, int32_t V, int32_t L, int32_t threads)
{
    for (size_t i = 0; i < plan->count; i++) {
        const px_bench_case *c = &plan->cases[i];
        if (c->batch == n && c->steps == 35 && c->hidden == h && c->vocab == V && c->layers == L &&
            c->threads == threads)
            return 1;
    }
    return 0;
}

static void quick_holds_the_sizes_that_the_targets_name(void **state)
{
    px_bench_plan plan;
    assert_int_equal(make_plan("quick", NULL, 0, "cpu", "train", &plan), PX_OK);
    assert_true(has_case(&plan, 32, 512, 28, 1, 1) && has_case(&plan, 32, 512, 28, 1, 2) &&
                has_case(&plan, 32, 512, 10000, 1, 2));
    assert_true(has_case(&plan, 32, 256, 28, 2, 2) && has_case(&plan, 32, 1024, 28, 2, 2));
    assert_true(has_case(&plan, 7, 512, 28, 1, 2) && has_case(&plan, 8, 512, 28, 1, 2) &&
                has_case(&plan, 33, 512, 28, 1, 2));
    assert_true(has_case(&plan, 40, 512, 28, 1, 2) && has_case(&plan, 32, 250, 28, 1, 2) &&
                has_case(&plan, 32, 256, 28, 1, 2));
    assert_true(has_case(&plan, 1, 33, 28, 1, 2));
    int of_one_stream[PX_BENCH_WORKS][3] = {{0}};
    for (size_t i = 0; i < plan.count; i++)
        if (plan.cases[i].batch == 1 && plan.cases[i].hidden == 512)
            of_one_stream[plan.cases[i].work][plan.cases[i].threads]++;
    for (int threads = 1; threads <= 2; threads++)
        assert_true(of_one_stream[PX_BENCH_EVALUATE][threads] == 1 && of_one_stream[PX_BENCH_DECODE][threads] == 1);
    px_bench_plan_free(&plan);
}

static void check_names(const px_bench_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        for (size_t j = 0; j < i; j++) {
            char a[160], b[160];
            px_bench_case_name(&plan->cases[i], a, sizeof a);
            px_bench_case_name(&plan->cases[j], b, sizeof b);
            if (strcmp(a, b) == 0) fail_msg("%s: \"%s\" twice", plan->preset, a);
        }
}

static void every_preset_makes_a_plan_whose_names_are_unique(void **state)
{
    static const char *const works[] = {"train", "decode", "train,decode"};
    for (const px_bench_preset *preset = px_bench_presets; preset->name; preset++)
        for (int w = 0; w < 3; w++) {
            px_bench_plan plan;
            assert_int_equal(make_plan(preset->name, NULL, 0, "cpu,reference", works[w], &plan), PX_OK);
            assert_true(plan.count > 0);
            check_names(&plan);
            px_bench_plan_free(&plan);
        }
}

/* ---- statistics, tokens, peaks ----------------------------------------------------------------------------------- */

static void quantiles_interpolate_between_order_statistics(void **state)
{
    double values[] = {4, 1, 3, 2, 5}, two[] = {1, 2};
    assert_true(px_quantile(values, 5, 0.5) == 3 && px_quantile(values, 5, 0.25) == 2 &&
                px_quantile(values, 5, 1) == 5);
    assert_true(px_quantile(two, 2, 0.5) == 1.5);
    assert_true(isnan(px_quantile(two, 0, 0.5)));
    assert_true(isinf(px_median_error(1, 1, 1, 2)));
    assert_true(fabs(px_median_error(90, 100, 110, 25) - 0.93 * 0.2 / 5) < 1e-12);
}

static void repeats_that_lost_a_core_are_set_aside(void **state)
{
    static px_samples s;
    memset(&s, 0, sizeof s);
    s.threads = 2;
    s.count = s.probe_count = 6;
    for (int i = 0; i < 6; i++) {
        s.tokens_per_s[i] = 100 + i;
        s.step_s[i] = 1;
        s.use[i] = 1.99;
        s.probe_use[i] = 2;
        s.probe[i] = 50;
    }
    assert_int_equal(px_samples_undisturbed(&s), 6);
    s.use[5] = 1.5;       /* the repeat itself lost a core */
    s.probe_use[4] = 1.2; /* the probe just before it did */
    s.tokens_per_s[5] = s.tokens_per_s[4] = 10;
    s.probe[4] = 20;
    assert_int_equal(px_samples_undisturbed(&s), 4);
    assert_int_equal(px_samples_contended(&s), 0);
    assert_true(px_samples_speed(&s).median == 101.5);
    assert_true(px_samples_probe(&s, 60) == 50);
    for (int i = 0; i < 4; i++) s.probe_use[i] = 1;
    assert_int_equal(px_samples_contended(&s), 1); /* none is left: all count, and the case says so */
    assert_int_equal(px_samples_undisturbed(&s), 6);
    assert_true(px_samples_probe(&s, 60) == 60 && px_samples_probe(&s, 40) == 50); /* the best that is known */
}

static void synthetic_tokens_follow_zipf_and_repeat(void **state)
{
    enum { V = 50, N = 200000 };
    int32_t *a = malloc(N * sizeof *a), *b = malloc(N * sizeof *b);
    int64_t seen[V] = {0};
    double sum = 0;
    assert_int_equal(px_synthetic_tokens(7, V, N, a), PX_OK);
    assert_int_equal(px_synthetic_tokens(7, V, N / 2, b), PX_OK);
    assert_memory_equal(a, b, N / 2 * sizeof *a); /* element i does not depend on how many are made */
    for (int i = 0; i < N; i++) {
        assert_in_range(a[i], 0, V - 1);
        seen[a[i]]++;
    }
    for (int r = 0; r < V; r++) sum += 1 / (r + 2.7);
    for (int r = 0; r < V; r++) {
        double p = 1 / (r + 2.7) / sum, sigma = sqrt(p * (1 - p) / N);
        if (fabs((double)seen[r] / N - p) > 5 * sigma)
            fail_msg("token %d: frequency %g, want %g +- %g", r, (double)seen[r] / N, p, 5 * sigma);
    }
    free(a);
    free(b);
}

/* That there are figures, not which: those are the machine's and its neighbours'. */
static void peaks_and_probes_are_measured(void **state)
{
    static px_samples samples;
    px_peak peak;
    assert_int_equal(px_peak_measure("cpu", 1, PX_FP32, &peak), PX_OK);
    assert_true(peak.gflops > 0 && peak.gflops_best >= peak.gflops && peak.copy_gb_s > 0);
    assert_true(peak.instruction_set[0] != 0 && peak.step_latency_s == 0);
    assert_int_equal(px_peak_measure("abacus", 1, PX_FP32, &peak), PX_ERR_DEVICE);
    samples.threads = 1;
    px_samples_take_probe(&samples);
    assert_int_equal(samples.probe_count, 1);
    assert_true(samples.probe[0] > 0 && samples.probe_use[0] > 0);
}

static void only_probes_that_had_their_cores_are_clean(void **state)
{
    static px_samples samples = {
        .threads = 2, .probe_count = 4, .probe = {50, 30, 52, 51}, .probe_use = {1.99, 1.2, 1.91, 1.89}};
    double clean[PX_SAMPLES_MAX];
    assert_int_equal(px_samples_clean_probes(&samples, clean), 2); /* 95 % of two cores are 1.9 */
    assert_true(clean[0] == 50 && clean[1] == 52);
}

/* ---- crossovers -------------------------------------------------------------------------------------------------- */

static void a_crossover_is_the_size_from_which_the_other_device_stays_faster(void **state)
{
    static const int32_t hidden[] = {64, 128, 256, 512};
    static const double base[] = {100, 50, 25, 12},
                        other[] = {120, 40, 50, 48}; /* faster at 64, slower at 128, faster from 256 */
    px_bench_measure measures[8];
    memset(measures, 0, sizeof measures);
    for (int i = 0; i < 8; i++) {
        px_bench_measure *m = &measures[i];
        m->c = (px_bench_case){
            .group = i / 2, .batch = 32, .steps = 35, .hidden = hidden[i / 2], .layers = 1, .vocab = 28, .threads = 1};
        snprintf(m->c.device, sizeof m->c.device, "%s", i % 2 ? "cuda:0" : "cpu");
        m->measured = 1;
        m->tokens_per_s.median = i % 2 ? other[i / 2] : base[i / 2];
    }
    px_bench_plan plan = {.swept = {"hidden"}, .swept_count = 1};
    px_bench_result result = {.measures = measures, .count = 8};
    assert_int_equal(px_bench_find_crossovers(&plan, &result), PX_OK);
    assert_int_equal(result.crossover_count, 1);
    assert_int_equal(result.crossovers[0].from, 256);
    assert_int_equal(result.crossovers[0].largest, 512);
    assert_true(result.crossovers[0].ratio_at_largest == 4);
    assert_string_equal(result.crossovers[0].base, "cpu");
    free(result.crossovers);
    measures[7].tokens_per_s.median = 6; /* slower at the largest: never */
    result.crossovers = NULL;
    result.crossover_count = 0;
    assert_int_equal(px_bench_find_crossovers(&plan, &result), PX_OK);
    assert_int_equal(result.crossovers[0].from, 0);
    free(result.crossovers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flops_of_a_one_hot_layer_are_counted_by_hand),
        cmocka_unit_test(flops_of_two_layers_with_a_table_are_counted_by_hand),
        cmocka_unit_test(flops_of_tied_embeddings_with_a_projection_are_counted_by_hand),
        cmocka_unit_test(an_adaptive_output_layer_counts_a_cluster_for_its_share_of_the_tokens),
        cmocka_unit_test(the_count_of_parameters_in_the_update_is_the_tables),
        cmocka_unit_test(logits_that_leave_a_gpus_caches_are_counted_by_hand),
        cmocka_unit_test(evaluation_counts_a_third_of_the_head_and_no_update),
        cmocka_unit_test(weights_that_evaluation_and_decoding_read_are_counted_by_hand),
        cmocka_unit_test(a_range_doubles_and_ends_at_its_end),
        cmocka_unit_test(a_sweep_is_the_product_of_its_keys_and_devices_share_a_group),
        cmocka_unit_test(bad_sweeps_say_what_is_wrong),
        cmocka_unit_test(other_bad_plans_are_refused),
        cmocka_unit_test(quick_holds_the_sizes_that_the_targets_name),
        cmocka_unit_test(every_preset_makes_a_plan_whose_names_are_unique),
        cmocka_unit_test(quantiles_interpolate_between_order_statistics),
        cmocka_unit_test(repeats_that_lost_a_core_are_set_aside),
        cmocka_unit_test(synthetic_tokens_follow_zipf_and_repeat),
        cmocka_unit_test(peaks_and_probes_are_measured),
        cmocka_unit_test(only_probes_that_had_their_cores_are_clean),
        cmocka_unit_test(a_crossover_is_the_size_from_which_the_other_device_stays_faster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
