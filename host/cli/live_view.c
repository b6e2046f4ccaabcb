/* Drawing a run: see live_view.h. */
#include "live_view.h"

#include "quantity.h"
#include "utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    NUMBER_ROWS = 6,   /* title, bar, training, validation, speed, rate */
    LABEL_COLUMNS = 9, /* of the curves' axis, before its line */
    CHART_COLUMNS_MAX = 240,
    CHART_ROWS_MAX = 100
};

/* ---- state ------------------------------------------------------------------------------------------------------- */

void px_live_state_start(px_live_state *state, const char *title)
{
    memset(state, 0, sizeof *state);
    snprintf(state->title, sizeof state->title, "%s", title);
    state->share = state->loss = state->valid_loss = state->best_loss = NAN;
    state->tokens_per_s = state->learning_rate = state->grad_norm = NAN;
    state->seconds = state->seconds_left = -1;
    state->sample_step = -1;
}

void px_live_curve_add(px_live_curve *curve, double step, double loss)
{
    if (!isfinite(loss)) return;
    if (curve->count == PX_LIVE_POINTS) {
        curve->count /= 2;
        for (size_t i = 0; i < curve->count; i++) {
            curve->step[i] = curve->step[2 * i];
            curve->loss[i] = curve->loss[2 * i];
        }
    }
    curve->step[curve->count] = step;
    curve->loss[curve->count++] = loss;
}

void px_live_set_sample(px_live_state *state, int64_t step, const char *text)
{
    state->sample_step = step;
    snprintf(state->sample, sizeof state->sample, "%s", text);
}

