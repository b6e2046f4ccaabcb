/* Writing PyTorch's second bias: see second_bias.h. */
#include "second_bias.h"

#include "check.h"

static px_status write_zeros(px_safetensors_writer *writer, size_t count)
{
    static const float zeros[1024];
    for (size_t done = 0; done < count; done += 1024)
        PX_TRY(px_safetensors_write(writer, zeros, count - done < 1024 ? count - done : 1024));
    return PX_OK;
}

px_status px_second_bias_write(px_safetensors_writer *writer, const px_parameters *table, const px_tensor *b_h, const float *flat)
{
    const px_second_bias bias = px_parameters_second_bias(table, b_h);
    PX_TRY(write_zeros(writer, bias.before));
    if (bias.tensor) PX_TRY(px_safetensors_write(writer, flat + bias.tensor->offset, bias.tensor->count));
    return write_zeros(writer, bias.after);
}
