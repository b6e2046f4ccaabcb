/* A training from its start to its ends: what it leaves behind, when it stops early, what it does about numbers that
 * are not finite, disks that are full, files that were altered and folders that are taken. */
#include "train_runs.h"

#include "checkpoint.h"
#include "evaluate.h"
#include "metrics_log.h"
#include "model_engine.h"
#include "window_cuts.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* In the place of px_clock (--wrap): a tenth of a second passes from one reading to the next, on every machine. */
double __wrap_px_clock(void);
double __wrap_px_clock(void)
{
    static double readings;
    return ++readings / 10;
}

static px_train_result result;
static char *folder;
static const char *text, *run;
static px_config config;

static int fresh(void **state)
{
    (void)state;
    folder = scratch_create();
    text = strdup(scratch_path(folder, "text"));
    run = strdup(scratch_path(folder, "run"));
    write_text(text, 1500, 11);
    small_config(&config, text, run);
    return 0;
}

static int gone(void **state)
{
    (void)state;
    px_config_free(&config);
    scratch_destroy(folder);
    free((char *)text);
    free((char *)run);
    return 0;
}

static void set(const char *name, const char *value) { assert_px_ok(px_config_set(&config, name, value)); }

/* The next training is another run. */
static void run_again_as(const char *name)
{
    free((char *)run);
    run = strdup(scratch_path(folder, name));
    set("run", run);
}

static px_run_state saved_state(const char *name)
{
    px_checkpoint checkpoint;
    assert_px_ok(px_checkpoint_open(scratch_path(run, name), &checkpoint));
    px_run_state state = checkpoint.state;
    px_checkpoint_close(&checkpoint);
    return state;
}

/* ---- what a run leaves behind ------------------------------------------------------------------------------------ */

static int lines_told;
static void count_line(void *context, const char *line)
{
    (void)context;
    assert_null(strchr(line, '\n'));
    lines_told++;
}

static int steps_told, evaluations_told, bests_told;
static void count_step(void *context, const px_train_progress *progress)
{
    (void)context;
    assert_true(progress->tokens_per_s > 0 && progress->step % 3 == 0 && progress->steps_in_all == 60);
    assert_true(fabs(progress->perplexity - exp(progress->loss)) < 1e-9 && progress->share_of_epoch > 0 &&
                progress->share_of_epoch <= 1);
    steps_told++;
}

static void count_evaluation(void *context, const px_train_progress *progress)
{
    (void)context;
    assert_true(progress->valid_loss > 0);
    evaluations_told++;
    bests_told += progress->is_best;
}

