/* Weights alone, for other programs: see model_exchange.h. */
#include "model_exchange.h"

#include "check.h"
#include "torch_weights.h"

px_status px_model_export(const px_model_file *model, const char *path)
{
    px_safetensors_writer *writer;
    PX_TRY(px_safetensors_create(path, &writer));
    px_status status;
    PX_TRY_GOTO(status, px_safetensors_add_metadata(writer, "format", "pt"), fail);
    PX_TRY_GOTO(status, px_torch_weights_declare(writer, &model->parameters), fail);
    PX_TRY_GOTO(status, px_torch_weights_write(writer, &model->parameters, model->weights), fail);
    return px_safetensors_commit(writer);
fail:
    px_safetensors_abandon(writer);
    return status;
}
