/* The value of one setting from text and to text: see option_value.h. The whole text must be the value. */
#include "option_value.h"
#include "check.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- from text --------------------------------------------------------------------------------------------------- */

static int is_number(const char *text, int fraction)
{
    if (*text == '-' || *text == '+') text++;
    if (!(*text >= '0' && *text <= '9') && !(fraction && *text == '.')) return 0;
    return strspn(text, fraction ? "0123456789.eE+-" : "0123456789") == strlen(text);
}

static px_status refuse(const px_option *option, const char *value)
{
    char accepted[256] = "";
    switch (option->type) {
    case PX_OPTION_ENUM: {
        size_t used = 0;
        for (int i = 0; option->choices[i] && used < sizeof accepted; i++)
            used += (size_t)snprintf(accepted + used, sizeof accepted - used, "%s%s",
                                     i == 0                   ? ""
                                     : option->choices[i + 1] ? ", "
                                                              : " or ",
                                     option->choices[i]);
        break;
    }
    case PX_OPTION_BOOL: snprintf(accepted, sizeof accepted, "true or false"); break;
    case PX_OPTION_EVERY:
        snprintf(accepted, sizeof accepted, "a whole number of steps such as 500, or a time such as 90s, 10m or 2h");
        break;
    case PX_OPTION_FRACTIONS:
        snprintf(accepted, sizeof accepted,
                 "up to three numbers from 0 to 1 with commas between, such as 0.9,0.05,0.05");
        break;
    case PX_OPTION_WAVEFRONT:
        snprintf(accepted, sizeof accepted, "auto, off, or a whole number of steps from %.0f to %.0f", option->min,
                 option->max);
        break;
    case PX_OPTION_CUTOFFS:
        snprintf(accepted, sizeof accepted, "auto, or up to %d ascending whole numbers above 0, such as 4000,10000",
                 (int)PX_CUTOFFS_MAX);
        break;
    case PX_OPTION_DOUBLE:
        snprintf(accepted, sizeof accepted, "a number from %.10g to %.10g", option->min, option->max);
        break;
    case PX_OPTION_UINT64: snprintf(accepted, sizeof accepted, "a whole number from 0 to 18446744073709551615"); break;
    default: snprintf(accepted, sizeof accepted, "a whole number from %.0f to %.0f", option->min, option->max); break;
    }
    return px_fail(PX_ERR_ARGUMENT, "--%s %.200s: not accepted; it takes %s", option->name, *value ? value : "''",
                   accepted);
}

static int read_double(const char *text, double min, double max, double *value)
{
    if (!is_number(text, 1)) return 0;
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    if (*end || !isfinite(number) || number < min || number > max) return 0;
    *value = number == 0 ? 0 : number; /* no -0 */
    return 1;
}

static int read_fractions(const char *text, double value[3])
{
    double fraction[3] = {0, 0, 0};
    for (int i = 0; i < 3; i++) {
        char part[64];
        size_t bytes = strcspn(text, ",");
        if (bytes >= sizeof part) return 0;
        memcpy(part, text, bytes);
        part[bytes] = 0;
        if (!read_double(part, 0, 1, &fraction[i])) return 0;
        text += bytes;
        if (!*text) {
            memcpy(value, fraction, sizeof fraction);
            return 1;
        }
        text++;
    }
    return 0;
}

/* "auto", or whole numbers of at least `min` that ascend, with commas between. */
static int read_cutoffs(const char *text, double min, double max, px_cutoffs *value)
{
    px_cutoffs cutoffs = {0};
    const int given = strcmp(text, "auto") != 0;
    for (double below = min - 1; given;) {
        size_t digits = strspn(text, "0123456789");
        double number = digits <= 10 ? (double)strtoll(text, NULL, 10) : 0;
        if (cutoffs.count == PX_CUTOFFS_MAX || number <= below || number > max) return 0;
        cutoffs.at[cutoffs.count++] = (int32_t)number;
        below = number;
        text += digits;
        if (!*text) break;
        if (*text++ != ',') return 0;
    }
    *value = cutoffs;
    return 1;
}

static int read_bool(const char *text, int *value)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (int i = 0; i < 8; i++)
        if (strcmp(text, words[i]) == 0) {
            *value = i & 1;
            return 1;
        }
    return 0;
}

/* "500" is steps; "90s", "10m", "2h" is time. */
static int read_every(const char *text, double max, px_every *every)
{
    size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits;
    if (digits == 0 || digits > 15 || (*unit && unit[1])) return 0;
    int64_t number = strtoll(text, NULL, 10), scale;
    switch (*unit) {
    case 0: scale = 0; break;
    case 's': scale = 1; break;
    case 'm': scale = 60; break;
    case 'h': scale = 3600; break;
    default: return 0;
    }
    if ((double)number * (double)(scale ? scale : 1) > max) return 0;
    *every = (px_every){0};
    if (scale)
        every->seconds = number * scale;
    else
        every->steps = number;
    return 1;
}

/* *value where the text is a whole number in [min, max]. */
static int read_whole(const char *text, double min, double max, int64_t *value)
{
    char *end;
    if (!is_number(text, 0)) return 0;
    errno = 0;
    const long long number = strtoll(text, &end, 10);
    if (*end || errno || (double)number < min || (double)number > max) return 0;
    *value = number;
    return 1;
}

/* "auto", "off", or steps of a piece. */
static int read_wavefront(const char *text, double min, double max, int32_t *value)
{
    int64_t number = strcmp(text, "auto") == 0 ? PX_WAVEFRONT_AUTO : PX_WAVEFRONT_OFF;
    if (number == PX_WAVEFRONT_OFF && strcmp(text, "off") != 0 && !read_whole(text, min, max, &number)) return 0;
    *value = (int32_t)number;
    return 1;
}

