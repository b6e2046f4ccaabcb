/* Unpacking: see unpack.h. zlib and libzstd do it, each where the build found it. */
#include "unpack.h"
#include "check.h"
#include "file.h"
#include "text_form.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#ifdef PERPLEX_ZLIB
#include <zlib.h>
#endif
#ifdef PERPLEX_ZSTD
#include <zstd.h>
#include <zstd_errors.h>
#endif

enum { INPUT_BYTES = 1 << 17 };

struct px_unpack {
    int descriptor;
    const char *name;
    px_text_form form;    /* PX_FORM_GZIP, PX_FORM_ZSTD; anything else: bytes as they are */
    unsigned char *input; /* [INPUT_BYTES] */
    size_t at, bytes;     /* what of it is still to be taken */
    size_t position;
    int at_end;    /* the descriptor has no more */
    int in_member; /* inside of a gzip member or zstd frame: the file may not end here */
#ifdef PERPLEX_ZLIB
    z_stream zlib;
    int zlib_open;
#endif
#ifdef PERPLEX_ZSTD
    ZSTD_DStream *zstd;
#endif
};

/* Fills the input once what was in it has been taken, with all that comes until `least` bytes are there. */
static px_status fill(px_unpack *u, size_t least)
{
    if (u->at < u->bytes || u->at_end) return PX_OK;
    u->at = u->bytes = 0;
    while (u->bytes < least && !u->at_end) {
        ssize_t n = px_read(u->descriptor, u->input + u->bytes, INPUT_BYTES - u->bytes);
        if (n < 0) return px_fail_system(errno, "%s: cannot be read", u->name);
        u->at_end = n == 0;
        u->bytes += (size_t)n;
        u->position += (size_t)n;
    }
    return PX_OK;
}

static px_status damaged(const px_unpack *u, const char *what, const char *why)
{
    return px_fail(PX_ERR_INPUT, "%s: damaged: near byte %zu the %s data goes wrong (%s); get the file again", u->name,
                   u->position - (u->bytes - u->at), what, why ? why : "not as it was written");
}

static px_status cut_short(const px_unpack *u, const char *what)
{
    return px_fail(PX_ERR_INPUT, "%s: cut short: its %s data ends after %zu bytes, in the middle; get the file again",
                   u->name, what, u->position);
}

/* ---- gzip: one member after the other, as cat joins them --------------------------------------------------------- */

#ifdef PERPLEX_ZLIB
static px_status open_gzip(px_unpack *u)
{
    u->zlib_open = inflateInit2(&u->zlib, MAX_WBITS + 16) == Z_OK;
    return u->zlib_open ? PX_OK : px_fail(PX_ERR_MEMORY, "%s: no memory to unpack it", u->name);
}

static void close_gzip(px_unpack *u)
{
    if (u->zlib_open) inflateEnd(&u->zlib);
}

static px_status read_gzip(px_unpack *u, char *buffer, size_t room, size_t *got)
{
    z_stream *z = &u->zlib;
    PX_TRY(fill(u, 1));
    if (u->at == u->bytes) return u->in_member ? cut_short(u, "gzip") : PX_OK;
    if (!u->in_member && u->input[u->at] == 0) { /* padding of a tape or disk block */
        u->at++;
        return PX_OK;
    }
    size_t give = room < INPUT_BYTES ? room : INPUT_BYTES;
    z->next_in = u->input + u->at;
    z->avail_in = (uInt)(u->bytes - u->at);
    z->next_out = (Bytef *)buffer;
    z->avail_out = (uInt)give;
    int answer = inflate(z, Z_NO_FLUSH);
    u->at = u->bytes - z->avail_in;
    *got = give - z->avail_out;
    u->in_member = answer != Z_STREAM_END;
    if (answer == Z_STREAM_END) answer = inflateReset(z);
    if (answer == Z_MEM_ERROR) return px_fail(PX_ERR_MEMORY, "%s: no memory to unpack it", u->name);
    return answer == Z_OK || answer == Z_BUF_ERROR ? PX_OK : damaged(u, "gzip", z->msg);
}
#else
static px_status open_gzip(px_unpack *u)
{
    return px_fail(
        PX_ERR_INPUT,
        "%s: compressed by gzip, which this perplex was built without (zlib1g-dev); unpack it: gzip -dc FILE >NEW",
        u->name);
}

static void close_gzip(px_unpack *u) { (void)u; }

