/* A result as JSON (bench.h); the fields are documented in bench/schema.json. */
#include "bench.h"

#include "environment.h"
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* NaN and infinity have no JSON: what is not known is null. */
static void add_number(cJSON *object, const char *name, double value)
{
    if (isfinite(value))
        cJSON_AddNumberToObject(object, name, value);
    else
        cJSON_AddNullToObject(object, name);
}

static void add_measured(cJSON *object, const char *name, double value) /* 0 = not measured */
{
    add_number(object, name, value > 0 ? value : NAN);
}

static const char *choice(const char *setting, int value)
{
    const px_option *option = px_config_find(setting);
    return option && option->choices ? option->choices[value] : "?";
}

static void add_options(cJSON *root, const px_bench_options *options)
{
    const px_config *config = options->config;
    cJSON *object = cJSON_AddObjectToObject(root, "options");
    cJSON_AddStringToObject(object, "optimizer", choice("optimizer", (int)config->optimizer.kind));
    cJSON_AddNumberToObject(object, "lr", config->lr);
    cJSON_AddNumberToObject(object, "clip", config->optimizer.clip);
    cJSON_AddStringToObject(object, "cell", px_cell_of(config->model.cell)->name);
    cJSON_AddStringToObject(object, "output", px_output_names[config->model.output]);
    cJSON_AddNumberToObject(object, "dropout_input", config->model.dropout_input);
    cJSON_AddNumberToObject(object, "dropout_between", config->model.dropout_between);
    cJSON_AddNumberToObject(object, "dropout_output", config->model.dropout_output);
    cJSON_AddNumberToObject(object, "dropout_weight", config->model.dropout_weight);
    cJSON_AddStringToObject(object, "tokens", config->corpus.data ? "text" : "synthetic");
    cJSON_AddNumberToObject(object, "spread_target", options->spread);
    cJSON_AddNumberToObject(object, "noisy_spread", options->noisy_spread);
    cJSON_AddNumberToObject(object, "case_seconds", options->case_seconds);
    cJSON_AddNumberToObject(object, "round_seconds", options->round_seconds);
    cJSON_AddNumberToObject(object, "slow_down", options->slow_down);
}

static void add_case_sizes(cJSON *object, const px_bench_case *c)
{
    cJSON_AddStringToObject(object, "work", px_bench_work_name(c->work));
    cJSON_AddStringToObject(object, "device", c->device);
    cJSON_AddNumberToObject(object, "batch", c->batch);
    cJSON_AddNumberToObject(object, "steps", c->steps);
    cJSON_AddNumberToObject(object, "hidden", c->hidden);
    cJSON_AddNumberToObject(object, "embed", c->embed);
    cJSON_AddNumberToObject(object, "layers", c->layers);
    cJSON_AddNumberToObject(object, "vocab", c->vocab);
    cJSON_AddBoolToObject(object, "tied", c->tied);
    cJSON_AddStringToObject(object, "precision", choice("precision", (int)c->precision));
    cJSON_AddNumberToObject(object, "threads", c->threads);
}

static void add_phases(cJSON *object, const px_bench_measure *m)
{
    cJSON *seconds = cJSON_AddObjectToObject(object, "phases"),
          *rates = cJSON_AddObjectToObject(object, "phase_gflops");
    cJSON_AddNumberToObject(seconds, "data", m->data_s);
    for (int p = 0; p < PX_PHASE_COUNT; p++) {
        const char *name = px_phase_name((px_phase)p);
        cJSON_AddNumberToObject(seconds, name, m->phase_s[p]);
        add_measured(rates, name, m->phase_s[p] > 0 ? m->work.phase_flops[p] / m->phase_s[p] * 1e-9 : 0);
    }
    cJSON_AddNumberToObject(object, "phase_sum", m->phase_sum);
}

static void add_memory(cJSON *object, const px_bench_measure *m)
{
    cJSON *memory = cJSON_AddObjectToObject(object, "memory");
    cJSON_AddNumberToObject(memory, "parameters", (double)m->memory.parameters);
    cJSON_AddNumberToObject(memory, "gradients", (double)m->memory.gradients);
    cJSON_AddNumberToObject(memory, "moments", (double)m->memory.moments);
    cJSON_AddNumberToObject(memory, "activations", (double)m->memory.activations);
    cJSON_AddNumberToObject(memory, "workspace", (double)m->memory.workspace);
    cJSON_AddNumberToObject(memory, "total", (double)m->memory.total);
    add_measured(memory, "resident", (double)m->resident_bytes);
}

