/* Recurrence phase of the CPU engine: the cells of all steps, forward and back through time.
 *
 * W_hh is packed once per window into column panels. Each thread owns its streams, or its panels of some streams, for
 * the whole window; the input term and the bias end the tile's sum, the cell (isa_cells.c) follows while the tiles of
 * its gates are in the first-level cache. Threads that share streams meet at a barrier per step. Rows under a reset
 * read zeros instead of the state. */
#include "cpu.h"
#include "philox.h"

#include <string.h>

static int between_mask(const px_cpu *cpu, const px_cpu_window *window, int l, uint32_t *purpose, double *p)
{
    const int top = l == cpu->base.model.layers - 1;
    *purpose = top ? PX_RANDOM_DROPOUT_OUTPUT : PX_RANDOM_DROPOUT_BETWEEN;
    *p = top ? cpu->base.model.dropout_output : cpu->base.model.dropout_between;
    return window->training && *p > 0;
}

/* The layer number in a mask's counter: 0 for the top layer's output (philox.h). */
static uint32_t mask_layer(const px_cpu *cpu, int l) { return l == cpu->base.model.layers - 1 ? 0 : (uint32_t)l; }

const float *px_cpu_layer_output(const px_cpu *cpu, const px_cpu_window *window, int l)
{
    uint32_t purpose;
    double p;
    if (between_mask(cpu, window, l, &purpose, &p)) return cpu->layer[l].up;
    return cpu->layer[l].h + (size_t)window->n * (size_t)cpu->base.model.hidden;
}

float *px_cpu_input_term(const px_cpu *cpu, const px_cpu_window *window, int l)
{
    const px_cpu_layer *layer = &cpu->layer[l];
    return layer->z ? layer->z : layer->h + (size_t)window->n * (size_t)cpu->base.model.hidden;
}

/* W_hh in panels, forward and (training) backward; under weight dropout the masked weights, which hold for this window
 * alone. */
static void pack_recurrent(px_cpu *cpu, const px_cpu_window *window, int l)
{
    px_cpu_matrix *w_hh = &cpu->layer[l].w_hh;
    if (window->training && cpu->base.model.dropout_weight > 0) {
        px_cpu_mask_weights(cpu, window, l, w_hh->w, cpu->masked_w);
        px_cpu_pack_matrix(cpu, w_hh, cpu->masked_w, 0);
        px_cpu_pack_matrix(cpu, w_hh, cpu->masked_w, 1);
        return;
    }
    px_cpu_ready(cpu, w_hh, 0);
    if (window->training) px_cpu_ready(cpu, w_hh, 1);
}

/* How a team cuts the recurrence: row parts times panel parts. Streams do not depend on each other, so row parts never
 * wait for one another; the threads of one row part wait at each step. */
typedef struct team_grid {
    int row_parts, panel_parts;
} team_grid;

/* As many row parts as leave each thread two tiles of rows, while the part of W_hh that a thread then reads at every
 * step stays in a cache. (On 2 cores with 512 KiB and 32 MiB caches two row parts were faster than two panel parts at h
 * = 256, 512 and 1024.) Threads that share rows wait for one another at every step: where one of late had no core,
 * nobody does. */
static team_grid cut_team(const px_cpu *cpu, long n, long panels)
{
    enum { CACHED_BYTES = 4 << 20 };
    const long h = cpu->base.model.hidden;
    const int parts = cpu->parts, together = !px_team_disturbed(cpu->team);
    team_grid grid = {1, !together ? 1 : parts < panels ? parts : (int)panels};
    for (int rows = 2; rows <= parts; rows++) {
        const int columns = together ? parts / rows : 1;
        if (parts % rows || columns > panels || n < (long)rows * 2 * cpu->isa->tile_rows) continue;
        if (!together || (size_t)h * (size_t)(cpu->gate_rows / columns) * sizeof(float) <= CACHED_BYTES)
            grid = (team_grid){rows, columns};
    }
    return grid;
}

/* What one thread of the team works on. */
typedef struct team_share {
    long row_begin, row_end, panel_begin, panel_end;
    px_cpu_rows rows; /* from its first row on */
} team_share;

