/* The result of a training: the best model's loss on whole texts, each read as one stream.
 *
 * A single stream leaves most of a machine idle, and there are three to read: validation from a zero state, validation
 * from the state that training ended in, and the test text. They go side by side as three streams of one batch, which
 * costs hardly more than one. A stream's values do not depend on its company (engine.h), so the results are those of
 * px_evaluate with n = 1. */
#include "final_evaluation.h"

#include "check.h"
#include "checkpoint.h"
#include "run.h"
#include "together.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct reading {
    px_range range;
    int keeps_state; /* 1: from the evaluation state as it was written; 0: from zero */
    double *loss;    /* result, nats per token */
    double sum;
    size_t scored; /* so far; the next input is begin + scored */
} reading;

enum { READINGS_MAX = 3, WORTH_A_LINE = 100000 /* tokens; fewer are done in a moment */ };

static size_t targets_of(const reading *r) { return r->range.end - r->range.begin - 1; }

/* Buffers of one window of `rows` rows. */
typedef struct window {
    int32_t *tokens, *targets, *ids;
    uint8_t *reset;
    float *token_nll;
} window;

static void window_free(window *w)
{
    free(w->tokens);
    free(w->targets);
    free(w->ids);
    free(w->reset);
    free(w->token_nll);
}

static px_status window_make(window *w, size_t rows)
{
    *w = (window){malloc(rows * sizeof *w->tokens), malloc(rows * sizeof *w->targets),
                  malloc((rows + 1) * sizeof *w->ids), malloc(rows), malloc(rows * sizeof *w->token_nll)};
    if (!w->tokens || !w->targets || !w->ids || !w->reset || !w->token_nll)
        return px_fail(PX_ERR_MEMORY, "no memory for the evaluation at the end");
    return PX_OK;
}

/* Lays the next T inputs of reading i of n; where its text has ended, unscored rows. */
static px_status lay(const px_run *run, window *w, const reading *r, int32_t i, int32_t n, int32_t T)
{
    size_t left = targets_of(r) - r->scored, count = left < (size_t)T ? left : (size_t)T;
    if (count) PX_TRY(px_tokens_copy(r->range.tokens, r->range.begin + r->scored, count + 1, w->ids));
    for (size_t t = 0; t < (size_t)T; t++) {
        size_t row = t * (size_t)n + (size_t)i;
        int there = t < count;
        w->tokens[row] = there ? w->ids[t] : 0;
        w->targets[row] = there ? w->ids[t + 1] : -1;
        w->reset[row] = (t == 0 && r->scored == 0 && !r->keeps_state) || (there && w->ids[t] == run->reset_id);
    }
    return PX_OK;
}

/* Reads the next T inputs of n readings side by side. */
static px_status read_window(px_run *run, window *w, reading *readings, int32_t n, int32_t T)
{
    const px_batch batch = {
        .tokens = w->tokens, .targets = w->targets, .reset = w->reset, .n = n, .T = T, .streams_in_all = (uint32_t)n};
    if (run->hooks->stop && *run->hooks->stop) return px_fail(PX_STOPPED, "stopped while scoring");
    for (int32_t i = 0; i < n; i++) PX_TRY(lay(run, w, &readings[i], i, n, T));
    PX_TRY(px_engine_evaluate(run->engine, &batch, w->token_nll));
    for (size_t row = 0; row < (size_t)T * (size_t)n; row++) {
        if (w->targets[row] < 0) continue;
        readings[row % (size_t)n].sum += w->token_nll[row];
        readings[row % (size_t)n].scored++;
    }
    return PX_OK;
}

/* Reads up to engine n streams side by side to their ends. */
static px_status read_together(px_run *run, reading *readings, int32_t n)
{
    size_t longest = 0;
    /* rows as in training; T is then at least the training's */
    int32_t T = (int32_t)((int64_t)run->engine->shape.T * run->engine->shape.n / n);
    window w;
    px_status status;
    PX_TRY_GOTO(status, window_make(&w, (size_t)T * (size_t)n), done);
    for (int32_t i = 0; i < n; i++)
        if (targets_of(&readings[i]) > longest) longest = targets_of(&readings[i]);
    for (size_t at = 0; at < longest; at += (size_t)T)
        PX_TRY_GOTO(status, read_window(run, &w, readings, n, longest - at < (size_t)T ? (int32_t)(longest - at) : T),
                    done);
    for (int32_t i = 0; i < n; i++) *readings[i].loss = readings[i].sum / (double)readings[i].scored;
done:
    window_free(&w);
    return status;
}

