/* Token files: see token_file.h. */
#include "token_file.h"
#include "check.h"
#include "file.h"
#include "tokens.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

px_status px_token_file_detect(const px_source *source, int *is_token_file)
{
    char start[8] = {0};
    ssize_t got = pread(source->descriptor, start, sizeof start, 0);
    if (got < 0) return px_fail(PX_ERR_INPUT, "%s: cannot be read: %s", source->name, strerror(errno));
    *is_token_file = got == (ssize_t)sizeof start && memcmp(start, PX_TOKEN_MAGIC, sizeof start) == 0;
    size_t length = strlen(source->name);
    if (!*is_token_file && length > 4 && strcmp(source->name + length - 4, ".tok") == 0)
        return px_fail(PX_ERR_INPUT, "%s: not a token file of perplex; make one with perplex tokenize, or give a text another name", source->name);
    return PX_OK;
}

static uint64_t header_checksum(const px_token_header *header)
{
    return XXH3_64bits(header, offsetof(px_token_header, header_checksum));
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

px_status px_token_file_write(const char *path, const px_tokens *tokens, const px_vocabulary *vocabulary)
{
    char *text = px_vocabulary_write(vocabulary);
    if (!text) return px_fail(PX_ERR_MEMORY, "%s: no memory for its vocabulary", path);
    px_text_options options = px_vocabulary_options(vocabulary);
    px_token_header header = {.version = PX_TOKEN_VERSION, .header_bytes = sizeof header, .level = (uint8_t)options.level,
                              .normalise = (uint8_t)options.normalise, .invalid = (uint8_t)options.invalid,
                              .id_bytes = (uint8_t)tokens->id_bytes, .vocabulary = (uint32_t)px_vocabulary_size(vocabulary),
                              .count = tokens->count, .unknown = tokens->unknown, .text_bytes = tokens->text_bytes,
                              .vocabulary_bytes = strlen(text), .vocabulary_hash = px_vocabulary_hash(vocabulary)};
    memcpy(header.magic, PX_TOKEN_MAGIC, sizeof header.magic);
    header.vocabulary_checksum = XXH3_64bits(text, header.vocabulary_bytes);
    px_atomic_file file;
    XXH3_state_t *state = XXH3_createState();
    px_status status = state ? px_atomic_open(path, &file) : px_fail(PX_ERR_MEMORY, "%s: no memory for its checksum", path);
    if (status != PX_OK) goto fail_open;
    /* The header comes last: until then its place holds zeros, which no reader takes for a token file. */
    px_token_header blank = {0};
    PX_TRY_GOTO(status, px_atomic_write(&file, &blank, sizeof blank), fail_write);
    XXH3_64bits_reset(state);
    size_t bytes = tokens->count * (size_t)tokens->id_bytes, chunk = (size_t)4 << 20;
    for (size_t at = 0; at < bytes; at += chunk) {
        const char *part = (const char *)tokens->ids + at;
        size_t part_bytes = bytes - at < chunk ? bytes - at : chunk;
        XXH3_64bits_update(state, part, part_bytes);
        PX_TRY_GOTO(status, px_atomic_write(&file, part, part_bytes), fail_write);
    }
    header.ids_checksum = XXH3_64bits_digest(state);
    header.header_checksum = header_checksum(&header);
    PX_TRY_GOTO(status, px_atomic_write(&file, text, header.vocabulary_bytes), fail_write);
    if (fseeko(file.stream, 0, SEEK_SET) != 0) {
        status = px_fail(PX_ERR_IO, "%s: writing failed: %s; the file was left as it was", path, strerror(errno));
        goto fail_write;
    }
    PX_TRY_GOTO(status, px_atomic_write(&file, &header, sizeof header), fail_write);
    status = px_atomic_commit(&file);
    goto fail_open;
fail_write:
    px_atomic_abandon(&file);
fail_open:
    XXH3_freeState(state);
    free(text);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

#define AGAIN "; make it again with perplex tokenize"

static px_status check_header(const px_source *source, const px_token_header *h)
{
    const char *name = source->name;
    if (h->version != PX_TOKEN_VERSION || h->header_bytes != sizeof *h)
        return px_fail(PX_ERR_INPUT, "%s: a token file of version %u; this program reads version %u" AGAIN, name, h->version, PX_TOKEN_VERSION);
    if (h->header_checksum != header_checksum(h)) return px_fail(PX_ERR_INPUT, "%s: its header was altered (checksum)" AGAIN, name);
    /* From here on the header is what was written; the rest guards against a forged one. */
    if (h->level > 2 || h->normalise > 2 || h->invalid > 1 || (h->id_bytes != 2 && h->id_bytes != 4) || h->vocabulary < 1 ||
        h->vocabulary > INT32_MAX || h->count < 1 || h->unknown > h->count || h->id_bytes != px_id_bytes((int32_t)h->vocabulary))
        return px_fail(PX_ERR_INPUT, "%s: its header makes no sense" AGAIN, name);
    uint64_t room = source->bytes - sizeof *h;
    int fits = h->count <= room / h->id_bytes && h->vocabulary_bytes <= room - h->count * h->id_bytes;
    uint64_t wanted = fits ? sizeof *h + h->count * h->id_bytes + h->vocabulary_bytes : 0;
    if (!fits) return px_fail(PX_ERR_INPUT, "%s: truncated: %zu bytes do not hold its %llu tokens and vocabulary" AGAIN, name, source->bytes, (unsigned long long)h->count);
    if (wanted != source->bytes)
        return px_fail(PX_ERR_INPUT, "%s: %zu bytes where its header says %llu" AGAIN, name, source->bytes, (unsigned long long)wanted);
    return PX_OK;
}

static px_status read_vocabulary(const px_source *source, const px_token_header *h, const char *text, px_vocabulary **vocabulary)
{
    if (XXH3_64bits(text, h->vocabulary_bytes) != h->vocabulary_checksum)
        return px_fail(PX_ERR_INPUT, "%s: its vocabulary was altered (checksum)" AGAIN, source->name);
    px_vocabulary *v = NULL;
    PX_TRY(px_vocabulary_read(text, h->vocabulary_bytes, source->name, &v));
    px_text_options options = px_vocabulary_options(v);
    if ((uint32_t)px_vocabulary_size(v) != h->vocabulary || px_vocabulary_hash(v) != h->vocabulary_hash || options.level != h->level ||
        options.normalise != h->normalise) {
        px_vocabulary_destroy(v);
        return px_fail(PX_ERR_INPUT, "%s: its vocabulary is not the one that its header tells of" AGAIN, source->name);
    }
    *vocabulary = v;
    return PX_OK;
}

/* Range and number of unknown ones, in one pass. */
static px_status check_ids(const px_source *source, const px_token_header *h, const void *ids)
{
    if (XXH3_64bits(ids, h->count * h->id_bytes) != h->ids_checksum)
        return px_fail(PX_ERR_INPUT, "%s: its tokens were altered (checksum)" AGAIN, source->name);
    uint64_t marks = 0;
    for (uint64_t i = 0; i < h->count; i++) {
        uint32_t id = h->id_bytes == 2 ? ((const uint16_t *)ids)[i] : ((const uint32_t *)ids)[i];
        marks += id == h->vocabulary;
        if (id > h->vocabulary)
            return px_fail(PX_ERR_INPUT, "%s: token %llu has id %u, outside the vocabulary of %u" AGAIN, source->name, (unsigned long long)i, id, h->vocabulary);
    }
    if (marks != h->unknown)
        return px_fail(PX_ERR_INPUT, "%s: %llu unknown tokens where its header says %llu" AGAIN, source->name, (unsigned long long)marks, (unsigned long long)h->unknown);
    return PX_OK;
}

px_status px_token_file_open(const px_source *source, px_tokens **tokens, px_vocabulary **vocabulary)
{
    if (source->bytes < sizeof(px_token_header))
        return px_fail(PX_ERR_INPUT, "%s: truncated: a token file of only %zu bytes" AGAIN, source->name, source->bytes);
    const char *data = mmap(NULL, source->bytes, PROT_READ, MAP_PRIVATE, source->descriptor, 0);
    if (data == MAP_FAILED) return px_fail(PX_ERR_INPUT, "%s: cannot be mapped: %s", source->name, strerror(errno));
    px_vocabulary *v = NULL;
    px_token_header h;
    memcpy(&h, data, sizeof h);
    const char *ids = data + sizeof h;
    px_status status;
    PX_TRY_GOTO(status, check_header(source, &h), fail);
    PX_TRY_GOTO(status, read_vocabulary(source, &h, ids + h.count * h.id_bytes, &v), fail);
    if (tokens) {
        PX_TRY_GOTO(status, check_ids(source, &h, ids), fail);
        px_tokens *t = calloc(1, sizeof *t);
        if (!t) {
            status = px_fail(PX_ERR_MEMORY, "%s: no memory for its tokens", source->name);
            goto fail;
        }
        *t = (px_tokens){.ids = ids, .id_bytes = h.id_bytes, .mark = h.vocabulary, .count = h.count, .unknown = h.unknown,
                         .text_bytes = h.text_bytes, .mapping = (void *)data, .mapping_bytes = source->bytes};
        *tokens = t;
    } else
        munmap((void *)data, source->bytes);
    *vocabulary = v;
    return PX_OK;
fail:
    px_vocabulary_destroy(v);
    munmap((void *)data, source->bytes);
    return status;
}
