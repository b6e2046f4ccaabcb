/* What a network has to beat: an n-gram model with interpolated modified Kneser-Ney smoothing, on the same tokens.
 *
 * With order K, h_k the last k-1 tokens, and w the next one:
 *     p_0(w)     = 1 / V
 *     p_k(w|h_k) = (max(c(h_k w) - D_k(c), 0) + (D_k(1) N1(h_k) + D_k(2) N2(h_k) + D_k(3) N3(h_k)) p_{k-1}(w)) / sum_v c(h_k v)
 *     p(w|h)     = p_K(w|h_K); a context that was never followed by anything is left out: p_k = p_{k-1}
 * c is how often the K-gram stood in the training text; for k < K it is the number of different tokens that stood
 * before the k-gram (the place before the first token counts as one more of them). N1, N2, N3: how many w have c(h_k w)
 * = 1, = 2, >= 3. Discounts of an order, from n_i, the number of its k-grams with c = i, with Y = n_1 / (n_1 + 2 n_2):
 *     D(i) = i - (i + 1) Y n_{i+1} / n_i   for i = 1, 2, 3 (3: and more)
 * Where one of these does not lie in (0, i] (too small a text) the order has D = 1/2, 1, 3/2, as KenLM's fallback has.
 * <unk> is a token like any other.
 *
 * A text is one stream, or, with a token that ends lines (<eos>), a list of lines, as the n-gram toolkits have it: no
 * n-gram then goes on across a line end. In first place the token stands for the beginning of a line, where it is never
 * predicted, and a k-gram that begins with it (k > 1) has no other token before it: its c is how often it stood in the
 * text, for every k.
 *
 * Source: Chen and Goodman, "An empirical study of smoothing techniques for language modeling", Computer Speech and
 * Language 13 (1999), section 3 and equations 26 to 28; Kneser and Ney 1995.
 *
 * The n-grams stand in sorted arrays, one for each order, as a tree: a k-gram knows its token, its count and where its
 * continuations begin. 24 bytes for each k-gram with k < K, 8 for each K-gram. */
#ifndef PX_NGRAM_H
#define PX_NGRAM_H

#include "corpus.h"
#include <stdatomic.h>

enum { PX_NGRAM_MAX_ORDER = 32 };

typedef struct px_ngram px_ngram;

typedef struct px_ngram_options {
    int32_t order;                                 /* K, 1 to PX_NGRAM_MAX_ORDER */
    int32_t vocab;                                 /* V: every token is in [0, V) */
    int32_t line_end;                              /* the token that ends a line; -1: the text is one stream */
    void (*progress)(void *context, double share); /* may be NULL */
    void *progress_context;
    const atomic_int *stop; /* non-zero ends it with PX_STOPPED; may be NULL */
} px_ngram_options;

/* Counts the n-grams of a text of at most 2^32 - 2 tokens. Needs 21 bytes a token beside the model while it works.
 * PX_ERR_ARGUMENT, PX_ERR_INPUT (no tokens, too many), PX_ERR_MEMORY, PX_STOPPED. */
px_status px_ngram_create(px_range text, const px_ngram_options *options, px_ngram **ngram);
void px_ngram_destroy(px_ngram *ngram); /* NULL does nothing */
int32_t px_ngram_order(const px_ngram *ngram);
size_t px_ngram_count(const px_ngram *ngram, int32_t k); /* different k-grams, 1 <= k <= K */
size_t px_ngram_bytes(const px_ngram *ngram);            /* memory of the model */
void px_ngram_discounts(const px_ngram *ngram, int32_t k, double discount[3]);

/* A place in a text: which contexts of the tokens before it the model knows. */
typedef struct px_ngram_state {
    uint32_t node[PX_NGRAM_MAX_ORDER];
} px_ngram_state;

void px_ngram_start(const px_ngram *ngram, px_ngram_state *state); /* nothing stands before, or a line end */
/* p(token | what stood before), above 0; the state then stands behind the token. */
double px_ngram_next(const px_ngram *ngram, px_ngram_state *state, int32_t token);

typedef struct px_ngram_result {
    double loss; /* nats per scored token */
    double perplexity, bits_per_token;
    int64_t tokens, unknown; /* scored tokens; those among them that the vocabulary lacks */
} px_ngram_result;

/* Scores every token of the range after its first, which is only read, as px_evaluate does. nll [end - begin - 1] gets
 * each token's nats, or is NULL. PX_ERR_INPUT with fewer than 2 tokens, or where one is outside the vocabulary;
 * PX_STOPPED. */
px_status px_ngram_score(const px_ngram *ngram, px_range range, const px_ngram_options *hooks, double *nll,
                         px_ngram_result *result);

#endif
