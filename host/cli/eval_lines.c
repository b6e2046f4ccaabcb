/* perplex eval --lines: scores for rescoring lists. Lines are read as they come and scored in groups of bounded size.
 */
#include "eval.h"
#include "check.h"
#include "evaluate.h"
#include "model_engine.h"
#include "file.h"
#include "output.h"
#include "quantity.h"
#include "progress.h"
#include "inputs.h"
#include "paths.h"
#include "registry.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GROUP_LINES = 4096, GROUP_TOKENS = 1 << 20, LINE_STREAMS = 32, LINE_STEPS = 64 };

typedef struct line_group {
    int32_t *ids;
    size_t id_count, id_room;
    size_t begin[GROUP_LINES + 1];
    px_sequence_score score[GROUP_LINES];
    size_t count;
} line_group;

typedef struct line_scorer {
    const eval_flags *flags;
    const px_model_file *model;
    const char *source;             /* the file being read */
    char name[PX_PATHS_NAME_BYTES]; /* of all */
    px_status failure;              /* of reading it */
    px_engine *engine;
    line_group *group;
    int ends_known; /* the model knows line ends */
    cJSON *scores;  /* --json */
    px_sequence_score total;
    int64_t lines, lines_before; /* before: those of earlier files */
    px_progress progress;
} line_scorer;

static px_status append_ids(line_group *group, const int32_t *ids, size_t count)
{
    if (group->id_count + count > group->id_room) {
        size_t room = 2 * (group->id_count + count) + 1024;
        int32_t *larger = realloc(group->ids, room * sizeof *larger);
        if (!larger) return px_fail(PX_ERR_MEMORY, "no memory for a line of %zu tokens", count);
        group->ids = larger;
        group->id_room = room;
    }
    if (count) memcpy(group->ids + group->id_count, ids, count * sizeof *ids);
    group->id_count += count;
    return PX_OK;
}

/* Where the scores themselves pass by on a terminal, nothing else needs to. */
static void show_progress(line_scorer *scorer)
{
    char text[128], count[32], tokens[32];
    if (!px_progress_is_due(&scorer->progress) || (!scorer->flags->json && px_output_is_terminal())) return;
    snprintf(text, sizeof text, "scoring  %s lines, %s tokens", px_text_count(count, scorer->lines),
             px_text_count(tokens, scorer->total.tokens));
    px_progress_show(&scorer->progress, text);
}

static void add_score(px_sequence_score *total, const px_sequence_score *line)
{
    total->nll += line->nll;
    total->known_nll += line->known_nll;
    total->tokens += line->tokens;
    total->unknown += line->unknown;
}

static px_status score_group(line_scorer *scorer)
{
    line_group *group = scorer->group;
    if (group->count == 0) return PX_OK;
    PX_TRY(px_evaluate_sequences(scorer->engine, group->ids, group->begin, group->count, group->score));
    for (size_t i = 0; i < group->count; i++) {
        const px_sequence_score *line = &group->score[i];
        PX_TRY(px_evaluate_check(scorer->flags->model, line->nll));
        add_score(&scorer->total, line);
        double log_probability = line->nll == 0 ? 0 : -line->nll;
        if (!scorer->flags->json) {
            printf("%.9g\t%lld\n", log_probability, (long long)line->tokens);
            continue;
        }
        cJSON *score = cJSON_CreateObject();
        px_json_number(score, "log_probability", log_probability);
        px_json_count(score, "tokens", line->tokens);
        cJSON_AddItemToArray(scorer->scores, score);
    }
    group->count = group->id_count = 0;
    show_progress(scorer);
    return PX_OK;
}

/* text holds "\n", the line without its end, "\n". */
static px_status add_line(line_scorer *scorer, const char *text, size_t bytes)
{
    line_group *group = scorer->group;
    int32_t *ids;
    size_t count;
    char source[700];
    snprintf(source, sizeof source, "%.600s: line %lld", scorer->source,
             (long long)(scorer->lines - scorer->lines_before) + 1);
    if (!scorer->ends_known) {
        text++;
        bytes -= 2;
    }
    PX_TRY(px_vocabulary_encode(scorer->model->vocabulary, text, bytes, source, &ids, &count, NULL, NULL));
    group->begin[group->count] = group->id_count;
    px_status status = append_ids(group, ids, count);
    free(ids);
    PX_TRY(status);
    group->begin[++group->count] = group->id_count;
    scorer->lines++;
    if (group->count == GROUP_LINES || group->id_count >= GROUP_TOKENS) return score_group(scorer);
    return PX_OK;
}

/* A line between two line ends. */
typedef struct framed_line {
    char *text; /* malloc'ed */
    size_t bytes, room;
} framed_line;

static px_status frame(framed_line *framed, const char *line, size_t bytes, const char *source)
{
    if (bytes > 0 && line[bytes - 1] == '\n') bytes--;
    if (bytes + 3 > framed->room) {
        char *larger = realloc(framed->text, 2 * bytes + 64);
        if (!larger) return px_fail(PX_ERR_MEMORY, "%s: no memory for a line of %zu bytes", source, bytes);
        framed->text = larger;
        framed->room = 2 * bytes + 64;
    }
    framed->text[0] = '\n';
    memcpy(framed->text + 1, line, bytes);
    framed->text[bytes + 1] = '\n';
    framed->text[bytes + 2] = 0;
    framed->bytes = bytes + 2;
    return PX_OK;
}