/* The state of the last stream of training, which read the text's end, becomes stream `at` of the evaluation state.
 * carried [S,L,batch,h]. */
static px_status carry_state(px_run *run, const float *carried, int32_t at)
{
    size_t L = px_state_blocks(&run->config.model), all = (size_t)run->config.minibatch.batch,
           n = (size_t)run->engine->shape.n, h = (size_t)run->config.model.hidden;
    memset(run->buffer, 0, L * n * h * sizeof *run->buffer);
    for (size_t l = 0; l < L; l++)
        memcpy(run->buffer + (l * n + (size_t)at) * h, carried + (l * all + all - 1) * h, h * sizeof *carried);
    return px_engine_write(run->engine, PX_SECTION_EVAL_STATE, run->buffer);
}

/* Both kinds of checkpoint hold the weights that evaluation uses. */
static px_status load_best(px_run *run)
{
    const char *path = run->result->of_last ? run->last_path : run->best_path;
    px_checkpoint best;
    PX_TRY(px_checkpoint_open(path, &best));
    px_status status = best.parameters.count == run->parameters.count
                           ? px_checkpoint_weights(&best, run->buffer)
                           : px_fail(PX_ERR_INPUT, "%s: not of this run", path);
    px_checkpoint_close(&best);
    PX_TRY(status);
    return px_engine_write(run->engine, PX_SECTION_PARAMETERS, run->buffer);
}

/* The state that training ended in, [S,L,batch,h]: gathered from the ranks, or where there is one rank its engine's. */
static px_status read_carried(px_run *run, size_t count, float *carried)
{
    if (!run->hidden) return px_engine_read(run->engine, PX_SECTION_STATE, carried);
    memcpy(carried, run->hidden, count * sizeof *carried);
    return PX_OK;
}

static px_status read_all(px_run *run, reading *readings, int32_t count)
{
    const int32_t n = run->engine->shape.n;
    const size_t states =
        px_state_blocks(&run->config.model) * (size_t)run->config.minibatch.batch * (size_t)run->config.model.hidden;
    float *carried = malloc(states * sizeof *carried);
    px_status status;
    if (!carried) return px_fail(PX_ERR_MEMORY, "no memory for the evaluation at the end");
    PX_TRY_GOTO(status, read_carried(run, states, carried), done);
    PX_TRY_GOTO(status, load_best(run), done);
    PX_TRY_GOTO(status, carry_state(run, carried, 0), done); /* the reading that keeps its state comes first */
    for (int32_t i = 0; i < count; i += n)
        PX_TRY_GOTO(status, read_together(run, readings + i, count - i < n ? count - i : n), done);
done:
    free(carried);
    return status;
}

static px_status evaluate_alone(px_run *run)
{
    px_train_result *result = run->result;
    reading readings[READINGS_MAX];
    int32_t count = 0;
    result->valid_loss_zero = result->valid_loss_carried = result->test_loss_zero = NAN;
    if (run->validates) {
        readings[count++] =
            (reading){.range = run->corpus.valid, .keeps_state = 1, .loss = &result->valid_loss_carried};
        readings[count++] = (reading){.range = run->corpus.valid, .loss = &result->valid_loss_zero};
    }
    if (run->corpus.test.end - run->corpus.test.begin >= 2)
        readings[count++] = (reading){.range = run->corpus.test, .loss = &result->test_loss_zero};
    if (count == 0) return PX_OK;
    size_t targets = 0;
    for (int32_t i = 0; i < count; i++) targets += targets_of(&readings[i]);
    if (targets > WORTH_A_LINE)
        px_run_line(run, "scoring the %s on whole texts, each as one stream",
                    run->result->of_last ? "last weights" : "best model");
    return read_all(run, readings, count);
}

/* Three streams are too few to be shared out: rank 0 reads them, and the others wait as long as that takes. */
px_status px_run_final_evaluation(px_run *run)
{
    px_status status = PX_OK;
    PX_TRY(px_run_gather_hidden(run));
    if (px_run_leads(run)) status = evaluate_alone(run);
    int stopped = status == PX_STOPPED; /* which the others are told below, and end with it */
    if (!stopped) PX_TRY(status);
    PX_TRY(px_comm_wait_for_root(run->comm));
    PX_TRY(px_run_decide(run, &stopped));
    return stopped ? px_fail(PX_STOPPED, "stopped while scoring") : PX_OK;
}
