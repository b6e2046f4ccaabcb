/* The tree of n-grams, between building it (ngram_build.c) and asking it (ngram.c). */
#ifndef PX_NGRAM_INTERNAL_H
#define PX_NGRAM_INTERNAL_H

#include "ngram.h"

/* All k-grams of the text, sorted; the continuations of a k-gram are neighbours in level k + 1. Level 0 is the empty
 * context. */
typedef struct px_ngram_level {
    size_t count;
    uint32_t *token; /* [count] the last token */
    uint32_t *c;     /* [count] c of ngram.h */
    /* as contexts; NULL at level K */
    uint32_t *first;       /* [count+1] where the continuations begin in level k + 1 */
    uint32_t *total;       /* [count] sum of their c */
    uint32_t *ones, *twos; /* [count] how many of them have c = 1, 2 */
    double discount[4];    /* D(0) = 0, D(1), D(2), D(3) */
} px_ngram_level;

struct px_ngram {
    int32_t order, vocab, line_end;
    uint32_t unseen; /* 1-grams with c = 0: a line end that stands nowhere but before the first line */
    px_ngram_level level[PX_NGRAM_MAX_ORDER + 1];
};

#endif
