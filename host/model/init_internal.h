/* Between the files that make initial weights: init.c, and those that it calls. */
#ifndef PX_INIT_INTERNAL_H
#define PX_INIT_INTERNAL_H

#include "parameters.h"

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

/* Standard normal values number `pair * 2` and `pair * 2 + 1` of tensor k, by Box and Muller from elements of the same
 * numbers of the stream (seed, PX_RANDOM_INIT, k). */
void px_init_normal_pair(uint64_t seed, uint32_t k, uint64_t pair, double normal[2]);

/* out [h,h] = gain * Q, Q uniformly distributed among the orthogonal matrices, made of the stream's pairs from `pair`
 * on. Needs 8 h^2 bytes for its own time; PX_ERR_MEMORY if they are not there. */
px_status px_init_orthogonal(uint64_t seed, uint32_t k, uint64_t pair, size_t h, double gain, float *out);

/* Root mean square of each layer's output over the first 64 steps, where weights are those of --init fan-in: rms
 * [layers]. Of the model, cell, depth and recurrent weights count. PX_ERR_MEMORY. */
px_status px_init_output_rms(const px_model_config *model, double rms[PX_MAX_LAYERS]);
/* Deviation of a tensor's weights by --init fan-in; output_rms: of px_init_output_rms for the model. */
double px_init_fan_in(const px_tensor *tensor, const px_model_config *model, const double *output_rms);
/* Weights of --init fan-in, flat [table->count] in file layout, of a model of ReLU units: W_xh of each layer,
 * and a projection or clusters' first matrices, are multiplied so that the network has the signals that the scheme is
 * for. PX_ERR_MEMORY. */
px_status px_init_fit_relu(const px_parameters *table, const px_model_config *model, const double *output_rms,
                           float *flat);

#endif
