/* The tensors of a file that another program wrote: finding the modules' names, shapes, and values as fp32. */
#ifndef PX_FOREIGN_TENSORS_H
#define PX_FOREIGN_TENSORS_H

#include "config.h"
#include "safetensors.h"

typedef struct px_foreign {
    const char *path;
    px_safetensors *file;
    const char *encoder, *rnn, *decoder; /* modules, without prefix */
    char prefix[80];                     /* what stands before them: "", "model.", "module.net." */
    unsigned char *used;                 /* [tensors] 1: it was found to belong to the model */
    /* what is there; vocab, embed, hidden, layers, tied, output, cutoffs and cell are set; tanh stands for any cell of
     * one gate */
    /* (the file does not say which) */
    px_model_config sizes;
    int tied_under_decoder; /* the shared table stands under the decoder's name alone */
    int has_decoder_bias;
} px_foreign;

/* Opens path and settles names and sizes; every tensor is accounted for. PX_ERR_INPUT says what is foreign about it. */
px_status px_foreign_open(px_foreign *foreign);
void px_foreign_close(px_foreign *foreign);
/* The tensor PREFIX module.name, or NULL. */
const px_safetensor *px_foreign_find(const px_foreign *foreign, const char *module, const char *name);
/* Its values as fp32 [tensor->count]. PX_ERR_INPUT: integers; a finite value that fp32 cannot hold; NaN,
 * +inf, and -inf outside of the output layer's bias. */
px_status px_foreign_values(const px_foreign *foreign, const px_safetensor *tensor, float *values);

#endif
