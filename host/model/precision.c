/* The names of precisions: see precision.h. */
#include "precision.h"

#include <stddef.h>

const char *const px_precision_names[] = {"fp32", "tf32", "bf16", NULL};

const char *px_precision_name(px_precision precision) { return px_precision_names[precision]; }
