/* The host's Philox (host/base/philox.h) against cuRAND's host generator, which needs no GPU: the referee of every
 * random number.
 *
 * Element i of cuRAND's Philox sequence is lane i mod 4 of counter {i div 262144, 0, (i div 4) mod 65536, 0} (seen with
 * CUDA 13.0: 65,536 generators take turns); in our terms block = i div 262144, layer = (i div 4) mod 65536, purpose =
 * 0. */
#include "philox.h"

#include <curand.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static void philox_of_the_host_is_curands(void **state)
{
    enum { COUNT = 600000 }; /* into the third block of each generator */
    const uint64_t seeds[] = {0, 1, 0x123456789abcdefull, UINT64_MAX};
    unsigned *values = malloc(COUNT * sizeof *values);
    assert_non_null(values);
    for (size_t s = 0; s < sizeof seeds / sizeof *seeds; s++) {
        curandGenerator_t generator;
        assert_int_equal(curandCreateGeneratorHost(&generator, CURAND_RNG_PSEUDO_PHILOX4_32_10), CURAND_STATUS_SUCCESS);
        assert_int_equal(curandSetPseudoRandomGeneratorSeed(generator, seeds[s]), CURAND_STATUS_SUCCESS);
        assert_int_equal(curandGenerate(generator, values, COUNT), CURAND_STATUS_SUCCESS);
        for (uint32_t i = 0; i < COUNT; i++) {
            const px_philox_block b = px_philox(seeds[s], 0, i / 4 % 65536, i / 262144);
            assert_int_equal(values[i], b.lane[i % 4]);
        }
        curandDestroyGenerator(generator);
    }
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(philox_of_the_host_is_curands)};
    return cmocka_run_group_tests_name("philox_referee", tests, NULL, NULL);
}
