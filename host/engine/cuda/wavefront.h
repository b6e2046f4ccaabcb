/* Layers as a wavefront: a window is cut into pieces of some steps, and a layer's piece computes beside the piece
 * before it of the layer above; on the way back beside the piece after it of the layer below.
 *
 *     lane 0 (layer 0)   | piece 0 | piece 1 | piece 2 |
 *     lane 1 (layer 1)             | piece 0 | piece 1 | piece 2 |
 *     lane 2 (layer 2)                       | piece 0 | piece 1 | piece 2 |
 *
 * Each layer has a stream, a lane, and what it writes to is its own: no sum's order depends on which lane is ahead. A
 * lane waits for another by an event; inside a captured window these become the edges of the graph. */
#ifndef PX_CUDA_WAVEFRONT_H
#define PX_CUDA_WAVEFRONT_H

#include "engine_cuda.h"

/* Steps of a piece that a plan gets whose sizes and variant are known; 0: windows are not cut. info: as
 * px_cuda_choose_variant's. PX_ERR_DEVICE where a wavefront is asked for that the model has no use for, or whose layers
 * the GPU cannot hold side by side. */
px_status px_cuda_choose_wavefront(const px_cuda_plan *plan, const px_device_info *info, int32_t *steps);

/* After the compute stream and its handle; and before they go. */
px_status px_cuda_wavefront_create(px_cuda *engine);
void px_cuda_wavefront_destroy(px_cuda *engine);

/* How many pieces a window is cut into. 1: it is not, and all layers run on lane 0. */
int32_t px_cuda_pieces(const px_cuda *engine, px_cuda_shape shape);
/* Piece k of layer l, on the layer's lane; and all steps at once, on lane 0. */
px_cuda_steps px_cuda_piece_of(const px_cuda *engine, px_cuda_shape shape, int32_t l, int32_t k);
px_cuda_steps px_cuda_whole_of(const px_cuda *engine, px_cuda_shape shape, int32_t l);

/* Lane `later` goes on only after what lane `earlier` had been given when it was last marked. */
px_status px_cuda_lane_mark(px_cuda *engine, int32_t lane);
px_status px_cuda_lane_wait(px_cuda *engine, int32_t later, int32_t earlier);

#endif
