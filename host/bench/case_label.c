/* Short names of cases for a picture: only what differs between them (plot.h). */
#include "plot.h"

#include <stdio.h>
#include <string.h>

/* "n=32"; "" where there is nothing to say. */
static const char *field_text(const px_bench_case *c, px_case_field field, char buffer[48])
{
    buffer[0] = 0;
    switch (field) {
    case PX_CASE_WORK: snprintf(buffer, 48, "%s", px_bench_work_name(c->work)); break;
    case PX_CASE_DEVICE: snprintf(buffer, 48, "%s", c->device); break;
    case PX_CASE_BATCH: snprintf(buffer, 48, "n=%d", c->batch); break;
    case PX_CASE_STEPS: snprintf(buffer, 48, "T=%d", c->steps); break;
    case PX_CASE_EMBED: snprintf(buffer, 48, c->embed ? "d=%d" : "one-hot", c->embed); break;
    case PX_CASE_HIDDEN: snprintf(buffer, 48, "h=%d", c->hidden); break;
    case PX_CASE_LAYERS: snprintf(buffer, 48, "L=%d", c->layers); break;
    case PX_CASE_VOCAB: snprintf(buffer, 48, "V=%d", c->vocab); break;
    case PX_CASE_TIED: snprintf(buffer, 48, "%s", c->tied ? "tied" : ""); break;
    case PX_CASE_PRECISION: snprintf(buffer, 48, "%s", px_precision_name(c->precision)); break;
    case PX_CASE_THREADS: snprintf(buffer, 48, "%d thread%s", c->threads, c->threads == 1 ? "" : "s"); break;
    case PX_CASE_FIELDS: break;
    }
    return buffer;
}

static int differs(const px_bench_case *const *cases, size_t count, px_case_field field)
{
    char first[48], other[48];
    for (size_t i = 1; i < count; i++)
        if (strcmp(field_text(cases[0], field, first), field_text(cases[i], field, other)) != 0) return 1;
    return 0;
}

static void write_fields(const px_bench_case *const *cases, size_t count, px_case_field skip, int differing,
                         const px_bench_case *c, const char *between, char *buffer, size_t buffer_bytes)
{
    char text[48];
    size_t used = 0;
    buffer[0] = 0;
    for (int field = 0; field < PX_CASE_FIELDS; field++) {
        if (field == (int)skip || differs(cases, count, (px_case_field)field) != differing) continue;
        field_text(c, (px_case_field)field, text);
        if (!text[0] || used >= buffer_bytes) continue;
        used += (size_t)snprintf(buffer + used, buffer_bytes - used, "%s%s", used ? between : "", text);
    }
}

void px_case_common(const px_bench_case *const *cases, size_t count, px_case_field skip, char *buffer,
                    size_t buffer_bytes)
{
    buffer[0] = 0;
    if (count > 0) write_fields(cases, count, skip, 0, cases[0], ", ", buffer, buffer_bytes);
}

void px_case_label(const px_bench_case *const *cases, size_t count, px_case_field skip, const px_bench_case *c,
                   char *buffer, size_t buffer_bytes)
{
    write_fields(cases, count, skip, 1, c, " ", buffer, buffer_bytes);
}
