/* PyTorch's second bias, rnn.bias_hh_l{k}, as checkpoints and exported weights hold it (parameters.h). */
#ifndef PX_SECOND_BIAS_H
#define PX_SECOND_BIAS_H

#include "parameters.h"
#include "safetensors.h"

/* Writes the second bias [G h] that stands beside b_h: zeros, and the lone gate's bias out of flat [table->count] in its place. */
px_status px_second_bias_write(px_safetensors_writer *writer, const px_parameters *table, const px_tensor *b_h, const float *flat);

#endif
