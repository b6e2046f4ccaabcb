/* A model from a file, ready to compute: see model_engine.h. */
#include "model_engine.h"

#include "check.h"

px_status px_model_file_engine(const px_model_file *file, const char *device, int32_t n, int32_t T, int32_t threads,
                               px_engine **engine)
{
    const px_engine_ops *ops;
    int ordinal;
    PX_TRY(px_engine_find(device, &ops, &ordinal));
    /* the precision of a training is that of its GPU: what a GPU has trained opens on the processor in fp32 */
    const px_precision precision = ops->on_host ? PX_FP32 : file->config.precision;
    const px_engine_shape shape = {
        .n = n, .T = T, .threads = threads, .precision = precision, .seed = file->config.seed};
    PX_TRY(px_engine_create(device, &file->config.model, &file->config.optimizer, &shape, engine));
    px_status status = px_engine_write(*engine, PX_SECTION_PARAMETERS, file->weights);
    if (status != PX_OK) {
        px_engine_destroy(*engine);
        *engine = NULL;
    }
    return status;
}

int32_t px_model_file_threads(const px_model_file *model, int32_t asked, int32_t n)
{
    const px_model_config *sizes = &model->config.model;
    /* a step of the recurrence is one product with a barrier after it; 4 MFLOP are some 50 us of one core. The output
     * layer works on a whole window at once: where it is most of the work, threads are worth it. */
    double step = 2.0 * n * sizes->hidden * sizes->hidden,
           head = 2.0 * n * sizes->hidden * sizes->vocab / sizes->layers;
    return asked == 0 && step < 4e6 && head < 8 * step ? 1 : asked;
}
