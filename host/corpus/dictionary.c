/* Dictionaries: see dictionary.h. */
#include "dictionary.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static px_status no_memory(const px_dictionary *d)
{
    return px_fail(PX_ERR_MEMORY,
                   "no memory for more than %d distinct tokens; use --level char or byte, or a shorter text", d->count);
}

px_status px_dictionary_init(px_dictionary *d)
{
    *d = (px_dictionary){.pool_room = 4096, .room = 256, .slot_count = 1024};
    d->pool = malloc(d->pool_room);
    d->begin = calloc((size_t)d->room + 1, sizeof *d->begin);
    d->frequency = calloc((size_t)d->room, sizeof *d->frequency);
    d->slots = malloc(d->slot_count * sizeof *d->slots);
    if (!d->pool || !d->begin || !d->frequency || !d->slots) {
        px_dictionary_free(d);
        return px_fail(PX_ERR_MEMORY, "no memory for a dictionary");
    }
    memset(d->slots, -1, d->slot_count * sizeof *d->slots);
    memset(d->single, -1, sizeof d->single);
    return PX_OK;
}

void px_dictionary_free(px_dictionary *d)
{
    free(d->pool);
    free(d->begin);
    free(d->frequency);
    free(d->slots);
    *d = (px_dictionary){0};
}

/* The slot that holds the string, or the free one where it belongs. */
static size_t find_slot(const px_dictionary *d, const char *text, size_t bytes)
{
    size_t mask = d->slot_count - 1, slot = (size_t)XXH3_64bits(text, bytes) & mask;
    for (; d->slots[slot] >= 0; slot = (slot + 1) & mask) {
        size_t length;
        const char *known = px_dictionary_text(d, d->slots[slot], &length);
        if (length == bytes && memcmp(known, text, bytes) == 0) break;
    }
    return slot;
}

int32_t px_dictionary_find(const px_dictionary *d, const char *text, size_t bytes)
{
    if (bytes == 1) return d->single[(unsigned char)text[0]];
    return d->slots[find_slot(d, text, bytes)];
}

static px_status grow_slots(px_dictionary *d)
{
    size_t old_count = d->slot_count;
    int32_t *old = d->slots, *slots = malloc(2 * old_count * sizeof *slots);
    if (!slots) return no_memory(d);
    memset(slots, -1, 2 * old_count * sizeof *slots);
    d->slots = slots;
    d->slot_count = 2 * old_count;
    for (size_t i = 0; i < old_count; i++)
        if (old[i] >= 0) {
            size_t bytes;
            const char *text = px_dictionary_text(d, old[i], &bytes);
            d->slots[find_slot(d, text, bytes)] = old[i];
        }
    free(old);
    return PX_OK;
}

static px_status grow_lists(px_dictionary *d)
{
    if (d->room > INT32_MAX / 2 - 1) return no_memory(d);
    int32_t room = 2 * d->room;
    size_t *begin = realloc(d->begin, ((size_t)room + 1) * sizeof *begin);
    if (!begin) return no_memory(d);
    d->begin = begin;
    int64_t *frequency = realloc(d->frequency, (size_t)room * sizeof *frequency);
    if (!frequency) return no_memory(d);
    d->frequency = frequency;
    d->room = room;
    return PX_OK;
}

static px_status grow_pool(px_dictionary *d, size_t needed)
{
    size_t room = d->pool_room;
    while (room < needed) room *= 2;
    char *pool = realloc(d->pool, room);
    if (!pool) return no_memory(d);
    d->pool = pool;
    d->pool_room = room;
    return PX_OK;
}

px_status px_dictionary_intern(px_dictionary *d, const char *text, size_t bytes, int32_t *index)
{
    *index = px_dictionary_find(d, text, bytes);
    if (*index >= 0) return PX_OK;
    if (d->count == d->room) PX_TRY(grow_lists(d));
    if (d->pool_room - d->pool_used < bytes) PX_TRY(grow_pool(d, d->pool_used + bytes));
    if ((size_t)d->count + 1 > d->slot_count / 2) PX_TRY(grow_slots(d));
    int32_t added = d->count++;
    if (bytes) memcpy(d->pool + d->pool_used, text, bytes);
    d->pool_used += bytes;
    d->begin[added + 1] = d->pool_used;
    d->frequency[added] = 0;
    if (bytes == 1)
        d->single[(unsigned char)text[0]] = added;
    else
        d->slots[find_slot(d, text, bytes)] = added; /* after the lists, which the search reads */
    *index = added;
    return PX_OK;
}
