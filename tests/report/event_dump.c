/* event_dump FILE...: a reader of TensorBoard event files that shares nothing with the writer: its own CRC-32C, bit by
 * bit, and its own protobuf wire format. Prints a line for each event and value, in order; status 1 names the first
 * frame that is wrong.
 *
 *     version TEXT | start STEP | scalar STEP TAG VALUE | text STEP TAG PLUGIN BYTES CRC | histogram STEP TAG COUNT BUCKETS MIN MAX
 *
 * With --purge the lines of all files are kept as a reader of TensorBoard keeps them: at a start, what was there of
 * that step and later ones is dropped; starts and versions are not printed. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t crc32c(const unsigned char *data, size_t bytes)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++) crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1)));
    }
    return ~crc;
}

static uint64_t little(const unsigned char *data, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--) value = value << 8 | data[i];
    return value;
}

/* ---- wire format ------------------------------------------------------------------------------------------------- */

typedef struct wire {
    const unsigned char *at, *end;
} wire;

typedef struct field {
    int number, type; /* 0 varint, 1 eight bytes, 2 length and data, 5 four bytes */
    uint64_t value;
    wire data;
} field;

static void broken(const char *what)
{
    fprintf(stderr, "event_dump: %s\n", what);
    exit(1);
}

static uint64_t varint(wire *w)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (w->at == w->end) broken("a varint ends too early");
        unsigned char byte = *w->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return value;
    }
    broken("a varint is too long");
    return 0;
}

static int next(wire *w, field *f)
{
    if (w->at == w->end) return 0;
    uint64_t key = varint(w);
    *f = (field){.number = (int)(key >> 3), .type = (int)(key & 7)};
    size_t bytes = f->type == 1 ? 8 : f->type == 5 ? 4 : 0;
    if (f->type == 0)
        f->value = varint(w);
    else if (f->type == 2)
        bytes = varint(w);
    else if (f->type != 1 && f->type != 5)
        broken("an unknown wire type");
    if (bytes > (size_t)(w->end - w->at)) broken("a field ends behind its message");
    f->data = (wire){w->at, w->at + bytes};
    if (f->type == 1 || f->type == 5) f->value = little(w->at, (int)bytes);
    w->at += bytes;
    return 1;
}

static double as_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double as_float(uint64_t bits)
{
    uint32_t half = (uint32_t)bits;
    float value;
    memcpy(&value, &half, sizeof value);
    return value;
}

/* ---- what is printed --------------------------------------------------------------------------------------------- */

typedef struct line {
    int64_t step;
    char *text;
} line;

static line *lines;
static size_t line_count;
static int purge;

static void keep(int64_t step, const char *text)
{
    lines = realloc(lines, (line_count + 1) * sizeof *lines);
    lines[line_count++] = (line){step, strdup(text)};
}

static void start(int64_t step)
{
    char text[64];
    snprintf(text, sizeof text, "start %" PRId64, step);
    if (!purge) keep(step, text);
    if (!purge) return;
    size_t kept = 0;
    for (size_t i = 0; i < line_count; i++)
        if (lines[i].step < step)
            lines[kept++] = lines[i];
        else
            free(lines[i].text);
    line_count = kept;
}

static void histogram(wire w, int64_t step, const char *tag)
{
    double min = 0, max = 0, count = 0, in_buckets = 0, last_limit = -1e300;
    size_t limits = 0, buckets = 0;
    char text[512];
    for (field f; next(&w, &f);) {
        if (f.number == 1) min = as_double(f.value);
        if (f.number == 2) max = as_double(f.value);
        if (f.number == 3) count = as_double(f.value);
        if (f.number != 6 && f.number != 7) continue;
        for (const unsigned char *d = f.data.at; d + 8 <= f.data.end; d += 8) {
            double value = as_double(little(d, 8));
            if (f.number == 7) {
                in_buckets += value;
                buckets++;
                continue;
            }
            limits++;
            if (value <= last_limit) broken("a histogram's limits do not rise");
            last_limit = value;
        }
    }
    if (limits != buckets) broken("a histogram with more limits than buckets, or fewer");
    if (in_buckets != count) broken("a histogram's buckets do not add up");
    snprintf(text, sizeof text, "histogram %" PRId64 " %s %g %zu %.6g %.6g", step, tag, count, buckets, min, max);
    keep(step, text);
}

