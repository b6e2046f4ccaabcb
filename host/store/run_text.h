/* The texts behind a run: where they lie, and whether what lies there now is what the run was trained with. */
#ifndef PX_RUN_TEXT_H
#define PX_RUN_TEXT_H

#include "config.h"
#include "corpus.h"

/* How a configuration opens its texts; strings stay the configuration's. Vocabulary and progress are the caller's to
 * add. */
void px_run_text_request(const px_config *config, px_corpus_request *request);
/* data, valid and test with relative paths made absolute, so that a run finds its texts from any working folder. */
px_status px_run_text_remember(px_config *config);
/* data, valid, test and run without folders, for a model that is given away. */
px_status px_run_text_forget(px_config *config);
/* Texts that moved along with the run's folder: `remembered` is the run's configuration, `from` where the folder was
 * (absolute; NULL: nobody knows), `run` where it is now. Each file whose place relative to the folder holds a file now
 * is taken from there; texts that config names otherwise than `remembered` stay. *follows = 1 where any was changed.
 * What lies there may be anything: compare fingerprints. */
px_status px_run_text_follow(px_config *config, const px_config *remembered, const char *from, const char *run,
                             int *follows);

typedef struct px_run_text_reader {
    const px_vocabulary *vocabulary;                                 /* to read the texts with */
    void (*progress)(void *context, const char *what, double share); /* may be NULL */
    void *progress_context;
} px_run_text_reader;

enum { PX_RUN_TEXT_REASON_BYTES = 1024 };
/* Opens the texts that config names for the run in folder `run` and makes sure that they are what its checkpoint was
 * trained and validated on, else PX_ERR_INPUT. Where they are not, but texts that moved along with the folder are
 * (px_run_text_follow), config is changed to name those. A run without a checkpoint cannot be compared: *checked = 0,
 * and nothing is followed. */
px_status px_run_text_open(const char *run, const px_config *remembered, px_config *config,
                           const px_run_text_reader *reader, px_corpus *corpus, int *checked);

#endif
