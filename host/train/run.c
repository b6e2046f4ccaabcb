/* Opening and closing what a run works with: see run.h. */
#include "run.h"

#include "check.h"
#include "checkpoint.h"
#include "fingerprint.h"
#include "gpus.h"
#include "machine.h"
#include "metrics_log.h"
#include "minibatch.h"
#include "model_file.h"
#include "nccl.h"
#include "observe.h"
#include "origin.h"
#include "paths.h"
#include "run_lock.h"
#include "run_text.h"
#include "step.h"
#include "text_buffer.h"
#include "utf8.h"
#include "window_cuts.h"
#include "together.h"
#include "tree.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- corpus ------------------------------------------------------------------------------------------------------ */

static size_t length(px_range range) { return range.end - range.begin; }

static px_status open_corpus(px_run *run)
{
    const px_config *config = &run->config;
    if (!config->corpus.data) return px_fail(PX_ERR_ARGUMENT, "there is nothing to train on; give --data FILE");
    px_corpus_request request;
    px_run_text_request(config, &request);
    request.vocabulary = run->given_vocabulary;
    char name[PX_PATHS_NAME_BYTES];
    PX_TRY(px_corpus_open(&request, &run->corpus));
    if (length(run->corpus.train) < 2)
        return px_fail(PX_ERR_INPUT, "%s: %zu tokens to train on; at least 2 are needed",
                       px_paths_name(config->corpus.data, name), length(run->corpus.train));
    /* a given text must be usable; a share by position may round to nothing */
    if (config->corpus.valid && length(run->corpus.valid) < 2)
        return px_fail(PX_ERR_INPUT, "%s: %zu tokens to validate on; at least 2 are needed",
                       px_paths_name(config->corpus.valid, name), length(run->corpus.valid));
    if (config->corpus.test && length(run->corpus.test) < 2)
        return px_fail(PX_ERR_INPUT, "%s: %zu tokens to test on; at least 2 are needed",
                       px_paths_name(config->corpus.test, name), length(run->corpus.test));
    run->validates = length(run->corpus.valid) >= 2;
    if (!run->validates &&
        (config->early_stop > 0 || config->schedule == PX_SCHEDULE_PLATEAU || config->average == PX_AVERAGE_STALL))
        return px_fail(PX_ERR_ARGUMENT,
                       "%s: too short for the validation that --early-stop, --schedule plateau or --average stall "
                       "needs; give --valid FILE",
                       px_paths_name(config->corpus.data, name));
    run->config.model.vocab = px_vocabulary_size(run->corpus.vocabulary);
    PX_TRY(px_model_settle_cutoffs(run->corpus.vocabulary, &run->config.model)); /* settled for all jobs of this run */
    run->config.corpus.text.level = px_vocabulary_options(run->corpus.vocabulary).level; /* a token file's is its own */
    run->config.corpus.text.normalise = px_vocabulary_options(run->corpus.vocabulary).normalise;
    run->vocabulary = px_vocabulary_write(run->corpus.vocabulary);
    if (!run->vocabulary) return px_fail(PX_ERR_MEMORY, "no memory for the vocabulary's text");
    return px_model_reset_id(run->corpus.vocabulary, config->corpus.reset_at, &run->reset_id);
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

/* Steps of the first `epochs` epochs; windows of random epochs and lengths differ, so they are counted while that is
 * quick: an epoch of random lengths is drawn to be counted. */
static int64_t steps_of_epochs(px_minibatches *windows, int64_t epochs, int drawn)
{
    enum { COUNTED = 100000, DRAWN = 10000000 };
    const int64_t most = drawn ? 1 + DRAWN / px_minibatches_per_epoch(windows, 0) : COUNTED;
    int64_t steps = 0, counted = epochs < most ? epochs : most;
    for (int64_t epoch = 0; epoch < counted; epoch++) steps += px_minibatches_per_epoch(windows, epoch);
    int64_t rest, per_epoch = px_minibatches_per_epoch(windows, 0);
    if (__builtin_mul_overflow(epochs - counted, per_epoch, &rest) || __builtin_add_overflow(steps, rest, &steps))
        return INT64_MAX;
    return steps;
}

static px_status open_windows(px_run *run)
{
    px_config *config = &run->config;
    px_minibatch_options options = {.range = run->corpus.train,
                                    .n = config->minibatch.batch,
                                    .T = config->minibatch.steps,
                                    .jitter = config->minibatch.steps_jitter,
                                    .random = config->minibatch.partition == PX_PARTITION_RANDOM,
                                    .reset_probability = config->minibatch.reset_probability,
                                    .reset_id = run->reset_id,
                                    .seed = config->seed};
    PX_TRY(px_minibatches_create(&options, &run->windows));
    run->epochs = config->epochs;
    run->steps_in_all =
        config->epochs > 0 ? steps_of_epochs(run->windows, config->epochs, config->minibatch.steps_jitter > 0) : 0;
    if (config->max_steps > 0 && (run->steps_in_all == 0 || config->max_steps < run->steps_in_all))
        run->steps_in_all = config->max_steps;
    /* the length of a schedule is part of the run: fixed here, at the first start, and kept in its configuration */
    if (config->schedule == PX_SCHEDULE_COSINE && config->schedule_steps == 0)
        config->schedule_steps = run->steps_in_all;
    return PX_OK;
}

static px_status open_engine(px_run *run)
{
    px_config *config = &run->config;
    px_engine_shape shape = {.n = run->share.n,
                             .groups = run->share.windows,
                             .T = px_window_longest(config->minibatch.steps, config->minibatch.steps_jitter),
                             .lengths = px_window_lengths(config->minibatch.steps, config->minibatch.steps_jitter),
                             .training = 1,
                             .averaging = config->average != PX_AVERAGE_NONE,
                             .threads = config->threads,
                             .precision = config->precision,
                             .recurrence = config->recurrence,
                             .wavefront = config->wavefront,
                             .products = config->products,
                             .seed = config->seed};
    PX_TRY(px_parameters_make(&config->model, &run->parameters));
    PX_TRY(px_engine_create(run->device, &config->model, &config->optimizer, &shape, &run->engine));
    /* settled for all jobs of this run */
    if (config->recurrence == PX_RECURRENCE_AUTO) config->recurrence = px_engine_recurrence(run->engine);
    if (config->wavefront == PX_WAVEFRONT_AUTO) config->wavefront = px_engine_wavefront(run->engine);
    if (config->products == PX_PRODUCTS_AUTO) config->products = px_engine_products(run->engine).library;
    run->reads_each_step = run->on_cpu;
    size_t count = px_checkpoint_buffer_count(&run->parameters, config);
    run->buffer = calloc(count, sizeof *run->buffer);
    if (!run->buffer)
        return px_fail(PX_ERR_MEMORY, "no memory for the %zu values that pass through to checkpoints", count);
    return px_run_open_reduction(run);
}

/* A run keeps its settings in files of UTF-8: a name that is none is refused before there is any work to lose. */
static px_status check_names(const px_config *config)
{
    for (size_t i = 0; i < px_option_count; i++) {
        if (px_options[i].type != PX_OPTION_STRING) continue;
        const char *text = *(char *const *)((const char *)config + px_options[i].offset);
        if (text && !px_utf8_is_valid(text, strlen(text)))
            return px_fail(
                PX_ERR_ARGUMENT,
                "--%s %.400s: not UTF-8, which a run's files must be; rename it, or make a link of another name to it",
                px_options[i].name, text);
    }
    return PX_OK;
}

px_status px_run_prepare(px_run *run, const px_config *config, const px_train_hooks *hooks, px_train_result *result)
{
    static const px_train_hooks no_hooks;
    const px_engine_ops *ops;
    int ordinal;
    run->hooks = hooks ? hooks : &no_hooks;
    run->result = result;
    run->alone = (px_comm){.size = 1};
    run->comm = run->hooks->comm ? run->hooks->comm : &run->alone;
    run->job_started = px_clock();
    run->checkpoint_step = -1;
    run->last_step = -1;
    run->bad.bad_step = -1;
    run->unigram_loss = NAN;
    PX_TRY(px_config_copy(&run->config, config));
    PX_TRY(px_config_check(&run->config));
    PX_TRY(check_names(&run->config));
    /* an unknown device ends the run before a large text is read */
    PX_TRY(px_run_choose_device(run));
    PX_TRY(px_engine_find(run->device, &ops, &ordinal));
    run->on_cpu = ops->on_host;
    PX_TRY(px_share_make(&run->config, run->comm->rank, run->comm->size, run->on_cpu, &run->share));
    run->config.ranks.reduce = run->share.reduce; /* settled for all jobs of this run */
    if (run->comm->size > 1 && config->corpus.data && px_paths_hold(config->corpus.data, "-"))
        return px_fail(PX_ERR_ARGUMENT, "--data -: only one of %d ranks has a standard input; give a file",
                       (int)run->comm->size);
    return PX_OK;
}

px_status px_run_open_texts(px_run *run)
{
    px_corpus_close(&run->corpus);
    free(run->vocabulary);
    run->vocabulary = NULL;
    PX_TRY(open_corpus(run));
    px_run_state_start(&run->state);
    return px_corpus_hash(&run->corpus, &run->state.corpus_hash);
}

px_status px_run_open_engine(px_run *run)
{
    PX_TRY(open_windows(run));
    return open_engine(run);
}

px_status px_run_open(px_run *run)
{
    PX_TRY(px_run_open_origin(run));
    PX_TRY(px_run_open_texts(run));
    return px_run_open_engine(run);
}

void px_run_close(px_run *run)
{
    px_run_observe_end(run);
    px_metrics_log_close(run->log);
    px_run_lock_release(run->lock);
    if (run->nccl && run->comm->broken)
        px_nccl_give_up(run->nccl); /* sums under way would wait for ranks that have gone */
    px_engine_destroy(run->engine); /* waits for what is under way */
    px_nccl_destroy(run->nccl);
    px_tree_destroy(run->tree);
    free(run->hidden);
    px_minibatches_destroy(run->windows);
    px_run_close_origin(run);
    px_corpus_close(&run->corpus);
    px_config_free(&run->config);
    free(run->vocabulary);
    free(run->buffer);
    free(run->folder);
    free(run->place);
    free(run->config_path);
    free(run->metrics_path);
    free(run->best_path);
    free(run->last_path);
    free(run->kept_path);
    *run = (px_run){0};
}

px_status px_run_initialise(px_run *run)
{
    PX_TRY(px_parameters_init(&run->parameters, &run->config.model, run->config.seed, run->buffer));
    if (run->origin) {
        PX_TRY(px_run_take_origin(run));
        px_run_close_origin(run);
        return PX_OK;
    }
    return px_engine_write(run->engine, PX_SECTION_PARAMETERS, run->buffer);
}

int64_t px_run_epoch_number(const px_run *run)
{
    return run->state.window == 0 && run->state.step > 0 ? run->state.epoch : run->state.epoch + 1;
}

void px_run_line(const px_run *run, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (!run->hooks->line || !px_run_leads(run)) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    run->hooks->line(run->hooks->context, text);
}
