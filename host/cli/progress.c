/* The progress line: see progress.h. */
#include "progress.h"
#include "machine.h"
#include "output.h"
#include "printable.h"
#include "quantity.h"
#include "utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE_BYTES = 256 };
static const double PLAIN_INTERVAL_S = 10, LIVE_INTERVAL_S = 0.1, SHARE_DELAY_S = 1;

void px_progress_start(px_progress *progress, FILE *out)
{
    const char *terminal = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    *progress = (px_progress){.out = out, .started_s = px_clock(), .last_s = -1e9};
    /* OpenMPI's mpirun gives its processes terminals, also where its own output is a file */
    progress->live =
        isatty(fileno(out)) && terminal && strcmp(terminal, "dumb") != 0 && !getenv("OMPI_COMM_WORLD_SIZE");
    progress->colour = progress->live && !(no_colour && no_colour[0]);
    if (!progress->live) setvbuf(out, NULL, _IOLBF, 0);
}

void px_progress_clear(px_progress *progress)
{
    if (!progress->shown) return;
    fputs("\r\033[K", progress->out);
    fflush(progress->out);
    progress->shown = 0;
}

void px_progress_line(px_progress *progress, const char *text)
{
    px_progress_clear(progress);
    px_print(progress->out, "%s\n", text);
    fflush(progress->out);
}

static int terminal_columns(FILE *out)
{
    struct winsize size;
    return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

void px_progress_show(px_progress *progress, const char *text)
{
    double now = px_clock();
    if (now - progress->last_s < (progress->live ? LIVE_INTERVAL_S : PLAIN_INTERVAL_S)) return;
    progress->last_s = now;
    if (!progress->live) {
        fprintf(progress->out, "%s\n", text);
        fflush(progress->out);
        return;
    }
    fprintf(progress->out, "\r%s%.*s%s\033[K", progress->colour ? "\033[36m" : "",
            (int)px_utf8_fit(text, terminal_columns(progress->out) - 1, SIZE_MAX), text,
            progress->colour ? "\033[0m" : "");
    fflush(progress->out);
    progress->shown = 1;
}

/* ---- hooks ---------------------------------------------------------------------------------------------------- */

void px_progress_hook_line(void *context, const char *text) { px_progress_line(context, text); }

/* "epoch 3/10  55 %"; where steps bound the run, "epoch 3  step 120/300". */
static void describe_place(const px_train_progress *step, char *buffer, size_t buffer_bytes)
{
    if (step->epochs > 0)
        snprintf(buffer, buffer_bytes, "epoch %lld/%lld %3.0f %%", (long long)step->epoch, (long long)step->epochs,
                 100 * step->share_of_epoch);
    else if (step->steps_in_all > 0)
        snprintf(buffer, buffer_bytes, "epoch %lld  step %lld/%lld", (long long)step->epoch, (long long)step->step,
                 (long long)step->steps_in_all);
    else
        snprintf(buffer, buffer_bytes, "epoch %lld %3.0f %%", (long long)step->epoch, 100 * step->share_of_epoch);
}

/* "2:05", "1:02:05" */
static void describe_left(double seconds, char *buffer, size_t buffer_bytes)
{
    long long s = (long long)(seconds + 0.5);
    if (s < 3600)
        snprintf(buffer, buffer_bytes, "  %lld:%02lld left", s / 60, s % 60);
    else
        snprintf(buffer, buffer_bytes, "  %lld:%02lld:%02lld left", s / 3600, s / 60 % 60, s % 60);
}

static const char *describe_speed(double tokens_per_s, char buffer[32])
{
    if (tokens_per_s < 10000) return px_text_count(buffer, (long long)(tokens_per_s + 0.5));
    snprintf(buffer, 32, "%.0fk", tokens_per_s * 1e-3);
    return buffer;
}

/* At most 79 columns for what is usual: the last thing on the line, the time left, must not be cut. */
void px_progress_hook_training(void *context, const px_train_progress *step)
{
    char text[LINE_BYTES], place[96], speed[32], left[32] = "";
    describe_place(step, place, sizeof place);
    if (step->seconds_left >= 0 && step->seconds_left < 1e9) describe_left(step->seconds_left, left, sizeof left);
    snprintf(text, sizeof text,
             step->perplexity < 1000 ? "%s  loss %.3f  perplexity %.2f  %s tokens/s%s"
                                     : "%s  loss %.3f  perplexity %.4g  %s tokens/s%s",
             place, step->loss, step->perplexity, describe_speed(step->tokens_per_s, speed), left);
    px_progress_show(context, text);
}

void px_progress_describe_evaluation(const px_train_progress *step, int colour, char *text, size_t bytes)
{
    char perplexity[32], count[32];
    if (isnan(step->valid_loss)) {
        snprintf(text, bytes, "epoch %lld, step %s: validation loss not a number (values overflowed); lower --lr",
                 (long long)step->epoch, px_text_count(count, step->step));
        return;
    }
    snprintf(text, bytes, "epoch %lld, step %s: validation loss %.4f, perplexity %s%s%s%s", (long long)step->epoch,
             px_text_count(count, step->step), step->valid_loss, px_text_perplexity(perplexity, exp(step->valid_loss)),
             step->is_best && colour ? "\033[32m" : "", step->is_best ? " (best so far)" : "",
             step->is_best && colour ? "\033[0m" : "");
}

void px_progress_hook_evaluation(void *context, const px_train_progress *step)
{
    px_progress *progress = context;
    char text[LINE_BYTES];
    px_progress_describe_evaluation(step, progress->colour, text, sizeof text);
    px_progress_line(progress, text);
}

int px_progress_is_due(const px_progress *progress)
{
    return progress->live && px_clock() - progress->started_s >= SHARE_DELAY_S;
}

static void show_share(px_progress *progress, const char *what, double share)
{
    char text[LINE_BYTES];
    if (!px_progress_is_due(progress)) return;
    snprintf(text, sizeof text, "%s  %3.0f %%", what, 100 * share);
    px_progress_show(progress, text);
}

void px_progress_hook_share(void *context, double share) { show_share(context, "scoring", share); }

void px_progress_hook_what(void *context, const char *what, double share) { show_share(context, what, share); }
