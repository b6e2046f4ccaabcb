/* A trained model in a file: opening a checkpoint for evaluation, sampling or inspection; writing one that nothing
 * trained. */
#ifndef PX_MODEL_FILE_H
#define PX_MODEL_FILE_H

#include "config.h"
#include "corpus.h"
#include "parameters.h"

typedef struct px_model_file {
    px_config config; /* the run's effective configuration; config.model.vocab is set */
    px_vocabulary *vocabulary;
    px_parameters parameters;
    int64_t step, epoch;
    double valid_loss;    /* NaN if it was never evaluated */
    int from_last;        /* 1: of a run folder without best.safetensors: its last weights */
    int averaged;         /* 1: best weights are averaged weights */
    uint64_t corpus_hash; /* of the training, validation and test tokens; 0 where there were none (an imported model) */
    int64_t tokens;       /* scored in training */
    int32_t reset_id;     /* id of config.corpus.reset_at, the token that ends a document; -1 = none */
    float *weights;       /* [parameters.count], file layout: what evaluation and sampling use */
} px_model_file;

/* path: a .safetensors checkpoint, or a run folder (its best.safetensors, else last.safetensors). Everything is checked
 * (header, offsets, shapes against the configuration, checksum); PX_ERR_INPUT says what is wrong. */
px_status px_model_file_open(const char *path, px_model_file *file);
void px_model_file_close(px_model_file *file);

/* The file that a path stands for: of a run folder best.safetensors, where it is there and not wants_last, else
 * last.safetensors
 * (*from_last = 1); any other path itself. malloc'ed; PX_ERR_INPUT for a folder without them. */
px_status px_model_file_find(const char *path, int wants_last, char **found, int *from_last);

/* Writes a model that no training made (imported, constructed), as the checkpoint of a run that made no step. weights
 * [parameters->count], file layout; config->model.vocab is set. Replaces path atomically; PX_ERR_IO. */
px_status px_model_file_write(const char *path, const px_config *config, const px_vocabulary *vocabulary,
                              const px_parameters *parameters, const float *weights);

/* Chooses the cutoffs of an adaptive output layer from how often the tokens stand in the training text
 * (output_layer.h), where none were given; model->vocab is set. vocabulary NULL: not known. PX_ERR_ARGUMENT where there
 * is nothing to cut. */
px_status px_model_settle_cutoffs(const px_vocabulary *vocabulary, px_model_config *model);

/* The id of a setting's token (--reset-at), literal or with the escapes \n \t \\ \xNN; -1 where text is NULL.
 * PX_ERR_ARGUMENT names a token that the vocabulary lacks. */
px_status px_model_reset_id(const px_vocabulary *vocabulary, const char *text, int32_t *id);

/* 1 where texts of this vocabulary have line ends that a model can predict. */
int px_model_knows_line_ends(const px_vocabulary *vocabulary);

#endif
