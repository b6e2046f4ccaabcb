/* Synthetic tokens for the benchmark; see synthetic.h. */
#include "synthetic.h"

#include "check.h"
#include "philox.h"

#include <stdlib.h>

px_status px_synthetic_tokens(uint64_t seed, int32_t vocab, size_t count, int32_t *ids)
{
    double *cumulative = malloc((size_t)vocab * sizeof *cumulative);
    if (!cumulative) return px_fail(PX_ERR_MEMORY, "synthetic tokens: no memory for a vocabulary of %d", vocab);
    double sum = 0;
    for (int32_t r = 0; r < vocab; r++) {
        sum += 1.0 / ((double)r + 2.7);
        cumulative[r] = sum;
    }
    for (size_t i = 0; i < count; i++) {
        double u = px_uniform(px_random_u32(seed, PX_RANDOM_SYNTHETIC, 0, i)) * sum;
        int32_t low = 0, high = vocab - 1; /* the first r with cumulative[r] > u */
        while (low < high) {
            int32_t middle = low + (high - low) / 2;
            if (cumulative[middle] > u)
                high = middle;
            else
                low = middle + 1;
        }
        ids[i] = low;
    }
    free(cumulative);
    return PX_OK;
}