/* Part `part` of a window that the team cuts so. */
static team_share share_of(const px_cpu *cpu, team_grid grid, int part, long n, long panels)
{
    const int row_part = part / grid.panel_parts;
    const size_t first = (size_t)part * px_cpu_row_pointers(cpu);
    team_share share = {.rows = cpu->rows};
    px_cpu_rows *rows = &share.rows;
    rows->a += first;
    rows->add += first;
    rows->out += first;
    rows->z += first;
    if (rows->z_hh) rows->z_hh += first;
    for (int s = 0; s < cpu->cell->states; s++) {
        rows->now[s] += first;
        if (!cpu->cell->keeps) continue;
        rows->before[s] += first;
        rows->returned[s] += first;
        rows->returns[s] += first;
    }
    px_share(n, row_part, grid.row_parts, &share.row_begin, &share.row_end);
    px_share(panels, part % grid.panel_parts, grid.panel_parts, &share.panel_begin, &share.panel_end);
    return share;
}

/* A few of a thread's panels, so that the activations find their tile near. */
typedef struct panel_group {
    long begin, end; /* panels */
    long first, columns;
    const float *next; /* the panel that is read after these, or NULL */
} panel_group;

/* The i-th group at step t; returns 0 where there is none. Every other step goes from the last group to the first: what
 * one step read last is still in the second-level cache when the next begins, where the whole of W_hh would not be (1
 * MiB at h = 512). */
static int group_of(const px_cpu *cpu, const team_share *share, const px_panels *panels, long t, long i,
                    panel_group *group)
{
    const long groups = (share->panel_end - share->panel_begin + PX_CPU_GROUP - 1) / PX_CPU_GROUP,
               width = cpu->isa->panel;
    if (i >= groups) return 0;
    const long step = t % 2 ? -PX_CPU_GROUP : PX_CPU_GROUP,
               begin = share->panel_begin + (t % 2 ? groups - 1 - i : i) * PX_CPU_GROUP;
    *group = (panel_group){.begin = begin,
                           .end = begin + PX_CPU_GROUP < share->panel_end ? begin + PX_CPU_GROUP : share->panel_end,
                           .first = begin * width};
    group->columns = (group->end * width < panels->n ? group->end * width : panels->n) - group->first;
    if (i + 1 < groups) group->next = panels->data + (begin + step) * width * panels->k;
    return 1;
}

/* Rows of the state in panels [begin, end) as the weight gradient wants them: copied while they are in the first-level
 * cache. first: the packed row of row[0]. */
static void pack_state(const px_cpu *cpu, px_cpu_layer *layer, float *const *row, long first, long rows, long begin,
                       long end)
{
    const long width = cpu->isa->panel, stride = width * layer->packed.k, whole = cpu->base.model.hidden / width;
    float *to = layer->packed.data + begin * stride + first * width;
    cpu->isa->pack_rows(row, rows, begin * width, (end < whole ? end : whole) - begin, to, (size_t)stride);
    if (end <= whole) return;
    to += (whole - begin) * stride;
    for (long i = 0; i < rows; i++)
        memcpy(to + i * width, row[i] + whole * width,
               sizeof(float) * (size_t)(cpu->base.model.hidden - whole * width));
}

/* Where state s of layer l is carried for this window's streams. */
static float *carried_state(const px_cpu *cpu, const px_cpu_window *window, int s, int l)
{
    const size_t h = (size_t)cpu->base.model.hidden, block = (size_t)s * (size_t)cpu->base.model.layers + (size_t)l;
    if (!window->training) return cpu->eval_states + block * (size_t)cpu->base.shape.n * h;
    const size_t first = (size_t)window->batch->group * (size_t)cpu->base.shape.n; /* where the group's streams begin */
    return cpu->states + (block * px_cpu_streams(cpu) + first) * h;
}

