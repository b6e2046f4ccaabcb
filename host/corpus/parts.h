/* Splitting a text by position into training, validation and test parts. */
#ifndef PX_PARTS_H
#define PX_PARTS_H

#include "corpus.h"

typedef struct px_parts {
    size_t boundary[4]; /* training [0,1), validation [1,2), test [2,3); an empty range: there is no such part */
} px_parts;

/* The parts of N tokens of request->data. PX_ERR_ARGUMENT for shares that make no sense, PX_ERR_INPUT where the text is
 * too short for a part that was asked for (2 tokens each). */
px_status px_parts_of(const px_corpus_request *request, const char *name, size_t N, px_parts *parts);

/* floor(N share), as if share were the decimal fraction that was written: a product that floating-point error puts just
 * below a whole number is that number. share in [0, 1]. */
size_t px_share_of(size_t N, double share);

/* Path and limit of a request. */
px_status px_request_check(const px_corpus_request *request);

#endif
