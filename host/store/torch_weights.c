/* A model's weights under PyTorch's names: see torch_weights.h. */
#include "torch_weights.h"

#include "check.h"

static px_status write_zeros(px_safetensors_writer *writer, size_t count)
{
    static const float zeros[1024];
    for (size_t done = 0; done < count; done += 1024)
        PX_TRY(px_safetensors_write(writer, zeros, count - done < 1024 ? count - done : 1024));
    return PX_OK;
}

static px_status write_second_bias(px_safetensors_writer *writer, const px_parameters *table, const px_tensor *b_h,
                                   const float *flat)
{
    const px_second_bias bias = px_parameters_second_bias(table, b_h);
    PX_TRY(write_zeros(writer, bias.before));
    if (bias.tensor) PX_TRY(px_safetensors_write(writer, flat + bias.tensor->offset, bias.tensor->count));
    return write_zeros(writer, bias.after);
}

px_status px_torch_weights_declare(px_safetensors_writer *writer, const px_parameters *table)
{
    for (int32_t i = 0; i < table->tensor_count; i++) {
        const px_tensor *tensor = &table->tensor[i];
        int64_t shape[2] = {tensor->rows, tensor->cols};
        if (px_tensor_in_second_bias(tensor)) continue;
        PX_TRY(px_safetensors_declare(writer, tensor->name, tensor->dims, shape));
        if (tensor->role == PX_TENSOR_B_H)
            PX_TRY(px_safetensors_declare(writer, px_parameters_second_bias(table, tensor).name, 1, shape));
    }
    return PX_OK;
}

px_status px_torch_weights_write(px_safetensors_writer *writer, const px_parameters *table, const float *flat)
{
    for (int32_t i = 0; i < table->tensor_count; i++) {
        const px_tensor *tensor = &table->tensor[i];
        if (px_tensor_in_second_bias(tensor)) continue;
        PX_TRY(px_safetensors_write(writer, flat + tensor->offset, tensor->count));
        if (tensor->role == PX_TENSOR_B_H) PX_TRY(write_second_bias(writer, table, tensor, flat));
    }
    return PX_OK;
}
