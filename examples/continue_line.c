/* Scores a line under a model and continues it: the whole of libperplex in one small program.
 *
 *     cc continue_line.c $(pkg-config --cflags --libs perplex) -o continue_line
 *     ./continue_line runs/book 'It was a dark and stormy' */
#include <perplex/perplex.h>

#include <stdio.h>
#include <string.h>

static int fail(px_status status)
{
    fprintf(stderr, "continue_line: %s\n", px_error_message());
    return px_status_exit_code(status);
}

static px_status show(px_model *model, px_session *session, const char *line)
{
    px_line_score score;
    px_status status = px_session_score_line(session, line, strlen(line), &score);
    if (status != PX_OK) return status;
    for (size_t i = 0; i < score.count; i++) {
        size_t bytes;
        const char *token = px_model_token(model, score.ids[i], &bytes);
        printf("%10.4f  %.*s\n", score.log_probabilities[i], token[0] == '\n' ? 2 : (int)bytes,
               token[0] == '\n' ? "\\n" : token);
    }
    printf("%10.4f  nats for the whole line of %zu tokens\n", score.log_probability, score.count);
    px_line_score_free(&score);

    px_sampling sampling;
    char *text;
    size_t bytes;
    px_sampling_default(&sampling);
    sampling.length = 200;
    sampling.temperature = 0.8;
    sampling.stop = "\n";
    status = px_session_generate(session, line, strlen(line), &sampling, &text, &bytes);
    if (status != PX_OK) return status;
    printf("%s|%.*s\n", line, (int)bytes, text);
    px_free(text);
    return PX_OK;
}

int main(int argc, char **argv)
{
    px_model *model;
    px_session *session = NULL;
    if (argc != 3) {
        fprintf(stderr, "usage: continue_line MODEL LINE\n");
        return 2;
    }
    px_status status = px_model_open(argv[1], &model);
    if (status == PX_OK) status = px_session_create(model, NULL, &session);
    if (status == PX_OK) status = show(model, session, argv[2]);
    px_session_destroy(session);
    px_model_close(model);
    return status == PX_OK ? 0 : fail(status);
}
