/* A run that was stopped, cut off or extended equals one that never was: weights, moments, averages, hidden state,
 * position, random choices and metrics, bit for bit, for many settings and on each engine of the host. */
#include "train_runs.h"

#include "checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each of these carries something of its own through a checkpoint. */
static const struct {
    const char *name;
    const char *settings[12];
} option_sets[] = {
    {"sgd", {NULL}},
    {"adam, every dropout, cosine",
     {"optimizer=adam", "lr=0.01", "schedule=cosine", "schedule-steps=60", "warmup-steps=5", "dropout=0.3",
      "dropout-input=0.1", "dropout-weight=0.2", "layers=2", NULL}},
    {"momentum, random windows", {"optimizer=momentum", "partition=random", "dropout-output=0.2", NULL}},
    {"plateau",
     {"schedule=plateau", "valid-every=4", "lr=3", "lr-patience=2", "lr-factor=0.7", "average=stall",
      "average-patience=3", NULL}},
    {"averages from a step",
     {"optimizer=adamw", "lr=0.02", "weight-decay=0.01", "average=from", "average-from=20", "valid-every=5", NULL}},
    {"rmsprop, tied, locked dropout, averages on stalling",
     {"optimizer=rmsprop", "lr=0.05", "layers=2", "embed=5", "tied=true", "dropout=0.2", "dropout-locked=true",
      "average=stall", "average-patience=1", "valid-every=3", NULL}},
    {"resets", {"reset-probability=0.3", "reset-at=\\n", "nonlinearity=relu", NULL}},
    {"drawn lengths of windows", {"steps-jitter=2", "optimizer=momentum", "dropout-output=0.2", "layers=2", NULL}},
    {"gru, every dropout",
     {"cell=gru", "optimizer=adam", "lr=0.01", "dropout=0.3", "dropout-input=0.1", "dropout-weight=0.2", "layers=2",
      "reset-probability=0.2", NULL}},
    {"tied lstm, dropout of the embedding's rows",
     {"cell=lstm", "optimizer=adam", "lr=0.01", "embed=5", "tied=true", "dropout-embedding=0.2", "dropout=0.2",
      "penalty-activation=2", "penalty-temporal=1", NULL}},
    {"lstm",
     {"cell=lstm", "optimizer=adamw", "lr=0.02", "embed=5", "layers=2", "average=from", "average-from=20",
      "valid-every=5", NULL}},
};
enum { SETS = sizeof option_sets / sizeof option_sets[0] };
static const char *const engines[] = {"reference", "cpu"};

static px_train_result result;

/* A stop flag that the first evaluation or logged step at or after `at` sets. */
typedef struct stopper {
    atomic_int flag;
    int64_t at;
} stopper;

static void stop_when_due(void *context, const px_train_progress *progress)
{
    stopper *stop = context;
    if (progress->step >= stop->at) stop->flag = 1;
}

static void config_of(px_config *config, int set, const char *engine, const char *text, const char *run)
{
    small_config(config, text, run);
    set_all(config, option_sets[set].settings);
    assert_px_ok(px_config_set(config, "device", engine));
}

static void stopped_by_the_flag_and_resumed_is_the_same_run(void **state)
{
    (void)state;
    for (size_t e = 0; e < 2; e++)
        for (int set = 0; set < SETS; set++) {
            char *folder = scratch_create();
            const char *text = scratch_path(folder, "text"), *whole = scratch_path(folder, "whole"),
                       *parts = scratch_path(folder, "parts");
            px_config config;
            write_text(text, 1500, 1);
            config_of(&config, set, engines[e], text, whole);
            assert_px_ok(px_train_start(&config, NULL, &result));
            assert_int_equal(result.steps, 60);
            assert_true(result.finished);
            assert_px_ok(px_config_set(&config, "run", parts));
            for (int64_t at = 10; at <= 50; at += 20) {
                stopper stop = {0, at};
                px_train_hooks hooks = {
                    .context = &stop, .progress = stop_when_due, .evaluation = stop_when_due, .stop = &stop.flag};
                px_status status =
                    at == 10 ? px_train_start(&config, &hooks, &result) : px_train_resume(parts, NULL, &hooks, &result);
                if (status != PX_STOPPED) fail_msg("%s: %s", option_sets[set].name, px_error_message());
                assert_false(result.finished);
                assert_int_equal(count_events(parts, "stop"), 1);
            }
            assert_px_ok(px_train_resume(parts, NULL, NULL, &result));
            assert_same_run(whole, parts, option_sets[set].name);
            assert_int_equal(count_events(parts, "stop"), 0);
            px_config_free(&config);
            scratch_destroy(folder);
        }
}

