/* The progress line: see progress.h. */
#include "progress.h"
#include "machine.h"
#include "output.h"

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
    progress->live = isatty(fileno(out)) && terminal && strcmp(terminal, "dumb") != 0;
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
    fprintf(progress->out, "%s\n", text);
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
    fprintf(progress->out, "\r%s%.*s%s\033[K", progress->colour ? "\033[36m" : "", terminal_columns(progress->out) - 1, text,
            progress->colour ? "\033[0m" : "");
    fflush(progress->out);
    progress->shown = 1;
}

/* ---- hooks ---------------------------------------------------------------------------------------------------- */

void px_progress_hook_line(void *context, const char *text)
{
    px_progress_line(context, text);
}

static void describe_place(const px_train_progress *step, char *buffer, size_t buffer_bytes)
{
    char count[32], all[32];
    size_t used = 0;
    if (step->epochs > 0)
        used = (size_t)snprintf(buffer, buffer_bytes, "epoch %lld/%lld", (long long)step->epoch, (long long)step->epochs);
    else
        used = (size_t)snprintf(buffer, buffer_bytes, "epoch %lld", (long long)step->epoch);
    used += (size_t)snprintf(buffer + used, buffer_bytes - used, "  %3.0f %%", 100 * step->share_of_epoch);
    if (step->steps_in_all > 0 && step->epochs == 0)
        snprintf(buffer + used, buffer_bytes - used, "  step %s/%s", px_text_count(count, step->step),
                 px_text_count(all, step->steps_in_all));
}

void px_progress_hook_training(void *context, const px_train_progress *step)
{
    char text[LINE_BYTES], place[96], perplexity[32], speed[32], left[32];
    describe_place(step, place, sizeof place);
    size_t used = (size_t)snprintf(text, sizeof text, "%s  loss %.4f  perplexity %s  %s tokens/s", place, step->loss,
                                   px_text_perplexity(perplexity, step->perplexity),
                                   px_text_count(speed, (long long)(step->tokens_per_s + 0.5)));
    if (step->seconds_left >= 0) snprintf(text + used, sizeof text - used, "  %s left", px_text_seconds(left, step->seconds_left));
    px_progress_show(context, text);
}

void px_progress_hook_evaluation(void *context, const px_train_progress *step)
{
    px_progress *progress = context;
    char text[LINE_BYTES], perplexity[32], count[32];
    snprintf(text, sizeof text, "epoch %lld, step %s: validation loss %.4f, perplexity %s%s%s%s", (long long)step->epoch,
             px_text_count(count, step->step), step->valid_loss, px_text_perplexity(perplexity, exp(step->valid_loss)),
             step->is_best && progress->colour ? "\033[32m" : "", step->is_best ? " (best so far)" : "",
             step->is_best && progress->colour ? "\033[0m" : "");
    px_progress_line(progress, text);
}

/* Short work shows nothing. */
static void show_share(px_progress *progress, const char *what, double share)
{
    char text[LINE_BYTES];
    if (px_clock() - progress->started_s < SHARE_DELAY_S) return;
    snprintf(text, sizeof text, "%s  %3.0f %%", what, 100 * share);
    px_progress_show(progress, text);
}

void px_progress_hook_share(void *context, double share)
{
    show_share(context, "scoring", share);
}

void px_progress_hook_what(void *context, const char *what, double share)
{
    show_share(context, what, share);
}
