/* Weights from an automaton: see construct.h. */
#include "construct.h"

#include "check.h"
#include "escape.h"
#include "utf8.h"
#include "file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double TANH_SCALE = 40, GAP = 40;

/* ---- vocabulary -------------------------------------------------------------------------------------------------- */

/* The token that a symbol is. */
static const char *token_of(const char *symbol, int level)
{
    return level == PX_LEVEL_WORD && strcmp(symbol, "\n") == 0 ? "<eos>" : symbol;
}

static int is_token(const char *symbol, int level)
{
    const size_t bytes = strlen(symbol), characters = px_utf8_length(symbol, bytes);
    if (strcmp(symbol, "<unk>") == 0) return 1;
    return level == PX_LEVEL_BYTE   ? bytes == 1
           : level == PX_LEVEL_CHAR ? characters == 1
                                    : strpbrk(token_of(symbol, level), " \n\t\r") == NULL;
}

static void write_token(FILE *out, const char *token, int level)
{
    for (; *token; token++) {
        char escaped[4];
        const size_t bytes = px_escape_byte((unsigned char)*token, "\n\\", level == PX_LEVEL_BYTE, escaped);
        fwrite(escaped, 1, bytes, out);
    }
    fputs("\t0\n", out);
}

int px_construct_takes_level(int level) { return !px_level_is_pieces((px_level)level); }

