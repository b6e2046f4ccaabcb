/* A case's initial weights and batches in a file, so that a peer does exactly the same work. */
#ifndef PX_EXPORT_H
#define PX_EXPORT_H

#include "bench_source.h"

/* Writes a safetensors file: the parameters under PyTorch's names ([rows, cols] as PyTorch lays them; rnn.bias_hh as
 * zeros), and "bench.tokens", "bench.targets" [W,T,n] int32: the windows in the order of the steps, repeated after the
 * last one. The state is zero before window 0 and carried otherwise. Atomic; PX_ERR_IO names the path. */
px_status px_bench_export(const char *path, const px_bench_case *c, const px_bench_options *options,
                          const px_bench_source *source);

#endif
