/* Weights and batches for a peer (export.h). */
#include "export.h"

#include "check.h"
#include "torch_weights.h"

#include <stdlib.h>

static px_status declare(px_safetensors_writer *writer, const px_parameters *table, const px_bench_case *c,
                         int64_t windows)
{
    const int64_t shape[] = {windows, c->steps, c->batch};
    PX_TRY(px_torch_weights_declare(writer, table));
    PX_TRY(px_safetensors_declare_int32(writer, "bench.tokens", 3, shape));
    return px_safetensors_declare_int32(writer, "bench.targets", 3, shape);
}

static px_status write_weights(px_safetensors_writer *writer, const px_parameters *table, const px_model_config *model,
                               uint64_t seed)
{
    float *weights = malloc(table->count * sizeof *weights);
    px_status status;
    if (!weights) return px_fail(PX_ERR_MEMORY, "export: no memory for weights");
    PX_TRY_GOTO(status, px_parameters_init(table, model, seed, weights), done);
    status = px_torch_weights_write(writer, table, weights);
done:
    free(weights);
    return status;
}

static px_status write_windows(px_safetensors_writer *writer, px_minibatches *minibatches, int64_t windows, int targets)
{
    px_batch batch;
    for (int64_t w = 0; w < windows; w++) {
        PX_TRY(px_minibatches_get(minibatches, 0, w, (uint64_t)w, &batch));
        PX_TRY(px_safetensors_write_int32(writer, targets ? batch.targets : batch.tokens,
                                          (size_t)batch.T * (size_t)batch.n));
    }
    return PX_OK;
}

static px_status write_file(px_safetensors_writer *writer, const px_bench_case *c, const px_bench_options *options,
                            px_minibatches *minibatches)
{
    px_model_config model = options->config->model;
    model.vocab = c->vocab, model.embed = c->embed, model.hidden = c->hidden, model.layers = c->layers,
    model.tied = c->tied;
    px_parameters table;
    PX_TRY(px_parameters_make(&model, &table));
    int64_t windows = px_minibatches_per_epoch(minibatches, 0);
    PX_TRY(declare(writer, &table, c, windows));
    PX_TRY(write_weights(writer, &table, &model, options->config->seed));
    PX_TRY(write_windows(writer, minibatches, windows, 0));
    return write_windows(writer, minibatches, windows, 1);
}

px_status px_bench_export(const char *path, const px_bench_case *c, const px_bench_options *options,
                          const px_bench_source *source)
{
    if (options->config->model.output == PX_OUTPUT_ADAPTIVE)
        return px_fail(PX_ERR_ARGUMENT, "--export: no peer has --output adaptive; leave one of the two out");
    if (source->has_corpus)
        return px_fail(PX_ERR_ARGUMENT, "--export: windows of a text differ in length; leave out --data");
    px_tokens *tokens;
    px_minibatches *minibatches;
    px_safetensors_writer *writer = NULL;
    PX_TRY(px_bench_source_minibatches(source, c, &tokens, &minibatches));
    px_status status;
    PX_TRY_GOTO(status, px_safetensors_create(path, &writer), done);
    status = write_file(writer, c, options, minibatches);
    if (status == PX_OK)
        status = px_safetensors_commit(writer);
    else
        px_safetensors_abandon(writer);
done:
    px_minibatches_destroy(minibatches);
    px_tokens_destroy(tokens);
    return status;
}
