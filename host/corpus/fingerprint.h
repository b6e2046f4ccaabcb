/* Whether two corpora are the same, without keeping either. */
#ifndef PX_FINGERPRINT_H
#define PX_FINGERPRINT_H

#include "corpus.h"

/* A fingerprint of all three texts as tokens: their numbers, and up to 1024 blocks of each. */
px_status px_corpus_hash(const px_corpus *corpus, uint64_t *hash);

#endif
