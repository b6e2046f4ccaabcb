/* Pictures as files (plot.h): one self-contained gnuplot script each, so that it can be drawn again or changed by hand.
 *
 *     speed-hidden, speed-batch   tokens/s over h and over n, one line per device and other sizes
 *     phases                      shares of a step
 *     roofline                    GFLOP/s over operations per byte, under each device's roof */
#include "plot.h"

#include "check.h"
#include "file.h"
#include "child.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The grey of texts and axes has the same contrast, 4.3, on white and on GitHub's dark page (#0d1117); the lines'
 * colours have 3 or more on both. The background is left transparent. */
void px_plot_style(FILE *out, const char *title, const char *subtitle)
{
    static const char *const colour[] = {"#2f81f7", "#d9730d", "#2da44e", "#a371f7",
                                         "#e5534b", "#1b9aaa", "#a5783f", "#8b8f98"};
    for (int i = 0; i < 8; i++)
        fprintf(out, "set linetype %d linecolor rgb '%s' linewidth 2 pointtype 7 pointsize 0.6\n", i + 1, colour[i]);
    fprintf(out, "grey = '#757b85'\nset title \"%s\\n%s\" textcolor rgb grey noenhanced\n", title, subtitle);
    fprintf(out,
            "set border 3 linecolor rgb grey\nset tics nomirror textcolor rgb grey\nset xlabel textcolor rgb grey\n"
            "set ylabel textcolor rgb grey\nset grid linecolor rgb '#a0757b85' linewidth 0.5 dashtype solid\n"
            "set key outside right top reverse Left textcolor rgb grey noenhanced samplen 2\n");
}

/* Runs gnuplot on a script with the terminal and output given before it. 0 if it worked, 127 if it is not installed. */
static int draw(const char *script, const char *terminal, const char *picture)
{
    char setup[PATH_MAX + 160];
    snprintf(setup, sizeof setup, "set terminal %s; set output '%s'", terminal, picture);
    char *arguments[] = {"gnuplot", "-e", setup, (char *)script, NULL};
    pid_t child;
    int code;
    if (px_spawn(&child, arguments, NULL) != 0) return 127;
    while (waitpid(child, &code, 0) < 0)
        if (errno != EINTR) return 1;
    return WIFEXITED(code) ? WEXITSTATUS(code) : 1;
}

static const struct picture {
    const char *name;
    int (*script)(FILE *out, const px_bench_result *result);
} pictures[] = {
    {"speed-hidden", px_plot_speed_over_hidden},
    {"speed-batch", px_plot_speed_over_batch},
    {"phases", px_plot_phases},
    {"roofline", px_plot_roofline},
};

const char *px_bench_picture(size_t index)
{
    return index < sizeof pictures / sizeof pictures[0] ? pictures[index].name : NULL;
}

static void draw_files(const char *folder, const char *name, int height, int png, int *failed)
{
    char script[PATH_MAX], picture[PATH_MAX], terminal[96];
    snprintf(script, sizeof script, "%s/plots/%s.gp", folder, name);
    snprintf(picture, sizeof picture, "%s/plots/%s.svg", folder, name);
    snprintf(terminal, sizeof terminal, "svg size %d,%d fixed font 'sans-serif,13'", PX_PLOT_WIDTH, height);
    *failed = draw(script, terminal, picture);
    if (!png || *failed) return;
    snprintf(picture, sizeof picture, "%s/plots/%s.png", folder, name);
    snprintf(terminal, sizeof terminal, "pngcairo size %d,%d font 'sans-serif,10'", PX_PLOT_WIDTH, height);
    *failed = draw(script, terminal, picture);
}

static px_status plot(const px_bench_result *result, const char *folder, const struct picture *picture, int png,
                      int *failed)
{
    char path[PATH_MAX];
    px_memory_stream memory;
    PX_TRY(px_memory_open(&memory, "bench: a plot"));
    FILE *out = memory.stream;
    fprintf(out, "# gnuplot -e \"set terminal svg size 920,400; set output '%s.svg'\" %s.gp\n", picture->name,
            picture->name);
    int height = picture->script(out, result);
    char *text = px_memory_end(&memory);
    px_status status = text ? PX_OK : px_fail(PX_ERR_MEMORY, "bench: no memory for a plot");
    if (text && height > 0) {
        snprintf(path, sizeof path, "%s/plots/%s.gp", folder, picture->name);
        status = px_file_put(path, text, memory.bytes);
        if (status == PX_OK && *failed == 0) draw_files(folder, picture->name, height, png, failed);
    }
    free(text);
    return status;
}

px_status px_bench_plot(const px_bench_result *result, const char *folder, int png, char *note, size_t note_bytes)
{
    char path[PATH_MAX];
    int failed = 0;
    note[0] = 0;
    if (strchr(folder, '\''))
        return px_fail(PX_ERR_ARGUMENT, "%s: a folder for plots may not have a quote in its name", folder);
    if (px_make_folder(folder, 0777) != 0 && errno != EEXIST)
        return px_fail(PX_ERR_IO, "%s: cannot be made: %s", folder, strerror(errno));
    snprintf(path, sizeof path, "%s/plots", folder);
    if (px_make_folder(path, 0777) != 0 && errno != EEXIST)
        return px_fail(PX_ERR_IO, "%s: cannot be made: %s", path, strerror(errno));
    for (size_t i = 0; i < sizeof pictures / sizeof pictures[0]; i++)
        PX_TRY(plot(result, folder, &pictures[i], png, &failed));
    if (failed == 127)
        snprintf(note, note_bytes,
                 "gnuplot was not found: plots/*.gp are written but not drawn (apt-get install gnuplot-nox)");
    else if (failed)
        snprintf(note, note_bytes, "gnuplot failed (status %d): see plots/*.gp", failed);
    return PX_OK;
}
