/* A host program in its user's language: it calls setlocale(LC_ALL, ""), then opens a model through libperplex, scores
 * and writes. What it prints has no number that a locale could touch, so that locale.sh may compare it with that of
 * another language.
 *
 *     locale_probe MODEL DECIMAL-POINT       the second is what the host's locale must have before and after every call */
#include <perplex/perplex.h>

#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *point;
static locale_t thread_locale; /* what the host's thread uses */

static void host_is_as_it_was(const char *after)
{
    char half[16];
    snprintf(half, sizeof half, "%.1f", 0.5);
    if (half[1] == point[0] && uselocale((locale_t)0) == thread_locale) return;
    printf("FAIL after %s the host writes %s\n", after, half);
    exit(1);
}

static void refused(px_status status, const char *what)
{
    printf("%s: %s: %s\n", what, px_status_name(status), px_error_message());
    host_is_as_it_was(what);
}

static void use(const char *path)
{
    px_model *model = NULL;
    px_session *session = NULL;
    px_line_score score;
    px_sampling sampling;
    char *text;
    size_t bytes;
    px_status status = px_model_open(path, &model);
    host_is_as_it_was("px_model_open");
    if (status == PX_OK) status = px_session_create(model, NULL, &session);
    host_is_as_it_was("px_session_create");
    if (status == PX_OK) status = px_session_score_line(session, "the great KING", 14, &score);
    if (status != PX_OK) {
        refused(status, "opening and scoring");
        exit(1);
    }
    host_is_as_it_was("px_session_score_line");
    uint64_t bits;
    memcpy(&bits, &score.log_probability, sizeof bits);
    printf("%016llx of %zu\n", (unsigned long long)bits, score.count);
    px_line_score_free(&score);
    px_sampling_default(&sampling);
    sampling.length = 40;
    if (px_session_generate(session, "the ", 4, &sampling, &text, &bytes) != PX_OK) exit(1);
    printf("%.*s\n", (int)bytes, text);
    px_free(text);
    sampling.top_p = 1.5;
    refused(px_session_generate(session, "", 0, &sampling, &text, &bytes), "a share above 1");
    sampling.top_p = 1;
    sampling.temperature = -0.25;
    refused(px_session_generate(session, "", 0, &sampling, &text, &bytes), "a temperature below 0");
    px_session_destroy(session);
    px_model_close(model);
}

int main(int argc, char **argv)
{
    if (argc != 3 || !setlocale(LC_ALL, "")) return 3;
    point = argv[2];
    thread_locale = LC_GLOBAL_LOCALE;
    host_is_as_it_was("setlocale");
    use(argv[1]);
    thread_locale = newlocale(LC_ALL_MASK, "", (locale_t)0); /* the same by another way: a locale of this thread */
    if (!thread_locale || !setlocale(LC_ALL, "C")) return 3;
    uselocale(thread_locale);
    use(argv[1]);
    return 0;
}
