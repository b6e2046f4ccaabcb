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

/* Filled once: threads that create engines at the same time read one finished table. */
static const px_isa *found[4];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void look(void)
{
    int count = 0;
#ifdef PX_HAVE_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw"))
        found[count++] = &px_avx512_isa;
#endif
#ifdef PX_HAVE_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found[count++] = &px_avx2_isa;
#endif
    found[count] = &px_baseline_isa;
}

const px_isa *const *px_isa_all(void)
{
    pthread_once(&once, look);
    return found;
}

const px_isa *px_isa_best(void)
{
    const px_isa *const *all = px_isa_all();
    const char *asked = getenv("PERPLEX_ISA");
    if (!asked || !*asked) return all[0];
    for (int i = 0; all[i]; i++)
        if (strcmp(all[i]->name, asked) == 0) return all[i];
    return NULL;
}

const char *px_cpu_instruction_set(void)
{
    const px_isa *isa = px_isa_best();
    return isa ? isa->name : NULL;
}
