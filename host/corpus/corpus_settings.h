/* What a command is told of its texts and of the minibatches cut from them. Strings belong to whoever holds the
 * settings. */
#ifndef PX_CORPUS_SETTINGS_H
#define PX_CORPUS_SETTINGS_H

#include "text_choices.h"

#include <stdint.h>

typedef struct px_corpus_settings {
    char *data, *valid, *test; /* NULL = not given; each names one file or several (paths.h) */
    px_text_options text;
    int64_t min_count, max_vocab; /* max_vocab counts <unk>; 0 = no bound */
    double split[3];              /* fractions by position of data; used where no valid / test is given */
    int64_t limit_tokens;         /* use only the first k tokens of data; 0 = all */
    char *reset_at;               /* token that ends a document; NULL = none */
} px_corpus_settings;

typedef struct px_minibatch_settings {
    int32_t batch, steps; /* n, T */
    double steps_jitter;  /* deviation of window lengths about T (window_cuts.h); 0 = all T */
    px_partition partition;
    double reset_probability; /* that a stream starts a window from a zero state */
} px_minibatch_settings;

#endif
