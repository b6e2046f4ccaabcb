/* A new run from the weights of another model (--init-from): see origin.h. Every rank reads the model by itself; the
 * first checkpoint compares what they have. */
#include "origin.h"

#include "check.h"
#include "model_origin.h"
#include "quantity.h"
#include "run.h"

#include <stdlib.h>

px_status px_run_open_origin(px_run *run)
{
    px_config *config = &run->config;
    if (!config->init_from) return PX_OK;
    run->origin = calloc(1, sizeof *run->origin);
    if (!run->origin) return px_fail(PX_ERR_MEMORY, "%s: no memory to read it", config->init_from);
    PX_TRY(px_model_origin_open(config, run->origin));
    PX_TRY(px_model_origin_check(run->origin, config));
    PX_TRY(px_config_set(config, "init-fingerprint", run->origin->fingerprint));
    if (px_config_keeps_vocabulary(config)) run->given_vocabulary = run->origin->checkpoint.vocabulary;
    return PX_OK;
}

void px_run_close_origin(px_run *run)
{
    if (!run->origin) return;
    run->given_vocabulary = NULL;
    px_model_origin_close(run->origin);
    free(run->origin);
    run->origin = NULL;
}

static void say(const px_run *run, const px_origin_entries *entries)
{
    const px_checkpoint *from = &run->origin->checkpoint;
    char a[32], b[32], c[32];
    px_run_line(run, "weights: those of %s, step %s%s", from->path, px_text_count(a, from->state.step),
                run->config.init_moments ? ", with the optimizer's moments" : "");
    if (entries->added > 0 || entries->dropped > 0)
        px_run_line(run, "vocabulary: %s entries of the model kept, %s new, %s dropped",
                    px_text_count(a, entries->kept), px_text_count(b, entries->added),
                    px_text_count(c, entries->dropped));
}

static px_status write_sections(px_run *run, float *const values[3])
{
    static const px_section sections[] = {PX_SECTION_PARAMETERS, PX_SECTION_MOMENT1, PX_SECTION_MOMENT2};
    for (int i = 0; i < 3; i++)
        if (values[i]) PX_TRY(px_engine_write(run->engine, sections[i], values[i]));
    return PX_OK;
}

/* Moments of entries that are new begin at 0, as all do in a run from nothing. */
static px_status make_moments(const px_run *run, float *values[3])
{
    const px_optimizer_row *row = px_optimizer_of(run->config.optimizer.kind);
    const int wanted[] = {0, row->moment1, row->moment2};
    for (int i = 1; run->config.init_moments && i < 3; i++)
        if (wanted[i] && !(values[i] = calloc(run->parameters.count, sizeof *values[i])))
            return px_fail(PX_ERR_MEMORY, "no memory for the moments of %zu weights", run->parameters.count);
    return PX_OK;
}

px_status px_run_take_origin(px_run *run)
{
    float *values[3] = {run->buffer};
    px_origin_entries entries;
    px_status status;
    PX_TRY_GOTO(status, make_moments(run, values), done);
    PX_TRY_GOTO(
        status,
        px_model_origin_take(run->origin, &run->config, run->corpus.vocabulary, &run->parameters, values, &entries),
        done);
    PX_TRY_GOTO(status, write_sections(run, values), done);
    if (run->config.init_moments) run->state.moment_steps = px_model_origin_steps(run->origin);
    say(run, &entries);
done:
    free(values[1]);
    free(values[2]);
    return status;
}