static int read_unsigned(const char *text, uint64_t *value)
{
    char *end;
    if (!is_number(text, 0) || *text == '-') return 0;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    if (*end || errno) return 0;
    *value = number;
    return 1;
}

static int read_choice(const char *text, const char *const *choices, int *value)
{
    for (int i = 0; choices[i]; i++)
        if (strcmp(choices[i], text) == 0) {
            *value = i;
            return 1;
        }
    return 0;
}

static px_status read_string(const px_option *option, const char *value, char **place)
{
    char *copy = *value ? strdup(value) : NULL;
    if (*value && !copy) return px_fail(PX_ERR_MEMORY, "--%s: no memory for its value", option->name);
    free(*place);
    *place = copy;
    return PX_OK;
}

static int read_value(const px_option *option, const char *value, void *place)
{
    int64_t number;
    int truth;
    switch (option->type) {
    case PX_OPTION_STRING: break; /* read_string */
    case PX_OPTION_INT32:
        if (!read_whole(value, option->min, option->max, &number)) return 0;
        *(int32_t *)place = (int32_t)number;
        return 1;
    case PX_OPTION_INT64: return read_whole(value, option->min, option->max, place);
    case PX_OPTION_UINT64: return read_unsigned(value, place);
    case PX_OPTION_DOUBLE: return read_double(value, option->min, option->max, place);
    case PX_OPTION_EVERY: return read_every(value, option->max, place);
    case PX_OPTION_FRACTIONS: return read_fractions(value, place);
    case PX_OPTION_WAVEFRONT: return read_wavefront(value, option->min, option->max, place);
    case PX_OPTION_CUTOFFS: return read_cutoffs(value, option->min, option->max, place);
    case PX_OPTION_BOOL:
        if (!read_bool(value, &truth)) return 0;
        *(int32_t *)place = truth;
        return 1;
    case PX_OPTION_ENUM: return read_choice(value, option->choices, place);
    }
    return 0;
}

px_status px_option_read(const px_option *option, const char *value, void *place)
{
    if (option->type == PX_OPTION_STRING) return read_string(option, value, place);
    return read_value(option, value, place) ? PX_OK : refuse(option, value);
}

/* ---- to text ----------------------------------------------------------------------------------------------------- */

/* The shortest decimal number that reads back as exactly this value. */
static void write_double(double value, char *buffer, size_t buffer_bytes)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    snprintf(buffer, buffer_bytes, "%s", text);
}

static void write_cutoffs(const px_cutoffs *cutoffs, char *buffer, size_t buffer_bytes)
{
    size_t used = (size_t)snprintf(buffer, buffer_bytes, "%s", cutoffs->count ? "" : "auto");
    for (int32_t i = 0; i < cutoffs->count && used < buffer_bytes; i++)
        used += (size_t)snprintf(buffer + used, buffer_bytes - used, "%s%d", i ? "," : "", (int)cutoffs->at[i]);
}

static void write_wavefront(int32_t steps, char *buffer, size_t buffer_bytes)
{
    if (steps > 0)
        snprintf(buffer, buffer_bytes, "%d", (int)steps);
    else
        snprintf(buffer, buffer_bytes, "%s", steps == PX_WAVEFRONT_OFF ? "off" : "auto");
}

static void write_every(const px_every *every, char *buffer, size_t buffer_bytes)
{
    const int64_t s = every->seconds;
    if (s == 0)
        snprintf(buffer, buffer_bytes, "%lld", (long long)every->steps);
    else if (s % 3600 == 0)
        snprintf(buffer, buffer_bytes, "%lldh", (long long)s / 3600);
    else
        snprintf(buffer, buffer_bytes, "%lld%c", (long long)(s % 60 ? s : s / 60), s % 60 ? 's' : 'm');
}

static void write_fractions(const double fractions[3], char *buffer, size_t buffer_bytes)
{
    char part[3][40];
    for (int i = 0; i < 3; i++) write_double(fractions[i], part[i], sizeof part[i]);
    snprintf(buffer, buffer_bytes, "%s,%s,%s", part[0], part[1], part[2]);
}

void px_option_write(const px_option *option, const void *place, char *buffer, size_t buffer_bytes)
{
    switch (option->type) {
    case PX_OPTION_STRING: {
        const char *text = *(char *const *)place;
        snprintf(buffer, buffer_bytes, "%s", text ? text : "");
        break;
    }
    case PX_OPTION_INT32: snprintf(buffer, buffer_bytes, "%d", *(const int32_t *)place); break;
    case PX_OPTION_INT64: snprintf(buffer, buffer_bytes, "%lld", (long long)*(const int64_t *)place); break;
    case PX_OPTION_UINT64: snprintf(buffer, buffer_bytes, "%llu", (unsigned long long)*(const uint64_t *)place); break;
    case PX_OPTION_DOUBLE: write_double(*(const double *)place, buffer, buffer_bytes); break;
    case PX_OPTION_BOOL: snprintf(buffer, buffer_bytes, "%s", *(const int32_t *)place ? "true" : "false"); break;
    case PX_OPTION_EVERY: write_every(place, buffer, buffer_bytes); break;
    case PX_OPTION_ENUM: snprintf(buffer, buffer_bytes, "%s", option->choices[*(const int *)place]); break;
    case PX_OPTION_WAVEFRONT: write_wavefront(*(const int32_t *)place, buffer, buffer_bytes); break;
    case PX_OPTION_CUTOFFS: write_cutoffs(place, buffer, buffer_bytes); break;
    case PX_OPTION_FRACTIONS: write_fractions(place, buffer, buffer_bytes); break;
    }
}