static void a_run_learns_and_leaves_its_files_and_metrics(void **state)
{
    px_train_hooks hooks = {.line = count_line, .progress = count_step, .evaluation = count_evaluation};
    (void)state;
    set("optimizer", "adam");
    set("lr", "0.02");
    set("valid-every", "10");
    lines_told = steps_told = evaluations_told = bests_told = 0;
    assert_px_ok(px_train_start(&config, &hooks, &result));
    assert_int_equal(count_files(run), 4); /* config, metrics.jsonl, best and last */
    assert_int_equal(steps_told, 20);
    assert_int_equal(evaluations_told, 6);
    assert_in_range(lines_told, 3, 8);
    assert_int_equal(count_events(run, "start"), 1);
    assert_int_equal(count_events(run, "train"), 20);
    assert_int_equal(count_events(run, "valid"), 6);
    assert_int_equal(count_events(run, "end"), 1);
    assert_true(result.finished && result.steps == 60 && result.seconds > 0);
    assert_true(result.train_loss < log(8) &&
                result.best_valid_loss < log(8)); /* eight letters, and order among them */
    assert_true(fabs(result.valid_loss_zero - result.best_valid_loss) < 0.2 &&
                fabs(result.valid_loss_carried - result.valid_loss_zero) < 0.2);
    assert_true(result.test_loss_zero > 0);
    assert_string_equal(result.best_path, scratch_path(run, "best.safetensors"));
    assert_true(bests_told >= 1 && saved_state("best.safetensors").best_step == result.best_step);

    /* the model file says what the run says */
    px_model_file model;
    assert_px_ok(px_model_file_open(run, &model));
    assert_true(model.step == result.best_step && model.valid_loss == result.best_valid_loss && !model.averaged &&
                model.reset_id == -1);
    assert_int_equal(model.config.model.vocab, px_vocabulary_size(model.vocabulary));
    px_engine *engine;
    px_corpus corpus;
    px_evaluation evaluation;
    px_corpus_request request = {.data = text, .split = {0.8, 0.1, 0.1}, .vocabulary = model.vocabulary};
    assert_px_ok(px_corpus_open(&request, &corpus));
    assert_px_ok(px_model_file_engine(&model, "reference", 1, 13, 1, &engine));
    px_evaluate_options options = {.n = 1, .T = 13, .reset_id = -1};
    assert_px_ok(px_evaluate(engine, corpus.valid, &options, &evaluation));
    assert_true(evaluation.loss == result.valid_loss_zero); /* other windows, other company, the same bits */
    assert_px_ok(px_evaluate(engine, corpus.test, &options, &evaluation));
    assert_true(evaluation.loss == result.test_loss_zero);
    /* and from the state of the run's last stream */
    px_checkpoint last;
    float hidden[4 * 11];
    int64_t shape[] = {1, 4, 11};
    assert_px_ok(px_checkpoint_open(result.last_path, &last));
    assert_px_ok(px_safetensors_read(last.file, "state.hidden", 3, shape, hidden));
    px_checkpoint_close(&last);
    assert_px_ok(px_engine_write(engine, PX_SECTION_EVAL_STATE, hidden + 3 * 11));
    options.keep_state = 1;
    assert_px_ok(px_evaluate(engine, corpus.valid, &options, &evaluation));
    assert_true(evaluation.loss == result.valid_loss_carried && evaluation.loss != result.valid_loss_zero);
    px_engine_destroy(engine);
    px_corpus_close(&corpus);
    px_model_file_close(&model);
}

static void a_run_without_validation_keeps_its_last_weights_as_best(void **state)
{
    (void)state;
    set("split", "1,0,0");
    set("max-steps", "10");
    assert_px_ok(px_train_start(&config, NULL, &result));
    assert_true(isnan(result.best_valid_loss) && isnan(result.valid_loss_zero) && isnan(result.test_loss_zero));
    px_model_file best, last;
    assert_px_ok(px_model_file_open(run, &best));
    assert_px_ok(px_model_file_open(scratch_path(run, "last.safetensors"), &last));
    assert_memory_equal(best.weights, last.weights, best.parameters.count * sizeof(float));
    px_model_file_close(&best);
    px_model_file_close(&last);
}

static void a_folder_that_holds_a_run_is_refused(void **state)
{
    (void)state;
    set("max-steps", "5");
    assert_px_ok(px_train_start(&config, NULL, &result));
    assert_px_fails(px_train_start(&config, NULL, &result), PX_ERR_ARGUMENT, "--resume");
    set("run", scratch_path(folder, "text"));
    assert_px_fails(px_train_start(&config, NULL, &result), PX_ERR_ARGUMENT, "not a folder");
    set("run", scratch_path(folder, "a/b/c")); /* folders above are made */
    assert_px_ok(px_train_start(&config, NULL, &result));
    set("run", "/proc/none");
    assert_px_fails(px_train_start(&config, NULL, &result), PX_ERR_IO, "cannot be made");
}

