/* The report's section on how far back a loss reaches: inspect.h's gradient by lag, drawn. */
#ifndef PX_LAGS_H
#define PX_LAGS_H

#include "corpus.h"
#include "model_file.h"
#include "text_buffer.h"

/* Appends the section's HTML, made from the beginning of range. PX_ERR_INPUT where the text is too short, or the model
 * too large for a page that is made in seconds. */
px_status px_lags_write(px_text *out, const px_model_file *model, px_range range,
                        void (*progress)(void *context, const char *what, double share), void *context);

#endif
