/* Four threads that each open a model, score, sample and close, all at the same time, with engines of several threads.
 * Run under ThreadSanitizer by threads.sh; the results of all threads must be one thread's, too.
 *
 *     threads_probe MODEL */
#include <perplex/perplex.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 3, LINES = 3 };
static const char *const lines[LINES] = {"the great king went the old river", "a small stone", "queen"};
static const char *path;
static pthread_barrier_t together;

typedef struct outcome {
    double score[LINES];
    char *text;
    const char *wrong; /* what failed first; NULL: nothing */
} outcome;

static const char *use(px_session *session, outcome *o)
{
    px_line_score score;
    size_t bytes;
    for (int i = 0; i < LINES; i++) {
        if (px_session_score_line(session, lines[i], strlen(lines[i]), &score) != PX_OK) return "scoring";
        o->score[i] = score.log_probability;
        px_line_score_free(&score);
    }
    if (px_session_score_line(session, "two\nlines", 9, &score) != PX_ERR_ARGUMENT ||
        !strstr(px_error_message(), "line end"))
        return "a refusal";
    px_free(o->text);
    o->text = NULL;
    return px_session_generate(session, "the ", 4, NULL, &o->text, &bytes) == PX_OK ? NULL : "sampling";
}

static const char *open_and_use(int32_t engine_threads, outcome *o)
{
    px_model *model, *none;
    px_session *session;
    px_session_options options;
    if (px_model_open("no/such/model", &none) != PX_ERR_INPUT) return "a model that is not there";
    if (px_model_open(path, &model) != PX_OK) return "opening";
    px_session_options_default(&options);
    options.threads = engine_threads;
    const char *wrong = "a session";
    if (px_session_create(model, &options, &session) == PX_OK) {
        wrong = use(session, o);
        px_session_destroy(session);
    }
    px_model_close(model);
    return wrong;
}

static void *work(void *context)
{
    outcome *o = context;
    pthread_barrier_wait(&together);
    for (int32_t round = 0; round < ROUNDS && !o->wrong; round++) o->wrong = open_and_use(1 + round % 3, o);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[THREADS];
    outcome outcomes[THREADS] = {0}, alone = {0};
    int failures = 0;
    if (argc != 2) return 2;
    path = argv[1];
    pthread_barrier_init(&together, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) /* first, so that what is made once is made by four at the same time */
        if (pthread_create(&thread[i], NULL, work, &outcomes[i]) != 0) return 3;
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    alone.wrong = open_and_use(1, &alone);
    for (int i = 0; i < THREADS; i++) {
        const outcome *o = &outcomes[i];
        const int same = !o->wrong && !alone.wrong && memcmp(o->score, alone.score, sizeof o->score) == 0 &&
                         strcmp(o->text, alone.text) == 0;
        if (!same)
            printf("FAIL thread %d: %s\n", i, o->wrong ? o->wrong : "its results are not those of one thread alone");
        failures += !same;
    }
    for (int i = 0; i < THREADS; i++) px_free(outcomes[i].text);
    px_free(alone.text);
    pthread_barrier_destroy(&together);
    return failures > 0;
}
