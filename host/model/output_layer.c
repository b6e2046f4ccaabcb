/* The clusters of an adaptive output layer, and where to cut: see output_layer.h. */
#include "output_layer.h"

#include "check.h"

#include <stddef.h>

const char *const px_output_names[] = {"softmax", "adaptive", NULL};

px_cluster px_cutoffs_cluster(const px_cutoffs *cutoffs, int32_t V, int32_t h, int32_t i)
{
    px_cluster cluster = {cutoffs->at[i], i + 1 < cutoffs->count ? cutoffs->at[i + 1] : V, h};
    for (int32_t k = 0; k <= i; k++) cluster.width /= PX_OUTPUT_DIV_VALUE;
    return cluster;
}

int32_t px_cutoffs_find(const px_cutoffs *cutoffs, int32_t id)
{
    int32_t i = 0;
    while (i < cutoffs->count && id >= cutoffs->at[i]) i++;
    return i - 1;
}

int32_t px_cutoffs_head_rows(const px_cutoffs *cutoffs) { return cutoffs->at[0] + cutoffs->count; }

px_status px_cutoffs_check(const px_cutoffs *cutoffs, int32_t V, int32_t h)
{
    if (cutoffs->count < 1 || cutoffs->count > PX_CUTOFFS_MAX)
        return px_fail(PX_ERR_ARGUMENT, "cutoffs: %d of them; an adaptive output layer has between 1 and %d",
                       (int)cutoffs->count, (int)PX_CUTOFFS_MAX);
    for (int32_t i = 0, before = 0; i < cutoffs->count; before = cutoffs->at[i++]) {
        if (cutoffs->at[i] <= before || cutoffs->at[i] >= V)
            return px_fail(PX_ERR_ARGUMENT,
                           "cutoffs: %d: they ascend, and lie between 0 and the %d tokens of the vocabulary",
                           (int)cutoffs->at[i], (int)V);
        if (px_cutoffs_cluster(cutoffs, V, h, i).width < 1)
            return px_fail(PX_ERR_ARGUMENT,
                           "cutoffs: cluster %d of %d would have a width of %d / %d^%d, less than 1; give fewer "
                           "cutoffs or a larger --hidden",
                           (int)i + 1, (int)cutoffs->count, (int)h, (int)PX_OUTPUT_DIV_VALUE, (int)i + 1);
    }
    return PX_OK;
}

/* Weight of an id where no frequencies are known: Zipf's law with Mandelbrot's shift, as in synthetic texts. */
static double zipf(int32_t id) { return 1 / ((double)id + 2.7); }

/* Shares of the training text that the shortlist, and the shortlist with the first cluster, are made to hold. */
static const double SHARES[] = {0.85, 0.96};
enum { SHARES_COUNT = sizeof SHARES / sizeof SHARES[0], WIDTH_LEAST = 8 };

static double total_frequency(const int64_t *frequency, int32_t V)
{
    double total = 0;
    for (int32_t id = 0; frequency && id < V; id++) total += (double)frequency[id];
    return total;
}

/* How often an id stands in a text, by its frequencies or by Zipf's law. */
static double weight_of(const int64_t *frequency, int known, int32_t id)
{
    return known ? (double)frequency[id] : zipf(id);
}

void px_cutoffs_shares(const int64_t *frequency, int32_t V, const px_cutoffs *cutoffs, double share[PX_CUTOFFS_MAX])
{
    const int known = total_frequency(frequency, V) > 0;
    double total = 0;
    for (int32_t i = 0; i < cutoffs->count; i++) share[i] = 0;
    for (int32_t id = 0; id < V; id++) {
        const int32_t i = px_cutoffs_find(cutoffs, id);
        if (i >= 0) share[i] += weight_of(frequency, known, id);
        total += weight_of(frequency, known, id);
    }
    for (int32_t i = 0; i < cutoffs->count; i++) share[i] /= total;
}

px_status px_cutoffs_choose(const int64_t *frequency, int32_t V, int32_t h, px_cutoffs *cutoffs)
{
    *cutoffs = (px_cutoffs){0};
    if (V < 2)
        return px_fail(PX_ERR_ARGUMENT, "--output adaptive: a vocabulary of %d has nothing to cut; leave it away",
                       (int)V);
    if (h < PX_OUTPUT_DIV_VALUE)
        return px_fail(PX_ERR_ARGUMENT, "--output adaptive: needs --hidden %d at least", (int)PX_OUTPUT_DIV_VALUE);
    double total = total_frequency(frequency, V), sum = 0;
    const int known = total > 0;
    for (int32_t id = 0; !known && id < V; id++) total += zipf(id);
    int32_t clusters = h / (PX_OUTPUT_DIV_VALUE * PX_OUTPUT_DIV_VALUE) < WIDTH_LEAST ? 1 : SHARES_COUNT;
    for (int32_t id = 0; id + 1 < V && cutoffs->count < clusters; id++) {
        sum += weight_of(frequency, known, id);
        if (sum >= SHARES[cutoffs->count] * total) cutoffs->at[cutoffs->count++] = id + 1;
    }
    if (cutoffs->count == 0) cutoffs->at[cutoffs->count++] = V - 1;
    return PX_OK;
}
