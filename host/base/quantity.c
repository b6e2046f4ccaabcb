/* Numbers for people: see quantity.h. */
#include "quantity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *px_text_count(char buffer[32], long long value)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", value), out = 0;
    for (int i = 0; i < length; i++) {
        buffer[out++] = digits[i];
        if (digits[i] != '-' && i + 1 < length && (length - 1 - i) % 3 == 0) buffer[out++] = ',';
    }
    buffer[out] = 0;
    return buffer;
}

const char *px_text_bytes(char buffer[32], double bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    int unit = 0;
    while (bytes >= 1000 && unit < 5) {
        bytes /= 1000;
        unit++;
    }
    snprintf(buffer, 32, unit == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
    return buffer;
}

const char *px_text_seconds(char buffer[32], double seconds)
{
    if (!(seconds >= 0) || seconds > 1e9)
        snprintf(buffer, 32, "?");
    else if (seconds < 10)
        snprintf(buffer, 32, "%.1f s", seconds);
    else if (seconds < 100)
        snprintf(buffer, 32, "%.0f s", seconds);
    else if (seconds < 3600)
        snprintf(buffer, 32, "%d min %02d s", (int)seconds / 60, (int)seconds % 60);
    else
        snprintf(buffer, 32, "%d h %02d min", (int)(seconds / 3600), (int)seconds / 60 % 60);
    return buffer;
}

const char *px_text_perplexity(char buffer[32], double value)
{
    if (isnan(value)) return strcpy(buffer, "nan"); /* printf would show its sign, which means nothing */
    snprintf(buffer, 32, value < 100 ? "%.4f" : value < 1e6 ? "%.2f" : "%.3g", value);
    return buffer;
}
