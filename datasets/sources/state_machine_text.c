/* Machines from text, from words, from a seed, and the built-in ones. See state_machine.h. */
#include "check.h"
#include "file.h"
#include "philox.h"
#include "state_machine_build.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const px_machine_builtin px_machine_builtins[] = {
    {"coin", "a fair coin: 1 bit", "s a 1/2 s\ns b 1/2 s\n"},
    {"biased", "a coin that falls on b once in ten: 0.469 bits", "s a 0.9 s\ns b 0.1 s\n"},
    {"golden-mean", "no two b in a row: 2/3 bit", "a a 1/2 a\na b 1/2 b\nb a 1 a\n"},
    {"even", "b only in runs of even length, so that all of the past matters: 2/3 bit",
     "a a 1/2 a\na b 1/2 b\nb b 1 a\n"},
    {"brackets", "brackets up to depth 4 around letters: the depth must be remembered",
     "0 ( 3/4 1\n0 . 1/4 0\n"
     "1 ( 1/3 2\n1 x 1/3 1\n1 ) 1/3 0\n"
     "2 ( 1/3 3\n2 x 1/3 2\n2 ) 1/3 1\n"
     "3 ( 1/3 4\n3 x 1/3 3\n3 ) 1/3 2\n"
     "4 x 1/2 4\n4 ) 1/2 3\n"},
    {NULL, NULL, NULL},
};

