/* Splitting by position: see parts.h. */
#include "parts.h"
#include "check.h"

#include <math.h>

size_t px_share_of(size_t N, double share)
{
    long double exact = (long double)N * share, nearest = roundl(exact);
    /* A share, or a sum of shares, is off by a few units of 1e-16. */
    long double whole = fabsl(exact - nearest) <= 1e-15L * (long double)N ? nearest : floorl(exact);
    return whole <= 0 ? 0 : whole >= (long double)N ? N : (size_t)whole;
}

px_status px_parts_of(const px_corpus_request *request, const char *name, size_t N, px_parts *parts)
{
    const double *s = request->split;
    double sum = s[0] + s[1] + s[2];
    *parts = (px_parts){{0, N, N, N}};
    if (N < 2)
        return px_fail(PX_ERR_INPUT, "%s: one token; at least 2 are needed, one to read and one to predict", name);
    if (request->valid || sum == 0) return PX_OK; /* the whole text is for training */
    if (!(s[0] > 0 && s[1] >= 0 && s[2] >= 0 && sum <= 1 + 1e-9))
        return px_fail(PX_ERR_ARGUMENT,
                       "--split %g,%g,%g: shares are not negative, the first is above 0, and they add up to at most 1",
                       s[0], s[1], s[2]);
    parts->boundary[1] = px_share_of(N, s[0]);
    parts->boundary[2] = px_share_of(N, s[0] + s[1]);
    parts->boundary[3] = request->test ? parts->boundary[2] : px_share_of(N, sum);
    static const char *const what[] = {"training", "validation", "test"};
    for (int i = 0; i < 3; i++) {
        size_t part = parts->boundary[i + 1] - parts->boundary[i];
        if (part < 2 && s[i] > 0 && !(i == 2 && request->test))
            return px_fail(PX_ERR_INPUT,
                           "%s: %zu tokens are too few for --split %g,%g,%g: the %s part has %zu, 2 are needed; give a "
                           "longer text or another split",
                           name, N, s[0], s[1], s[2], what[i], part);
    }
    return PX_OK;
}
