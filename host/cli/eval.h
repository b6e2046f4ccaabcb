/* What cmd_eval.c and eval_lines.c share. */
#ifndef PX_EVAL_H
#define PX_EVAL_H

#include "config.h"
#include "model_file.h"

typedef struct eval_flags {
    const char *model, *per_token;
    const char *split_of[2]; /* RUN, valid or test; NULL where not given */
    int32_t batch, steps;
    int lines, json;
} eval_flags;

/* Says it where a text has tokens that stand as <unk>, and the training had none. */
void px_eval_note_unknown(const px_vocabulary *vocabulary, int64_t unknown);

/* Scores each line of config->corpus.data on its own and prints. A line is scored as if it stood between two line ends;
 * where the model does not know line ends, its first token is only read. Results do not depend on the order of lines.
 */
px_status px_eval_lines(const eval_flags *flags, const px_config *config, const px_model_file *model);

#endif
