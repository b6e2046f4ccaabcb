/* The weights of a model in a safetensors file under PyTorch's names: what checkpoints, exported weights and a peer's
 * case hold alike. Beside each b_h stands PyTorch's second bias, rnn.bias_hh_l{k} [G h]: zeros, and a lone gate's own
 * bias in its place (parameters.h). */
#ifndef PX_TORCH_WEIGHTS_H
#define PX_TORCH_WEIGHTS_H

#include "parameters.h"
#include "safetensors.h"

px_status px_torch_weights_declare(px_safetensors_writer *writer, const px_parameters *table);
/* flat [table->count], file layout. */
px_status px_torch_weights_write(px_safetensors_writer *writer, const px_parameters *table, const float *flat);

#endif
