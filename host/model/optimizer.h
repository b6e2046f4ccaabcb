/* Optimisers: one row each. From it come the enum, the names that flags take, who has moments, the default rate, what a
 * flag is for, and the steps of every engine. A further optimiser is a row here and, where none of the present ones
 * fits, a step in optimizer_step.h.
 *
 * X(NAME, name, step, moment1, moment2, decoupled, normalised, rate, settings)
 *   step       of optimizer_step.h; those with the same one can go on from each other's moments
 *   moments    1: the step keeps such a buffer. One that keeps none leaves a weight alone whose gradient is 0
 *   decoupled  1: weight decay shrinks the weight before the step; 0: it is added to the gradient
 *   normalised 1: the step's size does not follow the gradient's, which is divided by its root mean square; 0: it does.
 *              Decides how rates follow the widths of tensors (rate_scaling.h)
 *   rate       --lr where it is not given
 *   settings   of px_optimizer_config that the step reads beside lr, weight_decay and clip
 * Sources: PyTorch, torch.optim; Kingma and Ba 2015 (Adam); Loshchilov and Hutter 2019 (AdamW); Tieleman and Hinton
 * 2012 (RMSProp). */
#ifndef PX_OPTIMIZER_H
#define PX_OPTIMIZER_H

#define PX_OPTIMIZERS(X)                                                                                               \
    X(SGD, sgd, sgd, 0, 0, 0, 0, 1, 0)                                                                                 \
    X(MOMENTUM, momentum, momentum, 1, 0, 0, 0, 0.1, PX_USES_MOMENTUM)                                                 \
    X(ADAM, adam, adam, 1, 1, 0, 1, 2e-3, PX_USES_BETAS | PX_USES_EPSILON)                                             \
    X(ADAMW, adamw, adam, 1, 1, 1, 1, 2e-3, PX_USES_BETAS | PX_USES_EPSILON)                                           \
    X(RMSPROP, rmsprop, rmsprop, 0, 1, 0, 1, 1e-3, PX_USES_ALPHA | PX_USES_EPSILON)

enum { PX_USES_MOMENTUM = 1, PX_USES_BETAS = 2, PX_USES_ALPHA = 4, PX_USES_EPSILON = 8 };

#define PX_OPTIMIZER_VALUE(NAME, ...) PX_##NAME,
typedef enum px_optimizer { PX_OPTIMIZERS(PX_OPTIMIZER_VALUE) PX_OPTIMIZER_COUNT } px_optimizer;
#undef PX_OPTIMIZER_VALUE

/* How the rate of each tensor follows from --lr: rate_scaling.h. */
typedef enum px_lr_scaling { PX_LR_SCALING_NONE, PX_LR_SCALING_MUP } px_lr_scaling;

extern const char *const px_lr_scaling_names[]; /* in the order of the enum, ended by NULL */

typedef struct px_optimizer_config {
    px_optimizer kind;
    double momentum;     /* momentum: buffer = momentum * buffer + g, w -= lr * buffer */
    double beta1, beta2; /* Adam, AdamW */
    double alpha;        /* RMSProp: smoothing of the squared gradient */
    double epsilon;      /* Adam, AdamW, RMSProp: added to the root */
    double weight_decay; /* AdamW: decoupled; others: added to the gradient */
    double clip;         /* bound of the global gradient norm; 0 = none */
    px_lr_scaling lr_scaling;
} px_optimizer_config;

typedef struct px_optimizer_row {
    const char *name, *step;
    int moment1, moment2, decoupled, normalised;
    double rate;
    unsigned settings;
} px_optimizer_row;

/* The row of an optimiser. */
const px_optimizer_row *px_optimizer_of(px_optimizer kind);

#endif