static void a_failed_start_leaves_nothing(void **state)
{
    (void)state;
    set("data", scratch_path(folder, "none"));
    assert_int_equal(px_train_start(&config, NULL, &result), PX_ERR_INPUT);
    set("data", text);
    set("batch", "2000");
    assert_int_equal(px_train_start(&config, NULL, &result), PX_ERR_ARGUMENT);
    set("batch", "4");
    set("device", "abacus");
    assert_int_equal(px_train_start(&config, NULL, &result), PX_ERR_DEVICE);
    set("device", "reference");
    set("reset-at", "Z");
    assert_px_fails(px_train_start(&config, NULL, &result), PX_ERR_ARGUMENT, "no such token");
    assert_false(file_exists(run));
}

static px_status second_job;
static void resume_from_within(void *context, const px_train_progress *progress)
{
    px_train_result other;
    (void)context;
    if (progress->step == 3) second_job = px_train_resume(run, NULL, NULL, &other);
}

static void two_jobs_do_not_train_in_one_folder(void **state)
{
    px_train_hooks hooks = {.progress = resume_from_within};
    (void)state;
    second_job = PX_OK;
    assert_px_ok(px_train_start(&config, &hooks, &result));
    assert_int_equal(second_job, PX_ERR_ARGUMENT);
    assert_non_null(strstr(px_error_message(), "another job is training"));
}

static void a_dry_run_predicts_and_leaves_nothing(void **state)
{
    px_train_plan plan;
    (void)state;
    assert_px_ok(px_train_dry_run(&config, NULL, &plan));
    assert_int_equal(plan.train_tokens, 1200);
    assert_int_equal(plan.valid_tokens, 150);
    assert_int_equal(plan.test_tokens, 150);
    assert_int_equal(plan.steps_per_epoch, 43);
    assert_true(plan.parameters > 0 && plan.memory.total > (size_t)plan.parameters * 8 && plan.tokens_per_s > 0);
    assert_true(fabs(plan.seconds_per_epoch * plan.tokens_per_s - 1199) < 1e-6 * 1199);
    assert_non_null(strstr(plan.device, "reference"));
    assert_false(file_exists(run));
}

/* ---- ends before the end ----------------------------------------------------------------------------------------- */

static void early_stopping_waits_its_patience(void **state)
{
    (void)state;
    set("lr", "1e-12"); /* nothing changes, so that only the first evaluation is a best one */
    set("valid-every", "3");
    set("early-stop", "4");
    assert_px_ok(px_train_start(&config, NULL, &result));
    assert_int_equal(result.steps, 15);
    assert_int_equal(result.best_step, 3);
    assert_true(result.finished);
    const char *more[] = {"max-steps", "100", NULL}; /* it has ended, whatever the steps */
    assert_px_ok(px_train_resume(run, more, NULL, &result));
    assert_int_equal(result.steps, 15);
}

static void plateau_divides_the_rate_where_validation_stalls(void **state)
{
    (void)state;
    set("lr", "1e-10");
    set("schedule", "plateau");
    set("lr-factor", "0.1");
    set("lr-patience", "2");
    set("valid-every", "3");
    set("max-steps", "24"); /* 8 evaluations, 7 without a new best: 3 divisions */
    assert_px_ok(px_train_start(&config, NULL, &result));
    px_run_state saved = saved_state("last.safetensors");
    assert_true(fabs(saved.plateau_scale - 1e-3) < 1e-15);
}

static void averages_are_the_mean_of_the_weights_after_each_step(void **state)
{
    enum { FROM = 4, TO = 9 };
    double *sum = NULL;
    float *mean = NULL;
    size_t count = 0;
    (void)state;
    for (int steps = FROM; steps <= TO + 1; steps++) { /* one run for each k without averages, then the averaged one */
        char steps_text[16], name[32];
        px_checkpoint last;
        snprintf(steps_text, sizeof steps_text, "%d", steps > TO ? TO : steps);
        snprintf(name, sizeof name, "run%d", steps);
        set("max-steps", steps_text);
        set("run", scratch_path(folder, name));
        if (steps > TO) {
            set("average", "from");
            set("average-from", "4");
        }
        assert_px_ok(px_train_start(&config, NULL, &result));
        assert_px_ok(px_checkpoint_open(result.last_path, &last));
        count = last.parameters.count;
        if (!sum) sum = calloc(count, sizeof *sum), mean = calloc(count, sizeof *mean);
        assert_px_ok(px_checkpoint_weights(&last, mean)); /* the last time: averages */
        assert_int_equal(last.averaged, steps > TO);
        if (steps <= TO)
            for (size_t i = 0; i < count; i++) sum[i] += (double)mean[i] / (TO - FROM + 1);
        px_checkpoint_close(&last);
    }
    for (size_t i = 0; i < count; i++)
        if (fabs(sum[i] - (double)mean[i]) > 1e-6 * fabs(sum[i]) + 1e-7)
            fail_msg("weight %zu: average %.9g, mean %.9g", i, (double)mean[i], sum[i]);
    free(sum);
    free(mean);
}

