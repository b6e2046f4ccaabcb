/* Where tensors lie on the device: see layout.h. */
#include "layout.h"

enum { COLUMNS = 64 };

int32_t px_cuda_columns(int32_t V) { return V > INT32_MAX - COLUMNS ? V : (V + COLUMNS - 1) / COLUMNS * COLUMNS; }

static int has_columns(px_tensor_role role, int tied)
{
    return role == PX_TENSOR_B_Q || role == PX_TENSOR_HEAD || role == PX_TENSOR_TAIL_OUT ||
           role == (tied ? PX_TENSOR_EMBEDDING : PX_TENSOR_W_HQ);
}

px_parameters px_cuda_layout(const px_parameters *file, int tied)
{
    px_parameters device = *file;
    device.count = 0;
    for (int32_t k = 0; k < device.tensor_count; k++) {
        px_tensor *tensor = &device.tensor[k];
        if (has_columns(tensor->role, tied)) tensor->rows = px_cuda_columns(tensor->rows);
        tensor->offset = device.count;
        tensor->count = (size_t)tensor->rows * (size_t)tensor->cols;
        device.count += (tensor->count + PX_TENSOR_ALIGN - 1) / PX_TENSOR_ALIGN * PX_TENSOR_ALIGN;
    }
    return device;
}

px_cuda_piece px_cuda_piece_from(const px_parameters *file, const px_parameters *device, int32_t first)
{
    const px_tensor *in_file = file->tensor, *on_device = device->tensor;
    px_cuda_piece piece = {in_file[first].offset, on_device[first].offset, 0, first + 1};
    while (piece.next < file->tensor_count &&
           on_device[piece.next].offset - piece.device == in_file[piece.next].offset - piece.file)
        piece.next++;
    piece.count = (piece.next < file->tensor_count ? in_file[piece.next].offset : file->count) - piece.file;
    return piece;
}
