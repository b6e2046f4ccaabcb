/* FLOPs and bytes of a step, counted from the shape (count.h; rules in bench/README.md).
 *
 * Every product of [m,k] by [k,n] is 2 m n k operations; nothing else is counted. Bytes are compulsory traffic of fp32
 * tensors: what each phase must read and write at least once if nothing survives in a cache from one phase to the next,
 * and everything survives within a phase. */
#include "count.h"

#include <string.h>

typedef struct sizes {
    double n, T, rows, d, h, L, V;
    double g, states, kept; /* G h; S; what the cell keeps of its gates, G h or 0 */
    int tied, projected;
    double parameters, output;       /* in all; of the output layer, biases included */
    double head_flops, head_weights; /* products of one token in the output layer, forward; weights that they read */
    double logits;                   /* of one token */
} sizes;

/* The output layer: the projection where there is one, and W_hq. */
static void count_softmax(sizes *s)
{
    const double width = s->tied ? s->d : s->h, projection = s->projected ? s->h * s->d : 0;
    s->head_weights = width * s->V + projection;
    s->head_flops = 2 * s->head_weights;
    s->logits = s->V;
    s->output = (s->tied ? 0 : s->h * s->V) + projection + s->V;
}

/* An adaptive one: the head for every token, a cluster for its share of them (NULL: for all). */
static void count_adaptive(sizes *s, const px_model_config *model, const double *share)
{
    s->head_weights = s->h * px_cutoffs_head_rows(&model->cutoffs);
    s->head_flops = 2 * s->head_weights;
    s->logits = px_cutoffs_head_rows(&model->cutoffs);
    for (int32_t i = 0; i < model->cutoffs.count; i++) {
        const px_cluster cluster = px_cutoffs_cluster(&model->cutoffs, model->vocab, model->hidden, i);
        const double weights = cluster.width * (s->h + cluster.end - cluster.begin), part = share ? share[i] : 1;
        s->head_weights += weights;
        s->head_flops += 2 * weights * part;
        s->logits += (cluster.end - cluster.begin) * part;
    }
    s->output = s->head_weights;
}

static sizes sizes_of(const px_model_config *model, const double *share, int32_t n, int32_t T)
{
    sizes s = {.n = n,
               .T = T,
               .rows = (double)n * T,
               .d = model->embed,
               .h = model->hidden,
               .L = model->layers,
               .V = model->vocab,
               .tied = model->tied != 0};
    const px_cell_info *cell = px_cell_of(model->cell);
    s.g = cell->gates * s.h;
    s.states = cell->states;
    s.kept = cell->keeps ? s.g : 0;
    s.projected = s.tied && model->embed != model->hidden;
    if (model->output == PX_OUTPUT_ADAPTIVE)
        count_adaptive(&s, model, share);
    else
        count_softmax(&s);
    double input = s.d > 0 ? s.d : s.V;
    s.parameters = (s.d > 0 ? s.V * s.d : 0) + input * s.g + s.g * s.h + s.g /* table, layer 0 */
                   + (s.L - 1) * (2 * s.g * s.h + s.g)                       /* layers above */
                   + (cell->lone != PX_NO_GATE ? s.L * s.h : 0) + s.output;
    return s;
}

/* Rows of the table or of W_xh that a token fetches. */
static double input_width(const sizes *s) { return s->d > 0 ? s->d : s->g; }

static void count_forward(const sizes *s, px_work_count *c)
{
    double rows = s->rows, gh = s->g * s->h;
    c->tokens = rows;
    /* embed: X_t W_xh of the lowest layer; a one-hot input is a row, no product */
    c->phase_flops[PX_PHASE_EMBED] = s->d > 0 ? rows * 2 * s->d * s->g : 0;
    c->phase_bytes[PX_PHASE_EMBED] = 4 * (rows + rows * input_width(s) + rows * s->g + (s->d > 0 ? s->d * s->g : 0));
    /* recurrence: H_{t-1} W_hh for every layer, the input products of the layers above the lowest */
    c->phase_flops[PX_PHASE_RECURRENCE_FORWARD] = rows * (s->L * 2 * gh + (s->L - 1) * 2 * gh);
    c->phase_bytes[PX_PHASE_RECURRENCE_FORWARD] =
        4 * (s->L * (gh + rows * (s->g + s->kept + s->states * s->h)) + (s->L - 1) * (gh + rows * (s->h + s->g)));
    /* head */
    c->phase_flops[PX_PHASE_HEAD] = rows * s->head_flops;
    c->phase_bytes[PX_PHASE_HEAD] = 4 * (s->head_weights + rows * s->h + 2 * rows);
    c->dependent_steps = s->L * s->T;
}

static void count_weights(const sizes *s, px_work_count *c)
{
    const double matrix = 4 * s->g * s->h;
    c->model_recurrent_bytes = (2 * s->L - 1) * matrix;
    c->model_bytes = c->model_recurrent_bytes + 4 * (s->d * s->g + s->head_weights);
    c->loop_passes = s->L * (s->T - 1);
    c->loop_bytes = c->loop_passes > 0 ? matrix : 0;
}

