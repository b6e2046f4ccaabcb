/* What ends a tile of the recurrence, cell by cell: the nonlinearity forward, its derivative backward. The equations are those of
 * host/model/cell_*.h in vectors (isa_pointwise.c). */
#include "cpu.h"

#include "cell_relu.h"
#include "cell_tanh.h"

static void tanh_forward(const px_cpu_cell_tile *t)
{
    for (long i = 0; i < t->rows; i++) t->isa->tanh_row(t->z[i] + t->first, t->units);
}

static void tanh_backward(const px_cpu_cell_tile *t)
{
    float *db = t->db ? t->db + t->first : NULL;
    for (long i = 0; i < t->rows; i++) t->isa->tanh_backward(t->z[i] + t->first, t->h[i] + t->first, db, t->units);
}

static void relu_forward(const px_cpu_cell_tile *t)
{
    for (long i = 0; i < t->rows; i++) t->isa->relu_row(t->z[i] + t->first, t->units);
}

static void relu_backward(const px_cpu_cell_tile *t)
{
    float *db = t->db ? t->db + t->first : NULL;
    for (long i = 0; i < t->rows; i++) t->isa->relu_backward(t->z[i] + t->first, t->h[i] + t->first, db, t->units);
}

const px_cpu_cell *px_cpu_cell_of(px_nonlinearity nonlinearity)
{
    static const px_cpu_cell cells[] = {
        [PX_TANH] = {PX_CELL_TANH_GATES, tanh_forward, tanh_backward},
        [PX_RELU] = {PX_CELL_RELU_GATES, relu_forward, relu_backward},
    };
    return &cells[nonlinearity];
}
