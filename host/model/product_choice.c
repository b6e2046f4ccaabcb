/* Names of the libraries of products, and of the products: see product_choice.h. */
#include "product_choice.h"

#include <stddef.h>

const char *const px_products_names[] = {"auto", "cublas", "cublaslt", NULL};
const char *const px_head_product_names[] = {"logits", "d_input", "d_weights", NULL};
