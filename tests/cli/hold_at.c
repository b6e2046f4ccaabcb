/* Holds a program at a line that it prints, so that a test can stop it half-way however slow or fast the machine is:
 *
 *     hold_at TEXT COMMAND PROGRAM ARGS...
 *
 * Runs PROGRAM and passes on its standard output. At the first line with TEXT it runs COMMAND by bash, with the
 * program's number in HELD, and reads on only when that has ended. The pipe between them has room for one line:
 * meanwhile the program waits at the second line after that with TEXT at the latest, in its call of write. Ends like
 * the program, with 128 + its signal where one ended it; 99 if there was no such line. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(char **arguments, int output)
{
    pid_t child = fork();
    if (child != 0) return child;
    dup2(output, STDOUT_FILENO);
    execvp(arguments[0], arguments);
    perror(arguments[0]);
    _exit(127);
}

static void run_command(const char *command, pid_t held)
{
    char number[32], *arguments[] = {"bash", "-c", (char *)command, NULL};
    snprintf(number, sizeof number, "%ld", (long)held);
    setenv("HELD", number, 1);
    fflush(stdout);
    pid_t child = start(arguments, STDOUT_FILENO);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* Passes on a packet, which is a line, at a time; returns whether the line came. */
static int pass_on(int input, const char *text, const char *command, pid_t held)
{
    char packet[4097]; /* of at most PIPE_BUF bytes */
    int came = 0;
    for (;;) {
        ssize_t got = read(input, packet, sizeof packet - 1);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        packet[got] = 0;
        fputs(packet, stdout);
        if (!came && strstr(packet, text)) {
            came = 1;
            run_command(command, held);
        }
    }
    fflush(stdout);
    return came;
}

int main(int argc, char **argv)
{
    int ends[2], status;
    if (argc < 4) return fprintf(stderr, "usage: hold_at TEXT COMMAND PROGRAM ARGS...\n"), 98;
    if (pipe2(ends, O_CLOEXEC | O_DIRECT) != 0 || fcntl(ends[1], F_SETPIPE_SZ, 4096) < 0)
        return perror("hold_at: a pipe for one line"), 98;
    pid_t child = start(argv + 3, ends[1]);
    close(ends[1]);
    int came = pass_on(ends[0], argv[1], argv[2], child);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return 98;
    if (!came) return fprintf(stderr, "hold_at: no line with: %s\n", argv[1]), 99;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
