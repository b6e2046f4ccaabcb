/* The settings of a model, and the names of what there is to choose. Each list of names is in the order of its enum and
 * ended by NULL. */
#ifndef PX_MODEL_CONFIG_H
#define PX_MODEL_CONFIG_H

#include "cells.h"
#include "output_layer.h"

#include <stdint.h>

typedef enum px_init { PX_INIT_UNIFORM, PX_INIT_NORMAL, PX_INIT_GLOROT, PX_INIT_FAN_IN } px_init;
typedef enum px_init_recurrent {
    PX_INIT_RECURRENT_SAME,
    PX_INIT_RECURRENT_ORTHOGONAL,
    PX_INIT_RECURRENT_IDENTITY
} px_init_recurrent;

extern const char *const px_init_names[], *const px_init_recurrent_names[];

/* What an engine needs to know of the model. V is filled in once the vocabulary is known. */
typedef struct px_model_config {
    int32_t vocab;  /* V; 0 until the corpus has been read */
    int32_t embed;  /* d; 0 = one-hot input */
    int32_t hidden; /* h */
    int32_t layers; /* L */
    int32_t tied;   /* 1: the output layer uses the embedding table (needs d > 0) */
    px_cell cell;
    px_output output;   /* the output layer; adaptive is refused with tied */
    px_cutoffs cutoffs; /* of an adaptive one; none until the corpus has been read, unless they were given */
    double dropout_input, dropout_between, dropout_output, dropout_weight; /* probabilities in [0, 1) */
    double dropout_embedding;                                              /* of a token's row in the input's table */
    double penalty_activation, penalty_temporal; /* factors of the means of (m H)^2 and (H_t - H_{t-1})^2, top layer */
    int32_t dropout_locked;                      /* 1: activation masks stay the same over a window */
    px_init init;
    double init_scale; /* standard deviation of normal; factor of uniform and Glorot bounds */
    px_init_recurrent init_recurrent;
    double init_gain; /* factor of orthogonal or identity W_hh */
} px_model_config;

#endif
