/* The head phase of the CPU engine, between its files: head.c is what the output layers share, head_softmax.c and
 * head_adaptive.c are one each (host/model/output_layer.h).
 *
 * They work in chunks of rows, so that the logits of a window over a large vocabulary never exist all at once; each
 * chunk's logits are turned into their gradients in place. */
#ifndef PX_CPU_HEAD_H
#define PX_CPU_HEAD_H

#include "cpu.h"

struct px_cpu_head {
    /* cpu->nll [T,n] += the loss of every scored row; dW += the gradients of the output layer; d_top [T,n,h] = the
     * gradient of what the top layer sends up */
    void (*train)(px_cpu *cpu, const px_cpu_window *window, float *d_top);
    /* cpu->nll [T,n] += the loss of every scored row */
    void (*losses)(px_cpu *cpu, const px_cpu_window *window);
    /* probabilities [n,V] of a window of one step */
    void (*probabilities)(px_cpu *cpu, const px_cpu_window *window, float *probabilities);
};

/* Rows of logits, and what each should give. */
typedef struct px_cpu_logits {
    px_cpu *cpu;
    float *logits; /* [rows,width] */
    long width;
    const int32_t *targets; /* [rows], each in [0,width), or -1: not scored */
    double *nll;            /* of row r: nll[places ? places[r] : r] += its loss */
    const int32_t *places;
} px_cpu_logits;

/* Losses are added; logits become (softmax - onehot) scale, zeros where a row is not scored. */
void px_cpu_logits_gradient(const px_cpu_logits *logits, long rows, float scale);
/* Losses are added; the logits are used up. */
void px_cpu_logits_losses(const px_cpu_logits *logits, long rows);

#endif
