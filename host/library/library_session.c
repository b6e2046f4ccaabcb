/* Sessions of libperplex: see <perplex/session.h>. One engine of one stream, and where reading stands.
 *
 * An engine takes a token in and predicts the next one in one step, but a session's caller reads first and asks later.
 * So the last token that was read is held back (`pending`) until it is known whether the next one is given (scored in a
 * window of many) or its probabilities are asked for. */
#include "check.h"
#include "evaluate.h"
#include "model_engine.h"
#include "sample.h"
#include "library.h"
#include "registry.h"
#include "text_sink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 256 };

struct px_session {
    const px_model_file *file;
    px_engine *engine;      /* 1 stream, windows of WINDOW steps */
    int32_t pending;        /* the last token that was read and not yet given to the engine; -1 = none */
    int fresh;              /* the engine's next step begins with a zero state */
    int known;              /* next holds the probabilities after all that was read; then nothing is pending */
    float *next;            /* [V] */
    int32_t tokens[WINDOW]; /* one window */
    uint8_t reset[WINDOW];
    float nll[WINDOW];
};

void px_session_options_default(px_session_options *options)
{
    *options = (px_session_options){.device = px_device_of_host()};
}

px_status px_session_create(const px_model *model, const px_session_options *options, px_session **session)
{
    PX_PLAIN_LOCALE;
    px_session_options chosen;
    px_session_options_default(&chosen);
    if (options) chosen = *options;
    *session = NULL;
    px_session *made = calloc(1, sizeof *made);
    if (!made) return px_fail(PX_ERR_MEMORY, "no memory for a session");
    made->file = &model->file;
    px_session_reset(made);
    size_t V = (size_t)model->file.config.model.vocab;
    made->next = malloc(V * sizeof *made->next);
    px_status status = made->next ? PX_OK : px_fail(PX_ERR_MEMORY, "no memory for the probabilities of %zu tokens", V);
    if (status == PX_OK)
        status = px_model_file_engine(&model->file, px_device_or_default(chosen.device), 1, WINDOW,
                                      px_model_file_threads(&model->file, chosen.threads, 1), &made->engine);
    if (status != PX_OK) {
        px_session_destroy(made);
        return status;
    }
    *session = made;
    return PX_OK;
}

void px_session_destroy(px_session *session)
{
    if (!session) return;
    px_engine_destroy(session->engine);
    free(session->next);
    free(session);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

void px_session_reset(px_session *session)
{
    session->pending = -1;
    session->fresh = 1;
    session->known = 0;
}

/* Reads targets[0 .. T): the engine takes the pending token and all but the last of them in. reset_id: the token that
 * ends a document, -1 = none. */
static px_status read_window(px_session *session, const int32_t *targets, int32_t T, int32_t reset_id,
                             double *log_probabilities)
{
    session->tokens[0] = session->pending;
    memcpy(session->tokens + 1, targets, (size_t)(T - 1) * sizeof *targets);
    for (int32_t t = 0; t < T; t++) session->reset[t] = (t == 0 && session->fresh) || session->tokens[t] == reset_id;
    px_batch batch = {.tokens = session->tokens,
                      .targets = targets,
                      .reset = session->reset,
                      .T = T,
                      .n = 1,
                      .streams_in_all = 1,
                      .inv_count = 1.0 / T};
    PX_TRY(px_engine_evaluate(session->engine, &batch, session->nll));
    for (int32_t t = 0; t < T; t++) PX_TRY(px_evaluate_check("the model", session->nll[t]));
    session->fresh = 0;
    session->pending = targets[T - 1];
    for (int32_t t = 0; log_probabilities && t < T; t++) log_probabilities[t] = 0 - (double)session->nll[t];
    return PX_OK;
}

static px_status feed(px_session *session, const int32_t *ids, size_t count, int32_t reset_id,
                      double *log_probabilities)
{
    int32_t V = session->file->config.model.vocab;
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= V)
            return px_fail(PX_ERR_INPUT, "token %zu: id %d is not in the vocabulary of %d", i, (int)ids[i], (int)V);
    size_t done = 0;
    if (count > 0 && session->pending < 0) {
        if (log_probabilities) log_probabilities[0] = session->known ? log((double)session->next[ids[0]]) : NAN;
        session->pending = ids[0];
        session->known = 0;
        done = 1;
    }
    while (done < count) {
        size_t T = count - done < WINDOW ? count - done : WINDOW;
        px_status status =
            read_window(session, ids + done, (int32_t)T, reset_id, log_probabilities ? log_probabilities + done : NULL);
        if (status != PX_OK) {
            px_session_reset(session);
            return status;
        }
        done += T;
    }
    return PX_OK;
}

px_status px_session_feed(px_session *session, const int32_t *ids, size_t count, double *log_probabilities)
{
    PX_PLAIN_LOCALE;
    return feed(session, ids, count, session->file->reset_id, log_probabilities);
}

px_status px_session_next(px_session *session, float *probabilities)
{
    PX_PLAIN_LOCALE;
    if (!session->known) {
        if (session->pending < 0)
            return px_fail(PX_ERR_ARGUMENT,
                           "px_session_next: nothing was read since the last reset; feed a token first");
        uint8_t reset = session->fresh || session->pending == session->file->reset_id;
        px_status status = px_engine_next(session->engine, &session->pending, &reset, 1, session->next);
        if (status != PX_OK) {
            px_session_reset(session);
            return status;
        }
        session->fresh = 0;
        session->pending = -1;
        session->known = 1;
    }
    memcpy(probabilities, session->next, (size_t)session->file->config.model.vocab * sizeof *probabilities);
    return PX_OK;
}

