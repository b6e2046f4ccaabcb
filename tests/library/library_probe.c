/* A program that knows nothing of perplex but its public headers. library.sh compares what it prints with what the
 * program prints, and its own checks end with status 1.
 *
 *     library_probe version
 *     library_probe score MODEL LINE           log-probability<TAB>tokens, as eval --lines
 *     library_probe tokens MODEL FILE          a log-probability per token after the first, as eval --per-token has them
 *     library_probe write MODEL PROMPT SEED LENGTH
 *     library_probe text MODEL FILE            the file, tokenised and put together again
 *     library_probe check MODEL FILE           reading in pieces, next-token probabilities, threads, errors */
#include <perplex/perplex.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void check(int holds, const char *what)
{
    if (holds) return;
    printf("FAIL %s (last message: %s)\n", what, px_error_message());
    failures++;
}

static int fail(void)
{
    fprintf(stderr, "library_probe: %s\n", px_error_message());
    return 1;
}

static char *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(1 << 22);
    if (!file || !text) exit(3);
    *bytes = fread(text, 1, 1 << 22, file);
    fclose(file);
    return text;
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static void reading_in_pieces_is_reading_at_once(px_session *session, const int32_t *ids, size_t count,
                                                 const double *once)
{
    double *pieces = malloc(count * sizeof *pieces);
    px_session_reset(session);
    for (size_t at = 0, size = 1; at < count; at += size, size = size * 3 % 700 + 1) {
        if (size > count - at) size = count - at;
        check(px_session_feed(session, ids + at, size, pieces + at) == PX_OK, "a piece can be read");
    }
    check(isnan(pieces[0]), "nothing comes before the first token");
    check(memcmp(pieces + 1, once + 1, (count - 1) * sizeof *once) == 0, "pieces give the same values, bit for bit");
    free(pieces);
}

static void next_token_probabilities_agree(px_session *session, const px_model *model, const int32_t *ids, size_t count,
                                           const double *once)
{
    px_model_facts facts;
    px_model_describe(model, &facts);
    size_t V = (size_t)facts.vocabulary;
    float *p = malloc(V * sizeof *p), *again = malloc(V * sizeof *again);
    double value, worst = 0;
    px_session_reset(session);
    check(px_session_next(session, p) == PX_ERR_ARGUMENT && strstr(px_error_message(), "feed a token first"),
          "before the first token nothing is predicted");
    for (size_t i = 0; i + 1 < count && i < 60; i++) {
        double sum = 0;
        check(px_session_feed(session, ids + i, 1, &value) == PX_OK, "one token can be read");
        if (i > 0) worst = fmax(worst, fabs(value - once[i]));
        if (i % 3 == 1) continue; /* not asked: it is then scored in the engine's own way */
        check(px_session_next(session, p) == PX_OK && px_session_next(session, again) == PX_OK,
              "probabilities can be asked for, twice");
        check(memcmp(p, again, V * sizeof *p) == 0, "asking changes nothing");
        for (size_t k = 0; k < V; k++) sum += p[k];
        check(fabs(sum - 1) < 1e-5, "probabilities sum to 1");
        worst = fmax(worst, fabs(log(p[ids[i + 1]]) - once[i + 1]));
    }
    check(worst < 1e-4, "the next token's probability is that of scoring");
    free(p);
    free(again);
}

typedef struct job {
    const px_model *model;
    const char *line;
    double score;
    char *text;
    px_status status;
} job;

static void *work(void *context)
{
    job *j = context;
    px_session *session;
    px_line_score score;
    size_t bytes;
    px_session_options options;
    px_session_options_default(&options);
    options.threads = 1;
    j->status = px_session_create(j->model, &options, &session);
    for (int i = 0; i < 5 && j->status == PX_OK; i++) {
        px_free(j->text);
        j->text = NULL;
        j->status = px_session_score_line(session, j->line, strlen(j->line), &score);
        if (j->status != PX_OK) break;
        j->score = score.log_probability;
        px_line_score_free(&score);
        j->status = px_session_generate(session, j->line, strlen(j->line), NULL, &j->text, &bytes);
    }
    px_session_destroy(session);
    return NULL;
}