/* Who made the products of the output layer, and by which of its algorithms, where the engine has a choice. */
static void add_products(cJSON *object, const px_product_choice *choice)
{
    if (choice->library == PX_PRODUCTS_AUTO) return;
    cJSON_AddStringToObject(object, "products", px_products_names[choice->library]);
    cJSON *algorithms = choice->count > 0 ? cJSON_AddObjectToObject(object, "algorithms") : NULL;
    for (int32_t i = 0; i < choice->count; i++) {
        cJSON *one = cJSON_AddObjectToObject(algorithms, px_head_product_names[i]);
        cJSON_AddNumberToObject(one, "id", choice->algorithm[i].id);
        cJSON_AddNumberToObject(one, "tile", choice->algorithm[i].tile);
        cJSON_AddNumberToObject(one, "stages", choice->algorithm[i].stages);
        cJSON_AddNumberToObject(one, "split_k", choice->algorithm[i].split_k);
    }
}

static void add_measurements(cJSON *object, const px_bench_measure *m)
{
    cJSON_AddStringToObject(object, "device_text", m->device_text);
    if (m->recurrence != PX_RECURRENCE_AUTO)
        cJSON_AddStringToObject(object, "recurrence", px_recurrence_name(m->recurrence));
    if (m->wavefront > 0) cJSON_AddNumberToObject(object, "wavefront", m->wavefront);
    add_products(object, &m->products);
    cJSON_AddNumberToObject(object, "tokens_per_s", m->tokens_per_s.median);
    cJSON_AddNumberToObject(object, "tokens_per_s_q1", m->tokens_per_s.q1);
    cJSON_AddNumberToObject(object, "tokens_per_s_q3", m->tokens_per_s.q3);
    cJSON_AddNumberToObject(object, "spread", m->spread);
    add_number(object, "error", m->error);
    cJSON_AddBoolToObject(object, "noisy", m->noisy);
    cJSON_AddBoolToObject(object, "repeated", m->repeated);
    cJSON_AddNumberToObject(object, "rounds", m->rounds);
    cJSON_AddNumberToObject(object, "disturbed", m->disturbed);
    cJSON_AddBoolToObject(object, "contended", m->contended);
    cJSON_AddNumberToObject(object, "steps_per_round", m->steps_per_round);
    cJSON_AddNumberToObject(object, "step_s", m->step_s);
    add_phases(object, m);
    cJSON_AddNumberToObject(object, "flops_per_step", m->work.flops);
    cJSON_AddNumberToObject(object, "bytes_per_step", m->work.bytes);
    cJSON_AddNumberToObject(object, "gflops", m->gflops);
    cJSON_AddNumberToObject(object, "gb_s", m->gb_s);
    add_measured(object, "weight_bytes_per_step", px_count_weight_bytes(&m->work));
    add_number(object, "weight_gb_s", m->weight_gb_s);
    add_number(object, "read_gb_s", m->read_gb_s);
    add_measured(object, "peak_gflops", m->peak.gflops);
    add_measured(object, "copy_gb_s", m->peak.copy_gb_s);
    add_number(object, "share_of_peak", m->share_of_peak);
    add_number(object, "roofline_s", m->roofline_s);
    add_number(object, "share_of_roofline", m->share_of_roofline);
    add_measured(object, "step_latency_s", m->peak.step_latency_s);
    add_number(object, "recurrence_floor_s", m->recurrence_floor_s);
    add_number(object, "share_of_floor", m->share_of_floor);
    add_memory(object, m);
    add_number(object, "joules_per_token", m->joules_per_token);
    cJSON_AddItemToObject(object, "losses", cJSON_CreateDoubleArray(m->loss, m->loss_count));
    add_number(object, "loss_difference", m->loss_difference);
    if (m->published_source) {
        cJSON *published = cJSON_AddObjectToObject(object, "published");
        cJSON_AddNumberToObject(published, "tokens_per_s", m->published_tokens_per_s);
        cJSON_AddStringToObject(published, "source", m->published_source);
    }
}