/* Row pointers of step t, forward. Without gates that are kept, the sum, z and H_t are one row. */
static void forward_rows(px_cpu *cpu, const px_cpu_window *window, int l, long t, const team_share *share)
{
    const px_cpu_rows *rows = &share->rows;
    const px_cpu_layer *layer = &cpu->layer[l];
    const long n = window->n, h = cpu->base.model.hidden, width = cpu->gate_rows;
    const int from_table = l == 0 && cpu->one_hot && !px_cpu_masks_tokens(cpu, window);
    const float *input = px_cpu_input_term(cpu, window, l), *before[PX_CELL_STATES_MAX] = {NULL};
    for (int s = 0; s < cpu->cell->states; s++)
        before[s] = t == 0 && !window->training ? carried_state(cpu, window, s, l) : layer->s[s] + t * n * h;
    for (long i = 0; i < share->row_end - share->row_begin; i++) {
        const long stream = share->row_begin + i, row = t * n + stream;
        const int reset = window->batch->reset[row];
        rows->a[i] = reset ? cpu->zeros : before[0] + stream * h;
        rows->z[i] = layer->z ? layer->z + row * width : layer->h + (row + n) * h;
        rows->add[i] =
            from_table ? cpu->one_hot + (size_t)window->batch->tokens[row] * (size_t)width : input + row * width;
        rows->now[0][i] = layer->h + (row + n) * h;
        if (layer->z_hh) rows->z_hh[i] = layer->z_hh + row * width;
        for (int s = 0; cpu->cell->keeps && s < cpu->cell->states; s++) {
            rows->before[s][i] = reset ? cpu->zeros : before[s] + stream * h;
            rows->now[s][i] = layer->s[s] + (row + n) * h;
        }
    }
}

static px_cell_rows cell_rows(const px_cpu *cpu, const px_cpu_rows *rows, long row_count, const panel_group *group)
{
    px_cell_rows cell = {.rows = row_count,
                         .first = group->first,
                         .units = group->columns,
                         .h = cpu->base.model.hidden,
                         .z = rows->z,
                         .z_hh = rows->z_hh};
    for (int s = 0; s < cpu->cell->states; s++) {
        cell.before[s] = rows->before[s];
        cell.now[s] = rows->now[s];
        cell.returned[s] = rows->returned[s];
        cell.returns[s] = rows->returns[s];
    }
    return cell;
}

/* All gates' products for a group of units. A lone gate's stands by itself, at its place in z_hh, with a bias of its
 * own. */
static void gate_products(px_cpu *cpu, const px_cpu_layer *layer, const px_cpu_rows *rows, long row_count,
                          const panel_group *group)
{
    const long h = cpu->base.model.hidden;
    for (int gate = 0; gate < cpu->cell->gates; gate++) {
        const px_panels panels = px_cpu_gate_panels(cpu, &layer->w_hh, gate);
        const int lone = gate == cpu->cell->lone, more = gate + 1 < cpu->cell->gates;
        const float *next =
            more ? px_cpu_gate_panels(cpu, &layer->w_hh, gate + 1).data + group->begin * cpu->isa->panel * panels.k
                 : group->next;
        px_rows_job job = {.a = rows->a,
                           .out = rows->z,
                           .add = rows->add,
                           .bias = layer->b,
                           .next = next,
                           .rows = row_count,
                           .column = gate * h};
        if (lone) {
            for (long i = 0; i < row_count; i++) rows->out[i] = rows->z_hh[i] + gate * h;
            job = (px_rows_job){.a = rows->a, .out = rows->out, .bias = layer->b_lone, .next = next, .rows = row_count};
        }
        px_rows_times_panels(cpu->isa, &job, &panels, group->begin, group->end);
    }
}

/* What other threads made of the states comes from their caches all at once, rather than line by line in the first
 * tile. */
static void fetch_states(const px_cpu *cpu, const px_cpu_rows *rows, long row_count)
{
    enum { LINE_FLOATS = 16 };
    for (long i = 0; i < row_count; i++)
        for (long k = 0; k < cpu->base.model.hidden; k += LINE_FLOATS) __builtin_prefetch(rows->a[i] + k);
}

