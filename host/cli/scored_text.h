/* A text that a command scores with a vocabulary it already has: a file, standard input, or a part of what a run was
 * given. */
#ifndef PX_SCORED_TEXT_H
#define PX_SCORED_TEXT_H

#include "config.h"
#include "corpus.h"
#include "paths.h"
#include "progress.h"

typedef struct px_scored_text {
    char name[PX_PATHS_NAME_BYTES]; /* for a person */
    px_tokens *tokens;              /* of a file */
    px_corpus corpus;               /* of a run */
    px_range range;
    double bytes; /* of the text behind the scored tokens (all but the first); 0 = not known */
} px_scored_text;

/* path: texts as in paths.h, or a token file, or "-". PX_ERR_INPUT also where it has fewer than two tokens. Close it on
 * failure too. */
px_status px_scored_text_file(const char *path, const px_vocabulary *vocabulary, px_invalid invalid,
                              px_scored_text *text);
/* The same, showing on a terminal how much of it has been read. */
px_status px_scored_text_watched(const char *path, const px_vocabulary *vocabulary, px_invalid invalid,
                                 px_progress *progress, px_scored_text *text);
/* The part ("valid" or "test") of the text that the run in folder `run` was started with; elsewhere: its data, valid
 * and test say where those of the run lie now; NULL in it: where they lay then. PX_ERR_INPUT where it is another text.
 * Close it on failure too. */
px_status px_scored_text_split(const char *run, const char *part, const px_config *elsewhere,
                               const px_vocabulary *vocabulary, px_progress *progress, px_scored_text *text);
void px_scored_text_close(px_scored_text *text); /* a zeroed one is fine */

/* A run's own configuration: RUN/config, as train wrote it. The caller frees it with px_config_free. */
px_status px_run_config(const char *run, px_config *config);
/* Opens the texts of run's configuration for its part "valid" or "test", where elsewhere (as above) does not name
 * others, makes sure that they are those that the run was trained with, and says which was read. Whatever happens the
 * caller frees config, and closes corpus where PX_OK is returned. */
px_status px_run_texts_open(const char *run, const char *part, const px_config *elsewhere,
                            const px_vocabulary *vocabulary, px_progress *progress, px_config *config,
                            px_corpus *corpus);

#endif