/* The last step is moved: ends in the middle of intervals, of epochs, at the end of one, and between evaluations. */
static void ended_and_given_more_steps_is_the_same_run(void **state)
{
    (void)state;
    for (size_t e = 0; e < 2; e++)
        for (int set = 0; set < SETS; set++) {
            char *folder = scratch_create();
            const char *text = scratch_path(folder, "text"), *whole = scratch_path(folder, "whole"),
                       *parts = scratch_path(folder, "parts");
            px_config config;
            write_text(text, 1500, 2);
            config_of(&config, set, engines[e], text, whole);
            assert_px_ok(px_train_start(&config, NULL, &result));
            px_train_result at_once = result;
            assert_px_ok(px_config_set(&config, "run", parts));
            static const char *const ends[] = {"1", "22", "43", "44", "60"};
            for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
                const char *changes[] = {"max-steps", ends[i], "checkpoint-every", i % 2 ? "7" : "0", NULL};
                assert_px_ok(px_config_set(&config, "max-steps", ends[i]));
                assert_px_ok(i == 0 ? px_train_start(&config, NULL, &result)
                                    : px_train_resume(parts, changes, NULL, &result));
                assert_int_equal(result.steps, atoi(ends[i]));
                assert_true(result.finished);
                /* a job with nothing left to do says the same */
                double train_loss = result.train_loss;
                assert_px_ok(px_train_resume(parts, NULL, NULL, &result));
                assert_true(memcmp(&train_loss, &result.train_loss, sizeof train_loss) == 0);
            }
            assert_same_run(whole, parts, option_sets[set].name);
            assert_true(memcmp(&at_once.valid_loss_zero, &result.valid_loss_zero, sizeof(double)) == 0);
            assert_true(memcmp(&at_once.valid_loss_carried, &result.valid_loss_carried, sizeof(double)) == 0);
            assert_true(memcmp(&at_once.train_loss, &result.train_loss, sizeof(double)) == 0);
            /* once more, with nothing left to do: the same end again */
            assert_px_ok(px_train_resume(parts, NULL, NULL, &result));
            assert_true(result.finished);
            assert_same_run(whole, parts, "resumed after its end");
            px_config_free(&config);
            scratch_destroy(folder);
        }
}

/* The evaluation at an end can give a better model than every evaluation that the longer run makes. The longer run
 * never saw it. */
static void a_best_model_of_an_end_does_not_outlive_it(void **state)
{
    enum { STEPS = 60 };
    char *folder = scratch_create(), every[16], end[16];
    const char *text = scratch_path(folder, "text"), *whole = scratch_path(folder, "whole"),
               *parts = scratch_path(folder, "parts"), *all = scratch_path(folder, "all");
    double loss[STEPS + 1] = {0};
    int period = 0, at = 0;
    px_config config;
    (void)state;
    write_text(text, 1500, 9);
    small_config(&config, text, all);
    static const char *const noisy[] = {"lr=4", "clip=0.5", "valid-every=1", NULL};
    set_all(&config, noisy);
    assert_px_ok(px_train_start(&config, NULL, &result));
    char *metrics = metrics_text(all);
    for (char *line = metrics; (line = strstr(line, "{\"event\":\"valid\"")); line++)
        loss[atoi(strstr(line, "\"step\":") + 7)] = atof(strstr(line, "\"valid_loss\":") + 13);
    free(metrics);
    /* a period whose first evaluation stays the best of its kind, and a step outside it that is better */
    for (int p = 10; p < 30 && !at; p++) {
        int first_is_best = 1;
        for (int k = 2 * p; k <= STEPS; k += p) first_is_best &= loss[k] > loss[p];
        first_is_best &= loss[STEPS] > loss[p];
        for (int e = p + 1; first_is_best && e < 2 * p && !at; e++)
            if (loss[e] < loss[p]) period = p, at = e;
    }
    assert_true(at > 0);
    snprintf(every, sizeof every, "%d", period);
    snprintf(end, sizeof end, "%d", at);
    assert_px_ok(px_config_set(&config, "valid-every", every));
    assert_px_ok(px_config_set(&config, "run", whole));
    assert_px_ok(px_train_start(&config, NULL, &result));
    assert_int_equal(result.best_step, period);
    assert_px_ok(px_config_set(&config, "run", parts));
    assert_px_ok(px_config_set(&config, "max-steps", end));
    assert_px_ok(px_train_start(&config, NULL, &result));
    assert_int_equal(result.best_step, at);
    const char *more[] = {"max-steps", "60", NULL};
    assert_px_ok(px_train_resume(parts, more, NULL, &result));
    assert_same_run(whole, parts, "beyond an end with a best model of its own");
    px_config_free(&config);
    scratch_destroy(folder);
}

