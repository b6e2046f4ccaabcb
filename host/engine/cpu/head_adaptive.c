/* The output layer `adaptive` of the CPU engine (host/model/output_layer.h): a softmax over the shortlist and the
 * clusters for every row, and one inside its cluster for each row whose target is not in the shortlist.
 *
 * Rows are sorted by cluster, those of one in their order, gathered, and go through the products of everything else;
 * their gradients are scattered back. Every sum has one order, which the targets of the window alone decide. */
#include "head.h"

#include <string.h>

/* order: the rows of cluster 0, then those of cluster 1, ...; a counting sort. */
static void sort_rows(px_cpu *cpu, const px_cpu_window *window)
{
    px_cpu_adaptive *a = &cpu->adaptive;
    const px_cutoffs *cutoffs = &cpu->base.model.cutoffs;
    const int32_t *targets = window->batch->targets;
    long next[PX_CUTOFFS_MAX + 1] = {0};
    memset(a->begin, 0, sizeof a->begin);
    for (long row = 0; row < window->rows; row++) {
        const int32_t i = px_cutoffs_find(cutoffs, targets[row]);
        a->head_targets[row] = i < 0 ? targets[row] : cutoffs->at[0] + i; /* -1 stays -1 */
        if (i >= 0) a->begin[i + 1]++;
    }
    for (int32_t i = 0; i < cutoffs->count; i++) next[i + 1] = a->begin[i + 1] += a->begin[i];
    for (long row = 0; row < window->rows; row++) {
        const int32_t i = px_cutoffs_find(cutoffs, targets[row]);
        if (i < 0) continue;
        a->targets[next[i]] = targets[row] - cutoffs->at[i];
        a->order[next[i]++] = (int32_t)row;
    }
}

/* ---- rows on their way into a cluster and back ----------------------------------------------------------------------
 */

typedef struct moved_rows {
    const px_isa *isa;
    const int32_t *order; /* row r of the cluster is row order[r] of the window */
    long h;
    const float *from;
    float *to;
} moved_rows;

static void gather_some(void *context, int thread, long begin, long end)
{
    const moved_rows *m = context;
    (void)thread;
    for (long r = begin; r < end; r++)
        memcpy(m->to + r * m->h, m->from + m->order[r] * m->h, sizeof(float) * (size_t)m->h);
}

static void scatter_some(void *context, int thread, long begin, long end)
{
    const moved_rows *m = context;
    (void)thread;
    for (long r = begin; r < end; r++) m->isa->add(m->to + m->order[r] * m->h, m->from + r * m->h, m->h);
}

static void move_rows(px_cpu *cpu, int32_t i, long rows, const float *from, float *to, px_team_body body)
{
    const px_cpu_adaptive *a = &cpu->adaptive;
    moved_rows m = {cpu->isa, a->order + a->begin[i], cpu->base.model.hidden, from, to};
    px_cpu_for_rows(cpu, rows, m.h, body, &m);
}

static long rows_of(const px_cpu *cpu, int32_t i) { return cpu->adaptive.begin[i + 1] - cpu->adaptive.begin[i]; }

/* ---- training and losses --------------------------------------------------------------------------------------------
 */

/* The logits of rows [first, ...) of what a matrix reads, as many as fit into a chunk; returns how many. */
static long chunk(px_cpu *cpu, px_cpu_matrix *matrix, const float *x, long first, long rows_in_all)
{
    const long most = px_cpu_chunk_rows(cpu, matrix->tensor->rows);
    const long rows = rows_in_all - first < most ? rows_in_all - first : most;
    px_cpu_forward_product(cpu, matrix, rows, x + first * matrix->tensor->cols, NULL, cpu->logits);
    return rows;
}

/* What the head should give for rows from `first` on. */
static px_cpu_logits head_logits(px_cpu *cpu, long first)
{
    const px_cpu_adaptive *a = &cpu->adaptive;
    return (px_cpu_logits){cpu, cpu->logits, a->head.tensor->rows, a->head_targets + first, cpu->nll + first, NULL};
}

