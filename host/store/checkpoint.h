/* What is in a perplex checkpoint, on top of the safetensors container.
 *
 *     encoder.weight, rnn.weight_ih_l0, ...   the weights that evaluation uses, with PyTorch's names and shapes: averaged
 *                                             ones where averaging has begun. rnn.bias_hh_l{k} are zeros but for a lone
 *                                             gate's bias (cells.h): PyTorch has two biases where this model has one; on
 *                                             reading they are added up
 *     state.current.NAME                      the weights of training, where the above are averages   (last.safetensors only)
 *     state.moment1.NAME, state.moment2.NAME  the optimiser's moments, where it has them               (last.safetensors only)
 *                                             (rnn.bias_hh_l{k} is here the lone gate's bias alone, [h])
 *     state.hidden [L,n,h]                    hidden state carried between windows                      (last.safetensors only)
 *     state.cell [L,n,h]                      the second state of cells that have two (LSTM)            (last.safetensors only)
 *
 * Metadata, all text: format ("pt"), perplex.version ("1"), perplex.kind ("best", "last"), perplex.config (the
 * effective configuration as px_config_write gives it), perplex.vocabulary, perplex.state (run_state.h),
 * perplex.averaged ("0", "1"), perplex.folder (where the run's folder was; its texts are found by it where both were
 * moved), perplex.checksum (safetensors.h). */
#ifndef PX_CHECKPOINT_H
#define PX_CHECKPOINT_H

#include "config.h"
#include "corpus.h"
#include "parameters.h"
#include "run_state.h"
#include "safetensors.h"
#include "sections.h"

typedef enum px_checkpoint_kind { PX_CHECKPOINT_BEST, PX_CHECKPOINT_LAST } px_checkpoint_kind;

/* ---- writing --------------------------------------------------------------------------------------------------- */
typedef struct px_checkpoint_source {
    px_checkpoint_kind kind;
    const px_config *config;
    const char *vocabulary; /* text of px_vocabulary_write */
    const char *folder;     /* absolute; NULL: of no run */
    const px_parameters *parameters;
    const px_run_state *state;
    px_sections
        sections;        /* PARAMETERS are the weights of training; of kind BEST only they, or the averages, are read */
    const float *hidden; /* [S,L,n,h] where sections hold only some of the n streams; NULL: they hold all */
    float *buffer;       /* [max of parameters->count and the hidden state's size]: sections pass through it */
} px_checkpoint_source;

/* Replaces path atomically. PX_ERR_IO where that fails; the old file is then as it was. */
px_status px_checkpoint_write(const char *path, const px_checkpoint_source *source);

/* ---- reading --------------------------------------------------------------------------------------------------- */
typedef struct px_checkpoint {
    px_safetensors *file;
    char *path;
    px_checkpoint_kind kind;
    px_config config; /* config.model.vocab is set */
    px_vocabulary *vocabulary;
    px_parameters parameters;
    px_run_state state;
    int averaged;
    const char *folder; /* of its run when it was written; NULL: of no run, or of an earlier version. Owned by file */
} px_checkpoint;

/* Opens and checks everything that does not need an engine: container, checksum, metadata, shape of every tensor.
 * PX_ERR_INPUT says what is wrong. */
px_status px_checkpoint_open(const char *path, px_checkpoint *checkpoint);
void px_checkpoint_close(px_checkpoint *checkpoint); /* zeroed afterwards */
/* The weights that evaluation uses, file layout, into [parameters.count]; gaps are zeroed. PX_ERR_INPUT: one is NaN or
 * infinite where no model has such a value (px_parameters_check). */
px_status px_checkpoint_weights(const px_checkpoint *checkpoint, float *flat);
/* Everything back into the sections of a training with the checkpoint's configuration; kind must be LAST. Their streams
 * are those from first_stream on, as many as they have. buffer as above. PX_ERR_INPUT: a weight is not sound
 * (px_parameters_check), a moment or state is not finite (a second moment may be +inf, and never negative). */
px_status px_checkpoint_restore(const px_checkpoint *checkpoint, const px_sections *to, int32_t first_stream,
                                float *buffer);
/* Floats that `buffer` needs. */
size_t px_checkpoint_buffer_count(const px_parameters *parameters, const px_config *config);

#endif
