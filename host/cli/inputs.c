/* Texts, vocabularies and tokens for commands: see inputs.h. */
#include "inputs.h"
#include "check.h"
#include "file.h"
#include "printable.h"
#include "token_file.h"
#include "vocabulary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

px_status px_input_settle_level(const px_command_line *line, px_config *config)
{
    int is_token_file = 0;
    px_vocabulary *vocabulary = NULL;
    struct stat info;
    if (!config->corpus.data || stat(config->corpus.data, &info) != 0 || !S_ISREG(info.st_mode))
        return PX_OK; /* several files are texts */
    PX_TRY(px_input_is_token_file(config->corpus.data, &is_token_file));
    if (!is_token_file) return PX_OK;
    PX_TRY(px_token_file_vocabulary(config->corpus.data, &vocabulary));
    px_text_options options = px_vocabulary_options(vocabulary);
    px_vocabulary_destroy(vocabulary);
    const char *flag = px_command_line_typed(line, "level") && config->corpus.text.level != options.level ? "level"
                       : px_command_line_typed(line, "normalise") && config->corpus.text.normalise != options.normalise
                           ? "normalise"
                           : NULL;
    if (flag)
        return px_fail(PX_ERR_ARGUMENT,
                       "--%s %s: %s is a token file of level %s, normalise %s; leave --%s out, or give the text itself",
                       flag, px_command_line_typed(line, flag), config->corpus.data, px_level_name(options.level),
                       px_normalise_name(options.normalise), flag);
    config->corpus.text.level = options.level;
    config->corpus.text.normalise = options.normalise;
    return PX_OK;
}

px_status px_input_is_model(const char *path, int *is_model)
{
    struct stat info;
    *is_model = 0;
    if (stat(path, &info) != 0) return PX_OK; /* whoever reads it says why not */
    *is_model = S_ISDIR(info.st_mode);
    if (!S_ISREG(info.st_mode)) return PX_OK;
    unsigned char head[9] = {0};
    size_t got;
    PX_TRY(px_file_read_start(path, head, sizeof head, &got));
    /* safetensors: length of the header in 8 bytes, then JSON */
    *is_model = got == sizeof head && head[8] == '{' && head[6] == 0 && head[7] == 0;
    return PX_OK;
}

px_status px_input_model(const char *path, px_model_file *model)
{
    PX_TRY(px_model_file_open(path, model));
    if (model->from_last)
        px_print(stderr, "note: %s holds no best.safetensors; this is its last.safetensors, of step %lld\n", path,
                 (long long)model->step);
    return PX_OK;
}

px_status px_input_vocabulary(const char *path, px_vocabulary **vocabulary)
{
    int is_model;
    *vocabulary = NULL;
    PX_TRY(px_input_is_model(path, &is_model));
    if (is_model) {
        px_model_file model;
        PX_TRY(px_input_model(path, &model));
        *vocabulary = model.vocabulary;
        model.vocabulary = NULL;
        px_model_file_close(&model);
        return PX_OK;
    }
    px_corpus corpus;
    px_corpus_request request = {.data = path, .min_count = 1, .split = {1, 0, 0}};
    PX_TRY(px_input_check_token_file(path));
    PX_TRY(px_corpus_open(&request, &corpus));
    *vocabulary = corpus.vocabulary;
    corpus.vocabulary = NULL;
    px_corpus_close(&corpus);
    return PX_OK;
}

px_status px_input_vocabulary_list(const char *path, px_vocabulary_list *list)
{
    if (strcmp(path, "bytes") == 0) return px_vocabulary_list_bytes(list);
    int is_model, is_tokens = 0;
    PX_TRY(px_input_is_model(path, &is_model));
    if (!is_model) PX_TRY(px_input_is_token_file(path, &is_tokens));
    if (!is_model && !is_tokens) return px_vocabulary_list_read(path, list);
    px_vocabulary *vocabulary;
    PX_TRY(px_input_vocabulary(path, &vocabulary));
    px_status status = px_vocabulary_list_of(vocabulary, path, list);
    px_vocabulary_destroy(vocabulary);
    return status;
}

const char *px_input_escape(const char *text, size_t bytes, char *buffer, size_t buffer_bytes)
{
    return px_printable(buffer, buffer_bytes, text, bytes, PX_PRINTABLE_UNAMBIGUOUS);
}

const char *px_input_token_text(const px_vocabulary *vocabulary, int32_t id, char buffer[PX_TOKEN_TEXT_BYTES])
{
    size_t bytes;
    const char *text = px_vocabulary_token(vocabulary, id, &bytes);
    return px_input_escape(text, bytes, buffer, PX_TOKEN_TEXT_BYTES);
}

px_status px_input_read_all(const char *path, size_t limit, char **text, size_t *bytes)
{
    if (strcmp(path, "-") != 0) return px_file_read(path, limit, text, bytes);
    size_t room = 1 << 16, used = 0;
    ssize_t got = 0;
    char *buffer = malloc(room);
    while (buffer) {
        while (used < room && (got = px_read(STDIN_FILENO, buffer + used, room - used)) > 0) used += (size_t)got;
        if (used < room) break;
        char *larger = room < limit ? realloc(buffer, 2 * room) : NULL;
        if (!larger) {
            free(buffer);
            if (room >= limit)
                return px_fail(PX_ERR_INPUT, "standard input: more than %zu bytes, which is too much here", limit);
        }
        buffer = larger;
        room *= 2;
    }
    if (!buffer) return px_fail(PX_ERR_MEMORY, "standard input: no memory to hold it");
    if (got < 0) {
        int error = errno;
        free(buffer);
        return px_fail_system(error, "standard input");
    }
    buffer[used] = 0;
    *text = buffer;
    *bytes = used;
    return PX_OK;
}

px_status px_input_is_token_file(const char *path, int *is_one)
{
    char start[sizeof PX_TOKEN_MAGIC - 1];
    size_t got;
    *is_one = 0;
    PX_TRY(px_file_read_start(path, start, sizeof start, &got));
    *is_one = got == sizeof start && memcmp(start, PX_TOKEN_MAGIC, sizeof start) == 0;
    return PX_OK;
}

px_status px_input_check_token_file(const char *path)
{
    int is_one;
    PX_TRY(px_input_is_token_file(path, &is_one));
    return is_one ? PX_OK
                  : px_fail(PX_ERR_INPUT,
                            "%s: neither a model (.safetensors) nor a token file (perplex tokenize --out)", path);
}