/* ---- rates of steps ---------------------------------------------------------------------------------------------- */

/* The weights that a run ends with; caller frees. */
static float *weights_after(int steps, size_t *count)
{
    char steps_text[16], name[32];
    px_checkpoint last;
    snprintf(steps_text, sizeof steps_text, "%d", steps);
    snprintf(name, sizeof name, "run%d", steps);
    set("max-steps", steps_text);
    set("run", scratch_path(folder, name));
    assert_px_ok(px_train_start(&config, NULL, &result));
    assert_px_ok(px_checkpoint_open(result.last_path, &last));
    *count = last.parameters.count;
    float *weights = malloc(*count * sizeof *weights);
    assert_non_null(weights);
    assert_px_ok(px_checkpoint_weights(&last, weights));
    px_checkpoint_close(&last);
    return weights;
}

static double distance(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum);
}

/* Plain descent along gradients longer than --clip moves the weights by rate times clip. Over the first epoch's end,
 * which cuts its last window. */
static void a_window_of_drawn_length_has_a_rate_in_proportion_to_its_steps(void **state)
{
    enum {
        T = 7,
        JITTER = 2,
        TOTAL = 71,
        STEPS = 16
    }; /* 71: of 4 streams in 285 letters, the last one a target alone */
    const double lr = 1, clip = 0.05, mean = 0.95 * T + 0.05 * (T / 2);
    int64_t epoch = 0, window = 0;
    int32_t at = 0, shortest = T, longest = T;
    size_t count;
    (void)state;
    write_text(text, 4 * TOTAL + 1, 11);
    set_all(&config,
            (const char *const[]){"split=1,0,0", "steps-jitter=2", "lr=1", "clip=0.05", "lr-scaling=none", NULL});
    float *before = NULL;
    for (int step = 1; step <= STEPS; step++) {
        const int32_t drawn = px_window_length(T, JITTER, config.seed, epoch, window),
                      length = drawn < TOTAL - at ? drawn : TOTAL - at;
        float *after = weights_after(step, &count);
        if (before) {
            const double rate = distance(before, after, count) / clip, want = lr * length / mean;
            if (!(fabs(rate - want) < 1e-4 * want)) /* weights are rounded to 1e-7, and move by 0.05 */
                fail_msg("epoch %d, window %d of %d steps: rate %.6f, want %.6f", (int)epoch, (int)window, length, rate,
                         want);
            if (length < shortest) shortest = length;
            if (length > longest) longest = length;
        }
        free(before);
        before = after;
        at += length;
        window++;
        if (at == TOTAL) at = 0, window = 0, epoch++;
    }
    free(before);
    assert_true(epoch == 1 && shortest < T && longest > T);
}

/* ---- numbers that are not finite --------------------------------------------------------------------------------- */

static void assert_finite(const char *name)
{
    px_safetensors *file;
    assert_px_ok(px_safetensors_open(scratch_path(run, name), &file));
    for (size_t i = 0; i < px_safetensors_count(file); i++) {
        const px_safetensor *tensor = px_safetensors_at(file, i);
        for (size_t k = 0; k < tensor->count; k++) {
            float value;
            assert_px_ok(px_safetensors_elements(file, tensor, k, 1, &value));
            if (!isfinite(value)) fail_msg("%s: %s[%zu] is not finite", name, tensor->name, k);
        }
    }
    px_safetensors_close(file);
}

