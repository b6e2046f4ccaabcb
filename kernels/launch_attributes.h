/* What a launch may ask for beyond grid, block and shared memory. Apart from launch.h, so that the simulator can know
 * it, too. */
#ifndef PX_LAUNCH_ATTRIBUTES_H
#define PX_LAUNCH_ATTRIBUTES_H

#include "stream.h"

/* All zeros: nothing. Each needs a device that has it. */
struct px_launch_attributes {
    unsigned cluster; /* blocks of a cluster, along x; the grid's x is a multiple of it. Compute capability 9.0; at most
                         8, or as many as PX_ALLOW_LARGE_CLUSTERS has allowed the kernel (16). 0: no clusters */
    bool cooperative; /* all blocks are on the device at once, or the launch is refused: the grid may wait for itself */
    bool overlap;     /* the stream's (stream.h); not with cooperative, for which nobody promises it */
};

/* Those of a launch into a stream. */
static inline px_launch_attributes px_attributes_in(px_stream stream, px_launch_attributes wanted)
{
    wanted.overlap = stream.overlap && !wanted.cooperative;
    return wanted;
}

#endif
