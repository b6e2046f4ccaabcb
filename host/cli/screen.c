/* Drawing in place: see screen.h. */
#include "screen.h"

#include "machine.h"
#include "printable.h"
#include "terminfo.h"
#include "text_buffer.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { ROWS_MAX = 200, ROW_BYTES = 1024 };
/* A picture as late as that is drawn whole: the process was stopped (Ctrl-Z) and another one wrote on the screen. */
static const double PAUSE_S = 3;

typedef struct row {
    px_screen_style style;
    char text[ROW_BYTES];
} row;

struct px_screen {
    FILE *out;
    int rows, columns, whole, coloured;
    double last_s;
    px_text sending;
    row now[ROWS_MAX], shown[ROWS_MAX];
};

int px_screen_built_in(void) { return px_terminfo_built_in(); }

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static void flush(px_screen *screen)
{
    if (screen->sending.bytes) fwrite(screen->sending.data, 1, screen->sending.bytes, screen->out);
    fflush(screen->out);
    px_text_clear(&screen->sending);
}

px_screen *px_screen_open(FILE *out)
{
    const char *no_colour = getenv("NO_COLOR");
    /* OpenMPI's mpirun gives its processes terminals, also where its own output is a file */
    if (!isatty(fileno(out)) || getenv("OMPI_COMM_WORLD_SIZE") || !px_terminfo_open(fileno(out))) return NULL;
    px_screen *screen = calloc(1, sizeof *screen);
    if (!screen) return NULL;
    screen->out = out;
    screen->coloured = !(no_colour && no_colour[0]);
    px_terminfo_append(&screen->sending, PX_CONTROL_OPEN, 0);
    flush(screen);
    return screen;
}

void px_screen_close(px_screen *screen)
{
    if (!screen) return;
    px_terminfo_append(&screen->sending, PX_CONTROL_TO_ROW, screen->rows > 0 ? screen->rows - 1 : 0);
    px_terminfo_append(&screen->sending, PX_CONTROL_END, 0);
    px_terminfo_append(&screen->sending, PX_CONTROL_CLOSE, 0);
    flush(screen);
    px_text_free(&screen->sending);
    free(screen);
}

static void send_row(px_screen *screen, int at)
{
    const row *r = &screen->now[at];
    px_text *text = &screen->sending;
    px_terminfo_append(text, PX_CONTROL_TO_ROW, at);
    if (r->style == PX_SCREEN_BOLD) px_terminfo_append(text, PX_CONTROL_BOLD, 0);
    if (r->style == PX_SCREEN_GREEN && screen->coloured) px_terminfo_append(text, PX_CONTROL_COLOUR, 2);
    px_text_append(text, r->text, strlen(r->text));
    if (r->style != PX_SCREEN_PLAIN) px_terminfo_append(text, PX_CONTROL_PLAIN, 0);
    /* a row that fills its line leaves nothing to clear; some terminals would clear its last character */
    if (px_utf8_columns(r->text) < screen->columns) px_terminfo_append(text, PX_CONTROL_END, 0);
}

void px_screen_end(px_screen *screen)
{
    if (screen->whole) px_terminfo_append(&screen->sending, PX_CONTROL_CLEAR, 0);
    for (int i = 0; i < screen->rows; i++) {
        if (!screen->whole && memcmp(&screen->now[i], &screen->shown[i], sizeof(row)) == 0) continue;
        if (!screen->whole || screen->now[i].text[0]) send_row(screen, i);
        screen->shown[i] = screen->now[i];
    }
    flush(screen);
}

/* ---- a picture --------------------------------------------------------------------------------------------------- */

static int within(int value, int most) { return value < 1 ? 1 : value > most ? most : value; }

void px_screen_begin(px_screen *screen)
{
    struct winsize size = {0};
    ioctl(fileno(screen->out), TIOCGWINSZ, &size);
    const int rows = within(size.ws_row ? size.ws_row : 24, ROWS_MAX);
    const int columns = within(size.ws_col ? size.ws_col : 80, ROW_BYTES / 4);
    const double now = px_clock();
    screen->whole = rows != screen->rows || columns != screen->columns || now - screen->last_s > PAUSE_S;
    screen->rows = rows;
    screen->columns = columns;
    screen->last_s = now;
    memset(screen->now, 0, sizeof screen->now);
}

int px_screen_rows(const px_screen *screen) { return screen->rows; }
int px_screen_columns(const px_screen *screen) { return screen->columns; }

void px_screen_row(px_screen *screen, int at, px_screen_style style, const char *format, ...)
{
    char text[ROW_BYTES];
    va_list args;
    if (at < 0 || at >= screen->rows) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    row *r = &screen->now[at];
    r->style = style;
    px_printable(r->text, sizeof r->text, text, strlen(text), 0);
    memset(r->text + px_utf8_fit(r->text, screen->columns, ROW_BYTES - 1), 0, 1);
    /* what lies behind the end must compare equal too */
    const size_t bytes = strlen(r->text);
    memset(r->text + bytes, 0, ROW_BYTES - bytes);
}
