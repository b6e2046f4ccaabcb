/* The safetensors container: named fp32 tensors and string metadata in one file, readable by PyTorch and others.
 *
 *     u64 little-endian   bytes of the header
 *     header              JSON: {"__metadata__": {name: text}, tensor: {"dtype", "shape", "data_offsets": [begin, end]}}
 *     data                the tensors, little-endian, without gaps
 *
 * Reading trusts nothing: header of at most 100 MB and 81,920 values, inside the file; JSON of the right kinds; unique
 * names; shape times element size equal to the range of offsets without overflow; ranges in order, touching, not
 * overlapping, ending where the file ends. What this program writes carries a checksum as well.
 *
 * Checksum: the metadata "perplex.checksum" is the XXH3-128 (32 hexadecimal digits, canonical order) of the whole file
 * from its first byte to its last, taken with those 32 digits replaced by '0'. So every byte of the header, the padding
 * and the data is covered, the checksum's own place included. Source: https://github.com/huggingface/safetensors,
 * format description. */
#ifndef PX_SAFETENSORS_H
#define PX_SAFETENSORS_H

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

/* VALUES_MAX bounds the tree that a header makes (some 10 MB): 16 values for each tensor, 4 for each entry of metadata
 * as there may be many. The vocabulary is one of them, however long, so that the header itself is not bounded more
 * tightly. */
enum {
    PX_SAFETENSORS_HEADER_MAX = 100 * 1000 * 1000,
    PX_SAFETENSORS_TENSORS_MAX = 4096,
    PX_SAFETENSORS_DIMS_MAX = 8,
    PX_SAFETENSORS_VALUES_MAX = 20 * PX_SAFETENSORS_TENSORS_MAX
};

/* ---- reading ------------------------------------------------------------------------------------------------- */
typedef struct px_safetensors px_safetensors;

typedef struct px_safetensor {
    const char *name;  /* valid as long as the file is open */
    const char *dtype; /* "F32" */
    int32_t dims;
    int64_t shape[PX_SAFETENSORS_DIMS_MAX];
    size_t count;         /* elements */
    size_t element_bytes; /* of its dtype */
    uint64_t place;       /* of its first byte in the file */
} px_safetensor;

/* Opens and checks path, the checksum where there is one. PX_ERR_INPUT says what is wrong with the file
 * (px_error_system: with its name); PX_ERR_IO and PX_ERR_MEMORY why it could not be read. The file stays open; values
 * are read when they are asked for. */
px_status px_safetensors_open(const char *path, px_safetensors **file);
void px_safetensors_close(px_safetensors *file);
int px_safetensors_has_checksum(const px_safetensors *file);
/* Text of a metadata entry, NUL-terminated; NULL if there is none. */
const char *px_safetensors_metadata(const px_safetensors *file, const char *name);
size_t px_safetensors_count(const px_safetensors *file);
const px_safetensor *px_safetensors_at(const px_safetensors *file, size_t index);       /* in order of data */
const px_safetensor *px_safetensors_find(const px_safetensors *file, const char *name); /* NULL if there is none */
/* Copies the fp32 tensor `name` of exactly that shape; values [product of shape]. PX_ERR_INPUT names the file and
 * tensor. */
px_status px_safetensors_read(const px_safetensors *file, const char *name, int32_t dims, const int64_t *shape,
                              float *values);
/* Elements [first, first + count) of a tensor, as they lie in the file; elements [count * element_bytes]. */
px_status px_safetensors_elements(const px_safetensors *file, const px_safetensor *tensor, size_t first, size_t count,
                                  void *elements);
/* As read, without copying: that it is there, fp32, and of that shape. */
px_status px_safetensors_expect(const px_safetensors *file, const char *name, int32_t dims, const int64_t *shape,
                                const px_safetensor **tensor);

/* ---- writing: everything is declared, then the values follow in the same order ----------------------------------- */
typedef struct px_safetensors_writer px_safetensors_writer;

/* Opens path for atomic replacement. PX_ERR_IO names path and reason. */
px_status px_safetensors_create(const char *path, px_safetensors_writer **writer);
/* Adds a metadata entry; text is UTF-8 without NUL (PX_ERR_ARGUMENT otherwise). */
px_status px_safetensors_add_metadata(px_safetensors_writer *writer, const char *name, const char *text);
/* A tensor of fp32, or of int32. */
px_status px_safetensors_declare(px_safetensors_writer *writer, const char *name, int32_t dims, const int64_t *shape);
px_status px_safetensors_declare_int32(px_safetensors_writer *writer, const char *name, int32_t dims,
                                       const int64_t *shape);
/* Writes count values of the tensors declared, in order; the first call ends the declarations. */
px_status px_safetensors_write(px_safetensors_writer *writer, const float *values, size_t count);
px_status px_safetensors_write_int32(px_safetensors_writer *writer, const int32_t *values, size_t count);
/* Sets the checksum, flushes and renames; the writer is gone in every case. On failure the old file is as it was. */
px_status px_safetensors_commit(px_safetensors_writer *writer);
void px_safetensors_abandon(px_safetensors_writer *writer); /* NULL does nothing; the old file stays */

#endif