static px_status read_gzip(px_unpack *u, char *buffer, size_t room, size_t *got)
{
    (void)buffer;
    (void)room;
    (void)got;
    return open_gzip(u);
}
#endif

/* ---- zstd: one frame after the other ----------------------------------------------------------------------------- */

#ifdef PERPLEX_ZSTD
static px_status open_zstd(px_unpack *u)
{
    u->zstd = ZSTD_createDStream();
    return u->zstd ? PX_OK : px_fail(PX_ERR_MEMORY, "%s: no memory to unpack it", u->name);
}

static void close_zstd(px_unpack *u) { ZSTD_freeDStream(u->zstd); }

static px_status read_zstd(px_unpack *u, char *buffer, size_t room, size_t *got)
{
    PX_TRY(fill(u, 1));
    ZSTD_inBuffer in = {u->input, u->bytes, u->at};
    ZSTD_outBuffer out = {buffer, room, 0};
    if (u->at == u->bytes && !u->in_member) return PX_OK;
    size_t answer = ZSTD_decompressStream(u->zstd, &out, &in);
    int moved = in.pos != u->at || out.pos > 0;
    u->at = in.pos;
    *got = out.pos;
    if (ZSTD_isError(answer) && ZSTD_getErrorCode(answer) == ZSTD_error_memory_allocation)
        return px_fail(PX_ERR_MEMORY, "%s: no memory to unpack it", u->name);
    if (ZSTD_isError(answer)) return damaged(u, "zstd", ZSTD_getErrorName(answer));
    u->in_member = answer != 0;
    return moved ? PX_OK : cut_short(u, "zstd");
}
#else
static px_status open_zstd(px_unpack *u)
{
    return px_fail(
        PX_ERR_INPUT,
        "%s: compressed by zstd, which this perplex was built without (libzstd-dev); unpack it: zstd -dc FILE >NEW",
        u->name);
}

static void close_zstd(px_unpack *u) { (void)u; }

static px_status read_zstd(px_unpack *u, char *buffer, size_t room, size_t *got)
{
    (void)buffer;
    (void)room;
    (void)got;
    return open_zstd(u);
}
#endif

/* ---- all -------------------------------------------------------------------------------------------------------- */

static px_status read_plain(px_unpack *u, char *buffer, size_t room, size_t *got)
{
    PX_TRY(fill(u, 1));
    *got = u->bytes - u->at < room ? u->bytes - u->at : room;
    memcpy(buffer, u->input + u->at, *got);
    u->at += *got;
    return PX_OK;
}

px_status px_unpack_read(px_unpack *u, char *buffer, size_t room, size_t *got)
{
    *got = 0;
    while (*got < room && !(u->at_end && u->at == u->bytes && !u->in_member)) {
        size_t more = 0;
        PX_TRY((u->form == PX_FORM_GZIP   ? read_gzip
                : u->form == PX_FORM_ZSTD ? read_zstd
                                          : read_plain)(u, buffer + *got, room - *got, &more));
        *got += more;
    }
    return PX_OK;
}

px_status px_unpack_open(int descriptor, const char *name, px_unpack **unpack)
{
    const char *what;
    px_unpack *u = calloc(1, sizeof *u);
    px_status status;
    *unpack = u;
    if (!u || !(u->input = malloc(INPUT_BYTES))) {
        status = px_fail(PX_ERR_MEMORY, "%s: no memory to read it", name);
        goto fail;
    }
    u->descriptor = descriptor;
    u->name = name;
    PX_TRY_GOTO(status, fill(u, PX_FORM_HEAD_BYTES), fail);
    u->form = px_text_form_of(u->input, u->bytes, &what);
    if (u->form == PX_FORM_PACKED) PX_TRY_GOTO(status, px_text_form_refuse(name, u->form, what), fail);
    if (u->form == PX_FORM_GZIP) PX_TRY_GOTO(status, open_gzip(u), fail);
    if (u->form == PX_FORM_ZSTD) PX_TRY_GOTO(status, open_zstd(u), fail);
    return PX_OK;
fail:
    px_unpack_close(u);
    *unpack = NULL;
    return status;
}

void px_unpack_close(px_unpack *u)
{
    if (!u) return;
    close_gzip(u);
    close_zstd(u);
    free(u->input);
    free(u);
}

size_t px_unpack_position(const px_unpack *u) { return u->position; }

int px_unpack_is_packed(const px_unpack *u) { return u->form == PX_FORM_GZIP || u->form == PX_FORM_ZSTD; }