/* ReLU units without a bound on the gradient at a large rate: infinite within a few steps. */
static void set_to_diverge(void)
{
    set("nonlinearity", "relu");
    set("clip", "0");
    set("lr", "1000");
}

static void a_loss_that_is_not_finite_stops_the_run_at_its_last_good_checkpoint(void **state)
{
    static const char *const engines[] = {"reference", "cpu"};
    (void)state;
    set_to_diverge();
    for (int e = 0; e < 2; e++) {
        char name[32];
        snprintf(name, sizeof name, "run-%s", engines[e]);
        set("device", engines[e]);
        run_again_as(name);
        set("checkpoint-every", "1");
        assert_px_fails(px_train_start(&config, NULL, &result), PX_ERR_NUMERIC, "--lr below 1000");
        assert_false(result.finished);
        assert_finite("last.safetensors");
        int failed;
        assert_int_equal(sscanf(px_error_message(), "step %d", &failed), 1);
        assert_int_equal(saved_state("last.safetensors").step, failed - 1); /* the step before the one that failed */
        assert_non_null(strstr(px_error_message(), "last finite gradient norm"));
        assert_int_equal(count_events(run, "stop"), 1);
        char *metrics = metrics_text(run);
        assert_non_null(strstr(metrics, "\"reason\":\"not finite\""));
        free(metrics);
        /* and again from that checkpoint */
        assert_px_fails(px_train_resume(run, NULL, NULL, &result), PX_ERR_NUMERIC, "not finite");
        assert_int_equal(saved_state("last.safetensors").step, failed - 1);
    }
}

/* A huge decay overflows weights whose loss and gradient are finite, step after step, to the end. */
static void set_to_overflow(void)
{
    set("clip", "0");
    set("lr", "1000000");
    set("weight-decay", "1");
}

static void weights_that_are_not_finite_are_never_saved(void **state)
{
    (void)state;
    set_to_overflow();
    set("checkpoint-every", "1");
    assert_px_fails(px_train_start(&config, NULL, &result), PX_ERR_NUMERIC, "the weights after it are not finite");
    assert_finite("last.safetensors");
    int failed;
    assert_int_equal(sscanf(px_error_message(), "step %d", &failed), 1);
    assert_int_equal(saved_state("last.safetensors").step, failed - 1);
    assert_int_equal(count_events(run, "stop"), 1);

    /* nor where the run would have ended just there */
    char steps[32];
    snprintf(steps, sizeof steps, "%d", failed);
    run_again_as("ends");
    set("checkpoint-every", "0");
    set("max-steps", steps);
    assert_px_fails(px_train_start(&config, NULL, &result), PX_ERR_NUMERIC, "the weights after it are not finite");
    assert_false(result.finished);
    assert_int_equal(saved_state("last.safetensors").step, 0);

    /* and a rollback goes on from the checkpoint before */
    run_again_as("goes-back");
    set("on-nan", "rollback");
    set("rollback-factor", "0.000001");
    assert_px_ok(px_train_start(&config, NULL, &result));
    assert_true(result.finished && result.steps == failed);
    assert_int_equal(count_events(run, "rollback"), 1);
    assert_finite("last.safetensors");
}

