/* --per-token: a line for each scored token, its text, a tab and its natural log-probability. */
#ifndef PX_TOKEN_WRITER_H
#define PX_TOKEN_WRITER_H

#include "corpus.h"
#include "outputs.h"

typedef struct px_token_writer {
    px_text_output output; /* closed by the caller, by px_text_output_close */
    const px_vocabulary *vocabulary;
} px_token_writer;

/* Opens FILE of --per-token. PX_ERR_IO. */
px_status px_token_writer_open(const char *path, const px_vocabulary *vocabulary, px_token_writer *writer);
/* writer: a px_token_writer; nll: the token's loss in nats. A px_evaluate_options.per_token. PX_ERR_IO. */
px_status px_token_writer_write(void *writer, int32_t id, double nll);

#endif