/* The same in cluster i, from its row `first` on. */
static px_cpu_logits cluster_logits(px_cpu *cpu, int32_t i, long first)
{
    const px_cpu_adaptive *a = &cpu->adaptive;
    const long at = a->begin[i] + first;
    return (px_cpu_logits){cpu, cpu->logits, a->tail_out[i].tensor->rows, a->targets + at, cpu->nll, a->order + at};
}

/* dW_head += dA^T H, d_top = dA W_head. */
static void train_head(px_cpu *cpu, const px_cpu_window *window, const float *top, float *d_top)
{
    px_cpu_matrix *head = &cpu->adaptive.head;
    for (long first = 0, rows; first < window->rows; first += rows) {
        rows = chunk(cpu, head, top, first, window->rows);
        const px_cpu_logits logits = head_logits(cpu, first);
        px_cpu_logits_gradient(&logits, rows, (float)window->batch->inv_count);
        px_cpu_weight_gradient_of_layer(cpu, window, head, rows, cpu->logits, cpu->base.model.layers - 1, first);
        px_cpu_data_gradient(cpu, head, rows, cpu->logits, d_top + first * head->tensor->cols);
    }
}

/* T = H D^T, O = T U^T; dU += dO^T T, dT = dO U, dD += dT^T H, d_top += dT D; over the rows of cluster i. */
static void train_cluster(px_cpu *cpu, const px_cpu_window *window, int32_t i, const float *top, float *d_top)
{
    px_cpu_adaptive *a = &cpu->adaptive;
    px_cpu_matrix *in = &a->tail_in[i], *out = &a->tail_out[i];
    const long rows = rows_of(cpu, i), width = out->tensor->cols;
    move_rows(cpu, i, rows, top, a->gathered, gather_some);
    px_cpu_forward_product(cpu, in, rows, a->gathered, NULL, a->t);
    for (long first = 0, some; first < rows; first += some) {
        some = chunk(cpu, out, a->t, first, rows);
        const px_cpu_logits logits = cluster_logits(cpu, i, first);
        px_cpu_logits_gradient(&logits, some, (float)window->batch->inv_count);
        px_cpu_weight_gradient(cpu, out, some, cpu->logits, a->t + first * width);
        px_cpu_data_gradient(cpu, out, some, cpu->logits, a->dt + first * width);
    }
    px_cpu_weight_gradient(cpu, in, rows, a->dt, a->gathered);
    px_cpu_data_gradient(cpu, in, rows, a->dt, a->gathered); /* what was gathered has been read */
    move_rows(cpu, i, rows, a->gathered, d_top, scatter_some);
}

static void train(px_cpu *cpu, const px_cpu_window *window, float *d_top)
{
    const float *top = px_cpu_layer_output(cpu, window, cpu->base.model.layers - 1);
    sort_rows(cpu, window);
    train_head(cpu, window, top, d_top);
    for (int32_t i = 0; i < cpu->base.model.cutoffs.count; i++)
        if (rows_of(cpu, i) > 0) train_cluster(cpu, window, i, top, d_top);
}

static void cluster_losses(px_cpu *cpu, int32_t i, const float *top)
{
    px_cpu_adaptive *a = &cpu->adaptive;
    const long rows = rows_of(cpu, i);
    move_rows(cpu, i, rows, top, a->gathered, gather_some);
    px_cpu_forward_product(cpu, &a->tail_in[i], rows, a->gathered, NULL, a->t);
    for (long first = 0, some; first < rows; first += some) {
        some = chunk(cpu, &a->tail_out[i], a->t, first, rows);
        const px_cpu_logits logits = cluster_logits(cpu, i, first);
        px_cpu_logits_losses(&logits, some);
    }
}

