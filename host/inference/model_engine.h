/* A model from a file, ready to compute: an engine that holds its weights. */
#ifndef PX_MODEL_ENGINE_H
#define PX_MODEL_ENGINE_H

#include "engine.h"
#include "model_file.h"

/* An engine for evaluation with the file's weights: n streams, windows of T steps. The caller destroys it. */
px_status px_model_file_engine(const px_model_file *file, const char *device, int32_t n, int32_t T, int32_t threads,
                               px_engine **engine);

/* Threads to score or sample n streams with: what was asked for, or where nothing was (0), one if a step is so small
 * that threads would wait for each other longer than they work. */
int32_t px_model_file_threads(const px_model_file *model, int32_t asked, int32_t n);

#endif
