/* What ends a tile of the recurrence: the cells' equations (host/model/cells) on rows of units, forward and backward.
 * Compiled once per instruction set (isa.h); each cell's loop over units becomes vectors.
 *
 * tanh is a quotient of polynomials of degree 13 and 6, with the coefficients of Eigen's ptanh_float (Eigen 3.4,
 * MathFunctionsImpl.h): within 2.3 units in the last place over [-10, 10], checked in steps of 1e-5. Half the time of
 * libmvec's tanhf (0.45 against 0.90 ns on Zen 3), and the same on processors that have no libmvec. Beyond 7.905 it
 * stays at 1 - 2.4e-7. */
#include "isa_local.h"

#define INLINE static inline __attribute__((always_inline))
#define PX_CELL_FUNCTION INLINE

typedef float px_real;

INLINE float px_real_tanh(float x)
{
    const float bound = 7.90531110763549805f;
    const float y = x > bound ? bound : x < -bound ? -bound : x; /* NaN stays NaN */
    const float z = y * y;
    float above = -2.76076847742355e-16f;
    above = above * z + 2.00018790482477e-13f;
    above = above * z - 8.60467152213735e-11f;
    above = above * z + 5.12229709037114e-08f;
    above = above * z + 1.48572235717979e-05f;
    above = above * z + 6.37261928875436e-04f;
    above = above * z + 4.89352455891786e-03f;
    float below = 1.19825839466702e-06f;
    below = below * z + 1.18534705686654e-04f;
    below = below * z + 2.26843463243900e-03f;
    below = below * z + 4.89352518554385e-03f;
    return y * above / below;
}

/* s(x) = (1 + tanh(x / 2)) / 2 */
INLINE float px_real_sigmoid(float x) { return 0.5f + 0.5f * px_real_tanh(0.5f * x); }

#include "cells/maths.h"

typedef void cell_maths(px_cell_unit *);

/* A cell as constants of its own copy of the loops. */
typedef struct cell_shape {
    int gates, states, keeps, lone;
    cell_maths *forward, *backward;
} cell_shape;

/* A cell of one gate that keeps nothing, in H's place. */
INLINE void forward_in_place(const cell_shape cell, float *x, long units)
{
#pragma omp simd
    for (long j = 0; j < units; j++) {
        px_cell_unit c;
        c.z[0] = x[j];
        cell.forward(&c);
        x[j] = c.now[0];
    }
}

INLINE void forward_row(const cell_shape cell, const px_cell_rows *t, long i)
{
    const long h = t->h;
    if (!cell.keeps) {
        forward_in_place(cell, t->now[0][i] + t->first, t->units);
        return;
    }
    float *z = t->z[i] + t->first, *now[PX_CELL_STATES_MAX] = {0};
    const float *before[PX_CELL_STATES_MAX] = {0}, *u = NULL, *x = NULL, *bias = NULL;
    if (cell.lone != PX_NO_GATE) {
        u = t->z_hh[i] + cell.lone * h + t->first;
        x = t->x[i] + cell.lone * h + t->first;
        bias = t->bias + cell.lone * h + t->first;
    }
    for (int s = 0; s < cell.states; s++) {
        before[s] = t->before[s][i] + t->first;
        now[s] = t->now[s][i] + t->first;
    }
#pragma omp simd
    for (long j = 0; j < t->units; j++) {
        px_cell_unit c;
        PX_UNROLL_ALL
        for (int g = 0; g < cell.gates; g++) c.z[g] = g == cell.lone ? x[j] + bias[j] : z[g * h + j];
        if (cell.lone != PX_NO_GATE) c.u = u[j];
        PX_UNROLL_ALL
        for (int s = 0; s < cell.states; s++) c.before[s] = before[s][j];
        cell.forward(&c);
        PX_UNROLL_ALL
        for (int g = 0; g < cell.gates; g++) z[g * h + j] = c.z[g];
        PX_UNROLL_ALL
        for (int s = 0; s < cell.states; s++) now[s][j] = c.now[s];
    }
}

/* with_db is a constant: sums of the bias's gradient, or none. */
INLINE void backward_row(const cell_shape cell, const px_cell_rows *t, long i, const int with_db)
{
    const long h = t->h;
    float *z = t->z[i] + t->first, *z_hh = cell.lone != PX_NO_GATE ? t->z_hh[i] + t->first : NULL;
    float *db = with_db ? t->db + t->first : NULL,
          *db_lone = with_db && cell.lone != PX_NO_GATE ? t->db_lone + t->first : NULL;
    const float *d = t->d[i] + t->first, *returned[PX_CELL_STATES_MAX] = {0};
    const float *before[PX_CELL_STATES_MAX] = {0}, *now[PX_CELL_STATES_MAX] = {t->now[0][i] + t->first};
    float *returns[PX_CELL_STATES_MAX] = {0};
    for (int s = 0; cell.keeps && s < cell.states; s++) {
        before[s] = t->before[s][i] + t->first;
        now[s] = t->now[s][i] + t->first;
        returned[s] = t->returned[s][i] + t->first;
        returns[s] = t->returns[s][i] + t->first;
    }
#pragma omp simd
    for (long j = 0; j < t->units; j++) {
        px_cell_unit c;
        PX_UNROLL_ALL
        for (int g = 0; g < cell.gates; g++) c.z[g] = cell.keeps ? z[g * h + j] : 0;
        if (cell.lone != PX_NO_GATE) c.u = z_hh[cell.lone * h + j];
        PX_UNROLL_ALL
        for (int s = 0; s < cell.states; s++) {
            c.before[s] = cell.keeps ? before[s][j] : 0;
            c.now[s] = now[s][j];
            c.d[s] = cell.keeps ? (s == 0 ? d[j] + returned[0][j] : returned[s][j]) : d[j];
        }
        cell.backward(&c);
        PX_UNROLL_ALL
        for (int g = 0; g < cell.gates; g++) {
            z[g * h + j] = c.z[g];
            if (cell.lone != PX_NO_GATE) z_hh[g * h + j] = g == cell.lone ? c.u : c.z[g];
            if (with_db) db[g * h + j] += c.z[g];
        }
        if (with_db && cell.lone != PX_NO_GATE) db_lone[j] += c.u;
        PX_UNROLL_ALL
        for (int s = 0; s < cell.states; s++)
            if (cell.keeps) returns[s][j] = c.d[s];
    }
}

#define CELL(NAME, name, label, torch, gates, states, keeps, lone, ones)                                               \
    static const cell_shape name##_shape = {                                                                           \
        gates, states, keeps, lone, px_cell_##name##_forward, px_cell_##name##_backward};                              \
    void PX_ISA_NAME(name##_forward)(const px_cell_rows *t)                                                            \
    {                                                                                                                  \
        for (long i = 0; i < t->rows; i++) forward_row(name##_shape, t, i);                                            \
    }                                                                                                                  \
    void PX_ISA_NAME(name##_backward)(const px_cell_rows *t)                                                           \
    {                                                                                                                  \
        if (t->db)                                                                                                     \
            for (long i = 0; i < t->rows; i++) backward_row(name##_shape, t, i, 1);                                    \
        else                                                                                                           \
            for (long i = 0; i < t->rows; i++) backward_row(name##_shape, t, i, 0);                                    \
    }
PX_CELLS(CELL)