static void threads_share_a_model(const px_model *model, const char *line)
{
    pthread_t thread[4];
    job jobs[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = (job){.model = model, .line = line};
        pthread_create(&thread[i], NULL, work, &jobs[i]);
    }
    for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < 4; i++) {
        check(jobs[i].status == PX_OK && jobs[i].text, "a thread's session works");
        check(jobs[i].score == jobs[0].score && jobs[i].text && jobs[0].text && strcmp(jobs[i].text, jobs[0].text) == 0,
              "every thread has the same result");
    }
    for (int i = 0; i < 4; i++) px_free(jobs[i].text);
}

static void errors_have_messages(px_model *model, px_session *session)
{
    px_model *none = model;
    px_session *no_session;
    px_line_score score;
    px_session_options options = {.device = "toaster"};
    px_sampling sampling;
    int32_t bad[2] = {0, 1 << 30};
    size_t bytes = 7;
    char *text = (char *)&bytes;
    check(px_model_open("not/there.safetensors", &none) == PX_ERR_INPUT && !none &&
              strstr(px_error_message(), "not/there"),
          "a missing file is named");
    check(px_model_open(NULL, &none) == PX_ERR_ARGUMENT, "no path");
    check(px_session_create(model, &options, &no_session) == PX_ERR_DEVICE && !no_session &&
              strstr(px_error_message(), "toaster"),
          "an unknown device");
    check(px_session_feed(session, bad, 2, NULL) == PX_ERR_INPUT && strstr(px_error_message(), "1073741824"),
          "an id outside the vocabulary");
    check(px_model_detokenise(model, bad, 2, &text, &bytes) == PX_ERR_ARGUMENT && !text && bytes == 0,
          "the same on the way back");
    check(!px_model_token(model, -1, &bytes) && !px_model_token(model, 1 << 30, &bytes), "there is no such token");
    check(px_session_score_line(session, "two\nlines", 9, &score) == PX_ERR_ARGUMENT && !score.ids,
          "two lines are not one");
    px_sampling_default(&sampling);
    sampling.temperature = -1;
    check(px_session_generate(session, "", 0, &sampling, &text, &bytes) == PX_ERR_ARGUMENT && !text &&
              strstr(px_error_message(), "temperature"),
          "a temperature below 0");
    px_sampling_default(&sampling);
    sampling.stop = "";
    check(px_session_generate(session, "", 0, &sampling, &text, &bytes) == PX_ERR_ARGUMENT && !text,
          "an empty stop text");
    check(strcmp(px_status_name(PX_ERR_INPUT), "PX_ERR_INPUT") == 0 && px_status_exit_code(PX_ERR_INPUT) == 2,
          "statuses have names");
    px_session_destroy(NULL);
    px_model_close(NULL);
    px_free(NULL);
    check(px_session_score_line(session, "", 0, &score) == PX_OK, "an empty line is a line");
    px_line_score_free(&score);
    check(px_session_generate(session, "", 0, NULL, &text, &bytes) == PX_OK && strlen(text) <= bytes,
          "an empty prompt begins a text");
    px_free(text);
}

static void everything(px_model *model, px_session *session, const char *path)
{
    size_t bytes, count;
    char *text = read_file(path, &bytes);
    int32_t *ids;
    check(px_model_tokenise(model, text, bytes, &ids, &count, NULL) == PX_OK && count > 1000, "a text has tokens");
    double *once = malloc(count * sizeof *once);
    px_session_reset(session);
    check(px_session_feed(session, ids, count, once) == PX_OK, "a text can be read");
    reading_in_pieces_is_reading_at_once(session, ids, count, once);
    next_token_probabilities_agree(session, model, ids, count, once);
    threads_share_a_model(model, "the great king");
    errors_have_messages(model, session);
    free(once);
    px_free(ids);
    free(text);
}

