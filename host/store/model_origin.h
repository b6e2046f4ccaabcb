/* A model as the origin of a new training: its weights, and the moments of its optimiser, laid into the tables of
 * another vocabulary. */
#ifndef PX_MODEL_ORIGIN_H
#define PX_MODEL_ORIGIN_H

#include "checkpoint.h"

typedef struct px_model_origin {
    px_checkpoint checkpoint;
    const char *fingerprint; /* the file's checksum, 32 hexadecimal digits; owned by checkpoint */
} px_model_origin;

/* What became of the vocabulary's entries. */
typedef struct px_origin_entries {
    int32_t kept;    /* found in the origin by their text */
    int32_t added;   /* not found, or of probability 0 there (an output bias of -inf, which nothing can train) */
    int32_t dropped; /* the origin's that the new vocabulary lacks */
} px_origin_entries;

/* Opens the model for a training with config: config->init_from is a file or a run folder (its best model; with
 * config->init_moments its last checkpoint, where the moments are). PX_ERR_INPUT says what is wrong with it;
 * PX_ERR_ARGUMENT names a setting of config that contradicts it: init-fingerprint, what the optimiser's moments are.
 * The caller closes it. */
px_status px_model_origin_open(const px_config *config, px_model_origin *origin);
void px_model_origin_close(px_model_origin *origin); /* zeroed afterwards; a zeroed one is fine */

/* Settings that a new training shares with its origin, since they decide what the weights are: all of the group
 * "model", the level, and with the origin's vocabulary the normalisation. */
int px_origin_decides(const px_config *config, const px_option *option);
/* PX_ERR_ARGUMENT names the first such setting of config that the origin has otherwise. */
px_status px_model_origin_check(const px_model_origin *origin, const px_config *config);

/* Lays the origin's values into weights, and into moment1 and moment2 where they are not NULL: each [table->count],
 * file layout, of the model whose vocabulary is given. What the origin has no value for (the rows of added entries)
 * stays as it is. With config->init_moments the weights are those of training, to which the moments belong, else those
 * of evaluation (averages, where it has them). PX_ERR_ARGUMENT names a tensor that another vocabulary cannot be matched
 * with. */
px_status px_model_origin_take(const px_model_origin *origin, const px_config *config, const px_vocabulary *vocabulary,
                               const px_parameters *table, float *const values[3], px_origin_entries *entries);
/* Updates that the moments have seen. */
int64_t px_model_origin_steps(const px_model_origin *origin);

#endif
