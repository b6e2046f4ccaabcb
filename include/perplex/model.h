/** @file
 * Models: reading one from a file, its sizes, its vocabulary, and text as tokens and back. */
#ifndef PERPLEX_MODEL_H
#define PERPLEX_MODEL_H

#include <perplex/api.h>
#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A trained model: weights, vocabulary and settings. Never changed once it is open. */
typedef struct px_model px_model;

/** Opens a model file (.safetensors), or a run folder: its best model, else its last.
 * The whole file is checked first; PX_ERR_INPUT says what is wrong with it. On success the caller closes *model. */
PERPLEX_API px_status px_model_open(const char *path, px_model **model);

/** Closes a model that no session uses any more; NULL does nothing. */
PERPLEX_API void px_model_close(px_model *model);

/** Facts of a model. */
typedef struct px_model_facts {
    int32_t vocabulary;     /**< V: tokens, `<unk>` (id 0) among them */
    int32_t embedding;      /**< d: width of the embedding; 0 = one-hot input */
    int32_t hidden;         /**< h: units of a layer */
    int32_t layers;         /**< L */
    int32_t tied;           /**< 1: the output layer uses the embedding table */
    int64_t parameters;     /**< weights in all */
    int64_t step;           /**< updates that made it; 0 = it was imported */
    double validation_loss; /**< nats per token when it was saved; NaN = not evaluated */
    const char *level;      /**< what a token is: "byte", "char", "word", or a piece: "sentencepiece", "byte-bpe" */
    const char *output;     /**< the output layer: "softmax" or "adaptive" */
} px_model_facts;

/** Fills facts; its text lives for the process's life. */
PERPLEX_API void px_model_describe(const px_model *model, px_model_facts *facts);

/** The token's text; *bytes gets its length (it may hold a NUL). "<unk>" for id 0. Valid as long as the model.
 * NULL where id is not in the vocabulary. */
PERPLEX_API const char *px_model_token(const px_model *model, int32_t id, size_t *bytes);

/** The id of a token's text, or -1 if the vocabulary lacks it. */
PERPLEX_API int32_t px_model_token_id(const px_model *model, const char *token, size_t bytes);

/** Text to ids, as the model was trained: level, normalising, `<eos>` for each line end at the level of words.
 *
 * *ids is allocated and holds *count ids; the caller frees it with px_free(). What the vocabulary lacks becomes 0 and
 * is counted in *unknown (may be NULL). At the levels of pieces the text is cut into the longest ones from left to
 * right, which may not be how their own tool cuts it. PX_ERR_INPUT where the text is not UTF-8 and the level needs it.
 */
PERPLEX_API px_status px_model_tokenise(const px_model *model, const char *text, size_t bytes, int32_t **ids,
                                        size_t *count, size_t *unknown);

/** Ids to text: bytes and characters as they are, words with spaces between them and a line end for `<eos>`, pieces
 * joined, with a line end for a mark such as `</s>`.
 *
 * *text is allocated, holds *bytes bytes and a NUL behind them; the caller frees it with px_free(). PX_ERR_ARGUMENT
 * names an id that is not in the vocabulary. */
PERPLEX_API px_status px_model_detokenise(const px_model *model, const int32_t *ids, size_t count, char **text,
                                          size_t *bytes);

#ifdef __cplusplus
}
#endif
#endif
