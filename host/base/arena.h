/* Memory: one arena per lifetime (parameters, gradients, moments, activations), so that a step loop allocates nothing.
 *
 * An arena is one zeroed allocation of known size; blocks are cut from it, aligned to 64 bytes, and freed all at once.
 * Sizes are computed first with px_arena_round, so that the same code predicts bytes and cuts blocks.
 *
 *     base                                                            base + used                  base + bytes
 *     | block 0 .......... | to 64 | zone | block 1 .. | to 64 | zone | not taken yet ............. |
 *       px_arena_take(b0)                   px_arena_take(b1)
 *       <---- px_arena_round(b0) ------->   <-- px_arena_round(b1) -->
 *
 * "to 64" fills a block up to the next multiple of 64 bytes. "zone" is there under AddressSanitizer alone: 64 bytes
 * that, like the filling and what is not taken yet, no one may touch, so that a write past a buffer ends the program
 * with both places named. */
#ifndef PX_ARENA_H
#define PX_ARENA_H

#include <perplex/status.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define PX_ARENA_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PX_ARENA_SANITIZED 1
#endif
#endif
#ifdef PX_ARENA_SANITIZED
enum { PX_ARENA_RED_ZONE = 64 };
#else
enum { PX_ARENA_RED_ZONE = 0 };
#endif

typedef struct px_arena {
    unsigned char *base;
    size_t used, bytes;
} px_arena;

/* Bytes that a block of that size takes in an arena. */
static inline size_t px_arena_round(size_t bytes) { return ((bytes + 63) & ~(size_t)63) + PX_ARENA_RED_ZONE; }

/* Allocates. PX_ERR_MEMORY says what ("activations"), how much was asked and how much this machine has left; memory is
 * refused up front where it exceeds what is available, rather than when it is touched. */
px_status px_arena_create(px_arena *arena, size_t bytes, const char *what);
void px_arena_destroy(px_arena *arena); /* a zeroed arena is fine */
/* A block of that many bytes; never NULL: asking for more than was computed is a mistake in this code (assert). */
void *px_arena_take(px_arena *arena, size_t bytes);

#endif
