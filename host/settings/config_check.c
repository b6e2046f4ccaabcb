/* What depends on several settings at once, and what a resumed run may change (config.h). */
#include "config.h"
#include "check.h"
#include "window_cuts.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REFUSE(...) return px_fail(PX_ERR_ARGUMENT, __VA_ARGS__)

/* Every number inside its row's range: a configuration may also have been filled in by a program. */
static px_status check_ranges(const px_config *config)
{
    for (size_t i = 0; i < px_option_count; i++) {
        const px_option *option = &px_options[i];
        const void *place = (const char *)config + option->offset;
        double value;
        int choices = 0;
        switch (option->type) {
        case PX_OPTION_INT32: value = *(const int32_t *)place; break;
        case PX_OPTION_INT64: value = (double)*(const int64_t *)place; break;
        case PX_OPTION_DOUBLE: value = *(const double *)place; break;
        case PX_OPTION_ENUM:
            while (option->choices[choices]) choices++;
            if (*(const int *)place < 0 || *(const int *)place >= choices)
                REFUSE("--%s: %d is none of its choices", option->name, *(const int *)place);
            continue;
        default: continue;
        }
        if (!(value >= option->min && value <= option->max))
            REFUSE("--%s %.10g: not accepted; it takes a number from %.10g to %.10g", option->name, value, option->min,
                   option->max);
    }
    return PX_OK;
}

static px_status check_corpus(const px_config *config)
{
    double sum = config->corpus.split[0] + config->corpus.split[1] + config->corpus.split[2];
    for (int i = 0; i < 3; i++)
        if (!(config->corpus.split[i] >= 0 && config->corpus.split[i] <= 1))
            REFUSE("--split: %.10g is not a share from 0 to 1", config->corpus.split[i]);
    if (!(config->corpus.split[0] > 0)) REFUSE("--split: nothing is left to train on; the first share must be above 0");
    if (sum > 1 + 1e-9)
        REFUSE("--split %.10g,%.10g,%.10g: the shares add up to %.10g; they may add up to 1", config->corpus.split[0],
               config->corpus.split[1], config->corpus.split[2], sum);
    if (config->corpus.max_vocab == 1)
        REFUSE("--max-vocab 1: only <unk> would be left; give at least 2, or 0 for all tokens");
    if (config->corpus.max_vocab > INT_MAX)
        REFUSE("--max-vocab %lld: at most %d", (long long)config->corpus.max_vocab, INT_MAX);
    if (config->corpus.limit_tokens == 1) REFUSE("--limit-tokens 1: at least 2 tokens are needed to predict one");
    return PX_OK;
}

/* Windows of random lengths: of a sequential partition, and none longer than twice T. */
static px_status check_jitter(const px_minibatch_settings *m)
{
    if (m->steps_jitter > 0 && m->partition == PX_PARTITION_RANDOM)
        REFUSE("--steps-jitter %g: random windows are all cut alike; leave --partition random out", m->steps_jitter);
    if (3 * m->steps_jitter > m->steps)
        REFUSE("--steps-jitter %g: more than a third of --steps %d; lower it", m->steps_jitter, m->steps);
    return PX_OK;
}

static px_status check_sizes(const px_config *config)
{
    const px_model_config *model = &config->model;
    PX_TRY(check_jitter(&config->minibatch));
    const int64_t longest = px_window_longest(config->minibatch.steps, config->minibatch.steps_jitter),
                  rows = config->minibatch.batch * longest;
    if (rows > INT_MAX)
        REFUSE("--batch %d --steps %d: %lld tokens a window are too many (at most %d); lower one of them",
               config->minibatch.batch, config->minibatch.steps, (long long)rows, INT_MAX);
    if (model->tied && model->embed == 0)
        REFUSE("--tied: needs an embedding table to share; add --embed d, for example --embed %d", model->hidden);
    /* Beyond any machine's memory: refused here, so that no size overflows further on. Less is the engine's to judge.
     */
    double floats =
        (double)model->layers * (double)rows * model->hidden + (double)model->layers * model->hidden * model->hidden;
    if (floats > 0x1p42)
        REFUSE("--hidden %d --layers %d --batch %d --steps %d: needs %.0f TB of memory; lower them", model->hidden,
               model->layers, config->minibatch.batch, config->minibatch.steps, floats * 4e-12);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (processors > 0 && config->threads > 4 * processors)
        REFUSE("--threads %d: this machine has %ld processors; give --threads 0 to use all of them", config->threads,
               processors);
    return PX_OK;
}

