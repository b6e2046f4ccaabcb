/* Token ids back to text, written as they come, up to a stop text. */
#ifndef PX_TEXT_SINK_H
#define PX_TEXT_SINK_H

#include "corpus.h"
#include "engine.h"
#include "pieces.h"

#include <stdio.h>

typedef struct px_text_sink {
    const px_vocabulary *vocabulary;
    FILE *live;       /* written to as the text comes; NULL = kept only */
    const char *stop; /* NULL = none */
    char *text;       /* prompt (where shown) and what was made */
    size_t bytes, room;
    size_t made_at; /* where what was made begins */
    size_t written; /* bytes that went to live */
    int32_t *ids;   /* what was made */
    size_t id_count, id_room;
    int line_start;   /* word level: no space before the next word */
    px_joiner joiner; /* levels of pieces */
    int stopped;      /* the stop text came; it is not part of the text */
    px_status status; /* of px_text_sink_take: why it ended the stream, if not for the stop text */
} px_text_sink;

void px_text_sink_start(px_text_sink *sink, const px_vocabulary *vocabulary, FILE *live, const char *stop);
void px_text_sink_free(px_text_sink *sink);
/* show 0: the prompt only decides how the text goes on (a word level's space). */
px_status px_text_sink_add_prompt(px_text_sink *sink, const int32_t *ids, size_t count, int show);
/* Makes one text from where a text begins, without <unk>, into a sink that was started. */
px_status px_text_sink_sample(px_text_sink *sink, px_engine *engine, int64_t length, double temperature, uint64_t seed);
/* What px_sample calls (px_sample_options.token): context is an array of sinks, one for each stream. */
int px_text_sink_take(void *context, int32_t stream, int32_t id);
/* Writes what is still held back to live, or the whole text to out where it was kept. */
px_status px_text_sink_finish(px_text_sink *sink, FILE *out);
const char *px_text_sink_prompt(const px_text_sink *sink, size_t *bytes);
const char *px_text_sink_made(const px_text_sink *sink, size_t *bytes);

#endif
