/* From a source of text to ids, with a vocabulary (encode) or on the way to one (collect). */
#ifndef PX_ENCODE_H
#define PX_ENCODE_H

#include "dictionary.h"
#include "reader.h"
#include "tokens.h"
#include "vocabulary.h"

/* What a text is collected into. */
typedef struct px_collection {
    px_dictionary
        dictionary;      /* every distinct token, numbered as first seen, index 0 "<unk>"; frequency of the whole */
    px_id_writer writer; /* the tokens as those numbers; not opened where only counting */
    size_t count, text_bytes;
} px_collection;

/* Reads the source once: its tokens (the first `limit`, 0 = all) are numbered and counted, and written where keep is
 * set. PX_ERR_INPUT if there are none. On failure nothing is left behind. */
px_status px_collect(px_source *source, const px_corpus_request *request, int keep, px_collection *collection);
/* The vocabulary that the dictionary's frequencies make, and the collection's tokens in its ids: writer is used up.
 * source: the text's name, for messages. */
px_status px_collection_encode(px_collection *collection, const px_corpus_request *request, const char *source,
                               px_vocabulary **vocabulary, px_tokens **tokens);
void px_collection_free(px_collection *collection);

/* The source as tokens of the vocabulary, whose options it is read with; invalid as in px_text_options. */
px_status px_encode_source(px_source *source, const px_vocabulary *vocabulary, int invalid, size_t limit,
                           const char *scratch_dir, px_progress progress, void *progress_context, px_tokens **tokens);

/* Cuts a text in memory into the longest pieces of the vocabulary, from left to right, and gives them to the sink; what
 * no piece begins with is given as it stands, and so becomes unknown. The tool itself may have cut the same text
 * otherwise. PX_ERR_INPUT where SentencePiece's text is not UTF-8. */
px_status px_pieces_feed(const px_vocabulary *vocabulary, const char *text, size_t bytes, const char *source,
                         px_sink *sink);

#endif
