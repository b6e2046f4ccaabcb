/* Token files: see token_file.h. */
#include "token_file.h"
#include "check.h"
#include "file.h"
#include "tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { PART_BYTES = 1 << 20 };

px_status px_token_file_detect(const px_source *source, int *is_token_file)
{
    char start[8] = {0};
    *is_token_file = 0;
    if (source->descriptor >= 0 && source->bytes >= sizeof start) {
        const px_file file = {.descriptor = source->descriptor, .bytes = source->bytes, .path = source->name};
        PX_TRY(px_file_read_at(&file, 0, start, sizeof start));
        *is_token_file = memcmp(start, PX_TOKEN_MAGIC, sizeof start) == 0;
    }
    size_t length = strlen(source->name);
    if (!*is_token_file && source->file_count == 1 && length > 4 && strcmp(source->name + length - 4, ".tok") == 0)
        return px_fail(PX_ERR_INPUT,
                       "%s: not a token file of perplex; make one with perplex tokenize, or give a text another name",
                       source->name);
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
    px_token_header header = {.version = PX_TOKEN_VERSION,
                              .header_bytes = sizeof header,
                              .level = (uint8_t)options.level,
                              .normalise = (uint8_t)options.normalise,
                              .invalid = (uint8_t)options.invalid,
                              .id_bytes = (uint8_t)tokens->id_bytes,
                              .vocabulary = (uint32_t)px_vocabulary_size(vocabulary),
                              .count = tokens->count,
                              .unknown = tokens->marked,
                              .text_bytes = tokens->text_bytes,
                              .vocabulary_bytes = strlen(text),
                              .vocabulary_hash = px_vocabulary_hash(vocabulary)};
    memcpy(header.magic, PX_TOKEN_MAGIC, sizeof header.magic);
    header.vocabulary_checksum = XXH3_64bits(text, header.vocabulary_bytes);
    px_atomic_file file;
    XXH3_state_t *state = XXH3_createState();
    char *part = malloc(PART_BYTES);
    px_status status =
        state && part ? px_atomic_open(path, &file) : px_fail(PX_ERR_MEMORY, "%s: no memory for its checksum", path);
    if (status != PX_OK) goto fail_open;
    /* The header comes last: until then its place holds zeros, which no reader takes for a token file. */
    px_token_header blank = {0};
    PX_TRY_GOTO(status, px_atomic_write(&file, &blank, sizeof blank), fail_write);
    XXH3_64bits_reset(state);
    size_t room = PART_BYTES / (size_t)tokens->id_bytes;
    for (size_t at = 0, n; at < tokens->count; at += n) {
        n = tokens->count - at < room ? tokens->count - at : room;
        PX_TRY_GOTO(status, px_tokens_stored(tokens, at, n, part), fail_write);
        XXH3_64bits_update(state, part, n * (size_t)tokens->id_bytes);
        PX_TRY_GOTO(status, px_atomic_write(&file, part, n * (size_t)tokens->id_bytes), fail_write);
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
    free(part);
    free(text);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

#define AGAIN "; make it again with perplex tokenize"

static px_status check_header(const px_source *source, const px_token_header *h)
{
    const char *name = source->name;
    if (h->version != PX_TOKEN_VERSION || h->header_bytes != sizeof *h)
        return px_fail(PX_ERR_INPUT, "%s: a token file of version %u; this program reads version %u" AGAIN, name,
                       h->version, PX_TOKEN_VERSION);
    if (h->header_checksum != header_checksum(h))
        return px_fail(PX_ERR_INPUT, "%s: its header was altered (checksum)" AGAIN, name);
    /* From here on the header is what was written; the rest guards against a forged one. */
    if (h->level > PX_LEVEL_BYTE_BPE || h->normalise > 2 || h->invalid > 1 || (h->id_bytes != 2 && h->id_bytes != 4) ||
        h->vocabulary < 1 || h->vocabulary > INT32_MAX || h->count < 1 || h->unknown > h->count ||
        h->id_bytes != px_id_bytes((int32_t)h->vocabulary))
        return px_fail(PX_ERR_INPUT, "%s: its header makes no sense" AGAIN, name);
    uint64_t room = source->bytes - sizeof *h;
    int fits = h->count <= room / h->id_bytes && h->vocabulary_bytes <= room - h->count * h->id_bytes;
    uint64_t wanted = fits ? sizeof *h + h->count * h->id_bytes + h->vocabulary_bytes : 0;
    if (!fits)
        return px_fail(PX_ERR_INPUT, "%s: truncated: %zu bytes do not hold its %llu tokens and vocabulary" AGAIN, name,
                       source->bytes, (unsigned long long)h->count);
    if (wanted != source->bytes)
        return px_fail(PX_ERR_INPUT, "%s: %zu bytes where its header says %llu" AGAIN, name, source->bytes,
                       (unsigned long long)wanted);
    return PX_OK;
}

/* text [vocabulary_bytes + 1]: where it is read to. */
static px_status read_checked(const px_file *file, const px_token_header *h, char *text, px_vocabulary **vocabulary)
{
    PX_TRY(px_file_read_at(file, sizeof *h + h->count * h->id_bytes, text, h->vocabulary_bytes));
    if (XXH3_64bits(text, h->vocabulary_bytes) != h->vocabulary_checksum)
        return px_fail(PX_ERR_INPUT, "%s: its vocabulary was altered (checksum)" AGAIN, file->path);
    return px_vocabulary_read(text, h->vocabulary_bytes, file->path, vocabulary);
}

static px_status read_vocabulary(const px_file *file, const px_token_header *h, px_vocabulary **vocabulary)
{
    px_vocabulary *v = NULL;
    char *text = malloc(h->vocabulary_bytes + 1);
    if (!text) return px_fail(PX_ERR_MEMORY, "%s: no memory for its vocabulary", file->path);
    px_status status = read_checked(file, h, text, &v);
    free(text);
    PX_TRY(status);
    px_text_options options = px_vocabulary_options(v);
    if ((uint32_t)px_vocabulary_size(v) != h->vocabulary || px_vocabulary_hash(v) != h->vocabulary_hash ||
        options.level != h->level || options.normalise != h->normalise) {
        px_vocabulary_destroy(v);
        return px_fail(PX_ERR_INPUT, "%s: its vocabulary is not the one that its header tells of" AGAIN, file->path);
    }
    *vocabulary = v;
    return PX_OK;
}

/* Range of n ids from number `first` on; *marks += unknown ones. */
static px_status check_part(px_tokens *t, const px_token_header *h, const void *stored, size_t first, size_t n,
                            uint64_t *marks)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t id = h->id_bytes == 2 ? ((const uint16_t *)stored)[i] : ((const uint32_t *)stored)[i];
        *marks += id == h->vocabulary;
        t->unknown += id == 0 || id == h->vocabulary;
        if (id > h->vocabulary)
            return px_fail(PX_ERR_INPUT, "%s: token %llu has id %u, outside the vocabulary of %u" AGAIN, t->file.path,
                           (unsigned long long)(first + i), id, h->vocabulary);
    }
    return PX_OK;
}

