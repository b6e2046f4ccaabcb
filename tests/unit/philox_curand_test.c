/* Philox against cuRAND's host generator, which needs no GPU. libcurand is looked for where CUDA toolkits put it; where
 * there is none the test is skipped (77), and says so.
 *
 * curandGenerate's element i is lane i mod 4 of counter {i div 262144, 0, (i div 4) mod 65536, 0} (seen on CUDA 13.0).
 */
#include "philox.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { SKIPPED = 77, PHILOX4_32_10 = 161 /* CURAND_RNG_PSEUDO_PHILOX4_32_10 */, COUNT = 600000, CURAND_SUCCESS = 0 };

typedef struct curand {
    int (*create)(void **generator, int kind);
    int (*seed)(void *generator, unsigned long long seed);
    int (*generate)(void *generator, unsigned *out, size_t count);
    int (*destroy)(void *generator);
} curand;

static void *open_curand(void)
{
    static const char *const variables[] = {"CUDA_HOME", "CUDA_PATH"};
    static const char *const names[] = {"libcurand.so.10", "libcurand.so", "/usr/local/cuda/lib64/libcurand.so.10",
                                        "/usr/local/cuda/lib/libcurand.so.10",
                                        "/usr/lib/x86_64-linux-gnu/libcurand.so.10"};
    for (size_t k = 0; k < 2; k++) {
        const char *folder = getenv(variables[k]);
        char path[4096];
        if (!folder || snprintf(path, sizeof path, "%s/lib64/libcurand.so", folder) >= (int)sizeof path) continue;
        void *library = dlopen(path, RTLD_NOW);
        if (library) return library;
    }
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        void *library = dlopen(names[k], RTLD_NOW);
        if (library) return library;
    }
    return NULL;
}

/* Fills out with numbers of that seed; 0 where cuRAND refuses. */
static int generate(const curand *c, uint64_t seed, unsigned *out)
{
    void *generator = NULL;
    if (c->create(&generator, PHILOX4_32_10) != CURAND_SUCCESS) return 0;
    int done = c->seed(generator, seed) == CURAND_SUCCESS && c->generate(generator, out, COUNT) == CURAND_SUCCESS;
    c->destroy(generator);
    return done;
}

static int compare(uint64_t seed, const unsigned *got)
{
    for (uint64_t i = 0; i < COUNT; i++) {
        uint32_t want = px_philox(seed, 0, (uint32_t)(i / 4 % 65536), i / 262144).lane[i % 4];
        if (got[i] == want) continue;
        fprintf(stderr, "seed %llu, element %llu: cuRAND %08x, ours %08x\n", (unsigned long long)seed,
                (unsigned long long)i, got[i], want);
        return 0;
    }
    return 1;
}

int main(void)
{
    static const uint64_t seeds[] = {0, 1, 0x123456789abcdef0u};
    curand c;
    int failed = 0;
    void *library = open_curand();
    if (!library) {
        fprintf(stderr, "SKIP: libcurand was not found; set CUDA_HOME to compare Philox with cuRAND\n");
        return SKIPPED;
    }
    /* POSIX lets a data pointer hold a function's address */
    *(void **)&c.create = dlsym(library, "curandCreateGeneratorHost");
    *(void **)&c.seed = dlsym(library, "curandSetPseudoRandomGeneratorSeed");
    *(void **)&c.generate = dlsym(library, "curandGenerate");
    *(void **)&c.destroy = dlsym(library, "curandDestroyGenerator");
    unsigned *numbers = malloc(COUNT * sizeof *numbers);
    if (!c.create || !c.seed || !c.generate || !c.destroy || !numbers) {
        fprintf(stderr, "libcurand lacks a function that is needed, or memory is short\n");
        return 1;
    }
    for (size_t k = 0; k < sizeof seeds / sizeof *seeds; k++) {
        if (!generate(&c, seeds[k], numbers)) {
            fprintf(stderr, "SKIP: cuRAND's host generator does not run on this machine\n");
            free(numbers);
            return SKIPPED;
        }
        failed |= !compare(seeds[k], numbers);
    }
    free(numbers);
    if (!failed) printf("%d numbers of %zu seeds equal cuRAND's\n", (int)COUNT, sizeof seeds / sizeof *seeds);
    return failed;
}