/* ---- a line ------------------------------------------------------------------------------------------------------ */

void px_line_score_free(px_line_score *score)
{
    free(score->ids);
    free(score->log_probabilities);
    *score = (px_line_score){0};
}

/* The ids of a line as the scorer reads it: framed by line ends where the model knows them. ids [count], at least none.
 */
static px_status tokenise_line(const px_model_file *file, const char *line, size_t bytes, int framed, int32_t **ids,
                               size_t *count, size_t *unknown)
{
    char *text = malloc(bytes + 2);
    if (!text) return px_fail(PX_ERR_MEMORY, "no memory for a line of %zu bytes", bytes);
    text[0] = text[bytes + 1] = '\n';
    if (bytes) memcpy(text + 1, line, bytes);
    px_status status = px_vocabulary_encode(file->vocabulary, framed ? text : text + 1, framed ? bytes + 2 : bytes,
                                            "line", ids, count, unknown, NULL);
    free(text);
    return status;
}

/* Scores ids[1 .. count) into *score, which takes ids over. */
static px_status score_ids(px_session *session, int32_t *ids, size_t count, px_line_score *score)
{
    double *values = malloc((count + 1) * sizeof *values);
    if (!values) return px_fail(PX_ERR_MEMORY, "no memory for a line of %zu tokens", count);
    px_session_reset(session);
    /* each line is a text of its own: a document's end inside it resets nothing, as in px_evaluate_sequences */
    px_status status = feed(session, ids, count, -1, values);
    px_session_reset(session);
    if (status != PX_OK) {
        free(values);
        return status;
    }
    score->count = count > 0 ? count - 1 : 0;
    for (size_t i = 0; i < score->count; i++) {
        ids[i] = ids[i + 1];
        values[i] = values[i + 1];
        score->log_probability += values[i];
    }
    score->ids = ids;
    score->log_probabilities = values;
    return PX_OK;
}

px_status px_session_score_line(px_session *session, const char *line, size_t bytes, px_line_score *score)
{
    PX_PLAIN_LOCALE;
    int framed = px_model_knows_line_ends(session->file->vocabulary);
    int32_t *ids = NULL;
    size_t count = 0, unknown = 0;
    *score = (px_line_score){0};
    if (bytes && memchr(line, '\n', bytes))
        return px_fail(PX_ERR_ARGUMENT,
                       "px_session_score_line: the line holds a line end; give one line, without its end");
    PX_TRY(tokenise_line(session->file, line, bytes, framed, &ids, &count, &unknown));
    int first_unknown = !framed && count > 0 && ids[0] == 0;
    px_status status = score_ids(session, ids, count, score);
    if (status != PX_OK)
        free(ids);
    else
        score->unknown = unknown - (size_t)first_unknown;
    return status;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

void px_sampling_default(px_sampling *sampling)
{
    *sampling = (px_sampling){.length = 500, .temperature = 1, .top_p = 1, .seed = 1};
}

static px_status generate(px_session *session, const int32_t *prompt, size_t count, int prompt_given,
                          const px_sampling *sampling, px_text_sink *sink)
{
    px_sample_options options = {.length = sampling->length,
                                 .temperature = sampling->temperature,
                                 .top_k = sampling->top_k,
                                 .top_p = sampling->top_p,
                                 .greedy = sampling->greedy,
                                 .seed = sampling->seed,
                                 .count = 1,
                                 .prompt = prompt,
                                 .prompt_count = count,
                                 .exclude_unknown = !sampling->unknown,
                                 .token = px_text_sink_take,
                                 .context = sink};
    /* after a prompt a word is preceded by a space; a prompt that was made up stands for a line's beginning */
    PX_TRY(px_text_sink_add_prompt(sink, prompt, count, prompt_given));
    PX_TRY(px_sample(session->engine, session->file->config.model.vocab, &options));
    return sink->status;
}

px_status px_session_generate(px_session *session, const char *prompt, size_t prompt_bytes, const px_sampling *sampling,
                              char **text, size_t *bytes)
{
    PX_PLAIN_LOCALE;
    px_sampling chosen;
    int32_t *ids = NULL, first = px_sample_start(session->file->vocabulary);
    size_t count = 0;
    px_text_sink sink;
    px_sampling_default(&chosen);
    if (sampling) chosen = *sampling;
    *text = NULL;
    *bytes = 0;
    if (chosen.stop && !*chosen.stop)
        return px_fail(PX_ERR_ARGUMENT, "px_session_generate: the text to stop at is empty; give NULL for none");
    PX_TRY(px_vocabulary_encode(session->file->vocabulary, prompt_bytes ? prompt : "", prompt_bytes, "prompt", &ids,
                                &count, NULL, NULL));
    px_session_reset(session);
    px_text_sink_start(&sink, session->file->vocabulary, NULL, chosen.stop);
    px_status status =
        count > 0 ? generate(session, ids, count, 1, &chosen, &sink) : generate(session, &first, 1, 0, &chosen, &sink);
    px_session_reset(session);
    if (status == PX_OK) {
        size_t made_bytes;
        const char *made = px_text_sink_made(&sink, &made_bytes);
        *text = malloc(made_bytes + 1);
        if (*text) {
            memcpy(*text, made, made_bytes);
            (*text)[made_bytes] = 0;
            *bytes = made_bytes;
        } else
            status = px_fail(PX_ERR_MEMORY, "no memory for a text of %zu bytes", made_bytes);
    }
    px_text_sink_free(&sink);
    free(ids);
    return status;
}
