/* See corpus_support.h. */
#include "corpus_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static int corpora_missing;

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0) fprintf(stderr, "%s is left behind\n", folder);
}

char *scratch_path(const char *name)
{
    if (!folder[0]) {
        strcpy(folder, "/tmp/perplex-corpus-XXXXXX");
        if (!mkdtemp(folder)) abort();
        atexit(remove_folder);
    }
    char *path = malloc(strlen(folder) + strlen(name) + 2);
    if (!path) abort();
    sprintf(path, "%s/%s", folder, name);
    return path;
}

char *scratch_write(const char *name, const void *data, size_t bytes)
{
    char *path = scratch_path(name);
    FILE *file = fopen(path, "wb");
    if (!file || (bytes && fwrite(data, 1, bytes, file) != bytes) || fclose(file) != 0) abort();
    return path;
}

void *read_whole(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) abort();
    *bytes = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*bytes + 1);
    if (!data || fread(data, 1, *bytes, file) != *bytes) abort();
    fclose(file);
    return data;
}

px_corpus_request request_for(const char *path, int level, int normalise)
{
    return (px_corpus_request){.data = path, .text = {.level = level, .normalise = normalise}, .split = {1, 0, 0}};
}

void assert_done(px_status status)
{
    if (status != PX_OK) fail_msg("%s: %s", px_status_name(status), px_error_message());
}

int32_t token_at(const px_tokens *tokens, size_t index)
{
    int32_t id;
    assert_done(px_tokens_at(tokens, index, &id));
    return id;
}

size_t unknown_in(const px_tokens *tokens, size_t begin, size_t end)
{
    size_t unknown;
    assert_done(px_tokens_unknown(tokens, begin, end, &unknown));
    return unknown;
}

void assert_fails(px_status status, px_status wanted, ...)
{
    if (status != wanted)
        fail_msg("%s where %s is right (%s)", px_status_name(status), px_status_name(wanted), px_error_message());
    va_list pieces;
    va_start(pieces, wanted);
    for (const char *piece; (piece = va_arg(pieces, const char *));)
        if (!strstr(px_error_message(), piece)) fail_msg("\"%s\" is not in the message: %s", piece, px_error_message());
    va_end(pieces);
}

char *corpus_or_skip(const char *name)
{
    const char *folders[] = {getenv("PERPLEX_DATASETS"), PERPLEX_SOURCE_DIR "/../shared/datasets"};
    for (int i = 0; i < 2; i++) {
        if (!folders[i] || !*folders[i]) continue;
        char *path = malloc(strlen(folders[i]) + strlen(name) + 2);
        if (!path) abort();
        sprintf(path, "%s/%s", folders[i], name);
        if (access(path, R_OK) == 0) return path;
        free(path);
    }
    printf("SKIP: %s was found neither in $PERPLEX_DATASETS nor in ../shared/datasets\n", name);
    corpora_missing++;
    skip();
    return NULL;
}

int finish_tests(int failures) { return failures ? failures : corpora_missing ? 77 : 0; }