px_status px_construct_vocabulary(const px_machine *machine, int level, const char *source, px_vocabulary **vocabulary)
{
    static const char *const kinds[] = {"one byte", "one character", "one word"};
    int32_t tokens = 1;
    if (level < 0) {
        level = PX_LEVEL_BYTE;
        for (int32_t i = 0; i < machine->symbol_count; i++)
            if (!is_token(machine->symbols[i], PX_LEVEL_BYTE)) level = PX_LEVEL_WORD;
    }
    if (!px_construct_takes_level(level))
        return px_fail(PX_ERR_ARGUMENT, "--level %s: symbols are bytes, characters or words; give one of these",
                       px_level_name(level));
    for (int32_t i = 0; i < machine->symbol_count; i++) {
        if (!is_token(machine->symbols[i], level))
            return px_fail(PX_ERR_INPUT, "%s: the symbol '%.60s' is not %s; give another --level", source,
                           machine->symbols[i], kinds[level]);
        tokens += strcmp(machine->symbols[i], "<unk>") != 0;
    }
    px_memory_stream memory;
    PX_TRY(px_memory_open(&memory, source));
    FILE *out = memory.stream;
    fprintf(out, "perplex-vocabulary 1 level=%s normalise=none invalid=error size=%d\n<unk>\t0\n", px_level_name(level),
            tokens);
    for (int32_t i = 0; i < machine->symbol_count; i++)
        if (strcmp(machine->symbols[i], "<unk>") != 0) write_token(out, token_of(machine->symbols[i], level), level);
    char *text = px_memory_end(&memory);
    px_status status = text ? px_vocabulary_read(text, memory.bytes, source, vocabulary)
                            : px_fail(PX_ERR_MEMORY, "%s: no memory for its vocabulary", source);
    free(text);
    return status;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static size_t edge_count(const px_machine *machine) { return machine->first[machine->states]; }

int px_construct_takes_cell(int cell) { return cell == PX_CELL_TANH || cell == PX_CELL_RELU; }

px_status px_construct_sizes(const px_machine *machine, const px_vocabulary *vocabulary, px_cell cell,
                             px_model_config *model)
{
    size_t edges = edge_count(machine);
    if (edges >= PX_CONSTRUCT_MAX_HIDDEN)
        return px_fail(PX_ERR_ARGUMENT,
                       "an automaton of %zu edges needs as many units and one more; at most %d are possible", edges,
                       PX_CONSTRUCT_MAX_HIDDEN);
    if (!px_construct_takes_cell((int)cell))
        return px_fail(PX_ERR_ARGUMENT, "--cell %s: weights are written down for units of tanh and relu alone",
                       px_cell_of(cell)->name);
    model->vocab = px_vocabulary_size(vocabulary);
    model->embed = 0;
    model->tied = 0;
    model->layers = 1;
    model->hidden = (int32_t)edges + 1;
    model->cell = cell;
    return PX_OK;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

typedef struct construction {
    const px_machine *machine;
    const px_vocabulary *vocabulary;
    size_t edges, h, V;
    int relu;
    int32_t *state, *id; /* [edges] the state that an edge leaves; the id of its symbol */
    float *w_xh, *w_hh, *b_h, *w_hq, *b_q;
} construction;

static void construct_recurrence(construction *c)
{
    double A = c->relu ? 1 : TANH_SCALE, threshold = c->relu ? 1 : 1.5 * TANH_SCALE;
    size_t u = c->edges; /* the unit that is on after any symbol */
    for (size_t e = 0; e < c->edges; e++) {
        double constant = 0, start = c->state[e] == 0 ? A : 0; /* constant: what turns H = +-1 into 0 and 1 */
        c->w_xh[e * c->V + (size_t)c->id[e]] = (float)A;
        for (size_t other = 0; other < c->edges; other++) {
            if (c->machine->edges[other].next != c->state[e]) continue;
            c->w_hh[e * c->h + other] = (float)(c->relu ? A : A / 2);
            constant += c->relu ? 0 : A / 2;
        }
        c->b_h[e] = (float)(start - threshold);
        c->w_hh[e * c->h + u] = (float)(constant - start);
    }
    c->b_h[u] = (float)A;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* logit [edges,V] of every symbol after every edge. */
static void find_logits(const construction *c, double *logit)
{
    for (size_t e = 0; e < c->edges; e++) {
        size_t next = (size_t)c->machine->edges[e].next;
        for (size_t f = c->machine->first[next]; f < c->machine->first[next + 1]; f++)
            logit[e * c->V + (size_t)c->id[f]] = GAP + log(c->machine->edges[f].probability);
    }
}

/* O_v = sum over edges of w (H, or (H + 1) / 2) + middle: the middle is taken out, so that with tanh, whose units that
 * are off are -1, as little as possible has to cancel in fp32. sorted [edges] is scratch. */
static void construct_output(construction *c, const double *logit, double *sorted)
{
    for (size_t v = 0; v < c->V; v++) {
        int seen = 0;
        for (size_t e = 0; e < c->edges; e++) {
            sorted[e] = logit[e * c->V + v];
            seen |= sorted[e] != 0;
        }
        qsort(sorted, c->edges, sizeof *sorted, ascending);
        double middle = sorted[c->edges / 2], bias = middle;
        for (size_t e = 0; e < c->edges; e++) {
            double difference = logit[e * c->V + v] - middle;
            float *w = &c->w_hq[v * c->h + e];
            *w = (float)(c->relu ? difference : difference / 2);
            if (!c->relu) bias += *w;
        }
        c->b_q[v] = (float)bias;
        if (v == 0 && !seen) c->b_q[v] = -INFINITY; /* <unk> never comes */
    }
}

static px_status number_edges(construction *c)
{
    for (int32_t s = 0; s < c->machine->states; s++)
        for (size_t e = c->machine->first[s]; e < c->machine->first[s + 1]; e++) {
            const char *token =
                token_of(c->machine->symbols[c->machine->edges[e].symbol], px_vocabulary_options(c->vocabulary).level);
            c->state[e] = s;
            c->id[e] = strcmp(token, "<unk>") == 0 ? 0 : px_vocabulary_id(c->vocabulary, token, strlen(token));
            if (c->id[e] < 0) return px_fail(PX_ERR_INTERNAL, "the vocabulary lacks the symbol '%.60s'", token);
        }
    return PX_OK;
}

px_status px_construct_weights(const px_machine *machine, const px_vocabulary *vocabulary, const px_model_config *model,
                               const px_parameters *table, float *flat)
{
    construction c = {.machine = machine,
                      .vocabulary = vocabulary,
                      .edges = edge_count(machine),
                      .h = (size_t)model->hidden,
                      .V = (size_t)model->vocab,
                      .relu = model->cell == PX_CELL_RELU};
    memset(flat, 0, table->count * sizeof *flat);
    c.w_xh = flat + px_parameters_find(table, PX_TENSOR_W_XH, 0)->offset;
    c.w_hh = flat + px_parameters_find(table, PX_TENSOR_W_HH, 0)->offset;
    c.b_h = flat + px_parameters_find(table, PX_TENSOR_B_H, 0)->offset;
    c.w_hq = flat + px_parameters_find(table, PX_TENSOR_W_HQ, 0)->offset;
    c.b_q = flat + px_parameters_find(table, PX_TENSOR_B_Q, 0)->offset;
    c.state = calloc(c.edges, sizeof *c.state);
    c.id = calloc(c.edges, sizeof *c.id);
    double *logit = calloc(c.edges * c.V, sizeof *logit), *sorted = calloc(c.edges, sizeof *sorted);
    px_status status = c.state && c.id && logit && sorted
                           ? number_edges(&c)
                           : px_fail(PX_ERR_MEMORY, "no memory to construct a network of %zu edges", c.edges);
    if (status == PX_OK) {
        construct_recurrence(&c);
        find_logits(&c, logit);
        construct_output(&c, logit, sorted);
    }
    free(c.state);
    free(c.id);
    free(logit);
    free(sorted);
    return status;
}
