/* Arenas: see arena.h. Backed by anonymous pages, which arrive zeroed and are only paid for when touched. */
#include "arena.h"
#include "check.h"
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifdef PX_ARENA_SANITIZED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

px_status px_arena_create(px_arena *arena, size_t bytes, const char *what)
{
    *arena = (px_arena){0};
    if (bytes == 0) return PX_OK;
    size_t available = px_memory_available();
    void *base = MAP_FAILED;
    if (available == 0 || bytes <= available)
        base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return px_fail(
            PX_ERR_MEMORY,
            "memory for %s: %.1f MiB asked, %.1f MiB available; lower --hidden, --batch, --steps or --layers", what,
            (double)bytes / 1048576.0, (double)available / 1048576.0);
#ifdef MADV_HUGEPAGE
    if (bytes >= (size_t)4 << 20) madvise(base, bytes, MADV_HUGEPAGE); /* fewer TLB misses on wide weights */
#endif
    *arena = (px_arena){.base = base, .bytes = bytes};
    ASAN_POISON_MEMORY_REGION(base, bytes);
    return PX_OK;
}

void px_arena_destroy(px_arena *arena)
{
    if (arena->base) {
        ASAN_UNPOISON_MEMORY_REGION(arena->base, arena->bytes); /* what is mapped there next is another's */
        munmap(arena->base, arena->bytes);
    }
    *arena = (px_arena){0};
}

void *px_arena_take(px_arena *arena, size_t bytes)
{
    size_t rounded = px_arena_round(bytes);
    if (rounded > arena->bytes - arena->used) {
        fprintf(stderr, "perplex: an arena of %zu bytes was asked for %zu beyond %zu\n", arena->bytes, rounded,
                arena->used);
        abort();
    }
    void *block = arena->base + arena->used;
    arena->used += rounded;
    ASAN_UNPOISON_MEMORY_REGION(block, bytes);
    return block;
}
