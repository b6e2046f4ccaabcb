/* Joining the other ranks: see join.h. */
#include "join.h"
#include "printable.h"

#include "note.h"

#include <stdio.h>

static void say(void *context, const char *text)
{
    (void)context;
    px_print(stderr, "perplex: %s\n", text);
}

px_status px_join(const px_join_flags *flags, const px_config *config, const atomic_int *stop, px_comm **comm)
{
    px_ranks ranks;
    char text[200];
    *comm = NULL;
    px_status status = px_ranks_find(flags->rank, flags->world_size, flags->local_rank, &ranks);
    if (status != PX_OK) return status;
    if (flags->ranks) {
        px_ranks_describe(&ranks, text, sizeof text);
        px_print(stdout, "%s\n", text);
        return PX_OK;
    }
    status = px_comm_open(
        &ranks, &(px_comm_options){config->ranks.timeout, config->ranks.bootstrap, config->ranks.bootstrap_timeout},
        comm);
    if (status != PX_OK) return status;
    (*comm)->signalled = stop;
    (*comm)->notice = say;
    if ((*comm)->rank > 0) px_note_to(NULL);
    return PX_OK;
}