double px_count_weight_bytes(const px_work_count *count)
{
    return count->model_bytes + count->loop_passes * count->loop_bytes;
}

static void total(px_work_count *c)
{
    c->flops = c->bytes = 0;
    for (int phase = 0; phase < PX_PHASE_COUNT; phase++) {
        c->flops += c->phase_flops[phase];
        c->bytes += c->phase_bytes[phase];
    }
}

void px_count_evaluate(const px_model_config *model, const double *share, int32_t n, int32_t T, px_work_count *count)
{
    sizes s = sizes_of(model, share, n, T);
    memset(count, 0, sizeof *count);
    count_forward(&s, count);
    count_weights(&s, count);
    total(count);
}

void px_count_decode(const px_model_config *model, int32_t n, px_work_count *count)
{
    sizes s = sizes_of(model, NULL, n, 1); /* probabilities of all tokens: every cluster */
    memset(count, 0, sizeof *count);
    count_forward(&s, count);
    count_weights(&s, count);
    count->phase_bytes[PX_PHASE_HEAD] += 4 * s.rows * s.V; /* the probabilities are handed out */
    total(count);
}

/* Bytes of the update per parameter: the norm reads the gradient; the step reads gradient and weight, writes the weight
 * and clears the gradient; a moment is read and written. */
static double update_bytes(const px_optimizer_config *optimizer)
{
    const px_optimizer_row *row = px_optimizer_of(optimizer->kind);
    return 4 * (5 + 2 * (row->moment1 + row->moment2));
}

void px_count_train(const px_model_config *model, const double *share, const px_optimizer_config *optimizer, int32_t n,
                    int32_t T, px_work_count *count)
{
    sizes s = sizes_of(model, share, n, T);
    double rows = s.rows, gh = s.g * s.h;
    memset(count, 0, sizeof *count);
    count_forward(&s, count);
    double *flops = count->phase_flops, *bytes = count->phase_bytes;
    /* head: dH and dW beside the forward product; the weights are read twice, their gradient is added to, dH is written
     */
    flops[PX_PHASE_HEAD] *= 3;
    bytes[PX_PHASE_HEAD] = 4 * (2 * s.head_weights + 2 * s.head_weights + 2 * rows * s.h + rows * s.h + 2 * rows);
    /* recurrence backward: dZ_{t+1} W_hh' for T - 1 steps (gradients stop at the window's start), dW_hh over all rows;
     * the layers above the lowest also dX and dW_xh */
    flops[PX_PHASE_RECURRENCE_BACKWARD] = s.L * (s.n * (s.T - 1) * 2 * gh + rows * 2 * gh) + (s.L - 1) * rows * 4 * gh;
    bytes[PX_PHASE_RECURRENCE_BACKWARD] = 4 * (s.L * (3 * gh + rows * ((2 + s.states) * s.h + 2 * s.g + s.kept)) +
                                               (s.L - 1) * (3 * gh + rows * (s.h + s.g)));
    /* embed backward: with a table dX and dW_xh, then rows added to the table's gradient; one-hot rows of dW_xh */
    flops[PX_PHASE_EMBED_BACKWARD] = s.d > 0 ? rows * 4 * s.d * s.g : 0;
    bytes[PX_PHASE_EMBED_BACKWARD] =
        4 * (rows * s.g + 2 * rows * input_width(&s) + (s.d > 0 ? 3 * s.d * s.g + rows * s.d : 0));
    bytes[PX_PHASE_UPDATE] = s.parameters * update_bytes(optimizer);
    count->dependent_steps = s.L * (2 * s.T - 1);
    total(count);
}

void px_count_logits(const px_model_config *model, const double *share, int training, int bytes, px_work_count *count)
{
    if (count->phase_bytes[PX_PHASE_HEAD] == 0) return;
    const sizes s = sizes_of(model, share, 1, 1);
    count->phase_bytes[PX_PHASE_HEAD] += count->tokens * s.logits * bytes * (training ? 5 : 2);
    total(count);
}

void px_count_phase(const px_model_config *model, const double *share, const px_optimizer_config *optimizer, int32_t n,
                    int32_t T, px_phase phase, px_work_count *count)
{
    px_work_count whole;
    px_count_train(model, share, optimizer, n, T, &whole);
    *count = (px_work_count){.tokens = whole.tokens};
    count->phase_flops[phase] = whole.phase_flops[phase];
    count->phase_bytes[phase] = whole.phase_bytes[phase];
    if (phase == PX_PHASE_RECURRENCE_FORWARD) count->dependent_steps = (double)model->layers * T;
    if (phase == PX_PHASE_RECURRENCE_BACKWARD) count->dependent_steps = (double)model->layers * (T - 1);
    total(count);
}

void px_count_data(int32_t n, int32_t T, px_work_count *count)
{
    *count = (px_work_count){.tokens = (double)n * T, .bytes = (double)n * T * (4 + 4 + 4 + 1)};
}