/* ---- what library.sh compares ------------------------------------------------------------------------------------ */

static px_status print_tokens(px_model *model, px_session *session, const char *path)
{
    size_t bytes, count;
    char *text = read_file(path, &bytes);
    int32_t *ids;
    px_status status = px_model_tokenise(model, text, bytes, &ids, &count, NULL);
    free(text);
    if (status != PX_OK) return status;
    double *values = malloc(count * sizeof *values);
    status = px_session_feed(session, ids, count, values);
    for (size_t i = 1; status == PX_OK && i < count; i++) printf("%.9g\n", values[i]);
    free(values);
    px_free(ids);
    return status;
}

static px_status print_text(px_model *model, const char *path)
{
    size_t bytes, count, made;
    char *text = read_file(path, &bytes), *again = NULL;
    int32_t *ids;
    px_status status = px_model_tokenise(model, text, bytes, &ids, &count, NULL);
    free(text);
    if (status == PX_OK) status = px_model_detokenise(model, ids, count, &again, &made);
    if (status == PX_OK) fwrite(again, 1, made, stdout);
    px_free(again);
    px_free(ids);
    return status;
}

static px_status print_facts(const px_model *model)
{
    px_model_facts facts;
    px_model_describe(model, &facts);
    printf("%d %d %d %d %s %s\n", facts.embedding, facts.hidden, facts.layers, facts.tied, facts.level, facts.output);
    return PX_OK;
}

static px_status print_score(px_session *session, const char *line)
{
    px_line_score score;
    px_status status = px_session_score_line(session, line, strlen(line), &score);
    if (status != PX_OK) return status;
    double sum = 0;
    for (size_t i = 0; i < score.count; i++) sum += score.log_probabilities[i];
    check(sum == score.log_probability, "the sum is that of the tokens");
    printf("%.9g\t%zu\n", score.log_probability, score.count);
    px_line_score_free(&score);
    return PX_OK;
}

static px_status print_written(px_session *session, char **argv)
{
    px_sampling sampling;
    char *text;
    size_t bytes;
    px_sampling_default(&sampling);
    sampling.seed = strtoull(argv[4], NULL, 10);
    sampling.length = atoi(argv[5]);
    sampling.temperature = 0.7;
    px_status status = px_session_generate(session, argv[3], strlen(argv[3]), &sampling, &text, &bytes);
    if (status == PX_OK) fwrite(text, 1, bytes, stdout);
    px_free(text);
    return status;
}

int main(int argc, char **argv)
{
    px_model *model;
    px_session *session = NULL;
    px_session_options options;
    if (argc == 2 && strcmp(argv[1], "version") == 0) {
        printf("%d.%d.%d %s\n", PERPLEX_VERSION_MAJOR, PERPLEX_VERSION_MINOR, PERPLEX_VERSION_PATCH, px_version());
        return 0;
    }
    if (argc < 4) return 2;
    px_session_options_default(&options);
    if (px_model_open(argv[2], &model) != PX_OK) return fail();
    px_status status = px_session_create(model, &options, &session);
    if (status == PX_OK && strcmp(argv[1], "score") == 0) status = print_score(session, argv[3]);
    if (status == PX_OK && strcmp(argv[1], "tokens") == 0) status = print_tokens(model, session, argv[3]);
    if (status == PX_OK && strcmp(argv[1], "facts") == 0) status = print_facts(model);
    if (status == PX_OK && strcmp(argv[1], "text") == 0) status = print_text(model, argv[3]);
    if (status == PX_OK && strcmp(argv[1], "write") == 0 && argc == 6) status = print_written(session, argv);
    if (status == PX_OK && strcmp(argv[1], "check") == 0) everything(model, session, argv[3]);
    px_session_destroy(session);
    px_model_close(model);
    return status != PX_OK ? fail() : failures ? 1 : 0;
}
