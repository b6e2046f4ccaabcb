/* Running the real program from a test: exit status, standard output and standard error. */
#ifndef PX_TEST_PROGRAM_H
#define PX_TEST_PROGRAM_H

#include <cjson/cJSON.h>
#include <sys/types.h>

typedef struct program_run {
    int code;        /* exit status; 128 + signal where it was killed */
    char *out, *err; /* NUL-terminated; freed by program_free */
} program_run;

/* Runs perplex with a command line split at spaces. */
program_run program_call(const char *command_line);
void program_free(program_run *run);
/* The same in two parts: start, then wait. err_path is where standard error grows meanwhile. */
typedef struct program_started {
    pid_t pid;
    char out_path[64], err_path[64];
} program_started;
program_started program_start(const char *command_line);
program_run program_wait(program_started *started);
/* Reads a file whole, NUL-terminated; fails the test if it cannot. */
char *program_read(const char *path);
/* Standard output as JSON; fails the test, showing standard error, if the exit status is not `code` or it is no JSON.
 */
cJSON *program_json(const program_run *run, int code);

/* Shorthands for what must be there. */
double json_number(const cJSON *object, const char *name);
const char *json_text(const cJSON *object, const char *name);
const cJSON *json_at(const cJSON *object, const char *name);

#endif
