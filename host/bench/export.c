/* Weights and batches for a peer (export.h). */
#include "export.h"

#include "check.h"
#include "file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct header {
    px_memory_stream memory;
    size_t offset; /* of the data so far */
    int entries;
} header;

static void declare(header *h, const char *name, const char *type, const char *shape, size_t count)
{
    size_t end = h->offset + 4 * count;
    fprintf(h->memory.stream, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", h->entries++ ? "," : "", name, type,
            shape, h->offset, end);
    h->offset = end;
}

static void declare_all(header *h, const px_parameters *table, const px_bench_case *c, int64_t windows)
{
    char shape[64];
    fputc('{', h->memory.stream);
    for (int32_t i = 0; i < table->tensor_count; i++) {
        const px_tensor *t = &table->tensor[i];
        snprintf(shape, sizeof shape, t->dims == 1 ? "%d" : "%d,%d", t->rows, t->cols);
        if (px_tensor_in_second_bias(t)) continue;
        declare(h, t->name, "F32", shape, t->count);
        if (t->role == PX_TENSOR_B_H) declare(h, px_parameters_second_bias(table, t).name, "F32", shape, t->count);
    }
    snprintf(shape, sizeof shape, "%lld,%d,%d", (long long)windows, c->steps, c->batch);
    size_t count = (size_t)windows * (size_t)c->steps * (size_t)c->batch;
    declare(h, "bench.tokens", "I32", shape, count);
    declare(h, "bench.targets", "I32", shape, count);
    fputc('}', h->memory.stream);
}

/* zeros [G h] */
static px_status write_second_bias(px_atomic_file *file, const px_parameters *table, const px_tensor *b_h, const float *weights, const float *zeros)
{
    const px_second_bias bias = px_parameters_second_bias(table, b_h);
    PX_TRY(px_atomic_write(file, zeros, bias.before * sizeof *zeros));
    if (bias.tensor) PX_TRY(px_atomic_write(file, weights + bias.tensor->offset, bias.tensor->count * sizeof *weights));
    return px_atomic_write(file, zeros, bias.after * sizeof *zeros);
}

static px_status write_weights(px_atomic_file *file, const px_parameters *table, const px_model_config *model, uint64_t seed)
{
    float *weights = malloc(table->count * sizeof *weights);
    float *zeros = calloc((size_t)model->hidden * PX_CELL_GATES_MAX, sizeof *zeros);
    px_status status = weights && zeros ? px_parameters_init(table, model, seed, weights) : px_fail(PX_ERR_MEMORY, "export: no memory for weights");
    for (int32_t i = 0; i < table->tensor_count && status == PX_OK; i++) {
        const px_tensor *t = &table->tensor[i];
        if (px_tensor_in_second_bias(t)) continue;
        status = px_atomic_write(file, weights + t->offset, t->count * sizeof *weights);
        if (status == PX_OK && t->role == PX_TENSOR_B_H) status = write_second_bias(file, table, t, weights, zeros);
    }
    free(weights);
    free(zeros);
    return status;
}

static px_status write_windows(px_atomic_file *file, px_minibatches *minibatches, int64_t windows, int targets)
{
    px_batch batch;
    for (int64_t w = 0; w < windows; w++) {
        PX_TRY(px_minibatches_get(minibatches, 0, w, (uint64_t)w, &batch));
        PX_TRY(px_atomic_write(file, targets ? batch.targets : batch.tokens, (size_t)batch.T * (size_t)batch.n * sizeof(int32_t)));
    }
    return PX_OK;
}

static px_status write_file(px_atomic_file *file, const px_bench_case *c, const px_bench_options *options, px_minibatches *minibatches)
{
    px_model_config model = options->config->model;
    model.vocab = c->vocab, model.embed = c->embed, model.hidden = c->hidden, model.layers = c->layers, model.tied = c->tied;
    px_parameters table;
    PX_TRY(px_parameters_make(&model, &table));
    int64_t windows = px_minibatches_per_epoch(minibatches, 0);
    header h = {0};
    PX_TRY(px_memory_open(&h.memory, "export: a header"));
    declare_all(&h, &table, c, windows);
    fflush(h.memory.stream);
    for (size_t used = h.memory.bytes; used % 8; used++) fputc(' ', h.memory.stream);
    char *text = px_memory_end(&h.memory);
    if (!text) return px_fail(PX_ERR_MEMORY, "export: no memory for a header");
    uint64_t bytes = h.memory.bytes;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(bytes >> (8 * i));
    px_status status = px_atomic_write(file, length, sizeof length);
    if (status == PX_OK) status = px_atomic_write(file, text, h.memory.bytes);
    free(text);
    PX_TRY(status);
    PX_TRY(write_weights(file, &table, &model, options->config->seed));
    PX_TRY(write_windows(file, minibatches, windows, 0));
    return write_windows(file, minibatches, windows, 1);
}

px_status px_bench_export(const char *path, const px_bench_case *c, const px_bench_options *options, const px_bench_source *source)
{
    if (source->has_corpus)
        return px_fail(PX_ERR_ARGUMENT, "--export: windows of a text differ in length; leave out --data");
    px_tokens *tokens;
    px_minibatches *minibatches;
    px_atomic_file file;
    PX_TRY(px_bench_source_minibatches(source, c, &tokens, &minibatches));
    px_status status = px_atomic_open(path, &file);
    if (status == PX_OK) status = px_atomic_end(&file, write_file(&file, c, options, minibatches));
    px_minibatches_destroy(minibatches);
    px_tokens_destroy(tokens);
    return status;
}
