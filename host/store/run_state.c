/* Where a run stands, to and from text: see run_state.h. One table gives every field its key. */
#include "run_state.h"

#include "check.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum field_type { COUNT, DOUBLE, HASH } field_type;

static const struct {
    const char *key;
    field_type type;
    int later; /* 1: files of 0.1.0 lack it */
    size_t offset;
} fields[] = {
#define FIELD(type, name)                                                                                              \
    {                                                                                                                  \
#name, type, 0, offsetof(px_run_state, name)                                                                   \
    }
#define LATER_FIELD(type, name)                                                                                        \
    {                                                                                                                  \
#name, type, 1, offsetof(px_run_state, name)                                                                   \
    }
    FIELD(COUNT, step),
    FIELD(COUNT, epoch),
    FIELD(COUNT, window),
    FIELD(COUNT, tokens),
    FIELD(COUNT, evaluation_due),
    FIELD(DOUBLE, interval_loss),
    FIELD(DOUBLE, epoch_loss),
    FIELD(DOUBLE, last_epoch_loss),
    FIELD(COUNT, interval_tokens),
    FIELD(COUNT, epoch_tokens),
    FIELD(COUNT, last_epoch_tokens),
    FIELD(DOUBLE, grad_norm),
    FIELD(DOUBLE, best_loss),
    FIELD(COUNT, best_step),
    FIELD(COUNT, evaluations),
    FIELD(COUNT, evaluated_step),
    FIELD(COUNT, since_best),
    FIELD(COUNT, plateau_waited),
    FIELD(DOUBLE, plateau_scale),
    FIELD(DOUBLE, rollback_scale),
    FIELD(COUNT, rollbacks),
    FIELD(COUNT, rollbacks_in_a_row),
    FIELD(COUNT, failed_step),
    LATER_FIELD(COUNT, moment_steps),
    FIELD(COUNT, average_count),
    FIELD(COUNT, average_begun),
    FIELD(COUNT, metrics_bytes),
    FIELD(HASH, corpus_hash),
#undef FIELD
#undef LATER_FIELD
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])

void px_run_state_start(px_run_state *state)
{
    *state = (px_run_state){.best_loss = NAN,
                            .best_step = -1,
                            .evaluated_step = -1,
                            .failed_step = -1,
                            .plateau_scale = 1,
                            .rollback_scale = 1,
                            .grad_norm = NAN};
}

void px_run_state_write(const px_run_state *state, px_text *text)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const void *place = (const char *)state + fields[i].offset;
        switch (fields[i].type) {
        case COUNT: px_text_format(text, "%s = %lld\n", fields[i].key, (long long)*(const int64_t *)place); break;
        case DOUBLE: /* "nan" without a sign: the sign of a NaN says nothing and must not make texts differ */
            if (isnan(*(const double *)place))
                px_text_format(text, "%s = nan\n", fields[i].key);
            else
                px_text_format(text, "%s = %.17g\n", fields[i].key, *(const double *)place);
            break;
        case HASH:
            px_text_format(text, "%s = %016llx\n", fields[i].key, (unsigned long long)*(const uint64_t *)place);
            break;
        }
    }
}

static int read_value(field_type type, const char *text, size_t bytes, void *place)
{
    char copy[64], *end;
    if (bytes == 0 || bytes >= sizeof copy) return 0;
    memcpy(copy, text, bytes);
    copy[bytes] = 0;
    errno = 0;
    switch (type) {
    case COUNT: {
        long long value = strtoll(copy, &end, 10);
        *(int64_t *)place = value;
        return !*end && !errno && value >= -1 && value <= INT64_MAX / 4;
    }
    case DOUBLE: *(double *)place = strtod(copy, &end); return !*end;
    case HASH: *(uint64_t *)place = strtoull(copy, &end, 16); return !*end && !errno;
    }
    return 0;
}

px_status px_run_state_read(px_run_state *state, const char *text, const char *source)
{
    unsigned char seen[FIELD_COUNT] = {0};
    px_run_state_start(state);
    while (*text) {
        const char *line_end = strchrnul(text, '\n'), *equals = memmem(text, (size_t)(line_end - text), " = ", 3);
        size_t i = 0;
        if (equals)
            while (i < FIELD_COUNT && (strlen(fields[i].key) != (size_t)(equals - text) ||
                                       memcmp(fields[i].key, text, (size_t)(equals - text)) != 0))
                i++;
        if (!equals || i == FIELD_COUNT || seen[i] ||
            !read_value(fields[i].type, equals + 3, (size_t)(line_end - equals - 3), (char *)state + fields[i].offset))
            return px_fail(PX_ERR_INPUT, "%s: damaged: its state has the line \"%.*s\"", source,
                           (int)(line_end - text < 80 ? line_end - text : 80), text);
        seen[i] = 1;
        text = *line_end ? line_end + 1 : line_end;
    }
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (!seen[i] && !fields[i].later)
            return px_fail(PX_ERR_INPUT, "%s: damaged: its state lacks %s", source, fields[i].key);
    if (state->step < 0 || state->epoch < 0 || state->window < 0 || state->metrics_bytes < 0 ||
        state->average_count < 0 || state->moment_steps < 0)
        return px_fail(PX_ERR_INPUT, "%s: damaged: a negative position", source);
    return PX_OK;
}
