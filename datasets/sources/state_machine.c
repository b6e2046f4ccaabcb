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
    while (at + 1 < end && u >= (below += m->edges[at].probability)) at++; /* the last edge takes what rounding leaves */
    *state = m->edges[at].next;
    return &m->edges[at];
}

/* reach[s] = 1 for every state that can be reached from `from`, itself included. */
static void reachable(const px_machine *m, int32_t from, uint8_t *reach, int32_t *stack)
{
    memset(reach, 0, (size_t)m->states);
    int32_t depth = 0;
    stack[depth++] = from;
    reach[from] = 1;
    while (depth) {
        int32_t s = stack[--depth];
        for (size_t e = m->first[s]; e < m->first[s + 1]; e++)
            if (!reach[m->edges[e].next]) {
                reach[m->edges[e].next] = 1;
                stack[depth++] = m->edges[e].next;
            }
    }
}

/* A state is recurrent if every state that it reaches reaches it. From the start exactly one set of those may be reached.
 * closed[s] = 1 for its states. scratch: three times `states`, stack `states`. */
static px_status find_closed_set(const px_machine *m, const char *source, uint8_t *closed, uint8_t *scratch, int32_t *stack)
{
    uint8_t *from_start = scratch, *from_s = scratch + m->states, *back = scratch + 2 * m->states;
    int32_t found = -1;
    reachable(m, 0, from_start, stack);
    for (int32_t s = 0; s < m->states; s++) {
        if (!from_start[s] || (found >= 0 && closed[s])) continue;
        reachable(m, s, from_s, stack);
        int recurrent = 1;
        for (int32_t t = 0; t < m->states && recurrent; t++)
            if (from_s[t]) {
                reachable(m, t, back, stack);
                recurrent = back[s];
            }
        if (!recurrent) continue;
        if (found >= 0)
            return px_fail(PX_ERR_INPUT, "%s: from state %s the machine may end around state %s or around state %s, so that its entropy is a matter of chance; "
                           "connect them", source, m->state_names[0], m->state_names[found], m->state_names[s]);
        found = s;
        memcpy(closed, from_s, (size_t)m->states);
    }
    return PX_OK; /* a finite machine always has one */
}

/* Solves pi (P - I) = 0 with sum pi = 1 over the k states of `member`: Gaussian elimination with the largest pivot. a [k,k+1]. */
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
            if (fabs(a[(size_t)row * width + (size_t)column]) > fabs(a[(size_t)pivot * width + (size_t)column])) pivot = row;
        double *top = a + (size_t)column * width, *best = a + (size_t)pivot * width;
        if (best[column] == 0) return px_fail(PX_ERR_INTERNAL, "the stationary distribution of a source could not be solved for");
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
    for (size_t e = m->first[state]; e < m->first[state + 1]; e++) bits -= m->edges[e].probability * log2(m->edges[e].probability);
    return bits > 0 ? bits : 0; /* -1 log2 1 is -0 */
}

px_status px_machine_finish(px_machine *m, const char *source)
{
    size_t k_max = (size_t)m->states;
    uint8_t *closed = calloc(k_max, 1), *scratch = calloc(k_max, 3);
    int32_t *stack = calloc(k_max, sizeof *stack), *member = calloc(k_max, sizeof *member), *index = calloc(k_max, sizeof *index);
    double *a = calloc(k_max * (k_max + 1), sizeof *a);
    m->stationary = calloc(k_max, sizeof *m->stationary);
    px_status status = PX_OK;
    if (!closed || !scratch || !stack || !member || !index || !a || !m->stationary) status = px_fail(PX_ERR_MEMORY, "%s: no memory for its %d states", source, m->states);
    if (status == PX_OK) status = find_closed_set(m, source, closed, scratch, stack);
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
    for (int32_t s = 0; status == PX_OK && s < m->states; s++) m->entropy_bits += m->stationary[s] * state_entropy(m, s);
    free(closed);
    free(scratch);
    free(stack);
    free(member);
    free(index);
    free(a);
    return status;
}
