/* A host program whose timers interrupt it a thousand times a second, as profilers and event loops do: ordinary
 * handlers, no alternate stack, on whatever thread the kernel chooses.
 *
 *     timer_probe MODEL FILE SIGNALS     scores and samples until so many signals were handled; every result must be that of before */
#include <perplex/perplex.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

static atomic_long handled;

/* A handler with a frame of some size, as real ones have. */
static void on_signal(int number)
{
    volatile char frame[4096];
    for (size_t i = 0; i < sizeof frame; i += 64) frame[i] = (char)number;
    atomic_fetch_add(&handled, 1);
}

static void need(px_status status)
{
    if (status == PX_OK) return;
    fprintf(stderr, "timer_probe: %s\n", px_error_message());
    exit(1);
}

typedef struct results {
    double *log_probabilities;
    char *text;
    size_t bytes;
} results;

static results work(px_model *model, const int32_t *ids, size_t count, int32_t threads)
{
    const px_session_options options = {.device = "cpu", .threads = threads};
    px_sampling sampling;
    px_session *session;
    results r = {.log_probabilities = calloc(count, sizeof(double))};
    if (!r.log_probabilities) exit(3);
    need(px_session_create(model, &options, &session));
    need(px_session_feed(session, ids, count, r.log_probabilities));
    r.log_probabilities[0] = 0; /* NaN: nothing came before it */
    px_sampling_default(&sampling);
    sampling.length = 80;
    need(px_session_generate(session, "", 0, &sampling, &r.text, &r.bytes));
    px_session_destroy(session);
    return r;
}

static int same(const results *a, const results *b, size_t count)
{
    return a->bytes == b->bytes && memcmp(a->text, b->text, a->bytes) == 0 &&
           memcmp(a->log_probabilities, b->log_probabilities, count * sizeof(double)) == 0;
}

static void free_results(results *r)
{
    free(r->log_probabilities);
    px_free(r->text);
}

static void start_timers(void)
{
    const struct itimerval often = {.it_interval = {.tv_usec = 1000}, .it_value = {.tv_usec = 1000}};
    struct sigaction action = {.sa_handler =
                                   on_signal}; /* no SA_RESTART: calls that are interrupted must be made again */
    sigaction(SIGPROF, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_PROF, &often, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    const long wanted = atol(argv[3]);
    px_model *model;
    static char text[1 << 14];
    FILE *file = fopen(argv[2], "rb");
    if (!file) return 3;
    const size_t bytes = fread(text, 1, sizeof text, file);
    fclose(file);
    int32_t *ids;
    size_t count;
    need(px_model_open(argv[1], &model));
    need(px_model_tokenise(model, text, bytes, &ids, &count, NULL));
    results before = work(model, ids, count, 1);
    px_model_close(model);
    start_timers();
    int rounds = 0, differ = 0;
    for (; rounds < 6 || atomic_load(&handled) < wanted; rounds++) {
        need(px_model_open(argv[1], &model)); /* files are read under the timers, too */
        results now = work(model, ids, count, 1 + rounds % 3);
        differ += !same(&before, &now, count);
        free_results(&now);
        px_model_close(model);
    }
    printf("%d rounds, %ld signals, %d results differ\n", rounds, atomic_load(&handled), differ);
    free_results(&before);
    px_free(ids);
    return differ ? 1 : 0;
}
