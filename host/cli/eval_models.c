/* perplex eval: a text under one model, or under several whose probabilities are averaged; each as it is, or by dynamic
 * evaluation. */
#include "check.h"
#include "ensemble.h"
#include "eval.h"
#include "inputs.h"
#include "model_engine.h"
#include "registry.h"

#include <string.h>

/* ---- one model --------------------------------------------------------------------------------------------------- */

static px_status score_static(const px_eval_job *job, const px_model_file *model, px_evaluate_options *options,
                              px_eval_score *score)
{
    const eval_flags *flags = job->flags;
    px_engine *engine;
    options->n = flags->batch;
    options->T = flags->steps;
    PX_TRY(px_model_file_engine(model, px_device_or_default(job->config->device), flags->batch, flags->steps,
                                px_model_file_threads(model, job->config->threads, flags->batch), &engine));
    px_status status = px_evaluate(engine, job->text->range, options, &score->result);
    px_engine_destroy(engine);
    return status;
}

static px_status score_dynamic(const px_eval_job *job, const px_model_file *model, const px_evaluate_options *options,
                               px_eval_score *score)
{
    px_dynamic *dynamic;
    PX_TRY(px_dynamic_open(&job->flags->dynamic, model, px_device_or_default(job->config->device),
                           px_model_file_threads(model, job->config->threads, 1), &job->texts, job->progress, &dynamic,
                           &score->dynamic));
    px_status status = px_dynamic_evaluate(dynamic, job->text->range, options, &score->result);
    px_dynamic_destroy(dynamic);
    return status;
}

static px_status score_one(const px_eval_job *job, const px_model_file *model, const char *name,
                           px_status (*per_token)(void *context, int32_t id, double nll), void *context,
                           px_eval_score *score)
{
    px_evaluate_options options = {.reset_id = model->reset_id,
                                   .per_token = per_token,
                                   .context = context,
                                   .progress = px_progress_hook_share,
                                   .progress_context = job->progress};
    px_status status = job->flags->dynamic.rate ? score_dynamic(job, model, &options, score)
                                                : score_static(job, model, &options, score);
    px_progress_clear(job->progress);
    return status == PX_OK ? px_evaluate_check(name, score->result.loss) : status;
}

/* ---- several ------------------------------------------------------------------------------------------------------
 */

static px_status open_like_first(const px_eval_job *job, const char *name, px_model_file *model)
{
    PX_TRY(px_input_model(name, model));
    if (px_vocabulary_hash(model->vocabulary) == px_vocabulary_hash(job->first->vocabulary)) return PX_OK;
    px_model_file_close(model);
    return px_fail(PX_ERR_ARGUMENT,
                   "--model %s: its vocabulary is not that of %s; probabilities of the same tokens alone can be "
                   "averaged, so score it by itself",
                   name, job->flags->models.value[0]);
}

static px_status add_first(const px_eval_job *job, px_ensemble *ensemble, px_eval_score *score)
{
    px_ensemble_begin(ensemble);
    return score_one(job, job->first, job->flags->models.value[0], px_ensemble_add, ensemble, score);
}

static px_status add_other(const px_eval_job *job, const char *name, px_ensemble *ensemble, px_eval_score *score)
{
    px_model_file other;
    PX_TRY(open_like_first(job, name, &other));
    px_ensemble_begin(ensemble);
    px_status status = score_one(job, &other, name, px_ensemble_add, ensemble, score);
    px_model_file_close(&other);
    return status;
}

static px_status score_several(const px_eval_job *job, px_eval_score *scores, px_evaluation *result)
{
    const size_t count = job->flags->models.count;
    px_ensemble *ensemble;
    double seconds = 0;
    PX_TRY(px_ensemble_create(job->text->range.end - job->text->range.begin - 1, &ensemble));
    px_status status;
    PX_TRY_GOTO(status, add_first(job, ensemble, &scores[0]), done);
    for (size_t i = 1; i < count; i++)
        PX_TRY_GOTO(status, add_other(job, job->flags->models.value[i], ensemble, &scores[i]), done);
    for (size_t i = 0; i < count; i++) seconds += scores[i].result.seconds;
    status = px_ensemble_result(ensemble, job->per_token, job->context, result);
    result->seconds = seconds;
done:
    px_ensemble_destroy(ensemble);
    return status;
}

px_status px_eval_models(const px_eval_job *job, px_eval_score *scores, px_evaluation *result)
{
    memset(scores, 0, job->flags->models.count * sizeof *scores);
    *result = (px_evaluation){0};
    if (job->flags->models.count > 1) return score_several(job, scores, result);
    PX_TRY(score_one(job, job->first, job->flags->model, job->per_token, job->context, scores));
    *result = scores->result;
    return PX_OK;
}
