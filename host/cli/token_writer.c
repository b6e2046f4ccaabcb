/* Log-probabilities of single tokens as a text: see token_writer.h. */
#include "token_writer.h"

#include "inputs.h"

px_status px_token_writer_open(const char *path, const px_vocabulary *vocabulary, px_token_writer *writer)
{
    writer->vocabulary = vocabulary;
    return px_text_output_open("per-token", path, &writer->output);
}

px_status px_token_writer_write(void *context, int32_t id, double nll)
{
    px_token_writer *writer = context;
    char text[PX_TOKEN_TEXT_BYTES];
    if (fprintf(writer->output.stream, "%s\t%.9g\n", px_input_token_text(writer->vocabulary, id, text),
                nll == 0 ? 0 : -nll) < 0)
        return px_text_output_failed(&writer->output);
    return PX_OK;
}