static void rollback_goes_on_with_a_smaller_rate(void **state)
{
    (void)state;
    set_to_diverge();
    set("on-nan", "rollback");
    set("rollback-factor", "0.02");
    assert_px_ok(px_train_start(&config, NULL, &result));
    assert_true(result.finished && result.steps == 60);
    px_run_state saved = saved_state("last.safetensors");
    int events = count_events(run, "rollback");
    assert_true(events >= 1 && saved.rollbacks == events);
    assert_true(fabs(log(saved.rollback_scale) - events * log(0.02)) < 1e-9);
    assert_finite("last.safetensors");
    assert_finite("best.safetensors");

    /* a run with rollbacks repeats, and resumes, as any other */
    char *first = metrics_text(run), *again = strdup(scratch_path(folder, "again"));
    set("run", again);
    set("max-steps", "20");
    assert_px_ok(px_train_start(&config, NULL, &result));
    const char *more[] = {"max-steps", "60", NULL};
    assert_px_ok(px_train_resume(again, more, NULL, &result));
    char *second = metrics_text(again);
    assert_non_null(strstr(second, "rollback"));
    assert_same_tensors(scratch_path(run, "last.safetensors"), scratch_path(again, "last.safetensors"),
                        "resumed after a rollback");
    free(first);
    free(second);
    free(again);
}

static void rollback_gives_up_where_it_makes_no_progress(void **state)
{
    (void)state;
    set_to_diverge();
    set("on-nan", "rollback");
    set("rollback-factor", "1");
    assert_px_fails(px_train_start(&config, NULL, &result), PX_ERR_NUMERIC, "after 10 returns");
    assert_int_equal(count_events(run, "rollback"), 10);
    assert_finite("last.safetensors");
}

/* ---- disks and files --------------------------------------------------------------------------------------------- */

static struct rlimit unlimited;

static void fill_the_disk(void *context, const px_train_progress *progress)
{
    struct rlimit full = unlimited;
    (void)context;
    full.rlim_cur = 6000; /* less than a checkpoint, more than metrics.jsonl yet */
    if (progress->step == 30) assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
}

static void a_full_disk_ends_the_run_with_the_checkpoint_before(void **state)
{
    px_train_hooks hooks = {.progress = fill_the_disk};
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &unlimited);
    set("checkpoint-every", "7");
    set("hidden", "40");
    px_status status = px_train_start(&config, &hooks, &result);
    setrlimit(RLIMIT_FSIZE, &unlimited);
    assert_int_equal(status, PX_ERR_IO);
    assert_non_null(strstr(px_error_message(), "last.safetensors"));
    assert_int_equal(saved_state("last.safetensors").step, 28);
    assert_int_equal(count_files(run), 3);                   /* no temporary file, and no best yet */
    assert_px_ok(px_train_resume(run, NULL, NULL, &result)); /* once there is room again */
    assert_int_equal(result.steps, 60);
}

static void a_full_disk_at_the_start_leaves_nothing(void **state)
{
    struct rlimit full;
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &unlimited);
    for (rlim_t bytes = 4096; bytes <= 8192;
         bytes += 4096) { /* enough for the corpus; config, or config and log, but no checkpoint */
        full = unlimited;
        full.rlim_cur = bytes;
        set("hidden", "40");
        setrlimit(RLIMIT_FSIZE, &full);
        px_status status = px_train_start(&config, NULL, &result);
        setrlimit(RLIMIT_FSIZE, &unlimited);
        if (status != PX_ERR_IO) fail_msg("%s", px_error_message());
        assert_false(file_exists(run));
    }
}

static void a_full_disk_never_leaves_half_a_line(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &unlimited);
    px_metrics_log *log;
    const char *path = scratch_path(folder, "metrics.jsonl");
    assert_px_ok(px_metrics_log_open(path, 0, &log));
    struct rlimit full = unlimited;
    full.rlim_cur = 1000;
    setrlimit(RLIMIT_FSIZE, &full);
    px_status status = PX_OK;
    int whole = 0;
    while (status == PX_OK && whole < 1000) {
        px_metrics_begin(log, "train");
        px_metrics_count(log, "step", whole);
        status = px_metrics_end(log);
        whole += status == PX_OK;
    }
    setrlimit(RLIMIT_FSIZE, &unlimited);
    assert_int_equal(status, PX_ERR_IO);
    assert_non_null(strstr(px_error_message(), path));
    px_metrics_log_close(log);
    assert_int_equal(count_events(folder, "train"), whole);
}

