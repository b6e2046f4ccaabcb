/* The texts behind a run: where they lie, and whether what lies there now is what the run was trained with. */
#ifndef PX_RUN_TEXT_H
#define PX_RUN_TEXT_H

#include "config.h"
#include "corpus.h"

/* How a configuration opens its texts; strings stay the configuration's. Vocabulary and progress are the caller's to add. */
void px_run_text_request(const px_config *config, px_corpus_request *request);
/* data, valid and test with relative paths made absolute, so that a run finds its texts from any working folder. */
px_status px_run_text_remember(px_config *config);
/* PX_ERR_INPUT where `corpus`, opened by `request`, does not hold the tokens that the checkpoint in folder `run` was trained and
 * validated on. The vocabularies may differ: the texts are then read once more with the run's own. A run without a checkpoint
 * cannot be compared: *checked = 0. */
px_status px_run_text_check(const char *run, const px_corpus_request *request, const px_corpus *corpus, int *checked);

#endif
