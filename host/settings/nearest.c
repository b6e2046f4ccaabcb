/* Edit distance with exchanges (optimal string alignment): see nearest.h. */
#include "nearest.h"

#include <string.h>

enum { NAME_BYTES = 64 };

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

size_t px_edit_distance(const char *a, const char *b)
{
    size_t a_bytes = strlen(a), b_bytes = strlen(b);
    if (a_bytes >= NAME_BYTES || b_bytes >= NAME_BYTES) return a_bytes + b_bytes;
    size_t rows[3][NAME_BYTES];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_bytes; j++) above[j] = before[j] = j;
    for (size_t i = 1; i <= a_bytes; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            size_t substitution = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(substitution, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[b_bytes];
}

size_t px_nearest(const char *word, const char *const *names, size_t count)
{
    size_t bytes = strlen(word), best = count, prefixed = count;
    size_t bound = bytes / 3 > 1 ? bytes / 3 : 1, fewest = bound + 1;
    int prefixes = 0;
    for (size_t i = 0; i < count; i++) {
        size_t distance = px_edit_distance(word, names[i]);
        if (distance < fewest) {
            fewest = distance;
            best = i;
        }
        if (bytes >= 2 && strncmp(word, names[i], bytes) == 0) {
            prefixed = i;
            prefixes++;
        }
    }
    return best == count && prefixes == 1 ? prefixed : best;
}