/* One thread's share of step t: its panels of its rows. */
static void forward_step(px_cpu *cpu, const px_cpu_window *window, int l, long t, const team_share *share)
{
    const px_cpu_rows *rows = &share->rows;
    px_cpu_layer *layer = &cpu->layer[l];
    const long n = window->n, row_count = share->row_end - share->row_begin;
    const px_panels units =
        px_cpu_gate_panels(cpu, &layer->w_hh, 0); /* the groups are of units: every gate's panels of them together */
    panel_group group;
    forward_rows(cpu, window, l, t, share);
    if (row_count < 4) fetch_states(cpu, rows, row_count);
    for (long g = 0; group_of(cpu, share, &units, cpu->walked + t, g, &group); g++) {
        gate_products(cpu, layer, rows, row_count, &group);
        px_cell_rows cell = cell_rows(cpu, rows, row_count, &group);
        cell.x = rows->add;
        cell.bias = layer->b;
        cpu->isa->cell[cpu->base.model.cell].forward(&cell);
        if (window->training)
            pack_state(cpu, layer, rows->now[0], (t + 1) * n + share->row_begin, row_count, group.begin, group.end);
    }
}

/* The states before a window of training: row 0 of each, and of h's packed form. Evaluation reads them where they are
 * carried. */
static void begin_state(px_cpu *cpu, const px_cpu_window *window, int l)
{
    px_cpu_layer *layer = &cpu->layer[l];
    const long n = window->n, h = cpu->base.model.hidden;
    if (!window->training) return;
    for (int s = 0; s < cpu->cell->states; s++)
        memcpy(layer->s[s], carried_state(cpu, window, s, l), sizeof(float) * (size_t)(n * h));
    layer->packed.k = window->rows + n;
    layer->packed.n = h;
    for (long i = 0; i < n; i++) {
        float *row = layer->h + i * h;
        pack_state(cpu, layer, &row, i, 1, 0, (h + cpu->isa->panel - 1) / cpu->isa->panel);
    }
}

/* One layer's window as the parts of a team see it. */
typedef struct recurrence_run {
    px_cpu *cpu;
    const px_cpu_window *window;
    int l;
    team_grid grid;
    long panels;
    float *d; /* backward */
} recurrence_run;

/* Parts that share rows run at the same time; others are taken as threads have a core. */
static void hand_out(recurrence_run *run, px_team_body part)
{
    if (run->grid.panel_parts > 1)
        px_team_together(run->cpu->team, run->grid.row_parts * run->grid.panel_parts, part, run);
    else
        px_team_for(run->cpu->team, run->grid.row_parts, 1, part, run);
}

/* The threads of one row part wait for one another before the next step, if there is one. */
static void meet(const recurrence_run *run, long part, long last, long t)
{
    if (t != last)
        px_team_meet(run->cpu->team, &run->cpu->meeting[part / run->grid.panel_parts], (unsigned)run->grid.panel_parts);
}

static void forward_part(void *context, int thread, long begin, long end)
{
    const recurrence_run *run = context;
    (void)thread;
    for (long part = begin; part < end; part++) {
        const team_share share = share_of(run->cpu, run->grid, (int)part, run->window->n, run->panels);
        for (long t = 0; t < run->window->T; t++) {
            forward_step(run->cpu, run->window, run->l, t, &share);
            meet(run, part, run->window->T - 1, t);
        }
    }
}

void px_cpu_recurrence_forward(px_cpu *cpu, const px_cpu_window *window, int l)
{
    px_cpu_layer *layer = &cpu->layer[l];
    const long n = window->n, h = cpu->base.model.hidden, panels = (h + cpu->isa->panel - 1) / cpu->isa->panel;
    pack_recurrent(cpu, window, l);
    if (l > 0)
        px_cpu_forward_product(cpu, &layer->w_xh, window->rows, px_cpu_layer_output(cpu, window, l - 1), NULL,
                               px_cpu_input_term(cpu, window, l));
    begin_state(cpu, window, l);
    recurrence_run run = {.cpu = cpu, .window = window, .l = l, .grid = cut_team(cpu, n, panels), .panels = panels};
    hand_out(&run, forward_part);
    if (l == cpu->base.model.layers - 1) cpu->walked += (unsigned)window->T; /* decoding has windows of one step */
    for (int s = 0; s < cpu->cell->states && !window->decoding; s++)
        memcpy(carried_state(cpu, window, s, l), layer->s[s] + (size_t)window->rows * (size_t)h,
               sizeof(float) * (size_t)(n * h));
    uint32_t purpose;
    double p;
    if (between_mask(cpu, window, l, &purpose, &p))
        px_cpu_mask_rows(cpu, window, purpose, mask_layer(cpu, l), p, h, layer->h + n * h, layer->up);
}

