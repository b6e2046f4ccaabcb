/* Comparison of two results (bench.h).
 *
 * Speeds are compared as shares of the peak that each run measured beside the case, so that two machines of one kind,
 * or one machine on two days, can be held together. A regression is a loss of more than max(10 %, 3 x the pooled
 * spread), where the spread is the relative interquartile range of a case's repeats. A case whose spread is above 6 %
 * although it was measured twice, or which never had the machine to itself, or had time for fewer than three repeats,
 * is too noisy to judge. */
#include "bench.h"

#include "check.h"
#include "file.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double LEAST_LOSS = 0.10, SPREADS = 3, NOISY_SPREAD = 0.06, LEAST_REPEATS = 3;

typedef struct row {
    const char *name;
    double speed, spread; /* share of peak, or tokens/s where there is no peak */
    int is_share, noisy;
} row;

static px_status read_row(const char *path, const cJSON *item, row *out)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name"));
    const cJSON *share = cJSON_GetObjectItemCaseSensitive(item, "share_of_peak");
    double tokens = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(item, "tokens_per_s"));
    double spread = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(item, "spread"));
    double rounds = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(item, "rounds"));
    if (!name || !(tokens > 0) || !(spread >= 0))
        return px_fail(PX_ERR_INPUT, "%s: a case lacks its name, tokens_per_s or spread", path);
    *out = (row){.name = name,
                 .speed = tokens,
                 .spread = spread,
                 .noisy = spread > NOISY_SPREAD || cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "contended")) ||
                          rounds < LEAST_REPEATS};
    if (cJSON_IsNumber(share) && share->valuedouble > 0) {
        out->speed = share->valuedouble;
        out->is_share = 1;
    }
    return PX_OK;
}

/* The cases of a result by name, so that each is found in few steps. */
typedef struct named {
    const char *name;
    const cJSON *item;
    size_t place; /* in the file: of two of one name the first counts */
} named;

static int by_name(const void *a, const void *b)
{
    const named *x = a, *y = b;
    const int order = strcmp(x->name, y->name);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static int name_only(const void *key, const void *element) { return strcmp(key, ((const named *)element)->name); }

/* [*count], allocated; NULL without memory. Cases without a name are left out. */
static named *index_cases(const cJSON *cases, size_t *count)
{
    const cJSON *item;
    named *list = malloc(((size_t)cJSON_GetArraySize(cases) + 1) * sizeof *list);
    size_t kept = 0, places = 0;
    if (!list) return NULL;
    cJSON_ArrayForEach(item, cases)
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name"));
        if (name) list[kept++] = (named){name, item, places++};
    }
    qsort(list, kept, sizeof *list, by_name);
    *count = 0;
    for (size_t i = 0; i < kept; i++)
        if (*count == 0 || strcmp(list[*count - 1].name, list[i].name) != 0) list[(*count)++] = list[i];
    return list;
}

static void judge(const row *old, const row *new, double old_tokens, double new_tokens, px_bench_verdict *v, FILE *out)
{
    double pooled = sqrt((old->spread * old->spread + new->spread *new->spread) / 2);
    double allowed = fmax(LEAST_LOSS, SPREADS * pooled);
    int shares = old->is_share && new->is_share;
    double ratio = shares ? new->speed / old->speed : new_tokens / old_tokens;
    const char *verdict = "same";
    v->compared++;
    if (old->noisy || new->noisy) {
        verdict = "too noisy to judge";
        v->noisy++;
    } else if (1 - ratio > allowed) {
        verdict = "REGRESSION";
        v->regressions++;
    } else if (1 - 1 / ratio > allowed) {
        verdict = "faster";
        v->improvements++;
    }
    if (shares)
        fprintf(out, "| %s | %.1f %% | %.1f %% |", old->name, 100 * old->speed, 100 * new->speed);
    else
        fprintf(out, "| %s | %.0f tokens/s | %.0f tokens/s |", old->name, old_tokens, new_tokens);
    fprintf(out, " %+.1f %% | %.1f %% | %s |\n", 100 * (ratio - 1), 100 * allowed, verdict);
}

