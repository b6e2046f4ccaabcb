/* Weights alone, for other programs: see model_exchange.h. */
#include "model_exchange.h"

#include "check.h"
#include "safetensors.h"

#include <stdio.h>
#include <stdlib.h>

/* PyTorch's second bias: zeros, where this model has one bias. */
static const char *second_bias(const px_tensor *tensor, char name[64])
{
    snprintf(name, 64, "rnn.bias_hh_l%d", (int)tensor->layer);
    return name;
}

static px_status declare(px_safetensors_writer *writer, const px_parameters *table)
{
    char name[64];
    PX_TRY(px_safetensors_add_metadata(writer, "format", "pt"));
    for (int32_t i = 0; i < table->tensor_count; i++) {
        const px_tensor *tensor = &table->tensor[i];
        int64_t shape[2] = {tensor->rows, tensor->cols};
        PX_TRY(px_safetensors_declare(writer, tensor->name, tensor->dims, shape));
        if (tensor->role == PX_TENSOR_B_H) PX_TRY(px_safetensors_declare(writer, second_bias(tensor, name), 1, shape));
    }
    return PX_OK;
}

static px_status write_values(px_safetensors_writer *writer, const px_model_file *model)
{
    const px_parameters *table = &model->parameters;
    float *zeros = calloc((size_t)model->config.model.hidden, sizeof *zeros);
    px_status status = zeros ? PX_OK : px_fail(PX_ERR_MEMORY, "export: no memory for a bias");
    for (int32_t i = 0; i < table->tensor_count && status == PX_OK; i++) {
        const px_tensor *tensor = &table->tensor[i];
        status = px_safetensors_write(writer, model->weights + tensor->offset, tensor->count);
        if (status == PX_OK && tensor->role == PX_TENSOR_B_H) status = px_safetensors_write(writer, zeros, tensor->count);
    }
    free(zeros);
    return status;
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
