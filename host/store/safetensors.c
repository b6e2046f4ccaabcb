/* Reading safetensors files: see safetensors.h. Every number of the header is checked before it is used. */
#include "safetensors.h"

#include "check.h"
#include "file.h"
#include "json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { PART_BYTES = 1 << 20 };

typedef struct entry {
    px_safetensor tensor;
    size_t begin, end; /* in the data */
} entry;

struct px_safetensors {
    char *path;
    px_file from;
    char *text; /* the header, NUL-terminated */
    size_t header_bytes;
    cJSON *header;
    entry *entries; /* by begin, then end */
    size_t count;
    int has_checksum;
};

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},  {"I32", 4},     {"I16", 2},    {"I8", 1},
              {"U64", 8}, {"U32", 4}, {"U16", 2}, {"U8", 1},   {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};

/* A whole number from 0 to 2^53, exactly. */
static int whole_number(const cJSON *item, int64_t *value)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 0x1p53)) return 0;
    *value = (int64_t)item->valuedouble;
    return (double)*value == item->valuedouble;
}

static px_status bad_tensor(const px_safetensors *file, const char *name, const char *why)
{
    return px_fail(PX_ERR_INPUT, "%s: damaged: tensor \"%.100s\": %s", file->path, name, why);
}

static px_status read_entry(const px_safetensors *file, const cJSON *item, entry *out)
{
    const char *name = item->string;
    if (!cJSON_IsObject(item)) return bad_tensor(file, name, "its description is not an object");
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(item, "shape");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    if (!cJSON_IsString(dtype) || !cJSON_IsArray(shape) || !cJSON_IsArray(offsets))
        return bad_tensor(file, name, "dtype, shape or data_offsets is missing");

    size_t element = 0;
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (strcmp(dtypes[i].name, dtype->valuestring) == 0) element = dtypes[i].bytes;
    if (!element) return bad_tensor(file, name, "its dtype is not known");

    *out = (entry){.tensor = {.name = name, .dtype = dtype->valuestring, .count = 1}};
    for (const cJSON *size = shape->child; size; size = size->next) {
        int64_t value;
        if (out->tensor.dims == PX_SAFETENSORS_DIMS_MAX) return bad_tensor(file, name, "it has too many dimensions");
        if (!whole_number(size, &value)) return bad_tensor(file, name, "its shape is not made of whole numbers");
        out->tensor.shape[out->tensor.dims++] = value;
        if (__builtin_mul_overflow(out->tensor.count, (size_t)value, &out->tensor.count))
            return bad_tensor(file, name, "its shape is impossibly large");
    }

    int64_t begin, end;
    size_t bytes, data_bytes = file->from.bytes - 8 - file->header_bytes;
    const cJSON *first = offsets->child;
    if (!first || !first->next || first->next->next || !whole_number(first, &begin) || !whole_number(first->next, &end))
        return bad_tensor(file, name, "data_offsets are not two whole numbers");
    if (begin > end || (uint64_t)end > data_bytes)
        return bad_tensor(file, name, "its data lies outside the file (was it cut short?)");
    if (__builtin_mul_overflow(out->tensor.count, element, &bytes) || bytes != (size_t)(end - begin))
        return bad_tensor(file, name, "its shape does not fit its data");
    out->begin = (size_t)begin;
    out->end = (size_t)end;
    out->tensor.element_bytes = element;
    out->tensor.place = 8 + file->header_bytes + (uint64_t)begin;
    return PX_OK;
}