/* Whose figures these are: one line each, so that two machines are not taken for one. */
static void write_origin(FILE *out, const char *which, const char *path, const cJSON *root)
{
    const char *processor = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(root, "machine"), "processor"));
    const char *commit = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "commit"));
    const char *date = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "date"));
    const cJSON *complete = cJSON_GetObjectItemCaseSensitive(root, "complete");
    fprintf(out, "%s: %s: commit %s, %s, %s%s\n", which, path, commit ? commit : "unknown", date ? date : "no date",
            processor ? processor : "unknown processor", cJSON_IsFalse(complete) ? ", stopped before the end" : "");
}

/* Every old case beside the new one of its name; new_cases [new_count] in the order of names. */
static px_status compare_cases(const char *old_path, const cJSON *old_cases, const char *new_path,
                               const named *new_cases, size_t new_count, px_bench_verdict *v, FILE *out)
{
    const cJSON *item;
    fprintf(out,
            "\n| case | old, of peak | new, of peak | change | allowed loss | verdict |\n|---|---|---|---|---|---|\n");
    cJSON_ArrayForEach(item, old_cases)
    {
        row old, new;
        PX_TRY(read_row(old_path, item, &old));
        const named *found = bsearch(old.name, new_cases, new_count, sizeof *new_cases, name_only);
        if (!found) {
            fprintf(out, "| %s | | | | | not in the new result |\n", old.name);
            v->missing++;
            continue;
        }
        PX_TRY(read_row(new_path, found->item, &new));
        judge(&old, &new, cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(item, "tokens_per_s")),
              cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(found->item, "tokens_per_s")), v, out);
    }
    return PX_OK;
}

static px_status compare(const char *old_path, const cJSON *old_root, const char *new_path, const cJSON *new_root,
                         px_bench_verdict *v, FILE *out)
{
    size_t count;
    named *new_cases = index_cases(cJSON_GetObjectItemCaseSensitive(new_root, "cases"), &count);
    if (!new_cases) return px_fail(PX_ERR_MEMORY, "%s: no memory for its cases", new_path);
    write_origin(out, "old", old_path, old_root);
    write_origin(out, "new", new_path, new_root);
    px_status status = compare_cases(old_path, cJSON_GetObjectItemCaseSensitive(old_root, "cases"), new_path, new_cases,
                                     count, v, out);
    free(new_cases);
    if (status != PX_OK) return status;
    fprintf(out, "\n%d compared: %d regression%s, %d faster, %d too noisy to judge, %d missing\n", v->compared,
            v->regressions, v->regressions == 1 ? "" : "s", v->improvements, v->noisy, v->missing);
    if (v->compared == 0) return px_fail(PX_ERR_INPUT, "%s and %s have no case in common", old_path, new_path);
    return PX_OK;
}

px_status px_bench_compare(const char *old_path, const char *new_path, px_bench_verdict *verdict)
{
    cJSON *old_root = NULL, *new_root = NULL;
    px_memory_stream memory = {0};
    memset(verdict, 0, sizeof *verdict);
    px_status status;
    PX_TRY_GOTO(status, px_bench_json_read(old_path, &old_root), done);
    PX_TRY_GOTO(status, px_bench_json_read(new_path, &new_root), done);
    PX_TRY_GOTO(status, px_memory_open(&memory, "bench: a report"), done);
    status = compare(old_path, old_root, new_path, new_root, verdict, memory.stream);
done:
    if (memory.stream) verdict->report = px_memory_end(&memory);
    if (status == PX_OK && !verdict->report) status = px_fail(PX_ERR_MEMORY, "bench: no memory for a report");
    cJSON_Delete(old_root);
    cJSON_Delete(new_root);
    if (status != PX_OK) {
        free(verdict->report);
        verdict->report = NULL;
    }
    return status;
}
