/* Several ranks on GPUs: which GPU is whose, and NCCL as the engine's reducer: see gpus.h.
 *
 * Words between ranks go the way of px_comm (MPI or TCP), NCCL's id among them; sums of gradients go by NCCL. */
#include "gpus.h"

#include "check.h"
#include "devices.h"
#include "nccl.h"
#include "registry.h"
#include "run.h"
#include "together.h"

#include <stdio.h>
#include <string.h>

px_status px_run_choose_device(px_run *run)
{
    const char *wish = px_device_or_default(run->config.device);
    const px_comm *comm = run->comm;
    int count, is_auto = px_device_is_auto(wish);
    if (snprintf(run->device, sizeof run->device, "%s", wish) >= (int)sizeof run->device)
        return px_device_unknown(wish);
    if (comm->size == 1 || !px_device_is_open(wish)) return PX_OK;
    px_status status = px_engine_devices(NULL, 0, &count);
    if (status != PX_OK) return is_auto ? PX_OK : status;
    if (count > 1 && comm->local_rank >= count)
        return px_fail(
            PX_ERR_DEVICE,
            "rank %d of %d is number %d on this machine, which has %d GPUs; start at most %d ranks on each machine",
            (int)comm->rank, (int)comm->size, (int)comm->local_rank, count, count);
    /* a single one: the launcher has given each rank its own (srun --gpus-per-task=1), or NCCL will say that two share
     * it */
    px_device_numbered(wish, count > 1 ? (int)comm->local_rank : 0, run->device, sizeof run->device);
    return PX_OK;
}

/* While somebody waits: have the others told of a failure? */
static px_status listen(void *comm) { return px_comm_listen(comm); }

px_status px_run_open_nccl(px_run *run)
{
    char id[PX_NCCL_ID_BYTES] = {0}, text[128];
    const px_nccl_options options = {.rank = run->comm->rank,
                                     .size = run->comm->size,
                                     .start_timeout_s = run->config.ranks.bootstrap_timeout,
                                     .stall_timeout_s = run->config.ranks.timeout > 0 ? run->config.ranks.timeout : 1e9,
                                     .listen = listen,
                                     .listen_context = run->comm};
    px_status status = px_nccl_load(NULL);
    if (status == PX_OK && px_run_leads(run)) status = px_nccl_new_id(id);
    PX_TRY(px_comm_agree(run->comm, status));
    PX_TRY(px_comm_broadcast(run->comm, id, sizeof id));
    status = px_nccl_create(&options, id, &run->nccl);
    if (status != PX_OK) px_comm_tell(run->comm); /* the others wait for this rank inside NCCL */
    PX_TRY(status);
    px_nccl_describe(text, sizeof text);
    px_run_line(run, "sums over %d GPUs: %s", (int)run->comm->size, text);
    return px_engine_set_reducer(run->engine, &(px_reducer){run->nccl, px_nccl_start, px_nccl_finish, px_nccl_watch});
}