const char *px_machine_builtin_text(const char *name)
{
    for (const px_machine_builtin *b = px_machine_builtins; b->name; b++)
        if (strcmp(b->name, name) == 0) return b->text;
    return NULL;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

typedef struct line_edge {
    int32_t state, symbol, next;
    size_t line;
    double probability;
} line_edge;

/* Names with the numbers they got, in the order of names: each is found in few steps. */
typedef struct name_index {
    struct {
        const char *name; /* the machine's */
        int32_t number;
    } * entry;
    size_t room;
} name_index;

typedef struct reading {
    px_machine *machine;
    line_edge *edges; /* in the order of the lines */
    size_t edge_count, edge_room, line;
    name_index states, symbols;
    uint32_t *edge_of[PX_MACHINE_MAX_STATES]; /* of each state that has one, [PX_MACHINE_MAX_SYMBOLS]: 1 + number of the
                                                 edge; 0 = none yet */
    const char *source;
} reading;

static px_status no_memory(const reading *r)
{
    return px_fail(PX_ERR_MEMORY, "%s: no memory for its states", r->source);
}

/* Where name stands among the first count entries, or would: all before it are smaller. */
static size_t place_of(const name_index *index, size_t count, const char *name)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(index->entry[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Makes room for one more name in list and index. 0 without memory. */
static int grow(name_index *index, char ***list, size_t count)
{
    if (count < index->room) return 1;
    const size_t room = 2 * index->room + 16;
    char **names = realloc(*list, room * sizeof *names);
    if (names) *list = names;
    void *entries = realloc(index->entry, room * sizeof *index->entry);
    if (entries) index->entry = entries;
    if (!names || !entries) return 0;
    index->room = room;
    return 1;
}

/* Number of a name in a list, added if new; -1 if the list is full, -2 without memory. */
static int32_t number_of(name_index *index, char ***list, int32_t *count, int32_t limit, const char *name)
{
    const size_t used = (size_t)*count, place = place_of(index, used, name);
    if (place < used && strcmp(index->entry[place].name, name) == 0) return index->entry[place].number;
    if (*count == limit) return -1;
    if (!grow(index, list, used) || !((*list)[used] = strdup(name))) return -2;
    memmove(index->entry + place + 1, index->entry + place, (used - place) * sizeof *index->entry);
    index->entry[place].name = (*list)[used];
    index->entry[place].number = *count;
    return (*count)++;
}

/* \s, \n, \\ in place; 0 for another escape. */
static int unescape(char *text)
{
    char *out = text;
    for (; *text; text++) {
        if (*text != '\\')
            *out++ = *text;
        else if (text[1] == 's' || text[1] == 'n' || text[1] == '\\') {
            text++;
            *out++ = *text == 's' ? ' ' : *text == 'n' ? '\n' : '\\';
        } else
            return 0;
    }
    *out = 0;
    return 1;
}

static int read_probability(const char *text, double *value)
{
    char *end;
    double top = strtod(text, &end), bottom = 1;
    if (end == text) return 0;
    if (*end == '/') {
        const char *below = end + 1;
        bottom = strtod(below, &end);
        if (end == below) return 0;
    }
    *value = top / bottom;
    return *end == 0 && isfinite(*value) && *value > 0 && *value <= 1;
}

static px_status add_edge(reading *r, const char *state, char *symbol, const char *probability, const char *next)
{
    px_machine *m = r->machine;
    line_edge e = {.line = r->line};
    if (!unescape(symbol))
        return px_fail(PX_ERR_INPUT, "%s:%zu: in a symbol a backslash is followed by s, n or another one", r->source,
                       r->line);
    if (!read_probability(probability, &e.probability))
        return px_fail(PX_ERR_INPUT, "%s:%zu: %s is not a probability above 0 and up to 1", r->source, r->line,
                       probability);
    e.state = number_of(&r->states, &m->state_names, &m->states, PX_MACHINE_MAX_STATES, state);
    if (e.state >= 0) e.next = number_of(&r->states, &m->state_names, &m->states, PX_MACHINE_MAX_STATES, next);
    if (e.state >= 0 && e.next >= 0)
        e.symbol = number_of(&r->symbols, &m->symbols, &m->symbol_count, PX_MACHINE_MAX_SYMBOLS, symbol);
    if (e.state == -2 || e.next == -2 || e.symbol == -2) return no_memory(r);
    if (e.state < 0 || e.next < 0 || e.symbol < 0)
        return px_fail(PX_ERR_INPUT, "%s:%zu: more than %d states or %d symbols", r->source, r->line,
                       PX_MACHINE_MAX_STATES, PX_MACHINE_MAX_SYMBOLS);
    uint32_t **row = &r->edge_of[e.state];
    if (!*row && !(*row = calloc(PX_MACHINE_MAX_SYMBOLS, sizeof **row))) return no_memory(r);
    uint32_t *here = *row + e.symbol;
    if (*here)
        return px_fail(PX_ERR_INPUT,
                       "%s:%zu: state %s emits this symbol on line %zu already: the symbols would not tell the states",
                       r->source, r->line, state, r->edges[*here - 1].line);
    if (r->edge_count == r->edge_room) {
        size_t room = 2 * r->edge_room + 16;
        line_edge *grown = realloc(r->edges, room * sizeof *grown);
        if (!grown) return no_memory(r);
        r->edges = grown;
        r->edge_room = room;
    }
    r->edges[r->edge_count++] = e;
    *here = (uint32_t)r->edge_count;
    return PX_OK;
}

static px_status read_line(reading *r, char *line)
{
    char *field[5], *rest = NULL;
    int fields = 0;
    for (char *word = strtok_r(line, " \t\r", &rest); word && fields < 5; word = strtok_r(NULL, " \t\r", &rest)) {
        if (word[0] == '#' && (fields == 0 || fields == 4)) break; /* elsewhere it is a symbol or a name */
        field[fields++] = word;
    }
    if (fields == 0) return PX_OK;
    if (fields != 4)
        return px_fail(PX_ERR_INPUT, "%s:%zu: a line is STATE SYMBOL PROBABILITY NEXT", r->source, r->line);
    return add_edge(r, field[0], field[1], field[2], field[3]);
}

/* The edges in groups by state, in each in the order of the lines: first[s] is where state s begins. */
static void sort_edges(const reading *r)
{
    px_machine *m = r->machine;
    for (size_t i = 0; i < r->edge_count; i++) m->first[r->edges[i].state + 1]++;
    for (int32_t s = 0; s < m->states; s++) m->first[s + 1] += m->first[s];
    for (size_t i = r->edge_count; i-- > 0;) { /* from behind, so that ends become beginnings */
        const line_edge *e = &r->edges[i];
        m->edges[--m->first[e->state + 1]] = (px_machine_edge){e->symbol, e->next, e->probability};
    }
    for (int32_t s = 0; s < m->states; s++) m->first[s] = m->first[s + 1];
    m->first[m->states] = r->edge_count;
}

/* The edges grouped by state, their probabilities scaled to add up to 1 exactly. */
static px_status group_edges(reading *r)
{
    px_machine *m = r->machine;
    if (r->edge_count == 0) return px_fail(PX_ERR_INPUT, "%s: no line describes an edge", r->source);
    m->edges = calloc(r->edge_count, sizeof *m->edges);
    m->first = calloc((size_t)m->states + 1, sizeof *m->first);
    if (!m->edges || !m->first) return no_memory(r);
    sort_edges(r);
    for (int32_t s = 0; s < m->states; s++) {
        double sum = 0;
        if (m->first[s] == m->first[s + 1])
            return px_fail(PX_ERR_INPUT, "%s: state %s leads to nowhere", r->source, m->state_names[s]);
        for (size_t e = m->first[s]; e < m->first[s + 1]; e++) sum += m->edges[e].probability;
        if (fabs(sum - 1) > 1e-9)
            return px_fail(PX_ERR_INPUT, "%s: the probabilities of state %s add up to %.10g, not to 1", r->source,
                           m->state_names[s], sum);
        for (size_t e = m->first[s]; e < m->first[s + 1]; e++) m->edges[e].probability /= sum;
    }
    return PX_OK;
}

px_status px_machine_read(const char *text, size_t bytes, const char *source, px_machine **machine)
{
    reading r = {.machine = calloc(1, sizeof *r.machine), .source = source};
    const size_t mark = bytes >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0; /* a byte order mark */
    text += mark;
    bytes -= mark;
    char *copy = malloc(bytes + 1);
    px_status status = r.machine && copy ? PX_OK : no_memory(&r);
    if (status == PX_OK && memchr(text, 0, bytes)) status = px_fail(PX_ERR_INPUT, "%s: not a text", source);
    if (status == PX_OK) {
        memcpy(copy, text, bytes);
        copy[bytes] = 0;
        for (char *line = copy, *end; status == PX_OK && line; line = end ? end + 1 : NULL) {
            end = strchr(line, '\n');
            if (end) *end = 0;
            r.line++;
            status = read_line(&r, line);
        }
    }
    if (status == PX_OK) status = group_edges(&r);
    if (status == PX_OK) status = px_machine_finish(r.machine, source);
    free(copy);
    free(r.edges);
    free(r.states.entry);
    free(r.symbols.entry);
    for (int32_t s = 0; s < PX_MACHINE_MAX_STATES; s++) free(r.edge_of[s]);
    if (status == PX_OK)
        *machine = r.machine;
    else
        px_machine_destroy(r.machine);
    return status;
}

px_status px_machine_open(const char *name, px_machine **machine)
{
    const char *builtin = px_machine_builtin_text(name);
    if (builtin) return px_machine_read(builtin, strlen(builtin), name, machine);
    char *text;
    size_t bytes;
    px_status status = px_file_read(name, (size_t)1 << 24, &text, &bytes);
    if (status != PX_OK) return px_fail_context(status, "no built-in source, nor a file (see perplex-source --list)");
    status = px_machine_read(text, bytes, name, machine);
    free(text);
    return status;
}

/* ---- made machines: written as text, then read ------------------------------------------------------------------- */

px_status px_machine_cycle(const char *words, px_machine **machine)
{
    char *text = NULL, *copy = strdup(words), *rest = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!copy || !out) {
        free(copy);
        if (out) fclose(out);
        free(text);
        return px_fail(PX_ERR_MEMORY, "no memory for a cycle of words");
    }
    static const char blanks[] = " \t\r\n";
    size_t count = 0, at = 0;
    for (const char *c = words; *(c += strspn(c, blanks)); c += strcspn(c, blanks)) count++;
    for (char *word = strtok_r(copy, blanks, &rest); word; word = strtok_r(NULL, blanks, &rest), at++) {
        fprintf(out, "%zu ", at);
        for (const char *c = word; *c; c++) fprintf(out, *c == '\\' ? "\\\\" : "%c", *c);
        fprintf(out, " 1 %zu\n", (at + 1) % count);
    }
    px_status status = fclose(out) == 0 ? PX_OK : px_fail(PX_ERR_MEMORY, "no memory for a cycle of words");
    if (status == PX_OK)
        status = count > 0 ? px_machine_read(text, bytes, "cycle", machine)
                           : px_fail(PX_ERR_ARGUMENT, "a cycle needs a word at least");
    free(copy);
    free(text);
    return status;
}

px_status px_machine_random(int32_t states, int32_t symbols, uint64_t seed, px_machine **machine)
{
    if (states < 1 || states > PX_MACHINE_MAX_STATES || symbols < 1 || symbols > 26)
        return px_fail(PX_ERR_ARGUMENT, "%d states and %d symbols: 1 to %d states and 1 to 26 symbols (the letters)",
                       states, symbols, PX_MACHINE_MAX_STATES);
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return px_fail(PX_ERR_MEMORY, "no memory for a source of %d states", states);
    for (int32_t s = 0; s < states; s++) {
        double weight[26], sum = 0;
        for (int32_t x = 0; x < symbols; x++) {
            uint64_t element = ((uint64_t)s * (uint64_t)symbols + (uint64_t)x) * 2;
            /* The cube of an exponential variate: a few symbols of a state carry most of the weight. */
            weight[x] = pow(-log(px_uniform_open(px_random_u32(seed, PX_RANDOM_SYNTHETIC, 1, element))), 3) + 1e-3;
            sum += weight[x];
        }
        for (int32_t x = 0; x < symbols; x++) {
            uint64_t element = ((uint64_t)s * (uint64_t)symbols + (uint64_t)x) * 2 + 1;
            /* The first symbol goes round all states, so that each can be reached from each. */
            uint64_t next =
                x == 0 ? (uint64_t)(s + 1) % (uint64_t)states
                       : (uint64_t)px_random_u32(seed, PX_RANDOM_SYNTHETIC, 1, element) * (uint64_t)states >> 32;
            fprintf(out, "%d %c %.17g %llu\n", s, 'a' + x, weight[x] / sum, (unsigned long long)next);
        }
    }
    px_status status = fclose(out) == 0 ? px_machine_read(text, bytes, "random source", machine)
                                        : px_fail(PX_ERR_MEMORY, "no memory for a source of %d states", states);
    free(text);
    return status;
}