static void numbers_that_json_lacks_are_written_as_text(void **state)
{
    px_metrics_log *log;
    size_t bytes;
    (void)state;
    const char *path = scratch_path(folder, "m");
    assert_px_ok(px_metrics_log_open(path, 0, &log));
    px_metrics_begin(log, "x");
    px_metrics_number(log, "a", INFINITY);
    px_metrics_number(log, "b", -INFINITY);
    px_metrics_number(log, "c", -NAN);
    px_metrics_number(log, "d", 0.1);
    px_metrics_text(log, "e", "\"\n");
    assert_px_ok(px_metrics_end(log));
    px_metrics_log_close(log);
    char *line = (char *)read_bytes(path, &bytes);
    assert_string_equal(line,
                        "{\"event\":\"x\",\"a\":\"inf\",\"b\":\"-inf\",\"c\":\"nan\",\"d\":0.1,\"e\":\"\\\"\\n\"}\n");
    free(line);
}

static void altered_and_truncated_checkpoints_are_refused(void **state)
{
    size_t bytes;
    px_model_file model;
    (void)state;
    set("max-steps", "5");
    set("optimizer", "adam");
    set("hidden", "6");
    assert_px_ok(px_train_start(&config, NULL, &result));
    for (int which = 0; which < 2; which++) {
        const char *path = scratch_path(run, which ? "last.safetensors" : "best.safetensors");
        unsigned char *data = read_bytes(path, &bytes);
        for (size_t i = 0; i < bytes; i += i < 8 ? 1 : 5) {
            data[i] ^= 0x04;
            write_bytes(path, data, bytes);
            if (px_model_file_open(path, &model) != PX_ERR_INPUT)
                fail_msg("%s: byte %zu of %zu altered: opened", path, i, bytes);
            assert_true(strncmp(px_error_message(), path, strlen(path)) == 0);
            data[i] ^= 0x04;
        }
        for (size_t length = 0; length < bytes; length += 1 + length / 9) {
            write_bytes(path, data, length);
            if (px_model_file_open(path, &model) != PX_ERR_INPUT)
                fail_msg("%s: %zu of %zu bytes: opened", path, length, bytes);
            if (which) assert_int_equal(px_train_resume(run, NULL, NULL, &result), PX_ERR_INPUT);
        }
        write_bytes(path, data, bytes);
        free(data);
        assert_px_ok(px_model_file_open(path, &model));
        px_model_file_close(&model);
    }
    assert_px_fails(px_model_file_open(folder, &model), PX_ERR_INPUT, "without best.safetensors");
    assert_px_fails(px_model_file_open(text, &model), PX_ERR_INPUT, "not a safetensors file");
    assert_px_fails(px_model_file_open(scratch_path(folder, "none"), &model), PX_ERR_INPUT, "No such file");
}

/* As PyTorch writes it: right tensors, no configuration. */
static void a_safetensors_file_of_another_program_is_named_as_such(void **state)
{
    static const char header[] = "{\"rnn.weight_hh_l0\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"__"
                                 "metadata__\":{\"format\":\"pt\"}}";
    unsigned char file[8 + sizeof header - 1 + 8] = {sizeof header - 1};
    px_model_file model;
    (void)state;
    memcpy(file + 8, header, sizeof header - 1);
    const char *path = scratch_path(folder, "torch.safetensors");
    write_bytes(path, file, sizeof file);
    assert_px_fails(px_model_file_open(path, &model), PX_ERR_INPUT, "another program");
}

