/* What the ranks of a run do together beside the steps: see together.h. Rank 0 alone prints and writes files, and its
 * clock decides. */
#include "together.h"

#include "check.h"
#include "run.h"
#include "text_buffer.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int px_run_leads(const px_run *run) { return run->comm->rank == 0; }

int px_run_stop_asked(const px_run *run)
{
    if (run->comm->size > 1) return run->stop;
    return run->hooks->stop ? *run->hooks->stop : 0;
}

px_status px_run_share_stop(px_run *run)
{
    int64_t wish = run->hooks->stop ? *run->hooks->stop : 0;
    if (wish < run->stop) wish = run->stop;
    PX_TRY(px_comm_max(run->comm, &wish, 1));
    run->stop = (int)wish;
    return PX_OK;
}

px_status px_run_decide(px_run *run, int *decision) { return px_comm_broadcast(run->comm, decision, sizeof *decision); }

/* Weights, and the state's text without what only rank 0 knows. */
static px_status fingerprint(px_run *run, uint64_t print[2])
{
    px_text text = {0};
    px_run_state state = run->state;
    state.metrics_bytes = 0;
    PX_TRY(px_engine_read(run->engine, PX_SECTION_PARAMETERS, run->buffer));
    print[0] = XXH3_64bits(run->buffer, run->parameters.count * sizeof *run->buffer);
    px_run_state_write(&state, &text);
    px_status status = px_text_check(&text, "comparison of ranks");
    if (status == PX_OK) print[1] = XXH3_64bits(text.data, text.bytes);
    px_text_free(&text);
    return status;
}

px_status px_run_compare_ranks(px_run *run)
{
    uint64_t mine[2] = {0};
    if (run->comm->size == 1) return PX_OK;
    PX_TRY(fingerprint(run, mine));
    uint64_t(*all)[2] = malloc((size_t)run->comm->size * sizeof *all);
    if (!all) return px_fail(PX_ERR_MEMORY, "no memory to compare %d ranks", (int)run->comm->size);
    px_status status;
    PX_TRY_GOTO(status, px_comm_all_gather(run->comm, mine, sizeof mine, all), done);
    for (int32_t rank = 1; rank < run->comm->size; rank++) {
        if (memcmp(all[rank], all[0], sizeof all[0]) == 0) continue;
        status = px_fail(PX_ERR_INTERNAL,
                         "step %lld: the %s of rank %d of %d differ from those of rank 0: ranks that were started with "
                         "other flags or texts, or a "
                         "fault of a machine; nothing is saved; go on from the last checkpoint by --resume %s",
                         (long long)run->state.step, all[rank][0] != all[0][0] ? "weights" : "counters", (int)rank,
                         (int)run->comm->size, run->folder ? run->folder : "");
        run->comm->agreed = 1; /* every rank has found the same */
        break;
    }
done:
    free(all);
    return status;
}

/* [ranks][S L][s][h] to [S L][ranks s][h]. */
static void in_order_of_streams(const px_run *run, const float *gathered, float *hidden)
{
    const size_t L = px_state_blocks(&run->config.model), ranks = (size_t)run->comm->size;
    const size_t block = (size_t)run->share.streams * (size_t)run->config.model.hidden;
    for (size_t rank = 0; rank < ranks; rank++)
        for (size_t l = 0; l < L; l++)
            memcpy(hidden + (l * ranks + rank) * block, gathered + (rank * L + l) * block, block * sizeof *hidden);
}

px_status px_run_gather_hidden(px_run *run)
{
    const size_t count = px_engine_section_count(run->engine, PX_SECTION_STATE), all = count * (size_t)run->comm->size;
    float *gathered = NULL;
    px_status status;
    if (run->comm->size == 1) return PX_OK;
    if (px_run_leads(run)) {
        gathered = malloc(all * sizeof *gathered);
        if (!run->hidden) run->hidden = malloc(all * sizeof *run->hidden);
        if (!gathered || !run->hidden) {
            free(gathered);
            return px_fail(PX_ERR_MEMORY, "no memory for the hidden states of %d ranks", (int)run->comm->size);
        }
    }
    PX_TRY_GOTO(status, px_engine_read(run->engine, PX_SECTION_STATE, run->buffer), done);
    PX_TRY_GOTO(status, px_comm_gather(run->comm, run->buffer, count * sizeof *run->buffer, gathered), done);
    if (gathered) in_order_of_streams(run, gathered, run->hidden);
done:
    free(gathered);
    return status;
}
