/* The products of perplex's training steps alone, by perplex's own code and by libraries: what a step could reach at
 * most.
 *
 * A product is C [m,n] = op(A) op(B) (+ C), row-major; A lies as [m,k], or [k,m] where transposed_a; B as [k,n], or
 * [n,k] where transposed_b. */
#ifndef PX_PEER_PRODUCTS_H
#define PX_PEER_PRODUCTS_H

#include "isa.h"
#include "product.h"

#include <cjson/cJSON.h>

typedef struct product {
    const char *what; /* "step, forward" */
    long h, V;
    long m, n, k;
    int transposed_a, transposed_b, accumulate;
} product;

typedef struct product_data {
    const product *p;
    float *a, *b, *c;
    px_panels panels;           /* B packed, for perplex */
    px_product_context context; /* perplex's */
} product_data;

/* Who computes: one of perplex's instruction sets, or a library. */
typedef struct contender {
    const char *name;  /* "perplex avx2", "oneDNN" */
    const px_isa *isa; /* perplex's; NULL for a library */
    void (*run)(product_data *data);
    void (*set_threads)(int threads); /* NULL: by its team */
} contender;

enum { MAX_CONTENDERS = 8 };

/* Those of this build that the processor runs; returns how many. */
int contenders_list(contender *list);

/* Packs B for perplex's contender; nothing for a library. */
void product_pack(const contender *who, product_data *data);
/* 0, or 1 with a message on stderr: every contender's result of some small and odd sizes lies within rounding of a
 * plain double loop. */
int products_check(const contender *list, int count, px_team *team);

/* GFLOP/s of one thread for each instruction set and tile shape, with panels in the first- and the second-level cache;
 * at most 64 rounds. */
cJSON *tiles_measure(int rounds);

double median(double *values, int count); /* sorts them */
double fma_gflops(px_team *team,
                  const char *isa_name);          /* one probe of some 5 ms of every thread; name NULL: the fastest */
void fill(float *x, size_t count, uint32_t seed); /* in (-1, 1) */
float *floats(size_t count);                      /* 64-byte aligned; ends the program where there is no memory */

#endif
