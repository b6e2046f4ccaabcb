/* The precision of the operands of matrix products; everything else is fp32, on the reference engine double. */
#ifndef PX_PRECISION_H
#define PX_PRECISION_H

typedef enum px_precision { PX_FP32, PX_TF32, PX_BF16, PX_PRECISION_COUNT } px_precision;

extern const char *const px_precision_names[];         /* in the order of the enum, ended by NULL */
const char *px_precision_name(px_precision precision); /* "fp32" */

#endif
