/* The nearest known name to a mistyped one: flags, settings, commands and choices suggest it in their errors. */
#ifndef PX_NEAREST_H
#define PX_NEAREST_H

#include <stddef.h>

/* Edits (insertion, deletion, substitution, exchange of neighbours) that turn a into b; names over 63 bytes count as
 * wholly different. */
size_t px_edit_distance(const char *a, const char *b);

/* Index of the name with the fewest edits, if they are few enough to be a slip (at most a third of the word, at least
 * one; or the word is the beginning of exactly that name); count otherwise. */
size_t px_nearest(const char *word, const char *const *names, size_t count);

#endif
