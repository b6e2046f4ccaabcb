/* Hands parts of the flat gradient to a reducer as the backward pass finishes them (reducer.h).
 *
 * The parameter table lies in the order of the forward pass: token table, layers, output layer. So what becomes final
 * together is one contiguous run: [layer 0 with the token table][layer 1]...[layer L-1][output layer], and the runs are
 * started from the last one. */
#include "cpu.h"

#include "check.h"

size_t px_cpu_streams(const px_cpu *cpu)
{
    return (size_t)cpu->base.shape.n * (size_t)(cpu->base.shape.groups > 1 ? cpu->base.shape.groups : 1);
}

/* Where layer l's run begins; l = L: where the output layer's does. */
static size_t run_begin(const px_cpu *cpu, int l) { return l == 0 ? 0 : px_parameters_layer_begin(&cpu->table, l); }

static px_status start(px_cpu *cpu, const px_cpu_window *window, size_t begin, size_t end)
{
    if (!cpu->reducer.start || !window->batch->last) return PX_OK;
    cpu->reducing = 1;
    return cpu->reducer.start(cpu->reducer.context, cpu->g + begin, end - begin, NULL);
}

px_status px_cpu_reduce_head(px_cpu *cpu, const px_cpu_window *window)
{
    return start(cpu, window, run_begin(cpu, cpu->base.model.layers), cpu->table.count);
}

px_status px_cpu_reduce_layer(px_cpu *cpu, const px_cpu_window *window, int l)
{
    return start(cpu, window, run_begin(cpu, l), run_begin(cpu, l + 1));
}

px_status px_cpu_reduce_finish(px_cpu *cpu)
{
    if (!cpu->reducing) return PX_OK;
    cpu->reducing = 0;
    px_cpu_touch_all(cpu); /* another rank may have added to any row */
    return cpu->reducer.finish(cpu->reducer.context, NULL);
}