/* Row pointers of step t, backward. Without gates that are kept, dz takes the place of d. */
static void backward_rows(px_cpu *cpu, const px_cpu_window *window, int l, long t, float *d, const team_share *share)
{
    const px_cpu_rows *rows = &share->rows;
    const px_cpu_layer *layer = &cpu->layer[l];
    const long n = window->n, h = cpu->base.model.hidden, width = cpu->gate_rows;
    float *dz = layer->z ? layer->z : d, *dz_hh = layer->z_hh ? layer->z_hh : dz;
    for (long i = 0; i < share->row_end - share->row_begin; i++) {
        const long stream = share->row_begin + i, row = t * n + stream;
        const int last = t == window->T - 1 || window->batch->reset[row + n]; /* nothing returns */
        rows->a[i] = last ? cpu->zeros : dz_hh + (row + n) * width;
        rows->out[i] = d + row * h;
        rows->z[i] = dz + row * width;
        rows->now[0][i] = layer->h + (row + n) * h;
        if (layer->z_hh) rows->z_hh[i] = dz_hh + row * width;
        for (int s = 0; cpu->cell->keeps && s < cpu->cell->states; s++) {
            rows->before[s][i] = window->batch->reset[row] ? cpu->zeros : layer->s[s] + row * h;
            rows->now[s][i] = layer->s[s] + (row + n) * h;
            rows->returns[s][i] = cpu->returned[s] + stream * h;
            rows->returned[s][i] = last ? cpu->zeros : rows->returns[s][i];
        }
    }
}

/* One thread's share of step t, backward: dh_t = d_t + dz_hh_{t+1} W_hh, and the cell, on its panels of its rows; db [G
 * h] += dz_t where with_db. */
static void backward_step(px_cpu *cpu, const px_cpu_window *window, int l, long t, float *d, const team_share *share,
                          int with_db)
{
    const px_cpu_layer *layer = &cpu->layer[l];
    const px_cpu_rows *rows = &share->rows;
    const px_panels *panels = &layer->w_hh.backward;
    const long row_count = share->row_end - share->row_begin;
    panel_group group;
    backward_rows(cpu, window, l, t, d, share);
    for (long g = 0; group_of(cpu, share, panels, t, g, &group); g++) {
        const px_rows_job job = {.a = rows->a,
                                 .out = rows->out,
                                 .add = (const float *const *)rows->out,
                                 .next = group.next,
                                 .rows = row_count};
        if (t < window->T - 1) px_rows_times_panels(cpu->isa, &job, panels, group.begin, group.end);
        px_cell_rows cell = cell_rows(cpu, rows, row_count, &group);
        cell.d = (const float *const *)rows->out;
        cell.db = with_db ? layer->db : NULL;
        cell.db_lone = with_db ? layer->db_lone : NULL;
        cpu->isa->cell[cpu->base.model.cell].backward(&cell);
    }
}

static void backward_part(void *context, int thread, long begin, long end)
{
    const recurrence_run *run = context;
    const int with_db = run->grid.row_parts == 1;
    (void)thread;
    for (long part = begin; part < end; part++) {
        const team_share share = share_of(run->cpu, run->grid, (int)part, run->window->n, run->panels);
        for (long t = run->window->T - 1; t >= 0; t--) {
            backward_step(run->cpu, run->window, run->l, t, run->d, &share, with_db);
            meet(run, part, 0, t);
        }
    }
}

typedef struct bias_sum {
    const px_cpu *cpu;
    const px_cpu_window *window;
    const float *dz; /* [T,n,G h] */
    float *db;       /* [columns] += those of dz from `column` on */
    long column;
} bias_sum;

static void sum_bias_columns(void *context, int thread, long begin, long end)
{
    const bias_sum *sum = context;
    const long width = sum->cpu->gate_rows, n = sum->window->n;
    (void)thread;
    for (long t = sum->window->T - 1; t >= 0; t--)
        for (long i = 0; i < n; i++)
            sum->cpu->isa->add(sum->db + begin, sum->dz + (t * n + i) * width + sum->column + begin, end - begin);
}

