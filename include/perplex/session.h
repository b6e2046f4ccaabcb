/** @file
 * Sessions: a model at work on a device. Scoring, the probabilities of the next token, and writing. */
#ifndef PERPLEX_SESSION_H
#define PERPLEX_SESSION_H

#include <perplex/api.h>
#include <perplex/model.h>
#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A model at work: a device, memory, and a hidden state. Used by one thread at a time. */
typedef struct px_session px_session;

/** Where and how a session works. */
typedef struct px_session_options {
    const char *device; /**< "cpu", "reference" (double precision, slow), "cuda", "cuda:k", "auto"; NULL = "cpu" */
    int32_t threads;    /**< of the CPU; 0 = as many as are worth it for this model */
} px_session_options;

/** The CPU, and as many threads as are worth it. */
PERPLEX_API void px_session_options_default(px_session_options *options);

/** Makes a session; options NULL = the defaults. PX_ERR_DEVICE, PX_ERR_MEMORY. The caller destroys *session; the model
 * must outlive it. */
PERPLEX_API px_status px_session_create(const px_model *model, const px_session_options *options, px_session **session);

/** Ends a session; NULL does nothing. */
PERPLEX_API void px_session_destroy(px_session *session);

/** @name Reading on
 * A session reads a text piece by piece; its hidden state stands for all that was read since the last reset.
 * @{ */

/** Forgets all that was read: the hidden state is zero, as at a text's beginning. */
PERPLEX_API void px_session_reset(px_session *session);

/** Reads count more tokens.
 *
 * log_probabilities [count] (NULL = not wanted) gets the natural logarithm of each token's probability after all that
 * came before it, -infinity where it had none; NaN for the first token after a reset, which nothing came before.
 * PX_ERR_INPUT where an id is not in the vocabulary: nothing was read then. PX_ERR_NUMERIC where weights are so large
 * that probabilities are no numbers. Any failure but the first, here and in px_session_next(), resets the session. */
PERPLEX_API px_status px_session_feed(px_session *session, const int32_t *ids, size_t count, double *log_probabilities);

/** What comes next: probabilities [V] of every token after all that was read; they sum to 1.
 * PX_ERR_ARGUMENT where nothing was read since the last reset. */
PERPLEX_API px_status px_session_next(px_session *session, float *probabilities);

/** @} */

/** A scored line. */
typedef struct px_line_score {
    double log_probability;    /**< sum over tokens, natural logarithm; -infinity where a token had none */
    size_t count;              /**< scored tokens */
    size_t unknown;            /**< those among them that the vocabulary lacks */
    int32_t *ids;              /**< [count] */
    double *log_probabilities; /**< [count] of each token after those before it */
} px_line_score;

/** Scores one line on its own, as if it stood between two line ends (`perplex eval --lines`): its tokens and, where the
 * model knows line ends, the end of the line. Where it does not, the first token is only read and not among the scored
 * ones. The line has no line end itself (PX_ERR_ARGUMENT). Resets the session before and after. The caller gives the
 * score back with px_line_score_free(). */
PERPLEX_API px_status px_session_score_line(px_session *session, const char *line, size_t bytes, px_line_score *score);

/** Frees the arrays of a score; it is zeroed. */
PERPLEX_API void px_line_score_free(px_line_score *score);

/** How the next token is drawn, again and again: as `perplex sample` does. */
typedef struct px_sampling {
    int64_t length;     /**< tokens to make [500] */
    double temperature; /**< below 1: safer, above 1: bolder, 0: always the most probable token [1] */
    int32_t top_k;      /**< draw from the k most probable tokens; 0 = from all [0] */
    double top_p;       /**< draw from the fewest tokens that have that probability together [1] */
    int32_t greedy;     /**< 1: always the most probable token [0] */
    int32_t unknown;    /**< 1: `<unk>` may be drawn [0] */
    uint64_t seed;      /**< the same seed gives the same text [1] */
    const char *stop;   /**< end before the first such text; NULL = none [NULL] */
} px_sampling;

/** The values in brackets above. */
PERPLEX_API void px_sampling_default(px_sampling *sampling);

/** Continues a prompt: the same text as `perplex sample` with the same settings.
 *
 * prompt may be empty (the text then begins as after a line end); what the vocabulary lacks in it is read as `<unk>`.
 * sampling NULL = the defaults. *text is allocated, holds the *bytes new bytes without the prompt and a NUL behind
 * them; the caller frees it with px_free(). Resets the session before and after. */
PERPLEX_API px_status px_session_generate(px_session *session, const char *prompt, size_t prompt_bytes,
                                          const px_sampling *sampling, char **text, size_t *bytes);

#ifdef __cplusplus
}
#endif
#endif
