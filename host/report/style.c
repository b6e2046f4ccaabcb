/* The page around a report: see style.h. It is written as page.html, page.css and page.js, which the build embeds here
 * (cmake/embed.cmake). One file, nothing loaded from elsewhere; the script only helps pointing (the values of the
 * nearest points of a chart, whose axes stand in data-x and data-y: low, high, log, from, to) and, with compare.js,
 * sorting and hiding; everything can be read without it. The policy in the head forbids the browser to fetch anything
 * at all. */
#include "style.h"

#include "html.h"

#include <string.h>

extern const char px_page_html[], px_page_css[], px_page_js[]; /* NUL-terminated */

static void append(px_text *out, const char *text) { px_text_append(out, text, strlen(text)); }

/* Appends the page's frame up to a mark; returns what follows it. */
static const char *append_until(px_text *out, const char *frame, const char *mark)
{
    const char *end = strstr(frame, mark);
    if (!end) return frame + strlen(frame); /* page.html has them all */
    px_text_append(out, frame, (size_t)(end - frame));
    return end + strlen(mark);
}

void px_page_begin(px_text *out, const char *title)
{
    const char *frame = append_until(out, px_page_html, "{{title}}");
    px_html_string(out, title);
    frame = append_until(out, frame, "{{style}}");
    append(out, px_page_css);
    append_until(out, frame, "{{body}}");
}

void px_page_end(px_text *out, const char *script)
{
    const char *frame = strstr(px_page_html, "{{body}}") + strlen("{{body}}");
    frame = append_until(out, frame, "{{script}}");
    append(out, px_page_js);
    append(out, script);
    append(out, frame);
}
