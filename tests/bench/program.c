/* Running the real program from a test (program.h). */
#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int temporary(char path[64])
{
    snprintf(path, 64, "/tmp/perplex-bench-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0) fail_msg("no temporary file");
    return fd;
}

program_started program_start(const char *command_line)
{
    program_started s = {0};
    char *copy = strdup(command_line), *arguments[64] = {(char *)PERPLEX_PROGRAM}, *state = NULL;
    int count = 1, out = temporary(s.out_path), err = temporary(s.err_path);
    for (char *part = strtok_r(copy, " ", &state); part && count < 63; part = strtok_r(NULL, " ", &state))
        arguments[count++] = part;
    s.pid = fork();
    if (s.pid == 0) {
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        execv(PERPLEX_PROGRAM, arguments);
        _exit(127);
    }
    close(out);
    close(err);
    free(copy);
    if (s.pid < 0) fail_msg("cannot fork");
    return s;
}

char *program_read(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("%s: cannot be read", path);
    fseek(file, 0, SEEK_END);
    long bytes = ftell(file);
    rewind(file);
    char *text = calloc(1, (size_t)bytes + 1);
    size_t got = fread(text, 1, (size_t)bytes, file);
    text[got] = 0;
    fclose(file);
    return text;
}

program_run program_wait(program_started *s)
{
    int status = 0;
    program_run run = {0};
    while (waitpid(s->pid, &status, 0) < 0) {
    }
    run.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    run.out = program_read(s->out_path);
    run.err = program_read(s->err_path);
    unlink(s->out_path);
    unlink(s->err_path);
    return run;
}

program_run program_call(const char *command_line)
{
    program_started started = program_start(command_line);
    return program_wait(&started);
}

void program_free(program_run *run)
{
    free(run->out);
    free(run->err);
    memset(run, 0, sizeof *run);
}

cJSON *program_json(const program_run *run, int code)
{
    if (run->code != code) fail_msg("exit status %d, want %d; standard error: %s", run->code, code, run->err);
    cJSON *root = cJSON_Parse(run->out);
    if (!root) fail_msg("standard output is not JSON: %.200s; standard error: %s", run->out, run->err);
    return root;
}

const cJSON *json_at(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!item) fail_msg("\"%s\" is missing", name);
    return item;
}

double json_number(const cJSON *object, const char *name)
{
    const cJSON *item = json_at(object, name);
    if (!cJSON_IsNumber(item)) fail_msg("\"%s\" is no number", name);
    return item->valuedouble;
}

const char *json_text(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(json_at(object, name));
    if (!text) fail_msg("\"%s\" is no text", name);
    return text;
}