static void value_of(wire w, int64_t step)
{
    char tag[256] = "", plugin[64] = "none", text[512];
    wire content = w;
    for (field f; next(&content, &f);) {
        if (f.number == 1) snprintf(tag, sizeof tag, "%.*s", (int)(f.data.end - f.data.at), (const char *)f.data.at);
        wire metadata = f.data;
        if (f.number == 9)
            for (field m; next(&metadata, &m);)
                for (field p; m.number == 1 && next(&m.data, &p);)
                    if (p.number == 1)
                        snprintf(plugin, sizeof plugin, "%.*s", (int)(p.data.end - p.data.at), (const char *)p.data.at);
    }
    for (field f; next(&w, &f);) {
        if (f.number == 2) {
            snprintf(text, sizeof text, "scalar %" PRId64 " %s %.6g", step, tag, as_float(f.value));
            keep(step, text);
        }
        if (f.number == 5) histogram(f.data, step, tag);
        for (field t; f.number == 8 && next(&f.data, &t);)
            if (t.number == 8) {
                size_t bytes = (size_t)(t.data.end - t.data.at);
                snprintf(text, sizeof text, "text %" PRId64 " %s %s %zu %08" PRIx32, step, tag, plugin, bytes,
                         crc32c(t.data.at, bytes));
                keep(step, text);
            }
    }
}

static void event(wire w)
{
    int64_t step = 0;
    double wall = 0;
    wire first = w;
    for (field f; next(&first, &f);) {
        if (f.number == 1) wall = as_double(f.value);
        if (f.number == 2) step = (int64_t)f.value;
    }
    if (!(wall > 1e9 && wall < 1e10)) broken("an event without a time");
    for (field f; next(&w, &f);) {
        if (f.number == 3 && !purge) {
            char text[64];
            snprintf(text, sizeof text, "version %.*s", (int)(f.data.end - f.data.at), (const char *)f.data.at);
            keep(step, text);
        }
        for (field v; f.number == 5 && next(&f.data, &v);)
            if (v.number == 1) value_of(v.data, step);
        for (field s; f.number == 7 && next(&f.data, &s);)
            if (s.number == 1 && s.value == 1) start(step);
    }
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static int crc_holds(const unsigned char *data, size_t bytes, const unsigned char *stored)
{
    uint32_t masked = (uint32_t)little(stored, 4) - 0xa282ead8u, crc = masked << 15 | masked >> 17;
    return crc == crc32c(data, bytes);
}

static void read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) broken(path);
    unsigned char head[12], *data = NULL;
    for (size_t got; (got = fread(head, 1, sizeof head, file)) > 0;) {
        if (got < sizeof head) broken("a frame's head is cut off");
        uint64_t bytes = little(head, 8);
        if (!crc_holds(head, 8, head + 8)) broken("the CRC of a length is wrong");
        if (bytes > 1 << 28) broken("a frame is too long");
        data = realloc(data, bytes + 4);
        if (fread(data, 1, bytes + 4, file) != bytes + 4) broken("a frame is cut off");
        if (!crc_holds(data, bytes, data + bytes)) broken("the CRC of an event is wrong");
        event((wire){data, data + bytes});
    }
    free(data);
    fclose(file);
}

int main(int argc, char **argv)
{
    if (crc32c((const unsigned char *)"123456789", 9) != 0xe3069283u)
        broken("this program's CRC-32C is wrong"); /* the check value of RFC 3720 */
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--purge") == 0)
            purge = 1;
        else
            read_file(argv[i]);
    for (size_t i = 0; i < line_count; i++) {
        puts(lines[i].text);
        free(lines[i].text);
    }
    free(lines);
    return 0;
}