static int by_place(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Members of an object have different names: a second one would be read by some programs and not by others. */
static px_status check_unique(const px_safetensors *file, const cJSON *object)
{
    size_t count = (size_t)cJSON_GetArraySize(object), i = 0;
    const char **names = malloc((count + 1) * sizeof *names);
    if (!names) return px_fail(PX_ERR_MEMORY, "%s: no memory to read it", file->path);
    for (const cJSON *item = object->child; item; item = item->next) names[i++] = item->string;
    qsort(names, count, sizeof *names, by_name);
    const char *twice = NULL; /* the header's own, so it outlives the list */
    for (i = 1; i < count && !twice; i++)
        if (strcmp(names[i - 1], names[i]) == 0) twice = names[i];
    free(names);
    if (twice) return px_fail(PX_ERR_INPUT, "%s: damaged: \"%.100s\" stands in its header twice", file->path, twice);
    return PX_OK;
}

static px_status read_entries(px_safetensors *file)
{
    size_t data_bytes = file->from.bytes - 8 - file->header_bytes, place = 0;
    int members = cJSON_GetArraySize(file->header);
    if (members > PX_SAFETENSORS_TENSORS_MAX)
        return px_fail(PX_ERR_INPUT, "%s: %d tensors; a model file has at most %d", file->path, members,
                       PX_SAFETENSORS_TENSORS_MAX);
    PX_TRY(check_unique(file, file->header));
    file->entries = calloc((size_t)members + 1, sizeof *file->entries);
    if (!file->entries) return px_fail(PX_ERR_MEMORY, "%s: no memory to read it", file->path);
    for (const cJSON *item = file->header->child; item; item = item->next) {
        if (strcmp(item->string, "__metadata__") == 0) {
            if (!cJSON_IsObject(item))
                return px_fail(PX_ERR_INPUT, "%s: damaged: its metadata is not an object", file->path);
            PX_TRY(check_unique(file, item));
            for (const cJSON *text = item->child; text; text = text->next)
                if (!cJSON_IsString(text))
                    return px_fail(PX_ERR_INPUT, "%s: damaged: metadata \"%.100s\" is not text", file->path,
                                   text->string);
        } else {
            PX_TRY(read_entry(file, item, &file->entries[file->count]));
            file->count++;
        }
    }
    qsort(file->entries, file->count, sizeof *file->entries, by_place);
    for (size_t i = 0; i < file->count; i++) {
        if (file->entries[i].begin != place)
            return bad_tensor(file, file->entries[i].tensor.name,
                              file->entries[i].begin < place ? "its data overlaps another tensor's"
                                                             : "a gap lies before its data");
        place = file->entries[i].end;
    }
    if (place != data_bytes)
        return px_fail(PX_ERR_INPUT, "%s: damaged: %zu bytes stand behind the last tensor", file->path,
                       data_bytes - place);
    return PX_OK;
}

/* Finds the place of the checksum's digits in the header, or NULL. A quote inside a JSON string is always escaped, so
 * these bytes can stand only where the member itself does. */
static char *checksum_digits(const px_safetensors *file)
{
    static const char key[] = "\"perplex.checksum\":\"";
    char *found = memmem(file->text, file->header_bytes, key, sizeof key - 1);
    if (!found || found + sizeof key - 1 + 32 > file->text + file->header_bytes) return NULL;
    return found + sizeof key - 1;
}

/* Of the length, the header with zeros for the checksum's digits, and the data. */
static px_status hash_file(const px_safetensors *file, const char *digits, XXH3_state_t *hash)
{
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)file->header_bytes >> (8 * i));
    XXH3_128bits_reset(hash);
    XXH3_128bits_update(hash, length, sizeof length);
    XXH3_128bits_update(hash, file->text, (size_t)(digits - file->text));
    XXH3_128bits_update(hash, "00000000000000000000000000000000", 32);
    XXH3_128bits_update(hash, digits + 32, (size_t)(file->text + file->header_bytes - (digits + 32)));
    char *part = malloc(PART_BYTES);
    px_status status = PX_OK;
    if (!part) return px_fail(PX_ERR_MEMORY, "%s: no memory to read it", file->path);
    for (size_t at = 8 + file->header_bytes, bytes; at < file->from.bytes; at += bytes) {
        bytes = file->from.bytes - at < PART_BYTES ? file->from.bytes - at : PART_BYTES;
        PX_TRY_GOTO(status, px_file_read_at(&file->from, at, part, bytes), done);
        XXH3_128bits_update(hash, part, bytes);
    }
done:
    free(part);
    return status;
}

static px_status check_checksum(px_safetensors *file)
{
    if (!px_safetensors_metadata(file, "perplex.checksum")) return PX_OK;
    const char *digits = checksum_digits(file);
    if (!digits) return px_fail(PX_ERR_INPUT, "%s: its checksum has been rewritten by another program", file->path);
    XXH3_state_t *hash = XXH3_createState();
    if (!hash) return px_fail(PX_ERR_MEMORY, "%s: no memory to read it", file->path);
    px_status status = hash_file(file, digits, hash);
    XXH128_canonical_t canonical;
    char expected[33];
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(hash));
    XXH3_freeState(hash);
    PX_TRY(status);
    for (int i = 0; i < 16; i++) snprintf(expected + 2 * i, 3, "%02x", canonical.digest[i]);
    if (memcmp(expected, digits, 32) != 0)
        return px_fail(PX_ERR_INPUT, "%s: damaged or altered: its checksum does not match its content", file->path);
    file->has_checksum = 1;
    return PX_OK;
}

static px_status read_header_text(px_safetensors *file)
{
    unsigned char length[8];
    uint64_t bytes = 0;
    if (file->from.bytes == 0) return px_fail(PX_ERR_INPUT, "%s: an empty file, not a model", file->path);
    if (file->from.bytes < 8)
        return px_fail(PX_ERR_INPUT, "%s: %zu bytes are too few for a safetensors file", file->path, file->from.bytes);
    PX_TRY(px_file_read_at(&file->from, 0, length, sizeof length));
    for (int i = 0; i < 8; i++) bytes |= (uint64_t)length[i] << (8 * i);
    if (bytes < 2 || bytes > PX_SAFETENSORS_HEADER_MAX)
        return px_fail(PX_ERR_INPUT, "%s: not a safetensors file (its header would have %llu bytes)", file->path,
                       (unsigned long long)bytes);
    if (bytes > file->from.bytes - 8)
        return px_fail(PX_ERR_INPUT,
                       "%s: cut short, or not a safetensors file: a header of %llu bytes in a file of %zu", file->path,
                       (unsigned long long)bytes, file->from.bytes);
    file->header_bytes = (size_t)bytes;
    file->text = malloc(file->header_bytes + 1);
    if (!file->text)
        return px_fail(PX_ERR_MEMORY, "%s: no memory for its header of %zu bytes", file->path, file->header_bytes);
    file->text[file->header_bytes] = 0;
    return px_file_read_at(&file->from, 8, file->text, file->header_bytes);
}

