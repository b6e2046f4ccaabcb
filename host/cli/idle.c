/* Flags without effect: see idle.h. */
#include "idle.h"

#include <stdio.h>
#include <string.h>

/* Why a flag has no effect, or NULL where it has. */
typedef const char *idle_reason(const px_config *config);

static const char *between(const px_config *c)
{
    return c->model.layers == 1 && c->model.dropout_between > 0 ? "the model has one layer" : NULL;
}

static const char *locked(const px_config *c)
{
    const px_model_config *m = &c->model;
    int drops = m->dropout_input > 0 || m->dropout_output > 0 || (m->layers > 1 && m->dropout_between > 0);
    return m->dropout_locked && !drops ? "no units are dropped" : NULL;
}

static const char *temporal(const px_config *c)
{
    return c->minibatch.steps == 1 && c->model.penalty_temporal > 0 ? "a window has one step" : NULL;
}

/* NULL where the optimiser reads that setting, else the ones that do. */
static const char *of_optimizers(const px_config *c, unsigned setting)
{
    static _Thread_local char text[128];
    const char *names[PX_OPTIMIZER_COUNT];
    int count = 0;
    if (px_optimizer_of(c->optimizer.kind)->settings & setting) return NULL;
    for (int kind = 0; kind < PX_OPTIMIZER_COUNT; kind++)
        if (px_optimizer_of((px_optimizer)kind)->settings & setting)
            names[count++] = px_optimizer_of((px_optimizer)kind)->name;
    size_t used = (size_t)snprintf(text, sizeof text, "it is for --optimizer ");
    for (int i = 0; i < count && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s",
                                 i == 0           ? ""
                                 : i == count - 1 ? " and "
                                                  : ", ",
                                 names[i]);
    return text;
}

static const char *momentum(const px_config *c) { return of_optimizers(c, PX_USES_MOMENTUM); }

static const char *betas(const px_config *c) { return of_optimizers(c, PX_USES_BETAS); }

static const char *alpha(const px_config *c) { return of_optimizers(c, PX_USES_ALPHA); }

static const char *epsilon(const px_config *c) { return of_optimizers(c, PX_USES_EPSILON); }

/* Tokens of the text that the model lacks are drawn, too; weights between hidden units never. */
static const char *drawn(const px_config *c)
{
    return c->init_from && c->vocabulary_from == PX_VOCABULARY_FROM_MODEL ? "--init-from gives all weights" : NULL;
}

static const char *recurrent(const px_config *c) { return c->init_from ? "--init-from gives these weights" : NULL; }

static const char *vocabulary_from(const px_config *c)
{
    return c->init_from ? NULL : "it is for --init-from; the vocabulary is the text's";
}

static const char *gain(const px_config *c)
{
    if (c->init_from) return recurrent(c);
    return c->model.init_recurrent == PX_INIT_RECURRENT_SAME ? "it is for --init-recurrent orthogonal and identity"
                                                             : NULL;
}

static const char *wavefront(const px_config *c)
{
    const int whole = c->wavefront >= c->minibatch.steps && c->minibatch.steps_jitter <= 0;
    return whole ? "windows of --steps are no longer than one of its pieces" : NULL;
}

static const char *reset_probability(const px_config *c)
{
    return c->minibatch.partition == PX_PARTITION_RANDOM && c->minibatch.reset_probability > 0
               ? "with --partition random every window starts from a zero state"
               : NULL;
}

static const char *cosine(const px_config *c)
{
    return c->schedule != PX_SCHEDULE_COSINE ? "it is for --schedule cosine" : NULL;
}

static const char *step(const px_config *c)
{
    return c->schedule != PX_SCHEDULE_STEP ? "it is for --schedule step" : NULL;
}

static const char *factor(const px_config *c)
{
    return c->schedule != PX_SCHEDULE_STEP && c->schedule != PX_SCHEDULE_PLATEAU
               ? "it is for --schedule step and plateau"
               : NULL;
}

static const char *plateau(const px_config *c)
{
    return c->schedule != PX_SCHEDULE_PLATEAU ? "it is for --schedule plateau" : NULL;
}

static const char *average_from(const px_config *c)
{
    return c->average != PX_AVERAGE_FROM ? "it is for --average from" : NULL;
}

static const char *average_patience(const px_config *c)
{
    return c->average != PX_AVERAGE_STALL ? "it is for --average stall" : NULL;
}

static const char *rollback(const px_config *c)
{
    return c->on_nan != PX_ON_NAN_ROLLBACK ? "it is for --on-nan rollback" : NULL;
}

static const char *invalid(const px_config *c)
{
    return c->corpus.text.level == PX_LEVEL_BYTE ? "at level byte bytes are read as they are" : NULL;
}

static const char *split(const px_config *c)
{
    if (c->corpus.valid && c->corpus.test) return "beside --valid and --test all of --data is trained on";
    return c->corpus.valid ? "beside --valid all of --data is trained on, and only --test is tested" : NULL;
}

static const struct {
    const char *flag;
    idle_reason *reason;
} rows[] = {
    {"dropout-between", between},
    {"dropout-locked", locked},
    {"penalty-temporal", temporal},
    {"momentum", momentum},
    {"beta1", betas},
    {"beta2", betas},
    {"alpha", alpha},
    {"epsilon", epsilon},
    {"init", drawn},
    {"init-scale", drawn},
    {"init-recurrent", recurrent},
    {"init-gain", gain},
    {"vocabulary-from", vocabulary_from},
    {"reset-probability", reset_probability},
    {"schedule-steps", cosine},
    {"lr-min", cosine},
    {"lr-step-every", step},
    {"lr-factor", factor},
    {"lr-patience", plateau},
    {"average-from", average_from},
    {"average-patience", average_patience},
    {"rollback-factor", rollback},
    {"invalid", invalid},
    {"wavefront", wavefront},
    {"split", split},
};

void px_idle_flags(const px_command_line *line, const px_config *config, void (*say)(void *context, const char *text),
                   void *context)
{
    char text[256];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *value = px_command_line_typed(line, rows[i].flag), *reason = value ? rows[i].reason(config) : NULL;
        if (!reason) continue;
        snprintf(text, sizeof text, "warning: --%s %.60s has no effect: %s", rows[i].flag, value, reason);
        say(context, text);
    }
    if (!config->corpus.valid && config->corpus.test && config->corpus.split[2] > 0) {
        snprintf(text, sizeof text,
                 "warning: the last share of --split, %.10g of --data, is used for nothing: --test is what is tested; "
                 "--split %.10g,%.10g,0 "
                 "trains on it",
                 config->corpus.split[2], 1 - config->corpus.split[1], config->corpus.split[1]);
        say(context, text);
    }
    /* the default is for runs of some length; a trial of a few steps needs no word about it */
    if (px_command_line_typed(line, "warmup-steps") && config->max_steps > 0 &&
        config->warmup_steps >= config->max_steps && config->schedule_steps <= config->max_steps) {
        snprintf(text, sizeof text,
                 "warning: --warmup-steps %lld: the learning rate rises to the end, as there are %lld steps",
                 (long long)config->warmup_steps, (long long)config->max_steps);
        say(context, text);
    }
}
