/* Where tensors lie on the device, beside the places that they have in files.
 *
 * Products over the vocabulary are 2 to 8 times as fast where it is a multiple of 64 (V = 33,278 and 50,257 on an
 * H200), so the output table has further rows, and b_q further elements: zeros that stay zero, as their gradients are.
 * The same goes for the head and each cluster of an adaptive output layer. Nobody else sees them: sections.c leaves
 * them out, and they add nothing to a sum of squares. */
#ifndef PX_CUDA_LAYOUT_H
#define PX_CUDA_LAYOUT_H

#include "parameters.h"

/* A softmax's columns over V tokens: V, rounded up. */
int32_t px_cuda_columns(int32_t V);
/* The file's table with the places and counts that tensors have on the device. tied: the embedding table is the output
 * table, too. */
px_parameters px_cuda_layout(const px_parameters *file, int tied);

/* Neighbouring tensors [first, last) that lie in one piece in both; k is the first of the next one. */
typedef struct px_cuda_piece {
    size_t file, device, count; /* in floats; count includes gaps, which are zeros */
    int32_t next;
} px_cuda_piece;
px_cuda_piece px_cuda_piece_from(const px_parameters *file, const px_parameters *device, int32_t first);

#endif