static void add_cases(cJSON *root, const px_bench_result *result)
{
    cJSON *cases = cJSON_AddArrayToObject(root, "cases"), *failed = cJSON_AddArrayToObject(root, "failed");
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *m = &result->measures[i];
        if (!m->measured && !m->failure[0]) continue; /* not reached before a stop */
        char name[160];
        px_bench_case_name(&m->c, name, sizeof name);
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "name", name);
        add_case_sizes(object, &m->c);
        if (m->measured) {
            cJSON_AddNumberToObject(object, "group", m->c.group);
            add_measurements(object, m);
        } else {
            cJSON_AddStringToObject(object, "reason", m->failure);
        }
        cJSON_AddItemToArray(m->measured ? cases : failed, object);
    }
}

static void add_peaks(cJSON *root, const px_bench_result *result)
{
    const px_peak *widest = NULL;
    for (size_t i = 0; i < result->peak_count; i++)
        if (!widest || result->peaks[i].threads > widest->threads) widest = &result->peaks[i];
    cJSON_AddNumberToObject(root, "threads", widest ? widest->threads : 0);
    add_measured(root, "peak_gflops", widest ? widest->gflops : 0);
    add_measured(root, "copy_gb_s", widest ? widest->copy_gb_s : 0);
    cJSON *peaks = cJSON_AddArrayToObject(root, "peaks");
    for (size_t i = 0; i < result->peak_count; i++) {
        const px_peak *peak = &result->peaks[i];
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "device", peak->device);
        cJSON_AddNumberToObject(object, "threads", peak->threads);
        cJSON_AddStringToObject(object, "precision", choice("precision", (int)peak->precision));
        cJSON_AddStringToObject(object, "instruction_set", peak->instruction_set);
        add_measured(object, "gflops", peak->gflops);
        add_measured(object, "gflops_best", peak->gflops_best);
        add_measured(object, "copy_gb_s", peak->copy_gb_s);
        cJSON_AddNumberToObject(object, "step_latency_s", peak->step_latency_s);
        cJSON_AddItemToArray(peaks, object);
    }
}

static void add_crossovers(cJSON *root, const px_bench_result *result)
{
    cJSON *list = cJSON_AddArrayToObject(root, "crossovers");
    for (size_t i = 0; i < result->crossover_count; i++) {
        const px_bench_crossover *c = &result->crossovers[i];
        cJSON *object = cJSON_CreateObject(), *at;
        cJSON_AddStringToObject(object, "key", c->key);
        cJSON_AddStringToObject(object, "base", c->base);
        cJSON_AddStringToObject(object, "other", c->other);
        add_measured(object, "from", c->from);
        cJSON_AddNumberToObject(object, "largest", c->largest);
        cJSON_AddNumberToObject(object, "ratio_at_largest", c->ratio_at_largest);
        add_case_sizes(at = cJSON_AddObjectToObject(object, "at"), &c->at);
        cJSON_DeleteItemFromObject(at, c->key);
        cJSON_DeleteItemFromObject(at, "device");
        cJSON_AddItemToArray(list, object);
    }
}

/* What counted energy on each device, or why nothing did. */
static void add_energy(cJSON *root, const px_bench_result *result)
{
    cJSON *list = cJSON_AddArrayToObject(root, "energy");
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *m = &result->measures[i];
        if (!px_bench_is_first_of_device(result, i)) continue;
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "device", m->c.device);
        cJSON_AddStringToObject(object, m->energy_counter[0] ? "counter" : "not_counted",
                                m->energy_counter[0] ? m->energy_counter : m->no_energy);
        cJSON_AddItemToArray(list, object);
    }
}

char *px_bench_json(const px_bench_result *result, const px_bench_options *options, const char *command)
{
    cJSON *root = cJSON_CreateObject();
    if (!root) return NULL;
    cJSON_AddStringToObject(root, "format", "perplex-bench");
    cJSON_AddNumberToObject(root, "version", 1);
    cJSON_AddStringToObject(root, "date", result->date);
    cJSON_AddStringToObject(root, "command", command);
    cJSON_AddStringToObject(root, "preset", result->preset);
    cJSON_AddBoolToObject(root, "complete", result->complete);
    cJSON_AddNumberToObject(root, "seconds", result->seconds);
    cJSON_AddNumberToObject(root, "seed", (double)options->config->seed);
    px_environment_add(root);
    add_options(root, options);
    add_peaks(root, result);
    add_energy(root, result);
    add_cases(root, result);
    add_crossovers(root, result);
    char *text;
    return px_json_write(root, 1, "bench", &text) == PX_OK ? text : NULL;
}
