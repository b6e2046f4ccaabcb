/* Weights alone, for other programs: see model_exchange.h. */
#include "model_exchange.h"

#include "check.h"
#include "safetensors.h"
#include "second_bias.h"

static px_status declare(px_safetensors_writer *writer, const px_parameters *table)
{
    PX_TRY(px_safetensors_add_metadata(writer, "format", "pt"));
    for (int32_t i = 0; i < table->tensor_count; i++) {
        const px_tensor *tensor = &table->tensor[i];
        int64_t shape[2] = {tensor->rows, tensor->cols};
        if (px_tensor_in_second_bias(tensor)) continue;
        PX_TRY(px_safetensors_declare(writer, tensor->name, tensor->dims, shape));
        if (tensor->role == PX_TENSOR_B_H) PX_TRY(px_safetensors_declare(writer, px_parameters_second_bias(table, tensor).name, 1, shape));
    }
    return PX_OK;
}

static px_status write_values(px_safetensors_writer *writer, const px_model_file *model)
{
    const px_parameters *table = &model->parameters;
    for (int32_t i = 0; i < table->tensor_count; i++) {
        const px_tensor *tensor = &table->tensor[i];
        if (px_tensor_in_second_bias(tensor)) continue;
        PX_TRY(px_safetensors_write(writer, model->weights + tensor->offset, tensor->count));
        if (tensor->role == PX_TENSOR_B_H) PX_TRY(px_second_bias_write(writer, table, tensor, model->weights));
    }
    return PX_OK;
}

px_status px_model_export(const px_model_file *model, const char *path)
{
    px_safetensors_writer *writer;
    PX_TRY(px_safetensors_create(path, &writer));
    px_status status = declare(writer, &model->parameters);
    if (status == PX_OK) status = write_values(writer, model);
    if (status == PX_OK) return px_safetensors_commit(writer);
    px_safetensors_abandon(writer);
    return status;
}
