/* Chooses the instruction set: see isa.h. */
#include "isa.h"

#include "engine_cpu.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define DECLARE(isa) extern const px_isa px_##isa##_isa;

#ifdef PX_HAVE_AVX512
DECLARE(avx512)
#endif
#ifdef PX_HAVE_AVX2
DECLARE(avx2)
#endif
DECLARE(baseline)

const char px_cpu_instruction_sets[] =
#ifdef PX_HAVE_AVX512
    "avx512 "
#endif
#ifdef PX_HAVE_AVX2
    "avx2 "
#endif
    "baseline";

/* Shapes of tiles: what they were compiled as, most rows, name. That of avx512 itself is 12x32, of avx2 6x16. */
#define AVX512_SHAPES(X)                                                                                               \
    X(avx512_x32, 8, "avx512-8x32")                                                                                    \
    X(avx512_x32, 10, "avx512-10x32")                                                                                  \
    X(avx512_x32, 14, "avx512-14x32")                                                                                  \
    X(avx512_x48, 8, "avx512-8x48")                                                                                    \
    X(avx512_x48, 9, "avx512-9x48")                                                                                    \
    X(avx512_x32_memory, 8, "avx512-8x32-memory")                                                                      \
    X(avx512_x32_memory, 10, "avx512-10x32-memory")                                                                    \
    X(avx512_x32_memory, 12, "avx512-12x32-memory")                                                                    \
    X(avx512_x32_memory, 14, "avx512-14x32-memory")                                                                    \
    X(avx512_x48_memory, 8, "avx512-8x48-memory")                                                                      \
    X(avx512_x48_memory, 9, "avx512-9x48-memory")
#define AVX2_SHAPES(X) X(avx2_x24, 4, "avx2-4x24")
#ifdef PX_HAVE_AVX512
DECLARE(avx512_x32)
DECLARE(avx512_x48)
DECLARE(avx512_x32_memory)
DECLARE(avx512_x48_memory)
#endif
#ifdef PX_HAVE_AVX2
DECLARE(avx2_x24)
#endif

/* Filled once: threads that create engines at the same time read finished tables. */
enum { MOST_SHAPES = 16 };
static const px_isa *found[4], *shapes[MOST_SHAPES + 1];
static px_isa shape[MOST_SHAPES];
static int shape_count;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Not where an instruction set alone is built. */
__attribute__((unused)) static void add_shape(const px_isa *isa, int rows, const char *name)
{
    shape[shape_count] = *isa;
    shape[shape_count].tile_rows = rows;
    shape[shape_count].name = name;
    shapes[shape_count] = &shape[shape_count];
    shape_count++;
}

#define ADD_SHAPE(compiled, rows, name) add_shape(&px_##compiled##_isa, rows, name);

static void look(void)
{
    int count = 0;
#ifdef PX_HAVE_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw")) {
        found[count++] = &px_avx512_isa;
        AVX512_SHAPES(ADD_SHAPE)
    }
#endif
#ifdef PX_HAVE_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        found[count++] = &px_avx2_isa;
        AVX2_SHAPES(ADD_SHAPE)
    }
#endif
    found[count] = &px_baseline_isa;
}

const px_isa *const *px_isa_all(void)
{
    pthread_once(&once, look);
    return found;
}

const px_isa *const *px_isa_shapes(void)
{
    pthread_once(&once, look);
    return shapes;
}

const px_isa *px_isa_best(void)
{
    const px_isa *const *all = px_isa_all();
    const char *asked = getenv("PERPLEX_ISA");
    if (!asked || !*asked) return all[0];
    for (int i = 0; all[i]; i++)
        if (strcmp(all[i]->name, asked) == 0) return all[i];
    for (int i = 0; i < shape_count; i++)
        if (strcmp(shape[i].name, asked) == 0) return &shape[i];
    return NULL;
}

const char *px_cpu_instruction_set(void)
{
    const px_isa *isa = px_isa_best();
    return isa ? isa->name : NULL;
}
