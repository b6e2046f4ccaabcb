/* How an engine hands over its gradients while it is still computing: the door between an engine and the ranks of a
 * job.
 *
 * A reducer replaces every value of the flat gradient by its sum over all ranks. An engine that was given one starts it
 * on each part as soon as that part is final, so that the transfer goes on beside the rest of the backward pass. */
#ifndef PX_REDUCER_H
#define PX_REDUCER_H

#include <perplex/status.h>
#include <stddef.h>

typedef struct px_reducer {
    void *context;
    /* part [count]: in the memory of the engine's device; it may be neither read nor written until finish() has
     * returned (on a device: until its stream has come that far). The parts of a step do not overlap, cover the whole
     * buffer, and come in the same order and sizes on every rank. stream: the device stream whose work makes the part
     * final: work put into it finds the part so; NULL on CPU engines. */
    px_status (*start)(void *context, float *part, size_t count, void *stream);
    /* Every part that was started holds its sum: on return (CPU), or for what is put into the stream later. */
    px_status (*finish)(void *context, void *stream);
    /* Optional: called now and then by an engine that waits for its device, with the seconds that this wait has lasted.
     * A failure says what keeps the sums from coming; the device is then free of them, and the engine stops waiting. */
    px_status (*watch)(void *context, double waited_s);
} px_reducer;

#endif
