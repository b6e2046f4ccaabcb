/* What the tests of the corpus share: scratch files, opening texts from memory, finding corpora. */
#ifndef CORPUS_SUPPORT_H
#define CORPUS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "corpus.h"

/* A new file in a folder that is removed when the program ends; the path is malloc'ed, the caller frees it. */
char *scratch_path(const char *name);
char *scratch_write(const char *name, const void *data, size_t bytes);
void *read_whole(const char *path, size_t *bytes); /* malloc'ed */

/* A request for a file with all of it for training. */
px_corpus_request request_for(const char *path, int level, int normalise);

/* status must be wanted, and every piece (ended by NULL) must stand in the recorded message. */
void assert_fails(px_status status, px_status wanted, ...);
void assert_done(px_status status); /* prints the message otherwise */

/* The id at a place, and the unknown tokens of a range, which can be read. */
int32_t token_at(const px_tokens *tokens, size_t index);
size_t unknown_in(const px_tokens *tokens, size_t begin, size_t end);

/* The path of a corpus below $PERPLEX_DATASETS or ../shared/datasets beside the checkout; where it is missing the test
 * is skipped, loudly. malloc'ed. */
char *corpus_or_skip(const char *name);
/* What a program returns: failures, else 77 if a corpus was missing, else 0. */
int finish_tests(int failures);

#endif
