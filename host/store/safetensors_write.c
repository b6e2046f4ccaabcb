/* Writing safetensors files: see safetensors.h. The header is made while tensors are declared; values stream through,
 * so that a checkpoint never needs a second copy of the model. The checksum's digits are patched in at the end. */
#include "safetensors.h"

#include "check.h"
#include "file.h"
#include "text_buffer.h"
#include "utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define CHECKSUM_DIGITS "00000000000000000000000000000000"

struct px_safetensors_writer {
    px_atomic_file file;
    px_text metadata, tensors; /* the two parts of the header, without braces */
    size_t declared, written;  /* bytes of data */
    long checksum_at;          /* place of the digits in the file */
    int begun;
    XXH3_state_t *hash;
};

px_status px_safetensors_create(const char *path, px_safetensors_writer **out)
{
    px_safetensors_writer *writer = calloc(1, sizeof *writer);
    *out = NULL;
    if (!writer) return px_fail(PX_ERR_MEMORY, "%s: no memory to write it", path);
    writer->hash = XXH3_createState();
    if (!writer->hash) {
        free(writer);
        return px_fail(PX_ERR_MEMORY, "%s: no memory to write it", path);
    }
    px_status status = px_atomic_open(path, &writer->file);
    if (status != PX_OK) {
        XXH3_freeState(writer->hash);
        free(writer);
        return status;
    }
    XXH3_128bits_reset(writer->hash);
    *out = writer;
    return PX_OK;
}

static void destroy(px_safetensors_writer *writer)
{
    px_text_free(&writer->metadata);
    px_text_free(&writer->tensors);
    XXH3_freeState(writer->hash);
    free(writer);
}

void px_safetensors_abandon(px_safetensors_writer *writer)
{
    if (!writer) return;
    px_atomic_abandon(&writer->file);
    destroy(writer);
}

px_status px_safetensors_add_metadata(px_safetensors_writer *writer, const char *name, const char *text)
{
    assert(!writer->begun);
    if (!px_utf8_is_valid(text, strlen(text)))
        return px_fail(PX_ERR_ARGUMENT, "%s: %s is not valid UTF-8 and cannot be kept in a model file",
                       writer->file.path, name);
    if (writer->metadata.bytes) px_text_append(&writer->metadata, ",", 1);
    px_text_json_string(&writer->metadata, name, strlen(name));
    px_text_append(&writer->metadata, ":", 1);
    px_text_json_string(&writer->metadata, text, strlen(text));
    return px_text_check(&writer->metadata, writer->file.path);
}

/* Both types have 4 bytes. */
static px_status declare(px_safetensors_writer *writer, const char *name, const char *dtype, int32_t dims,
                         const int64_t *shape)
{
    assert(!writer->begun && dims <= PX_SAFETENSORS_DIMS_MAX);
    px_text *header = &writer->tensors;
    size_t bytes = sizeof(float);
    px_text_append(header, ",", 1);
    px_text_json_string(header, name, strlen(name));
    px_text_format(header, ":{\"dtype\":\"%s\",\"shape\":[", dtype);
    for (int32_t i = 0; i < dims; i++) {
        px_text_format(header, "%s%lld", i ? "," : "", (long long)shape[i]);
        if (shape[i] < 0 || __builtin_mul_overflow(bytes, (size_t)shape[i], &bytes))
            return px_fail(PX_ERR_ARGUMENT, "%s: tensor %s is too large", writer->file.path, name);
    }
    size_t end;
    if (__builtin_add_overflow(writer->declared, bytes, &end))
        return px_fail(PX_ERR_ARGUMENT, "%s: tensor %s is too large", writer->file.path, name);
    px_text_format(header, "],\"data_offsets\":[%zu,%zu]}", writer->declared, end);
    writer->declared = end;
    return px_text_check(header, writer->file.path);
}

px_status px_safetensors_declare(px_safetensors_writer *writer, const char *name, int32_t dims, const int64_t *shape)
{
    return declare(writer, name, "F32", dims, shape);
}

px_status px_safetensors_declare_int32(px_safetensors_writer *writer, const char *name, int32_t dims,
                                       const int64_t *shape)
{
    return declare(writer, name, "I32", dims, shape);
}

static px_status put(px_safetensors_writer *writer, const void *data, size_t bytes)
{
    XXH3_128bits_update(writer->hash, data, bytes);
    return px_atomic_write(&writer->file, data, bytes);
}

static px_status put_header(px_safetensors_writer *writer, const px_text *header)
{
    unsigned char length[8];
    PX_TRY(px_text_check(header, writer->file.path));
    if (header->bytes > PX_SAFETENSORS_HEADER_MAX)
        return px_fail(PX_ERR_ARGUMENT,
                       "%s: its vocabulary needs %zu bytes, a model file holds at most %d; use --max-vocab",
                       writer->file.path, header->bytes, PX_SAFETENSORS_HEADER_MAX);
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)header->bytes >> (8 * i));
    PX_TRY(put(writer, length, sizeof length));
    return put(writer, header->data, header->bytes);
}

/* Length and header. The data begins at a multiple of 8 bytes: the header is padded with spaces, as the format allows.
 */
static px_status begin(px_safetensors_writer *writer)
{
    px_text header = {0};
    px_text_format(&header, "{\"__metadata__\":{\"perplex.checksum\":\"");
    writer->checksum_at = 8 + (long)header.bytes;
    px_text_format(&header, CHECKSUM_DIGITS "\"");
    if (writer->metadata.bytes) {
        px_text_append(&header, ",", 1);
        px_text_append(&header, writer->metadata.data, writer->metadata.bytes);
    }
    px_text_append(&header, "}", 1);
    if (writer->tensors.bytes) px_text_append(&header, writer->tensors.data, writer->tensors.bytes);
    px_text_append(&header, "}", 1);
    while (header.bytes % 8 && !header.failed) px_text_append(&header, " ", 1);

    px_status status = put_header(writer, &header);
    px_text_free(&header);
    writer->begun = 1;
    return status;
}

static px_status write_values(px_safetensors_writer *writer, const void *values, size_t count)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors files are little-endian; this machine needs a swapped copy here and in safetensors.c"
#endif
    if (!writer->begun) PX_TRY(begin(writer));
    writer->written += count * sizeof(float);
    assert(writer->written <= writer->declared);
    return put(writer, values, count * sizeof(float));
}

px_status px_safetensors_write(px_safetensors_writer *writer, const float *values, size_t count)
{
    return write_values(writer, values, count);
}

px_status px_safetensors_write_int32(px_safetensors_writer *writer, const int32_t *values, size_t count)
{
    return write_values(writer, values, count);
}

static px_status put_checksum(px_safetensors_writer *writer)
{
    XXH128_canonical_t canonical;
    char digits[33];
    if (!writer->begun) PX_TRY(begin(writer));
    assert(writer->written == writer->declared);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(writer->hash));
    for (int i = 0; i < 16; i++) snprintf(digits + 2 * i, 3, "%02x", canonical.digest[i]);
    if (fseek(writer->file.stream, writer->checksum_at, SEEK_SET) != 0)
        return px_fail(PX_ERR_IO, "%s: writing failed: %s; the file was left as it was", writer->file.path,
                       strerror(errno));
    return px_atomic_write(&writer->file, digits, 32);
}

px_status px_safetensors_commit(px_safetensors_writer *writer)
{
    px_status status = px_atomic_end(&writer->file, put_checksum(writer));
    destroy(writer);
    return status;
}
