/* What cmd_eval.c, eval_models.c and eval_lines.c share. */
#ifndef PX_EVAL_H
#define PX_EVAL_H

#include "config.h"
#include "dynamic_flags.h"
#include "evaluate.h"
#include "model_file.h"
#include "options.h"
#include "progress.h"
#include "scored_text.h"

typedef struct eval_flags {
    px_flag_list models;
    const char *model, *per_token; /* model: the first of them */
    const char *split_of[2];       /* RUN, valid or test; NULL where not given */
    const char *train_text;
    px_dynamic_flags dynamic;
    int32_t batch, steps;
    int lines, json;
} eval_flags;

/* A text that is to be scored, and what with. */
typedef struct px_eval_job {
    const eval_flags *flags;
    const px_config *config;
    const px_model_file *first; /* the first of flags->models */
    const px_scored_text *text;
    px_dynamic_texts texts;
    px_status (*per_token)(void *context, int32_t id, double nll); /* may be NULL */
    void *context;
    px_progress *progress;
} px_eval_job;

/* One model's part of a result. */
typedef struct px_eval_score {
    px_evaluation result;
    px_dynamic_used dynamic;
} px_eval_score;

/* Scores the text under each of flags->models: scores [models.count]; result: of the mean of their probabilities, or of
 * the one that there is, and its tokens to per_token. PX_ERR_ARGUMENT names a model of another vocabulary. */
px_status px_eval_models(const px_eval_job *job, px_eval_score *scores, px_evaluation *result);

/* Says it where a text has tokens that stand as <unk>, and the training had none. */
void px_eval_note_unknown(const px_vocabulary *vocabulary, int64_t unknown);

/* Scores each line of config->corpus.data on its own and prints. A line is scored as if it stood between two line ends;
 * where the model does not know line ends, its first token is only read. Results do not depend on the order of lines.
 */
px_status px_eval_lines(const eval_flags *flags, const px_config *config, const px_model_file *model);

#endif
