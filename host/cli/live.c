/* Drawing a training while it goes on: see live.h. */
#include "live.h"

#include "live_view.h"
#include "machine.h"
#include "note.h"
#include "output.h"
#include "screen.h"
#include "signals.h"
#include "text_buffer.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long a picture stands at most: clocks go on, and a window may have changed its size. */
static const long PICTURE_NS = 300 * 1000 * 1000;

struct px_live {
    px_progress *lines;
    px_screen *screen; /* the thread's, once it runs */
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t ended;
    int ending;
    double started_s, told_s; /* when seconds_left was told */
    px_live_state state;
    px_text said;        /* lines for the terminal when it is given back, each with its end */
    px_live_state drawn; /* the thread's own copy: a slow terminal holds up nobody */
};

static px_live *running; /* whom notes are told, and whose terminal is given back when a signal ends the program */

/* ---- the thread that draws --------------------------------------------------------------------------------------- */

static void draw(px_live *live, double now)
{
    px_live_state *state = &live->drawn;
    state->seconds = now - live->started_s;
    if (state->seconds_left > 0) state->seconds_left = fmax(0, state->seconds_left - (now - live->told_s));
    px_screen_begin(live->screen);
    px_live_draw(state, live->screen, 0, px_screen_rows(live->screen));
    px_screen_end(live->screen);
}

static void *draw_until_end(void *context)
{
    px_live *live = context;
    pthread_mutex_lock(&live->lock);
    while (!live->ending) {
        struct timespec until;
        live->drawn = live->state;
        pthread_mutex_unlock(&live->lock);
        draw(live, px_clock());
        pthread_mutex_lock(&live->lock);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += PICTURE_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (!live->ending) pthread_cond_timedwait(&live->ended, &live->lock, &until);
    }
    pthread_mutex_unlock(&live->lock);
    return NULL;
}

/* All signals are blocked in it: they are for others. */
static int start_thread(px_live *live)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&live->thread, NULL, draw_until_end, live);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0;
}

static void give_back(px_live *live)
{
    pthread_mutex_lock(&live->lock);
    live->ending = 1;
    pthread_cond_signal(&live->ended);
    pthread_mutex_unlock(&live->lock);
    pthread_join(live->thread, NULL);
    px_screen_close(live->screen);
}

/* A second Ctrl-C ends the program from the signals' thread. */
static void give_back_at_once(void)
{
    if (running) give_back(running);
}

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

px_live *px_live_start(px_progress *lines, const char *title)
{
    px_live *live = calloc(1, sizeof *live);
    if (!live) return NULL;
    live->lines = lines;
    live->screen = px_screen_open(lines->out);
    live->started_s = px_clock();
    px_live_state_start(&live->state, title);
    pthread_mutex_init(&live->lock, NULL);
    pthread_cond_init(&live->ended, NULL);
    if (!live->screen || !start_thread(live)) {
        px_screen_close(live->screen);
        free(live);
        return NULL;
    }
    running = live;
    px_signals_before_end(give_back_at_once);
    px_note_to(px_live_note);
    return live;
}

void px_live_end(px_live *live)
{
    if (!live) return;
    px_signals_before_end(NULL);
    px_note_to(px_output_note);
    running = NULL;
    give_back(live);
    for (char *line = live->said.data, *end; line && (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        px_progress_line(live->lines, line);
    }
    px_text_free(&live->said);
    pthread_mutex_destroy(&live->lock);
    pthread_cond_destroy(&live->ended);
    free(live);
}

/* ---- what it is told --------------------------------------------------------------------------------------------- */

/* With the lock. */
static void say(px_live *live, const char *text)
{
    px_live_set_message(&live->state, text);
    px_text_format(&live->said, "%s\n", text);
}

void px_live_hook_line(void *context, const char *text)
{
    px_live *live = context;
    pthread_mutex_lock(&live->lock);
    say(live, text);
    pthread_mutex_unlock(&live->lock);
}

void px_live_note(const char *text)
{
    char line[512];
    if (!running) return;
    snprintf(line, sizeof line, "note: %s", text);
    px_live_hook_line(running, line);
}

static void set_place(px_live_state *state, const px_train_progress *step)
{
    state->step = step->step;
    state->epoch = step->epoch;
    if (step->steps_in_all > 0) {
        state->steps_in_all = step->steps_in_all;
        state->share = (double)step->step / (double)step->steps_in_all;
    }
    if (step->epochs > 0) state->epochs = step->epochs;
}

void px_live_hook_training(void *context, const px_train_progress *step)
{
    px_live *live = context;
    pthread_mutex_lock(&live->lock);
    px_live_state *state = &live->state;
    set_place(state, step);
    state->loss = step->loss;
    state->tokens_per_s = step->tokens_per_s;
    state->seconds_left = step->seconds_left;
    state->learning_rate = step->learning_rate;
    state->grad_norm = step->grad_norm;
    live->told_s = px_clock();
    px_live_curve_add(&state->train, (double)step->step, step->loss);
    pthread_mutex_unlock(&live->lock);
}

void px_live_hook_evaluation(void *context, const px_train_progress *step)
{
    px_live *live = context;
    char text[256];
    px_progress_describe_evaluation(step, 0, text, sizeof text);
    pthread_mutex_lock(&live->lock);
    px_live_state *state = &live->state;
    set_place(state, step);
    state->valid_loss = step->valid_loss;
    state->valid_step = step->step;
    if (step->is_best) {
        state->best_loss = step->valid_loss;
        state->best_step = step->step;
    }
    px_live_curve_add(&state->valid, (double)step->step, step->valid_loss);
    say(live, text);
    pthread_mutex_unlock(&live->lock);
}

void px_live_sample(px_live *live, int64_t step, const char *text)
{
    pthread_mutex_lock(&live->lock);
    px_live_set_sample(&live->state, step, text);
    pthread_mutex_unlock(&live->lock);
}