static px_status read_header(px_safetensors *file)
{
    PX_TRY(read_header_text(file));
    if (file->text[0] != '{') return px_fail(PX_ERR_INPUT, "%s: not a safetensors file (no JSON header)", file->path);
    if (memchr(file->text, 0, file->header_bytes))
        return px_fail(PX_ERR_INPUT, "%s: damaged: a NUL byte in its header", file->path);
    const char *end = NULL;
    PX_TRY(px_json_bound(file->text, file->header_bytes, PX_SAFETENSORS_VALUES_MAX, file->path));
    PX_TRY(px_json_parse(file->text, file->header_bytes, file->path, "damaged: its header is not JSON", &end,
                         &file->header));
    if (!cJSON_IsObject(file->header)) return px_fail(PX_ERR_INPUT, "%s: damaged: its header is not JSON", file->path);
    for (; end < file->text + file->header_bytes; end++)
        if (*end != ' ') return px_fail(PX_ERR_INPUT, "%s: damaged: text behind its header's last brace", file->path);
    return PX_OK;
}

px_status px_safetensors_open(const char *path, px_safetensors **out)
{
    px_status status;
    *out = NULL;
    px_safetensors *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        return px_fail(PX_ERR_MEMORY, "%s: no memory to read it", path);
    }
    PX_TRY_GOTO(status, px_file_open(file->path, &file->from), fail);
    PX_TRY_GOTO(status, read_header(file), fail);
    PX_TRY_GOTO(status, read_entries(file), fail);
    PX_TRY_GOTO(status, check_checksum(file), fail);
    *out = file;
    return PX_OK;
fail:
    px_safetensors_close(file);
    return status;
}

void px_safetensors_close(px_safetensors *file)
{
    if (!file) return;
    cJSON_Delete(file->header);
    if (file->from.path) px_file_close(&file->from);
    free(file->text);
    free(file->entries);
    free(file->path);
    free(file);
}

int px_safetensors_has_checksum(const px_safetensors *file) { return file->has_checksum; }

const char *px_safetensors_metadata(const px_safetensors *file, const char *name)
{
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(file->header, "__metadata__");
    return metadata ? cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(metadata, name)) : NULL;
}

size_t px_safetensors_count(const px_safetensors *file) { return file->count; }

const px_safetensor *px_safetensors_at(const px_safetensors *file, size_t index)
{
    return &file->entries[index].tensor;
}

const px_safetensor *px_safetensors_find(const px_safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->entries[i].tensor.name, name) == 0) return &file->entries[i].tensor;
    return NULL;
}

px_status px_safetensors_expect(const px_safetensors *file, const char *name, int32_t dims, const int64_t *shape,
                                const px_safetensor **tensor)
{
    const px_safetensor *found = px_safetensors_find(file, name);
    if (!found) return px_fail(PX_ERR_INPUT, "%s: tensor %s is missing", file->path, name);
    if (strcmp(found->dtype, "F32") != 0)
        return px_fail(PX_ERR_INPUT, "%s: tensor %s is %s; F32 is needed", file->path, name, found->dtype);
    int same = found->dims == dims;
    for (int32_t i = 0; same && i < dims; i++) same = found->shape[i] == shape[i];
    if (!same) {
        char is[200] = "", needed[200] = "";
        for (int32_t i = 0; i < found->dims; i++)
            snprintf(is + strlen(is), sizeof is - strlen(is), "%s%lld", i ? "," : "", (long long)found->shape[i]);
        for (int32_t i = 0; i < dims; i++)
            snprintf(needed + strlen(needed), sizeof needed - strlen(needed), "%s%lld", i ? "," : "",
                     (long long)shape[i]);
        return px_fail(PX_ERR_INPUT, "%s: tensor %s has shape [%s]; its configuration says [%s]", file->path, name, is,
                       needed);
    }
    if (tensor) *tensor = found;
    return PX_OK;
}

px_status px_safetensors_read(const px_safetensors *file, const char *name, int32_t dims, const int64_t *shape,
                              float *values)
{
    const px_safetensor *tensor;
    PX_TRY(px_safetensors_expect(file, name, dims, shape, &tensor));
    return px_safetensors_elements(file, tensor, 0, tensor->count, values);
}

px_status px_safetensors_elements(const px_safetensors *file, const px_safetensor *tensor, size_t first, size_t count,
                                  void *elements)
{
    assert(first <= tensor->count && count <= tensor->count - first);
    return px_file_read_at(&file->from, tensor->place + first * tensor->element_bytes, elements,
                           count * tensor->element_bytes);
}
