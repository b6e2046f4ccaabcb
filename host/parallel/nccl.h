/* Sums of gradients over GPUs by NCCL, which is loaded when it is asked for: libnccl.so.2, or the file that
 * PERPLEX_NCCL names.
 *
 * One rank per GPU. Nothing here knows CUDA: streams and device pointers are passed on. The GPU that a communicator
 * belongs to is the one that is current in the calling thread (an engine on it has been created). So that one number of
 * ranks repeats bitwise, NCCL_ALGO=Ring and NCCL_PROTO=Simple are set before NCCL starts, unless the user has set them.
 *
 * No call waits without a bound: communicators are non-blocking, their state is polled, and where it shows an error or
 * no progress within the deadline the communicator is aborted, which also ends what it has on the GPU. After that every
 * call fails. */
#ifndef PX_NCCL_H
#define PX_NCCL_H

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

enum { PX_NCCL_ID_BYTES = 128 };

typedef struct px_nccl px_nccl;

typedef struct px_nccl_options {
    int32_t rank, size;
    double start_timeout_s;             /* until all ranks have met */
    double stall_timeout_s;             /* without progress in one reduction, from then on */
    px_status (*listen)(void *context); /* asked now and then while waiting; a failure (what another rank has told) ends
                                           the wait. NULL: nobody */
    void *listen_context;
} px_nccl_options;

/* Loads the library; harmless where it is loaded. version, where not NULL, gets 23007 for 2.30.7. PX_ERR_DEVICE: it is
 * missing or too old, with the remedy. */
px_status px_nccl_load(int32_t *version);
/* A new job's id [PX_NCCL_ID_BYTES], made by rank 0 alone and handed to the others (bootstrap.h). Needs no GPU. */
px_status px_nccl_new_id(void *id);
/* Joins the job, together with all other ranks. PX_ERR_DEVICE: NCCL refuses (no GPU, two ranks on one); PX_ERR_IO: not
 * all came in time. */
px_status px_nccl_create(const px_nccl_options *options, const void *id, px_nccl **nccl);
/* Leaves, waiting a little for what is under way; after a failure at once. NULL does nothing. */
void px_nccl_destroy(px_nccl *nccl);

/* The functions of a px_reducer whose context is a px_nccl: sums of parts, put into `stream` in the order of the calls.
 */
px_status px_nccl_start(void *nccl, float *part, size_t count, void *stream);
px_status px_nccl_finish(void *nccl, void *stream);
/* For whoever waits for the device: called now and then with the seconds that the wait has lasted. A failure says what
 * is wrong with the other ranks; the device is then free of the reduction. */
px_status px_nccl_watch(void *nccl, double waited_s);

/* Ends whatever it does, here and on the GPU, because of px_error_message(): every later call fails so. */
void px_nccl_give_up(px_nccl *nccl);

/* "NCCL 2.30.7, algorithm Ring, protocol Simple". */
void px_nccl_describe(char *text, size_t size);

#endif