void px_live_set_message(px_live_state *state, const char *text)
{
    memmove(state->message[0], state->message[1], sizeof state->message - sizeof state->message[0]);
    snprintf(state->message[PX_LIVE_MESSAGES - 1], sizeof state->message[0], "%s", text);
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static void draw_bar(const px_live_state *state, px_screen *screen, int row)
{
    char place[96], count[32], all[32], bar[256];
    int used = state->epochs > 0
                   ? snprintf(place, sizeof place, "epoch %lld/%lld", (long long)state->epoch, (long long)state->epochs)
                   : snprintf(place, sizeof place, "epoch %lld", (long long)state->epoch);
    used += snprintf(place + used, sizeof place - (size_t)used, "  step %s", px_text_count(count, state->step));
    if (state->steps_in_all > 0)
        used += snprintf(place + used, sizeof place - (size_t)used, "/%s", px_text_count(all, state->steps_in_all));
    const int width = px_screen_columns(screen) - used - 11;
    if (isnan(state->share) || width < 4 || width >= (int)sizeof bar) {
        px_screen_row(screen, row, PX_SCREEN_PLAIN, "%s", place);
        return;
    }
    const int done = (int)(state->share * width + 0.5);
    memset(bar, '.', (size_t)width);
    memset(bar, '#', (size_t)(done < 0 ? 0 : done > width ? width : done));
    bar[width] = 0;
    px_screen_row(screen, row, PX_SCREEN_PLAIN, "%s  [%s] %3.0f %%", place, bar, 100 * state->share);
}

/* "loss 1.2345   perplexity 3.4365"; "-" where nothing is known. */
static const char *loss_text(char text[80], double loss)
{
    char perplexity[32];
    if (isnan(loss)) return "-";
    snprintf(text, 80, "loss %-9.4f perplexity %-9s", loss, px_text_perplexity(perplexity, exp(loss)));
    return text;
}

static void draw_validation(const px_live_state *state, px_screen *screen, int row)
{
    char loss[80], perplexity[32], step[32];
    const int best = !isnan(state->best_loss) && state->best_step == state->valid_step;
    if (isnan(state->best_loss))
        px_screen_row(screen, row, PX_SCREEN_PLAIN, "validation  %s", loss_text(loss, state->valid_loss));
    else
        px_screen_row(screen, row, best ? PX_SCREEN_GREEN : PX_SCREEN_PLAIN, "validation  %s best %s at step %s",
                      loss_text(loss, state->valid_loss), px_text_perplexity(perplexity, exp(state->best_loss)),
                      px_text_count(step, state->best_step));
}

static void draw_speed(const px_live_state *state, px_screen *screen, int row)
{
    char speed[32], seconds[32], left[32], line[160];
    int used = isnan(state->tokens_per_s) ? snprintf(line, sizeof line, "speed       -")
                                          : snprintf(line, sizeof line, "speed       %s tokens/s",
                                                     px_text_count(speed, (long long)(state->tokens_per_s + 0.5)));
    if (state->seconds >= 0)
        used +=
            snprintf(line + used, sizeof line - (size_t)used, "   for %s", px_text_seconds(seconds, state->seconds));
    if (state->seconds_left >= 0 && state->seconds_left < 1e9)
        snprintf(line + used, sizeof line - (size_t)used, "   %s left", px_text_seconds(left, state->seconds_left));
    px_screen_row(screen, row, PX_SCREEN_PLAIN, "%s", line);
}

static void draw_numbers(const px_live_state *state, px_screen *screen, int first)
{
    char loss[80];
    px_screen_row(screen, first, PX_SCREEN_BOLD, "%s", state->title);
    draw_bar(state, screen, first + 1);
    px_screen_row(screen, first + 2, PX_SCREEN_PLAIN, "training    %s", loss_text(loss, state->loss));
    draw_validation(state, screen, first + 3);
    draw_speed(state, screen, first + 4);
    if (isnan(state->learning_rate))
        px_screen_row(screen, first + 5, PX_SCREEN_PLAIN, "update      -");
    else
        px_screen_row(screen, first + 5, PX_SCREEN_PLAIN, "update      learning rate %.3g   gradient norm %.3g",
                      state->learning_rate, state->grad_norm);
}

/* ---- curves ------------------------------------------------------------------------------------------------------ */

typedef struct chart {
    int rows, columns;
    double step_max, low, high;
    char mark[CHART_ROWS_MAX][CHART_COLUMNS_MAX + 1];
} chart;

static void widen(chart *c, const px_live_curve *curve)
{
    for (size_t i = 0; i < curve->count; i++) {
        if (curve->step[i] > c->step_max) c->step_max = curve->step[i];
        if (curve->loss[i] < c->low) c->low = curve->loss[i];
        if (curve->loss[i] > c->high) c->high = curve->loss[i];
    }
}

/* The mean of the losses of each column. */
static void plot(chart *c, const px_live_curve *curve, char mark)
{
    double sum[CHART_COLUMNS_MAX] = {0};
    int count[CHART_COLUMNS_MAX] = {0};
    for (size_t i = 0; i < curve->count; i++) {
        const int x = (int)(curve->step[i] / c->step_max * (c->columns - 1));
        sum[x] += curve->loss[i];
        count[x]++;
    }
    for (int x = 0; x < c->columns; x++) {
        if (!count[x]) continue;
        const double y = (c->high - sum[x] / count[x]) / (c->high - c->low) * (c->rows - 1);
        c->mark[(int)(fmin(fmax(y, 0), c->rows - 1) + 0.5)][x] = mark; /* of a mean beyond 1e308, too */
    }
}

static void draw_chart(const px_live_state *state, px_screen *screen, int first, int rows)
{
    chart c = {
        .rows = rows - 1, .columns = px_screen_columns(screen) - LABEL_COLUMNS - 1, .low = 1e300, .high = -1e300};
    if (c.columns > CHART_COLUMNS_MAX) c.columns = CHART_COLUMNS_MAX;
    if (c.rows > CHART_ROWS_MAX) c.rows = CHART_ROWS_MAX;
    widen(&c, &state->train);
    widen(&c, &state->valid);
    if (c.rows < 3 || c.columns < 10 || !(c.step_max > 0)) return;
    c.low = fmax(c.low, -1e300);
    c.high = fmin(c.high, 1e300);
    if (!(c.high - c.low > 1e-9 * fabs(c.low))) c.high = c.low + fmax(1e-3, 1e-3 * fabs(c.low));
    for (int y = 0; y < c.rows; y++) memset(c.mark[y], ' ', (size_t)c.columns);
    plot(&c, &state->train, '.');
    plot(&c, &state->valid, 'o');
    for (int y = 0; y < c.rows; y++) {
        char label[32] = "";
        if (y == 0 || y == c.rows - 1) snprintf(label, sizeof label, "%.4g", y ? c.low : c.high);
        px_screen_row(screen, first + y, PX_SCREEN_PLAIN, "%*s|%s", LABEL_COLUMNS, label, c.mark[y]);
    }
    char step[32];
    px_screen_row(screen, first + c.rows, PX_SCREEN_PLAIN, "%*s+ loss to step %s   . training   o validation",
                  LABEL_COLUMNS, "", px_text_count(step, (long long)c.step_max));
}

/* ---- the sample and what was said -------------------------------------------------------------------------------- */

static void draw_sample(const px_live_state *state, px_screen *screen, int first, int rows)
{
    char step[32];
    const char *at = state->sample;
    if (state->sample_step < 0 || rows < 2) return;
    px_screen_row(screen, first, PX_SCREEN_BOLD, "sample at step %s", px_text_count(step, state->sample_step));
    for (int row = 1; row < rows && *at; row++) {
        const size_t line = strcspn(at, "\n"), fits = px_utf8_fit(at, px_screen_columns(screen), line);
        px_screen_row(screen, first + row, PX_SCREEN_PLAIN, "%.*s", (int)fits, at);
        at += fits;
        if (*at == '\n') at++;
        if (fits == 0 && line > 0) break; /* a screen narrower than a character */
    }
}

void px_live_draw(const px_live_state *state, px_screen *screen, int first, int rows)
{
    draw_numbers(state, screen, first);
    int left = rows - NUMBER_ROWS, row = first + NUMBER_ROWS;
    const int messages = left >= 3 ? PX_LIVE_MESSAGES : 0;
    for (int i = 0; i < messages; i++)
        px_screen_row(screen, first + rows - messages + i, PX_SCREEN_PLAIN, "%s", state->message[i]);
    left -= messages;
    const int sample = left >= 10 ? 4 + left / 8 : 0;
    draw_chart(state, screen, row, left - sample);
    draw_sample(state, screen, row + left - sample, sample);
}
