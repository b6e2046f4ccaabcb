/* Escaping, and numbers for people: see html.h. */
#include "html.h"

#include "utf8.h"

#include "quantity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

static const char *entity(utf8proc_int32_t code)
{
    switch (code) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

/* Characters that would reorder the page around them, or that HTML does not allow. */
static int is_bad(utf8proc_int32_t code)
{
    return (px_utf8_is_control(code) && code != '\n' && code != '\t') || (code & 0xfffe) == 0xfffe ||
           (code >= 0xfdd0 && code <= 0xfdef);
}

void px_html_text(px_text *out, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t used =
            utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(bytes - i), &code);
        const char *name = used > 0 ? entity(code) : NULL;
        if (used <= 0 || is_bad(code))
            px_text_append(out, "\xef\xbf\xbd", 3);
        else if (name)
            px_text_append(out, name, strlen(name));
        else
            px_text_append(out, text + i, (size_t)used);
        i += used > 0 ? (size_t)used : 1;
    }
}

void px_html_string(px_text *out, const char *text) { px_html_text(out, text, strlen(text)); }

static int special(char buffer[32], double value)
{
    if (isnan(value)) snprintf(buffer, 32, "–");
    if (isinf(value)) snprintf(buffer, 32, "%s∞", value < 0 ? "−" : "");
    return !isfinite(value);
}

const char *px_html_count(char buffer[32], double value)
{
    return special(buffer, value) ? buffer : px_text_count(buffer, llround(value));
}

const char *px_html_short(char buffer[32], double value)
{
    static const char units[] = {0, 'k', 'M', 'G', 'T', 'P'};
    int unit = 0;
    if (special(buffer, value)) return buffer;
    while (fabs(value) >= 999.5 && unit < 5) {
        value /= 1000;
        unit++;
    }
    if (unit)
        snprintf(buffer, 32, "%.3g%c", value, units[unit]);
    else
        snprintf(buffer, 32, "%.3g", value);
    return buffer;
}

const char *px_html_value(char buffer[32], double value)
{
    if (special(buffer, value)) return buffer;
    double size = fabs(value);
    if (size >= 1e6 || (size > 0 && size < 1e-3))
        snprintf(buffer, 32, "%.3g", value);
    else
        snprintf(buffer, 32, size < 10 ? "%.4f" : size < 100 ? "%.3f" : size < 1000 ? "%.2f" : "%.0f", value);
    return buffer;
}

const char *px_html_seconds(char buffer[32], double seconds)
{
    if (special(buffer, seconds)) return buffer;
    if (seconds < 100)
        snprintf(buffer, 32, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
    else if (seconds < 3600)
        snprintf(buffer, 32, "%d min %02d s", (int)seconds / 60, (int)seconds % 60);
    else
        snprintf(buffer, 32, "%.0f h %02d min", floor(seconds / 3600), (int)(fmod(seconds, 3600) / 60));
    return buffer;
}
