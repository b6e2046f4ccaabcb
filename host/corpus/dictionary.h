/* A dictionary: byte strings numbered in the order in which they were first seen.
 *
 * While a text is read it numbers every distinct token; inside a vocabulary it is the table from token to id. Strings
 * may hold any byte, NUL too. Open addressing over XXH3; single bytes have their own table, so that byte level and
 * ASCII never hash. */
#ifndef PX_DICTIONARY_H
#define PX_DICTIONARY_H

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct px_dictionary {
    char *pool; /* all strings, one after the other */
    size_t pool_used, pool_room;
    size_t *begin;      /* [count+1] where each string starts in the pool */
    int64_t *frequency; /* [count] for the owner's use; 0 at first */
    int32_t count, room;
    int32_t *slots;      /* [slot_count] index or -1; at most half full */
    size_t slot_count;   /* a power of 2 */
    int32_t single[256]; /* index of a one-byte string, -1 */
} px_dictionary;

px_status px_dictionary_init(px_dictionary *dictionary);
void px_dictionary_free(px_dictionary *dictionary); /* a zeroed dictionary is fine */
/* Index of the string, or -1. */
int32_t px_dictionary_find(const px_dictionary *dictionary, const char *text, size_t bytes);
/* Index of the string, added if new. PX_ERR_MEMORY. */
px_status px_dictionary_intern(px_dictionary *dictionary, const char *text, size_t bytes, int32_t *index);

static inline const char *px_dictionary_text(const px_dictionary *dictionary, int32_t index, size_t *bytes)
{
    *bytes = dictionary->begin[index + 1] - dictionary->begin[index];
    return dictionary->pool + dictionary->begin[index];
}

#endif
