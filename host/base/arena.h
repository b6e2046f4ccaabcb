/* Memory: one arena per lifetime (parameters, gradients, moments, activations), so that a step loop allocates nothing.
 *
 * An arena is one zeroed allocation of known size; blocks are cut from it, aligned to 64 bytes, and freed all at once.
 * Sizes are computed first with px_arena_round, so that the same code predicts bytes and cuts blocks. */
#ifndef PX_ARENA_H
#define PX_ARENA_H

#include <perplex/status.h>
#include <stddef.h>

typedef struct px_arena {
    unsigned char *base;
    size_t used, bytes;
} px_arena;

/* Bytes that a block of that size takes in an arena. */
static inline size_t px_arena_round(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

/* Allocates. PX_ERR_MEMORY says what ("activations"), how much was asked and how much this machine has left; memory is
 * refused up front where it exceeds what is available, rather than when it is touched. */
px_status px_arena_create(px_arena *arena, size_t bytes, const char *what);
void px_arena_destroy(px_arena *arena); /* a zeroed arena is fine */
/* A block of that many bytes; never NULL: asking for more than was computed is a mistake in this code (assert). */
void *px_arena_take(px_arena *arena, size_t bytes);

#endif
