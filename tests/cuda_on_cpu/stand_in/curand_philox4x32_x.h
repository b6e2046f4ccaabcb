/* cuRAND's Philox for machines without the toolkit: the host's own. With the toolkit, cuRAND's header itself runs in
 * the simulator and is compared with the host's; here that comparison says nothing. See cuda_runtime_api.h. */
#ifndef PX_STAND_IN_CURAND_PHILOX_H
#define PX_STAND_IN_CURAND_PHILOX_H

#include "philox.h"
#include "vector_functions.h"

static inline uint4 curand_Philox4x32_10(uint4 counter, uint2 key)
{
    const px_philox_block b = px_philox(static_cast<uint64_t>(key.y) << 32 | key.x, counter.w, counter.z,
                                        static_cast<uint64_t>(counter.y) << 32 | counter.x);
    return {b.lane[0], b.lane[1], b.lane[2], b.lane[3]};
}

#endif