static px_status check_output(const px_model_config *model)
{
    if (model->tied && model->output == PX_OUTPUT_ADAPTIVE)
        REFUSE("--tied --output adaptive: its clusters have tables of their own widths, none of which is the embedding "
               "table; leave one of the two out");
    if (model->cutoffs.count > 0 && model->output != PX_OUTPUT_ADAPTIVE)
        REFUSE("--cutoffs: only --output adaptive has clusters; add it, or leave --cutoffs out");
    return PX_OK;
}

static px_status check_training(const px_config *config)
{
    int validates = config->corpus.valid || config->corpus.split[1] > 0;
    const char *remedy = "give --valid FILE or a second share in --split";
    if (config->epochs == 0 && config->max_steps == 0 && config->early_stop == 0)
        REFUSE("nothing ends the run: give --epochs, --max-steps or --early-stop");
    if (config->schedule == PX_SCHEDULE_COSINE && config->schedule_steps == 0 && config->epochs == 0 &&
        config->max_steps == 0)
        REFUSE("--schedule cosine: its length is not known; give --schedule-steps, --epochs or --max-steps");
    if (config->schedule == PX_SCHEDULE_STEP && config->lr_step_every == 0)
        REFUSE("--schedule step: give --lr-step-every k, the steps after which the rate is multiplied by --lr-factor");
    if (!validates && config->schedule == PX_SCHEDULE_PLATEAU)
        REFUSE("--schedule plateau: needs validation; %s", remedy);
    if (!validates && config->early_stop > 0)
        REFUSE("--early-stop %lld: needs validation; %s", (long long)config->early_stop, remedy);
    if (!validates && config->average == PX_AVERAGE_STALL) REFUSE("--average stall: needs validation; %s", remedy);
    if (!validates && config->valid_every > 0)
        REFUSE("--valid-every %lld: there is nothing to validate on; %s", (long long)config->valid_every, remedy);
    if (config->checkpoint_every.seconds > 0 && config->on_nan == PX_ON_NAN_ROLLBACK)
        REFUSE("--checkpoint-every %llds: with --on-nan rollback the clock would decide how the run goes on; give a "
               "number of steps",
               (long long)config->checkpoint_every.seconds);
    if (config->minibatch.partition == PX_PARTITION_RANDOM && config->corpus.reset_at)
        REFUSE("--reset-at: with --partition random every window starts from a zero state; leave one of them out");
    return PX_OK;
}

int px_config_keeps_vocabulary(const px_config *config)
{
    return config->init_from && config->vocabulary_from == PX_VOCABULARY_FROM_MODEL;
}

static px_status check_origin(const px_config *config)
{
    if (!config->init_from && config->init_moments)
        REFUSE("--init-moments: whose moments? name the last.safetensors of a run by --init-from");
    if (!config->init_from && config->init_fingerprint)
        REFUSE("--init-fingerprint: there is no model to compare; name it by --init-from");
    if (px_config_keeps_vocabulary(config) && (config->corpus.min_count > 1 || config->corpus.max_vocab > 0))
        REFUSE("--%s: with --init-from the vocabulary is the model's; leave it out, or give --vocabulary-from text",
               config->corpus.min_count > 1 ? "min-count" : "max-vocab");
    return PX_OK;
}

px_status px_config_check(const px_config *config)
{
    PX_TRY(check_ranges(config));
    PX_TRY(check_corpus(config));
    PX_TRY(check_output(&config->model)); /* first: sizes would ask for an embedding that this then refuses */
    PX_TRY(check_sizes(config));
    PX_TRY(check_origin(config));
    return check_training(config);
}

px_status px_config_check_resume(const px_config *saved, const px_config *asked)
{
    for (size_t i = 0; i < px_option_count; i++) {
        const px_option *option = &px_options[i];
        if (option->resume == PX_RESUME_FREE) continue;
        char was[512], is[512];
        int same;
        if (option->type == PX_OPTION_STRING) {
            const char *a = *(char *const *)((const char *)saved + option->offset),
                       *b = *(char *const *)((const char *)asked + option->offset);
            same = strcmp(a ? a : "", b ? b : "") == 0;
        } else {
            px_config_get(saved, option, was, sizeof was);
            px_config_get(asked, option, is, sizeof is);
            same = strcmp(was, is) == 0;
        }
        if (same) continue;
        px_config_get(saved, option, was, sizeof was);
        px_config_get(asked, option, is, sizeof is);
        REFUSE("--%s %.100s: the run was started with '%.100s', and a resumed run cannot change it; start a new run "
               "instead",
               option->name, is, was);
    }
    return PX_OK;
}
