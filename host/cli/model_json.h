/* What a model is made of, as JSON: for `perplex info --json` and the card of `perplex export`. */
#ifndef PX_MODEL_JSON_H
#define PX_MODEL_JSON_H

#include "config.h"
#include "corpus.h"
#include "parameters.h"

#include <cjson/cJSON.h>

/* {"size", "level", "normalise", "hash"} */
cJSON *px_json_vocabulary(const px_vocabulary *vocabulary);
/* [{"name", "shape" in files, "count" of parameters}, ...] */
cJSON *px_json_tensors(const px_parameters *parameters);
/* Every setting under its flag's name. */
cJSON *px_json_settings(const px_config *config);

#endif