/* Checksum, range and number of unknown ones, in one pass. An altered file is called so before what is wrong with its
 * ids. */
static px_status check_ids(px_tokens *t, const px_token_header *h, void *part, XXH3_state_t *hash)
{
    const size_t room = PART_BYTES / h->id_bytes;
    uint64_t marks = 0;
    px_status wrong = PX_OK;
    XXH3_64bits_reset(hash);
    for (size_t at = 0, n; at < t->count; at += n) {
        n = t->count - at < room ? t->count - at : room;
        PX_TRY(px_tokens_stored(t, at, n, part));
        XXH3_64bits_update(hash, part, n * h->id_bytes);
        if (wrong == PX_OK) wrong = check_part(t, h, part, at, n, &marks);
    }
    if (XXH3_64bits_digest(hash) != h->ids_checksum)
        return px_fail(PX_ERR_INPUT, "%s: its tokens were altered (checksum)" AGAIN, t->file.path);
    PX_TRY(wrong);
    if (marks != h->unknown)
        return px_fail(PX_ERR_INPUT, "%s: %llu unknown tokens where its header says %llu" AGAIN, t->file.path,
                       (unsigned long long)marks, (unsigned long long)h->unknown);
    return PX_OK;
}

static px_status open_tokens(const px_source *source, const px_token_header *h, px_tokens **out)
{
    px_tokens *t = calloc(1, sizeof *t);
    char *name = strdup(source->name), *part = malloc(PART_BYTES);
    XXH3_state_t *hash = XXH3_createState();
    px_status status =
        t && name && part && hash ? PX_OK : px_fail(PX_ERR_MEMORY, "%s: no memory for its tokens", source->name);
    if (status == PX_OK) {
        *t = (px_tokens){
            .file = {.descriptor = fcntl(source->descriptor, F_DUPFD_CLOEXEC, 0), .bytes = source->bytes, .path = name},
            .first_byte = sizeof *h,
            .id_bytes = h->id_bytes,
            .mark = h->vocabulary,
            .count = h->count,
            .marked = h->unknown,
            .text_bytes = h->text_bytes};
        name = NULL;
        status = t->file.descriptor >= 0 ? check_ids(t, h, part, hash) : px_fail_system(errno, "%s", source->name);
    }
    XXH3_freeState(hash);
    free(part);
    free(name);
    if (status == PX_OK)
        *out = t;
    else
        px_tokens_destroy(t);
    return status;
}

px_status px_token_file_open(const px_source *source, px_tokens **tokens, px_vocabulary **vocabulary)
{
    const px_file file = {.descriptor = source->descriptor, .bytes = source->bytes, .path = source->name};
    px_vocabulary *v = NULL;
    px_token_header h;
    if (source->bytes < sizeof h)
        return px_fail(PX_ERR_INPUT, "%s: truncated: a token file of only %zu bytes" AGAIN, source->name,
                       source->bytes);
    PX_TRY(px_file_read_at(&file, 0, &h, sizeof h));
    PX_TRY(check_header(source, &h));
    PX_TRY(read_vocabulary(&file, &h, &v));
    px_status status = tokens ? open_tokens(source, &h, tokens) : PX_OK;
    if (status != PX_OK) {
        px_vocabulary_destroy(v);
        return status;
    }
    *vocabulary = v;
    return PX_OK;
}
