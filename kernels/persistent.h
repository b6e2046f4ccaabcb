/* The launches of the variant "persistent" by precision, each in a file of its own since they take the compiler's time.
 * width is one of their list's (persistent_plan.h), cudaErrorInvalidValue else. */
#ifndef PX_PERSISTENT_H
#define PX_PERSISTENT_H

#include "kernels.h"

cudaError_t persistent_fp32(const px_persistent_args &a, int width, bool backward, px_stream stream);
cudaError_t persistent_tf32(const px_persistent_args &a, int width, bool backward, px_stream stream);
cudaError_t persistent_bf16(const px_persistent_args &a, int width, bool backward, px_stream stream);

/* The same for cells that keep gates, of any width that px_persistent_gates_fit_of has. */
cudaError_t persistent_gates_fp32(const px_persistent_gates_args &a, bool backward, px_stream stream);
cudaError_t persistent_gates_tf32(const px_persistent_gates_args &a, bool backward, px_stream stream);
cudaError_t persistent_gates_bf16(const px_persistent_gates_args &a, bool backward, px_stream stream);

#endif