static px_status read_stream(line_scorer *scorer, FILE *file)
{
    framed_line framed = {0};
    char *line = NULL;
    size_t room = 0;
    ssize_t bytes;
    px_status status;
    errno = 0;
    while ((bytes = getline(&line, &room, file)) >= 0) {
        PX_TRY_GOTO(status, frame(&framed, line, (size_t)bytes, scorer->source), done);
        PX_TRY_GOTO(status, add_line(scorer, framed.text, framed.bytes), done);
    }
    /* getline ends so at the end, where reading failed (recorded by px_text_stream), and where a line does not fit into
     * memory */
    status = scorer->failure;
    if (status == PX_OK && !feof(file)) status = px_fail_system(errno, "%s: cannot be read", scorer->source);
done:
    free(framed.text);
    free(line);
    return status;
}

/* All files, one after the other; a last line without its end is a line too. */
static px_status read_files(line_scorer *scorer, const px_paths *paths)
{
    const int level = px_vocabulary_options(scorer->model->vocabulary).level;
    for (size_t i = 0; i < paths->count; i++) {
        FILE *file;
        scorer->source = strcmp(paths->path[i], "-") == 0 ? "standard input" : paths->path[i];
        scorer->lines_before = scorer->lines;
        PX_TRY(px_text_stream(paths->path[i], level, &scorer->failure, &file));
        px_status status = read_stream(scorer, file);
        fclose(file);
        PX_TRY(status);
    }
    PX_TRY(score_group(scorer));
    return scorer->lines > 0 ? PX_OK : px_fail(PX_ERR_INPUT, "%s: empty; there is no line to score", scorer->name);
}

static px_status print_totals(line_scorer *scorer)
{
    const px_sequence_score *total = &scorer->total;
    const double loss = total->nll / (double)total->tokens,
                 known = exp(total->known_nll / (double)(total->tokens - total->unknown));
    char a[32], b[32], c[32], d[32];
    if (!scorer->flags->json) {
        fprintf(stderr, "%s lines, %s tokens (%s unknown), perplexity %s", px_text_count(a, scorer->lines),
                px_text_count(b, total->tokens), px_text_count(c, total->unknown), px_text_perplexity(d, exp(loss)));
        if (total->unknown > 0 && total->unknown < total->tokens)
            fprintf(stderr, ", %s without <unk>", px_text_perplexity(d, known));
        fputc('\n', stderr);
        return PX_OK;
    }
    cJSON *object = cJSON_CreateObject();
    px_json_text(object, "model", scorer->flags->model, strlen(scorer->flags->model));
    px_json_text(object, "text", scorer->name, strlen(scorer->name));
    px_json_count(object, "lines", scorer->lines);
    px_json_count(object, "tokens", total->tokens);
    px_json_count(object, "unknown", total->unknown);
    px_json_number(object, "loss", loss);
    px_json_number(object, "perplexity", exp(loss));
    px_json_number(object, "bits_per_token", loss / log(2));
    px_json_number(object, "perplexity_known", known);
    cJSON_AddItemToObject(object, "scores", scorer->scores);
    scorer->scores = NULL;
    return px_json_print(object);
}

px_status px_eval_lines(const eval_flags *flags, const px_config *config, const px_model_file *model)
{
    line_scorer scorer = {.flags = flags, .model = model, .ends_known = px_model_knows_line_ends(model->vocabulary)};
    if (px_level_is_pieces(px_vocabulary_options(model->vocabulary).level))
        return px_fail(
            PX_ERR_ARGUMENT,
            "--lines: lines of text, and this model's pieces (level %s) are cut by another tool; give a token "
            "file of its ids and leave --lines out",
            px_level_name(px_vocabulary_options(model->vocabulary).level));
    px_paths paths;
    PX_TRY(px_paths_split(config->corpus.data, &paths));
    px_paths_name(config->corpus.data, scorer.name);
    px_status status;
    scorer.group = calloc(1, sizeof *scorer.group);
    if (!scorer.group) {
        status = px_fail(PX_ERR_MEMORY, "no memory to hold lines");
        goto done;
    }
    PX_TRY_GOTO(status,
                px_model_file_engine(model, px_device_or_default(config->device), LINE_STREAMS, LINE_STEPS,
                                     px_model_file_threads(model, config->threads, LINE_STREAMS), &scorer.engine),
                done);
    if (flags->json) scorer.scores = cJSON_CreateArray();
    px_progress_start(&scorer.progress, stderr);
    status = read_files(&scorer, &paths);
    px_progress_clear(&scorer.progress);
    if (status != PX_OK) goto done;
    if (scorer.total.tokens == 0) {
        status =
            px_fail(PX_ERR_INPUT, "%s: its %lld lines hold no token to score", scorer.name, (long long)scorer.lines);
        goto done;
    }
    px_eval_note_unknown(model->vocabulary, scorer.total.unknown);
    status = print_totals(&scorer);
done:
    cJSON_Delete(scorer.scores);
    px_engine_destroy(scorer.engine);
    if (scorer.group) free(scorer.group->ids);
    free(scorer.group);
    px_paths_free(&paths);
    return status;
}
