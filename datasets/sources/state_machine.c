/* Finite-state sources: checking, stationary distribution, entropy, walking. See state_machine.h. */
#include "check.h"
#include "philox.h"
#include "state_machine_build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void px_machine_destroy(px_machine *m)
{
    if (!m) return;
    for (int32_t i = 0; m->state_names && i < m->states; i++) free(m->state_names[i]);
    for (int32_t i = 0; m->symbols && i < m->symbol_count; i++) free(m->symbols[i]);
    free(m->state_names);
    free(m->symbols);
    free(m->edges);
    free(m->first);
    free(m->stationary);
    free(m);
}

const px_machine_edge *px_machine_step(const px_machine *m, int32_t *state, uint64_t seed, uint64_t draw)
{
    size_t begin = m->first[*state], end = m->first[*state + 1], at = begin;
    double u = px_uniform(px_random_u32(seed, PX_RANDOM_SYNTHETIC, 0, draw)), below = 0;
    while (at + 1 < end && u >= (below += m->edges[at].probability))
        at++; /* the last edge takes what rounding leaves */
    *state = m->edges[at].next;
    return &m->edges[at];
}

/* Which states reach which: a row of bits for each, itself included. */
typedef struct reachability {
    uint64_t *bits; /* [states, words] */
    size_t words;
} reachability;

static int reaches(const reachability *r, int32_t from, int32_t to)
{
    return r->bits[(size_t)from * r->words + (size_t)to / 64] >> (to % 64) & 1;
}

/* The transitive closure of the edges, a row at a time: Warshall 1962. bits is zero before. */
static void fill_reachability(const px_machine *m, reachability *r)
{
    for (int32_t s = 0; s < m->states; s++) {
        uint64_t *row = r->bits + (size_t)s * r->words;
        row[s / 64] |= (uint64_t)1 << (s % 64);
        for (size_t e = m->first[s]; e < m->first[s + 1]; e++)
            row[m->edges[e].next / 64] |= (uint64_t)1 << (m->edges[e].next % 64);
    }
    for (int32_t via = 0; via < m->states; via++)
        for (int32_t s = 0; s < m->states; s++)
            for (size_t w = 0; reaches(r, s, via) && w < r->words; w++)
                r->bits[(size_t)s * r->words + w] |= r->bits[(size_t)via * r->words + w];
}

/* A state is recurrent if every state that it reaches reaches it. */
static int recurrent(const px_machine *m, const reachability *r, int32_t s)
{
    for (int32_t t = 0; t < m->states; t++)
        if (reaches(r, s, t) && !reaches(r, t, s)) return 0;
    return 1;
}

/* From the start exactly one set of recurrent states may be reached: closed[s] = 1 for its states. */
static px_status find_closed_set(const px_machine *m, const char *source, const reachability *r, uint8_t *closed)
{
    int32_t found = -1;
    for (int32_t s = 0; s < m->states; s++) {
        if (!reaches(r, 0, s) || closed[s] || !recurrent(m, r, s)) continue;
        if (found >= 0)
            return px_fail(PX_ERR_INPUT,
                           "%s: from state %s the machine may end around state %s or around state %s, so that its "
                           "entropy is a matter of chance; "
                           "connect them",
                           source, m->state_names[0], m->state_names[found], m->state_names[s]);
        found = s;
        for (int32_t t = 0; t < m->states; t++) closed[t] = (uint8_t)reaches(r, s, t);
    }
    return PX_OK; /* a finite machine always has one */
}

/* Solves pi (P - I) = 0 with sum pi = 1 over the k states of `member`: Gaussian elimination with the largest pivot. a
 * [k,k+1]. */
static px_status solve_stationary(px_machine *m, const int32_t *member, int32_t k, const int32_t *index, double *a)
{
    size_t width = (size_t)k + 1;
    memset(a, 0, (size_t)k * width * sizeof *a);
    for (int32_t i = 0; i < k; i++) { /* column i: what leaves state i; the row of the last state becomes the sum */
        for (size_t e = m->first[member[i]]; e < m->first[member[i] + 1]; e++)
            a[(size_t)index[m->edges[e].next] * width + (size_t)i] += m->edges[e].probability;
        a[(size_t)i * width + (size_t)i] -= 1;
    }
    for (size_t i = 0; i < width; i++) a[(size_t)(k - 1) * width + i] = 1;
    for (int32_t column = 0; column < k; column++) {
        int32_t pivot = column;
        for (int32_t row = column + 1; row < k; row++)
            if (fabs(a[(size_t)row * width + (size_t)column]) > fabs(a[(size_t)pivot * width + (size_t)column]))
                pivot = row;
        double *top = a + (size_t)column * width, *best = a + (size_t)pivot * width;
        if (best[column] == 0)
            return px_fail(PX_ERR_INTERNAL, "the stationary distribution of a source could not be solved for");
        for (size_t i = (size_t)column; pivot != column && i < width; i++) {
            double kept = top[i];
            top[i] = best[i];
            best[i] = kept;
        }
        for (int32_t row = 0; row < k; row++) {
            double *r = a + (size_t)row * width, factor = row == column ? 0 : r[column] / top[column];
            for (size_t i = (size_t)column; factor != 0 && i < width; i++) r[i] -= factor * top[i];
        }
    }
    for (int32_t i = 0; i < k; i++) {
        double pi = a[(size_t)i * width + (size_t)k] / a[(size_t)i * width + (size_t)i];
        m->stationary[member[i]] = pi > 0 ? pi : 0;
    }
    return PX_OK;
}

static double state_entropy(const px_machine *m, int32_t state)
{
    double bits = 0;
    for (size_t e = m->first[state]; e < m->first[state + 1]; e++)
        bits -= m->edges[e].probability * log2(m->edges[e].probability);
    return bits > 0 ? bits : 0; /* -1 log2 1 is -0 */
}

px_status px_machine_finish(px_machine *m, const char *source)
{
    size_t k_max = (size_t)m->states;
    reachability reach = {.words = (k_max + 63) / 64};
    uint8_t *closed = calloc(k_max, 1);
    int32_t *member = calloc(k_max, sizeof *member), *index = calloc(k_max, sizeof *index);
    double *a = calloc(k_max * (k_max + 1), sizeof *a);
    m->stationary = calloc(k_max, sizeof *m->stationary);
    reach.bits = calloc(k_max * reach.words, sizeof *reach.bits);
    px_status status = PX_OK;
    if (!closed || !reach.bits || !member || !index || !a || !m->stationary)
        status = px_fail(PX_ERR_MEMORY, "%s: no memory for its %d states", source, m->states);
    if (status == PX_OK) {
        fill_reachability(m, &reach);
        status = find_closed_set(m, source, &reach, closed);
    }
    if (status == PX_OK) {
        int32_t k = 0;
        for (int32_t s = 0; s < m->states; s++)
            if (closed[s]) {
                index[s] = k;
                member[k++] = s;
            }
        status = solve_stationary(m, member, k, index, a);
    }
    m->entropy_bits = 0;
    for (int32_t s = 0; status == PX_OK && s < m->states; s++)
        m->entropy_bits += m->stationary[s] * state_entropy(m, s);
    free(closed);
    free(reach.bits);
    free(member);
    free(index);
    free(a);
    return status;
}