/* A file with another second bias, as PyTorch trains it, made from one of ours tensor by tensor. */
static void pytorchs_second_bias_is_added_to_the_first(void **state)
{
    static const char *const names[] = {"format",         "perplex.version", "perplex.kind",      "perplex.averaged",
                                        "perplex.config", "perplex.state",   "perplex.vocabulary"};
    const char *changed = scratch_path(folder, "changed.safetensors");
    px_safetensors *file;
    px_safetensors_writer *writer;
    px_model_file before, after;
    (void)state;
    set("max-steps", "3");
    assert_px_ok(px_train_start(&config, NULL, &result));
    assert_px_ok(px_safetensors_open(result.best_path, &file));
    assert_px_ok(px_safetensors_create(changed, &writer));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_px_ok(px_safetensors_add_metadata(writer, names[i], px_safetensors_metadata(file, names[i])));
    for (size_t i = 0; i < px_safetensors_count(file); i++) {
        const px_safetensor *tensor = px_safetensors_at(file, i);
        assert_px_ok(px_safetensors_declare(writer, tensor->name, tensor->dims, tensor->shape));
    }
    for (size_t i = 0; i < px_safetensors_count(file); i++) {
        const px_safetensor *tensor = px_safetensors_at(file, i);
        float *values = malloc(tensor->count * sizeof *values);
        assert_px_ok(px_safetensors_elements(file, tensor, 0, tensor->count, values));
        if (strcmp(tensor->name, "rnn.bias_hh_l0") == 0)
            for (size_t k = 0; k < tensor->count; k++) {
                assert_true(values[k] == 0);
                values[k] = 1 + (float)k;
            }
        assert_px_ok(px_safetensors_write(writer, values, tensor->count));
        free(values);
    }
    assert_px_ok(px_safetensors_commit(writer));
    px_safetensors_close(file);
    assert_px_ok(px_model_file_open(run, &before));
    assert_px_ok(px_model_file_open(changed, &after));
    const px_tensor *bias = px_parameters_find(&before.parameters, PX_TENSOR_B_H, 0);
    for (size_t i = 0; i < before.parameters.count; i++) {
        float more = i >= bias->offset && i < bias->offset + bias->count ? 1 + (float)(i - bias->offset) : 0;
        assert_true(after.weights[i] == before.weights[i] + more);
    }
    px_model_file_close(&before);
    px_model_file_close(&after);
}

static void weights_alone_cannot_be_resumed(void **state)
{
    size_t bytes;
    (void)state;
    set("max-steps", "5");
    assert_px_ok(px_train_start(&config, NULL, &result));
    unsigned char *data = read_bytes(result.best_path, &bytes);
    write_bytes(result.last_path, data, bytes);
    free(data);
    assert_px_fails(px_train_resume(run, NULL, NULL, &result), PX_ERR_INPUT, "weights only");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_learns_and_leaves_its_files_and_metrics),
        TEST(a_run_without_validation_keeps_its_last_weights_as_best),
        TEST(a_folder_that_holds_a_run_is_refused),
        TEST(a_failed_start_leaves_nothing),
        TEST(two_jobs_do_not_train_in_one_folder),
        TEST(a_dry_run_predicts_and_leaves_nothing),
        TEST(early_stopping_waits_its_patience),
        TEST(plateau_divides_the_rate_where_validation_stalls),
        TEST(averages_are_the_mean_of_the_weights_after_each_step),
        TEST(a_window_of_drawn_length_has_a_rate_in_proportion_to_its_steps),
        TEST(a_loss_that_is_not_finite_stops_the_run_at_its_last_good_checkpoint),
        TEST(weights_that_are_not_finite_are_never_saved),
        TEST(rollback_goes_on_with_a_smaller_rate),
        TEST(rollback_gives_up_where_it_makes_no_progress),
        TEST(a_full_disk_ends_the_run_with_the_checkpoint_before),
        TEST(a_full_disk_at_the_start_leaves_nothing),
        TEST(a_full_disk_never_leaves_half_a_line),
        TEST(numbers_that_json_lacks_are_written_as_text),
        TEST(altered_and_truncated_checkpoints_are_refused),
        TEST(a_safetensors_file_of_another_program_is_named_as_such),
        TEST(pytorchs_second_bias_is_added_to_the_first),
        TEST(weights_alone_cannot_be_resumed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
