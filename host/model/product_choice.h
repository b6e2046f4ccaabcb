/* Which library makes the output layer's matrix products, where an engine has several: the values of --products. And
 * what it took for each. */
#ifndef PX_PRODUCT_CHOICE_H
#define PX_PRODUCT_CHOICE_H

#include <stdint.h>

typedef enum px_products {
    PX_PRODUCTS_AUTO,    /* the engine's choice, a pure function of device, shapes and version */
    PX_PRODUCTS_CUBLAS,  /* cuBLAS, which chooses an algorithm at each call */
    PX_PRODUCTS_CUBLASLT /* cuBLASLt, asked once a shape for the best of its algorithms that repeat to the bit */
} px_products;

/* The products of a step's output layer, in their order. */
typedef enum px_head_product {
    PX_HEAD_LOGITS,    /* o = u W^T */
    PX_HEAD_D_INPUT,   /* du = dO W */
    PX_HEAD_D_WEIGHTS, /* dW = dO^T u */
    PX_HEAD_PRODUCTS
} px_head_product;

/* An algorithm of cuBLASLt, by the library's own numbers (cublasLtMatmulAlgoConfigAttributes_t). */
typedef struct px_product_algorithm {
    int32_t id, tile, stages, split_k;
} px_product_algorithm;

/* What an engine took. */
typedef struct px_product_choice {
    px_products library;
    int32_t count; /* of algorithms that are known: 0 but with cuBLASLt, and then only the logits' without training */
    px_product_algorithm algorithm[PX_HEAD_PRODUCTS];
} px_product_choice;

extern const char *const px_products_names[];     /* in the order of px_products, ended by NULL */
extern const char *const px_head_product_names[]; /* in the order of px_head_product, ended by NULL */

#endif
