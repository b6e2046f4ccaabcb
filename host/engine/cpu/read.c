/* Reading the weights and nothing else: what evaluation and decoding are held against (px_engine_read_weights).
 *
 * The packed weights are read where they lie, by the threads that multiply by them, W_hh in the parts and groups of
 * panels that a step of the recurrence takes. A pass there is followed by a pass back: what was read last is then still
 * in a nearer cache, and no order is faster. */
#include "cpu.h"
#include "machine.h"

enum { MATRICES_MAX = 2 * PX_MAX_LAYERS + 3 + 2 * PX_CUTOFFS_MAX };

/* What the parts of the team share. */
typedef struct reading {
    px_cpu *cpu;
    px_cpu_matrix *matrix[MATRICES_MAX]; /* in the order of a step */
    int count;
    int32_t passes;
    double begin, end;
} reading;

static void add_matrix(reading *r, px_cpu_matrix *matrix)
{
    if (!matrix->tensor) return;
    px_cpu_ready(r->cpu, matrix, 0);
    r->matrix[r->count++] = matrix;
}

static void add_all(reading *r)
{
    px_cpu *cpu = r->cpu;
    for (int l = 0; l < cpu->base.model.layers; l++) {
        add_matrix(r, &cpu->layer[l].w_xh);
        add_matrix(r, &cpu->layer[l].w_hh);
    }
    add_matrix(r, &cpu->projection);
    add_matrix(r, &cpu->output);
    add_matrix(r, &cpu->adaptive.head);
    for (int32_t i = 0; i < cpu->base.model.cutoffs.count; i++) {
        add_matrix(r, &cpu->adaptive.tail_in[i]);
        add_matrix(r, &cpu->adaptive.tail_out[i]);
    }
}

static size_t packed_floats(const px_cpu *cpu, const px_cpu_matrix *matrix)
{
    return (size_t)matrix->gates *
           px_panels_floats(cpu->isa, matrix->tensor->cols, matrix->tensor->rows / matrix->gates);
}

/* The i-th of `count` things on the way there, or on the way back. */
static long on_the_way(long i, long count, int back) { return back ? count - 1 - i : i; }

/* A part's panels of W_hh, gate by gate within a group, as the recurrence reads them. */
static void read_recurrent(const px_cpu *cpu, const px_cpu_matrix *matrix, int part, int back)
{
    const long panel = cpu->isa->panel, h = cpu->base.model.hidden;
    long begin, end;
    px_share((h + panel - 1) / panel, part, cpu->parts, &begin, &end);
    const long groups = (end - begin + PX_CPU_GROUP - 1) / PX_CPU_GROUP;
    for (long i = 0; i < groups; i++) {
        const long first = begin + on_the_way(i, groups, back) * PX_CPU_GROUP;
        const long panels = first + PX_CPU_GROUP < end ? PX_CPU_GROUP : end - first;
        for (int gate = 0; gate < matrix->gates; gate++) {
            const px_panels w = px_cpu_gate_panels(cpu, matrix, (int)on_the_way(gate, matrix->gates, back));
            cpu->isa->read(w.data + first * panel * w.k, panels * panel * w.k);
        }
    }
}

/* An even share of another matrix, whose pieces any thread may take. */
static void read_share(const px_cpu *cpu, const px_cpu_matrix *matrix, int part, int back)
{
    enum { BLOCK_ROWS = 1024 }; /* rows of a panel: 64 KB with AVX2 */
    const long panel = cpu->isa->panel;
    long begin, end;
    px_share((long)packed_floats(cpu, matrix) / panel, part, cpu->parts, &begin, &end);
    const long blocks = (end - begin + BLOCK_ROWS - 1) / BLOCK_ROWS;
    for (long i = 0; i < blocks; i++) {
        const long first = begin + on_the_way(i, blocks, back) * BLOCK_ROWS;
        const long rows = first + BLOCK_ROWS < end ? BLOCK_ROWS : end - first;
        cpu->isa->read(matrix->forward.data + first * panel, rows * panel);
    }
}

static int is_recurrent(const px_cpu *cpu, const px_cpu_matrix *matrix)
{
    for (int l = 0; l < cpu->base.model.layers; l++)
        if (matrix == &cpu->layer[l].w_hh) return 1;
    return 0;
}

static void read_part(void *context, int thread, long part, long part_end)
{
    reading *r = context;
    px_cpu *cpu = r->cpu;
    (void)thread, (void)part_end;
    px_team_meet(cpu->team, cpu->meeting, (unsigned)cpu->parts);
    if (part == 0) r->begin = px_clock();
    for (int32_t pass = 0; pass < r->passes; pass++) {
        const int back = pass % 2;
        for (int i = 0; i < r->count; i++) {
            const px_cpu_matrix *matrix = r->matrix[on_the_way(i, r->count, back)];
            (is_recurrent(cpu, matrix) ? read_recurrent : read_share)(cpu, matrix, (int)part, back);
        }
    }
    px_team_meet(cpu->team, cpu->meeting, (unsigned)cpu->parts);
    if (part == 0) r->end = px_clock();
}

void px_cpu_read_weights(px_cpu *cpu, px_weights which, int32_t passes, px_weight_reading *result)
{
    reading r = {.cpu = cpu, .passes = passes};
    if (which == PX_WEIGHTS_RECURRENT)
        add_matrix(&r, &cpu->layer[0].w_hh);
    else
        add_all(&r);
    px_team_together(cpu->team, cpu->parts, read_part, &r);
    size_t floats = 0;
    for (int i = 0; i < r.count; i++) floats += packed_floats(cpu, r.matrix[i]);
    *result = (px_weight_reading){.seconds = r.end - r.begin, .bytes = (double)(floats * sizeof(float)) * passes};
}
