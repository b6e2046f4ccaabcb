/* Raw token ids: see id_file.h. */
#include "id_file.h"
#include "check.h"
#include "text_form.h"
#include "token_file.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "ids are taken as they lie in the file, in little-endian order: this machine needs a swapping reader"
#endif

enum { HEADER_BYTES = 1024 };

/* Source: dev/data/data_common.py of llm.c. */
static const struct {
    int32_t magic, version;
    int id_bytes; /* 0: no text of ids */
} headers[] = {{20240520, 1, 2}, {20240801, 7, 4}, {20240522, 1, 0}};

static px_status take_header(const int32_t head[3], int asked, px_id_file *ids)
{
    const char *path = ids->file.path;
    size_t k = 0;
    while (k < sizeof headers / sizeof headers[0] && headers[k].magic != head[0]) k++;
    if (k == sizeof headers / sizeof headers[0]) return PX_OK;
    if (headers[k].id_bytes == 0)
        return px_fail(PX_ERR_INPUT, "%s: questions of llm.c with their answers, not a text of ids", path);
    if (headers[k].version != head[1])
        return px_fail(PX_ERR_INPUT, "%s: ids of llm.c, version %d; version %d is read", path, head[1],
                       headers[k].version);
    if (asked && asked != headers[k].id_bytes)
        return px_fail(PX_ERR_ARGUMENT, "--id-bytes %d: the header of %s says %d; leave --id-bytes out", asked, path,
                       headers[k].id_bytes);
    ids->id_bytes = headers[k].id_bytes;
    ids->guessed = 0;
    ids->first_byte = HEADER_BYTES;
    const size_t room = (ids->file.bytes - HEADER_BYTES) / (size_t)ids->id_bytes;
    if (head[2] < 1 || (size_t)head[2] != room || (ids->file.bytes - HEADER_BYTES) % (size_t)ids->id_bytes)
        return px_fail(PX_ERR_INPUT, "%s: its header says %d ids of %d bytes, and %zu bytes follow; get the whole file",
                       path, head[2], ids->id_bytes, ids->file.bytes - HEADER_BYTES);
    return PX_OK;
}

/* Other files, which would be read as ids that mean nothing: their first bytes are long enough to be no chance. */
static px_status refuse_other(const px_id_file *ids)
{
    char head[sizeof PX_TOKEN_MAGIC - 1];
    if (ids->file.bytes < sizeof head) return PX_OK;
    PX_TRY(px_file_read_at(&ids->file, 0, head, sizeof head));
    if (memcmp(head, PX_TOKEN_MAGIC, sizeof head) == 0)
        return px_fail(PX_ERR_INPUT, "%s: a token file of perplex already; use it as it is", ids->file.path);
    if (memcmp(head, "\x93NUMPY\x01", 7) == 0 || memcmp(head, "\x93NUMPY\x02", 7) == 0)
        return px_fail(PX_ERR_INPUT,
                       "%s: an array of numpy with its header (.npy); write the ids alone: "
                       "numpy.load(FILE).astype('uint16').tofile(NEW), or uint32",
                       ids->file.path);
    return PX_OK;
}

static px_status read_form(int asked, size_t vocabulary, px_id_file *ids)
{
    int32_t head[3];
    ids->id_bytes = asked ? asked : vocabulary <= 65536 ? 2 : 4;
    ids->guessed = !asked;
    if (ids->file.bytes >= HEADER_BYTES) {
        PX_TRY(px_file_read_at(&ids->file, 0, head, sizeof head));
        PX_TRY(take_header(head, asked, ids));
    }
    const size_t bytes = ids->file.bytes - ids->first_byte;
    ids->count = bytes / (size_t)ids->id_bytes;
    if (bytes % (size_t)ids->id_bytes)
        return px_fail(
            PX_ERR_INPUT,
            "%s: %zu bytes are no whole number of ids of %d bytes; give --id-bytes 2 or 4, or the whole file",
            ids->file.path, bytes, ids->id_bytes);
    return ids->count ? PX_OK : px_fail(PX_ERR_INPUT, "%s: empty, it holds no ids", ids->file.path);
}

px_status px_id_file_open(const char *path, int id_bytes, size_t vocabulary, px_id_file *ids)
{
    *ids = (px_id_file){.file = {.descriptor = -1}};
    PX_TRY(px_file_open(path, &ids->file));
    px_status status = refuse_other(ids);
    if (status == PX_OK) status = read_form(id_bytes, vocabulary, ids);
    if (status != PX_OK) px_id_file_close(ids);
    return status;
}

/* An id that is in no list: of a compressed file, which has one soon, or of another list. */
static px_status refuse_id(const px_id_file *ids, size_t place, uint32_t id, size_t vocabulary)
{
    char head[PX_FORM_HEAD_BYTES];
    const size_t bytes = ids->file.bytes < sizeof head ? ids->file.bytes : sizeof head;
    const char *what;
    PX_TRY(px_file_read_at(&ids->file, 0, head, bytes));
    const px_text_form form = px_text_form_of(head, bytes, &what);
    if (form == PX_FORM_GZIP || form == PX_FORM_ZSTD || form == PX_FORM_PACKED)
        return px_text_form_refuse(ids->file.path, form, what);
    return px_fail(PX_ERR_INPUT,
                   "%s: token %zu has id %u, and the list of tokens has %zu (ids from 0); give the list of the "
                   "tokenizer that made them%s",
                   ids->file.path, place, id, vocabulary, ids->guessed ? ", or --id-bytes" : "");
}

/* Narrow ids lie at the front: from the end each is written at or behind where it was read. */
static void widen(uint32_t *ids, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        uint16_t narrow;
        memcpy(&narrow, (const char *)ids + 2 * i, sizeof narrow);
        ids[i] = narrow;
    }
}

px_status px_id_file_read(px_id_file *ids, size_t begin, size_t n, size_t vocabulary, uint32_t *out)
{
    const size_t size = (size_t)ids->id_bytes;
    PX_TRY(px_file_read_at(&ids->file, ids->first_byte + begin * size, out, n * size));
    if (size == 2) widen(out, n);
    for (size_t i = 0; i < n; i++) {
        ids->zeros += (begin + i) % 2 && out[i] == 0;
        if (out[i] >= vocabulary) return refuse_id(ids, begin + i, out[i], vocabulary);
    }
    return PX_OK;
}

px_status px_id_file_check(const px_id_file *ids)
{
    if (!ids->guessed || ids->id_bytes != 2 || ids->count < 4 || ids->count % 2 || ids->zeros < ids->count / 2)
        return PX_OK;
    return px_fail(PX_ERR_INPUT,
                   "%s: every second id of 2 bytes is 0, as where ids have 4; say which with --id-bytes 4 or 2",
                   ids->file.path);
}

void px_id_file_close(px_id_file *ids) { px_file_close(&ids->file); }