static void losses(px_cpu *cpu, const px_cpu_window *window)
{
    const float *top = px_cpu_layer_output(cpu, window, cpu->base.model.layers - 1);
    sort_rows(cpu, window);
    for (long first = 0, rows; first < window->rows; first += rows) {
        rows = chunk(cpu, &cpu->adaptive.head, top, first, window->rows);
        const px_cpu_logits logits = head_logits(cpu, first);
        px_cpu_logits_losses(&logits, rows);
    }
    for (int32_t i = 0; i < cpu->base.model.cutoffs.count; i++)
        if (rows_of(cpu, i) > 0) cluster_losses(cpu, i, top);
}

/* ---- probabilities of every token -----------------------------------------------------------------------------------
 */

/* Rows of p [rows,V] and of the head's probabilities [rows, c_0 + K]. */
typedef struct probability_rows {
    const px_cpu *cpu;
    float *p;
    px_cluster cluster; /* clusters alone */
    int32_t head_row;
} probability_rows;

/* The head's probabilities, and p of the shortlist. */
static void head_of_some(void *context, int thread, long begin, long end)
{
    const probability_rows *c = context;
    const px_cpu *cpu = c->cpu;
    const long width = cpu->adaptive.head.tensor->rows;
    (void)thread;
    for (long r = begin; r < end; r++) {
        float *head = cpu->logits + r * width;
        cpu->isa->softmax(head, width);
        memcpy(c->p + r * cpu->base.model.vocab, head, sizeof(float) * (size_t)cpu->base.model.cutoffs.at[0]);
    }
}

/* p of a cluster, whose logits stand there: its share times what each token has of it. */
static void cluster_of_some(void *context, int thread, long begin, long end)
{
    const probability_rows *c = context;
    const px_cpu *cpu = c->cpu;
    const long width = cpu->adaptive.head.tensor->rows, count = c->cluster.end - c->cluster.begin;
    (void)thread;
    for (long r = begin; r < end; r++) {
        float *p = c->p + r * cpu->base.model.vocab + c->cluster.begin;
        const float share = cpu->logits[r * width + c->head_row];
        cpu->isa->softmax(p, count);
        for (long v = 0; v < count; v++) p[v] *= share;
    }
}

static void cluster_probabilities(px_cpu *cpu, int32_t i, long rows, const float *top, float *p)
{
    px_cpu_adaptive *a = &cpu->adaptive;
    const px_model_config *model = &cpu->base.model;
    px_cpu_matrix *out = &a->tail_out[i];
    probability_rows shared = {cpu, p, px_cutoffs_cluster(&model->cutoffs, model->vocab, model->hidden, i),
                               model->cutoffs.at[0] + i};
    px_cpu_forward_product(cpu, &a->tail_in[i], rows, top, NULL, a->t);
    px_cpu_ready(cpu, out, 0);
    px_product_panels(&cpu->product, rows, a->t, (size_t)out->tensor->cols, &out->forward, NULL, 0,
                      p + shared.cluster.begin, (size_t)model->vocab);
    px_cpu_for_rows(cpu, rows, out->tensor->rows, cluster_of_some, &shared);
}

static void probabilities(px_cpu *cpu, const px_cpu_window *window, float *p)
{
    const float *top = px_cpu_layer_output(cpu, window, cpu->base.model.layers - 1);
    const long V = cpu->base.model.vocab, h = cpu->base.model.hidden;
    for (long first = 0, rows; first < window->rows; first += rows, p += rows * V) {
        rows = chunk(cpu, &cpu->adaptive.head, top, first, window->rows);
        probability_rows shared = {.cpu = cpu, .p = p};
        px_cpu_for_rows(cpu, rows, cpu->adaptive.head.tensor->rows, head_of_some, &shared);
        for (int32_t i = 0; i < cpu->base.model.cutoffs.count; i++)
            cluster_probabilities(cpu, i, rows, top + first * h, p);
    }
}

const px_cpu_head px_cpu_head_adaptive = {train, losses, probabilities};