static void end_the_process(void *context, const px_train_progress *progress)
{
    if (progress->step >= *(int64_t *)context) _exit(42);
}

/* The process dies between checkpoints: the checkpoint is older than metrics.jsonl, which is cut back. */
static void killed_between_checkpoints_and_resumed_is_the_same_run(void **state)
{
    (void)state;
    for (int set = 0; set < SETS; set++) {
        char *folder = scratch_create();
        const char *text = scratch_path(folder, "text"), *whole = scratch_path(folder, "whole"),
                   *parts = scratch_path(folder, "parts");
        px_config config;
        write_text(text, 1500, 3);
        config_of(&config, set, "reference", text, whole);
        assert_px_ok(px_config_set(&config, "checkpoint-every", "8"));
        assert_px_ok(px_train_start(&config, NULL, &result));
        assert_px_ok(px_config_set(&config, "run", parts));
        int64_t at = 31;
        int status;
        pid_t child = fork();
        if (child == 0) {
            px_train_hooks hooks = {.context = &at, .progress = end_the_process};
            px_train_start(&config, &hooks, &result);
            _exit(1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
        /* a line that was cut off in the middle, too */
        FILE *log = fopen(scratch_path(parts, "metrics.jsonl"), "a");
        fputs("{\"event\":\"train\",\"st", log);
        fclose(log);
        assert_px_ok(px_train_resume(parts, NULL, NULL, &result));
        assert_same_run(whole, parts, option_sets[set].name);
        px_config_free(&config);
        scratch_destroy(folder);
    }
}

/* The stop flag is set while an evaluation is being made: it is made again, first thing, in the next job. */
static void stopped_within_an_evaluation_is_the_same_run(void **state)
{
    char *folder = scratch_create();
    const char *text = scratch_path(folder, "text"), *whole = scratch_path(folder, "whole"),
               *parts = scratch_path(folder, "parts");
    px_config config;
    (void)state;
    write_text(text, 1500, 4);
    config_of(&config, 4, "reference", text, whole);
    assert_px_ok(
        px_config_set(&config, "log-every", "5")); /* as valid-every: the flag is up before the evaluation begins */
    assert_px_ok(px_train_start(&config, NULL, &result));
    assert_px_ok(px_config_set(&config, "run", parts));
    for (int64_t at = 10; at <= 40; at += 15) {
        stopper stop = {0, at};
        px_train_hooks hooks = {.context = &stop, .progress = stop_when_due, .stop = &stop.flag};
        assert_int_equal(at == 10 ? px_train_start(&config, &hooks, &result)
                                  : px_train_resume(parts, NULL, &hooks, &result),
                         PX_STOPPED);
        px_checkpoint last;
        assert_px_ok(px_checkpoint_open(scratch_path(parts, "last.safetensors"), &last));
        assert_int_equal(last.state.evaluation_due, 1);
        px_checkpoint_close(&last);
    }
    assert_px_ok(px_train_resume(parts, NULL, NULL, &result));
    assert_same_run(whole, parts, "stopped within an evaluation");
    px_config_free(&config);
    scratch_destroy(folder);
}

static void only_free_settings_may_change(void **state)
{
    char *folder = scratch_create();
    const char *text = scratch_path(folder, "text"), *run = scratch_path(folder, "run");
    px_config config;
    (void)state;
    write_text(text, 1500, 5);
    small_config(&config, text, run);
    assert_px_ok(px_config_set(&config, "max-steps", "10"));
    assert_px_ok(px_train_start(&config, NULL, &result));
    static const char *const fixed[][2] = {{"lr", "0.2"},           {"hidden", "12"},    {"seed", "7"},
                                           {"batch", "5"},          {"clip", "2"},       {"valid-every", "3"},
                                           {"schedule", "step"},    {"average", "from"}, {"on-nan", "rollback"},
                                           {"split", "0.7,0.1,0.1"}};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        const char *changes[] = {fixed[i][0], fixed[i][1], NULL};
        assert_px_fails(px_train_resume(run, changes, NULL, &result), PX_ERR_ARGUMENT, fixed[i][0]);
    }
    const char *elsewhere[] = {"run", "x", NULL}, *unknown[] = {"max-step", "12", NULL};
    assert_px_fails(px_train_resume(run, elsewhere, NULL, &result), PX_ERR_ARGUMENT, "stays in its folder");
    assert_px_fails(px_train_resume(run, unknown, NULL, &result), PX_ERR_ARGUMENT, "max-steps");
    const char *allowed[] = {"max-steps", "20", "epochs",           "9", "threads", "1", "device", "cpu",
                             "log-every", "2",  "checkpoint-every", "4", NULL};
    assert_px_ok(px_train_resume(run, allowed, NULL, &result));
    assert_int_equal(result.steps, 20);

    /* the run's own configuration follows, and the texts may not have changed */
    size_t bytes;
    char *written = (char *)read_bytes(scratch_path(run, "config"), &bytes);
    assert_non_null(strstr(written, "max-steps = 20"));
    assert_non_null(strstr(written, "log-every = 2"));
    free(written);
    written = (char *)read_bytes(text, &bytes); /* two letters change places: nothing is counted differently */
    size_t other = 501;
    while (written[other] == written[500]) other++;
    char moved = written[500];
    written[500] = written[other];
    written[other] = moved;
    write_bytes(text, written, bytes);
    free(written);
    assert_px_fails(px_train_resume(run, NULL, NULL, &result), PX_ERR_INPUT, "not the text");
    assert_px_fails(px_train_resume(folder, NULL, NULL, &result), PX_ERR_INPUT, "nothing to go on with");
    assert_px_fails(px_train_resume(scratch_path(folder, "none"), NULL, NULL, &result), PX_ERR_INPUT,
                    "no such run folder");
    px_config_free(&config);
    scratch_destroy(folder);
}

static void the_length_of_a_cosine_is_fixed_at_the_first_start(void **state)
{
    char *folder = scratch_create();
    const char *text = scratch_path(folder, "text"), *run = scratch_path(folder, "run");
    px_checkpoint last;
    px_config config;
    (void)state;
    write_text(text, 1500, 7);
    small_config(&config, text, run);
    assert_px_ok(px_config_set(&config, "schedule", "cosine"));
    assert_px_ok(px_config_set(&config, "max-steps", "30"));
    assert_px_ok(px_train_start(&config, NULL, &result));
    const char *more[] = {"max-steps", "40", NULL};
    assert_px_ok(px_train_resume(run, more, NULL, &result));
    assert_px_ok(px_checkpoint_open(scratch_path(run, "last.safetensors"), &last));
    assert_int_equal(last.config.schedule_steps, 30);
    assert_int_equal(last.config.max_steps, 40);
    px_checkpoint_close(&last);
    px_config_free(&config);
    scratch_destroy(folder);
}

/* `train --config RUN/config --run OTHER` */
static void a_run_is_repeated_from_its_own_configuration(void **state)
{
    char *folder = scratch_create();
    const char *text = scratch_path(folder, "text"), *first = scratch_path(folder, "first"),
               *second = scratch_path(folder, "second");
    px_config config, again;
    size_t bytes;
    (void)state;
    write_text(text, 1500, 8);
    config_of(&config, 1, "cpu", text, first);
    assert_px_ok(px_train_start(&config, NULL, &result));
    char *written = (char *)read_bytes(scratch_path(first, "config"), &bytes);
    px_config_default(&again);
    assert_px_ok(px_config_read(&again, written, bytes, "config"));
    assert_px_ok(px_config_set(&again, "run", second));
    assert_px_ok(px_train_start(&again, NULL, &result));
    assert_same_run(first, second, "repeated");
    free(written);
    px_config_free(&config);
    px_config_free(&again);
    scratch_destroy(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            killed_between_checkpoints_and_resumed_is_the_same_run), /* first: it forks before there are threads */
        cmocka_unit_test(stopped_by_the_flag_and_resumed_is_the_same_run),
        cmocka_unit_test(ended_and_given_more_steps_is_the_same_run),
        cmocka_unit_test(a_best_model_of_an_end_does_not_outlive_it),
        cmocka_unit_test(stopped_within_an_evaluation_is_the_same_run),
        cmocka_unit_test(only_free_settings_may_change),
        cmocka_unit_test(the_length_of_a_cosine_is_fixed_at_the_first_start),
        cmocka_unit_test(a_run_is_repeated_from_its_own_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