/* db += the sum of dz's rows, where no thread has seen all of a step: in the order of backward_step, so that its bits
 * do not depend on the team. */
static void add_bias_gradient(px_cpu *cpu, const px_cpu_window *window, const px_cpu_layer *layer, const float *dz)
{
    const long h = cpu->base.model.hidden;
    bias_sum sum = {cpu, window, dz, layer->db, 0};
    px_cpu_for_columns(cpu, cpu->gate_rows, window->rows, sum_bias_columns, &sum);
    if (!layer->z_hh) return;
    sum = (bias_sum){cpu, window, layer->z_hh, layer->db_lone, cpu->cell->lone * h};
    px_cpu_for_columns(cpu, h, window->rows, sum_bias_columns, &sum);
}

/* H_{t-1} as the weight gradient sees it: zero where the stream was reset. Whatever else reads h has done so by now. */
static void zero_reset_rows(px_cpu *cpu, const px_cpu_window *window, px_cpu_layer *layer)
{
    const long h = cpu->base.model.hidden, panel = cpu->isa->panel;
    for (long row = 0; row < window->rows; row++) {
        if (!window->batch->reset[row]) continue;
        for (long first = 0; first < h; first += panel)
            memset(layer->packed.data + first * layer->packed.k + row * panel, 0, sizeof(float) * (size_t)panel);
    }
}

/* dW_hh += dz_hhT H_{t-1}; under weight dropout dW = d(masked W) under the same mask. */
static void recurrent_weight_gradient(px_cpu *cpu, const px_cpu_window *window, int l, const float *dz_hh)
{
    px_cpu_layer *layer = &cpu->layer[l];
    const size_t count = (size_t)cpu->gate_rows * (size_t)cpu->base.model.hidden;
    if (cpu->base.model.dropout_weight == 0) {
        px_cpu_weight_gradient_packed(cpu, &layer->w_hh, window->rows, dz_hh, &layer->packed, 0);
        return;
    }
    memset(cpu->masked_w, 0, sizeof(float) * count);
    const px_cpu_matrix masked = {.tensor = layer->w_hh.tensor, .g = cpu->masked_w};
    px_cpu_weight_gradient_packed(cpu, &masked, window->rows, dz_hh, &layer->packed, 0);
    px_cpu_mask_weights(cpu, window, l, cpu->masked_w, cpu->masked_w);
    cpu->isa->add(layer->w_hh.g, cpu->masked_w, (long)count);
}

float *px_cpu_recurrence_backward(px_cpu *cpu, const px_cpu_window *window, int l, float *d)
{
    px_cpu_layer *layer = &cpu->layer[l];
    const long h = cpu->base.model.hidden, panels = (h + cpu->isa->panel - 1) / cpu->isa->panel;
    float *dz = layer->z ? layer->z : d;
    uint32_t purpose;
    double p;
    if (between_mask(cpu, window, l, &purpose, &p))
        px_cpu_mask_rows(cpu, window, purpose, mask_layer(cpu, l), p, h, d, d);
    if (l == cpu->base.model.layers - 1 && px_cpu_has_penalties(cpu)) px_cpu_add_penalties(cpu, window, d);
    recurrence_run run = {
        .cpu = cpu, .window = window, .l = l, .grid = cut_team(cpu, window->n, panels), .panels = panels, .d = d};
    hand_out(&run, backward_part);
    if (run.grid.row_parts > 1) add_bias_gradient(cpu, window, layer, dz);
    zero_reset_rows(cpu, window, layer);
    recurrent_weight_gradient(cpu, window, l, layer->z_hh ? layer->z_hh : dz);
    return dz;
}

void px_cpu_between_backward(px_cpu *cpu, const px_cpu_window *window, int l, const float *dz, float *d_below)
{
    px_cpu_weight_gradient_of_layer(cpu, window, &cpu->layer[l].w_xh, window->rows, dz, l - 1, 0);
    px_cpu_data_gradient(cpu, &cpu->layer[l].w_xh, window->rows, dz, d_below);
}
