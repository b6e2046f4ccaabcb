/* What a training would need: sizes, bytes and time, from a few real steps of which nothing is kept. See train.h. */
#include "run.h"

#include "check.h"
#include "checkpoint.h"
#include "machine.h"
#include "minibatch.h"
#include "rate_scaling.h"
#include "registry.h"
#include "schedule.h"
#include "step.h"
#include "together.h"
#include "train.h"
#include "tree.h"

#include <stdio.h>

enum { STEPS_LEAST = 3, STEPS_MOST = 50 };
static const double SECONDS_ENOUGH = 1.0;

/* One window of the first epoch, as in training. */
static px_status one_step(px_run *run, int64_t window, int64_t *tokens)
{
    px_run_position at = {0, window, window};
    px_metrics metrics;
    px_update update = {.step = (uint64_t)window,
                        .moment_steps = run->state.moment_steps,
                        .lr = px_schedule_rate(&run->config, &run->state, window)};
    PX_TRY(px_run_step(run, &at, &update));
    PX_TRY(px_run_step_sums(run, &metrics)); /* waits for the device */
    *tokens = metrics.tokens;
    return PX_OK;
}

static px_status time_steps(px_run *run, px_train_plan *plan)
{
    int64_t windows = plan->steps_per_epoch, tokens, sum = 0, first_tokens;
    double started, seconds = 0;
    PX_TRY(one_step(run, 0, &first_tokens)); /* pages are touched, products prepared: not timed */
    started = px_clock();
    for (int64_t i = 1; i <= STEPS_MOST && (i <= STEPS_LEAST || seconds < SECONDS_ENOUGH); i++) {
        if (px_run_stop_asked(run)) return px_fail(PX_STOPPED, "stopped; nothing was kept");
        PX_TRY(one_step(run, i % windows, &tokens));
        sum += tokens;
        seconds = px_clock() - started;
    }
    plan->tokens_per_s = seconds > 0 ? (double)sum / seconds : 0;
    if (plan->tokens_per_s > 0)
        plan->seconds_per_epoch = (double)px_minibatches_targets(run->windows, 0) / plan->tokens_per_s;
    return PX_OK;
}

static void plan_rates(const px_run *run, px_train_plan *plan)
{
    for (int32_t k = 0; k < run->parameters.tensor_count; k++) {
        const px_tensor *tensor = &run->parameters.tensor[k];
        px_train_rate *rate = &plan->rates[plan->rate_count++];
        snprintf(rate->tensor, sizeof rate->tensor, "%s", tensor->name);
        rate->factor = px_rate_factor(&run->config.model, &run->config.optimizer, tensor);
    }
}

static px_status plan_run(px_run *run, px_train_plan *plan)
{
    PX_TRY(px_run_open(run));
    const px_corpus *corpus = &run->corpus;
    plan->train_tokens = (int64_t)(corpus->train.end - corpus->train.begin);
    plan->valid_tokens = (int64_t)(corpus->valid.end - corpus->valid.begin);
    plan->test_tokens = (int64_t)(corpus->test.end - corpus->test.begin);
    plan->vocabulary = run->config.model.vocab;
    plan->parameters = (int64_t)run->parameters.weights;
    plan->steps_per_epoch = px_minibatches_per_epoch(run->windows, 0);
    PX_TRY(px_engine_memory_of(px_device_or_default(run->config.device), &run->config.model, &run->config.optimizer,
                               &run->engine->shape, &plan->memory));
    /* what passes through to checkpoints is the run's, beside the engine's */
    size_t buffer_bytes = px_checkpoint_buffer_count(&run->parameters, &run->config) * sizeof(float);
    if (run->share.reduce == PX_REDUCE_TREE) buffer_bytes += px_tree_bytes(run->share.windows, run->parameters.count);
    plan->memory.workspace += buffer_bytes;
    plan->memory.total += buffer_bytes;
    PX_TRY(px_engine_describe(run->engine, plan->device, sizeof plan->device));
    plan_rates(run, plan);
    PX_TRY(px_run_initialise(run));
    return time_steps(run, plan);
}

px_status px_train_dry_run(const px_config *config, const px_train_hooks *hooks, px_train_plan *plan)
{
    px_run run = {0};
    px_train_result ignored = {0};
    *plan = (px_train_plan){0};
    px_status status;
    PX_TRY_GOTO(status, px_run_prepare(&run, config, hooks, &ignored), done);
    status = run.comm->size > 1
                 ? px_fail(PX_ERR_ARGUMENT, "--dry-run: measures one process; start it without mpirun or srun")
                 : plan_run(&run, plan);
done:
    px_run_close(&run);
    return status;
}
