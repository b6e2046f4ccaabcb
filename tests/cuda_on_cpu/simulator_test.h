/* What the simulator's own tests share. */
#ifndef PX_SIMULATOR_TEST_H
#define PX_SIMULATOR_TEST_H

#include "control.h"

#include <string>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
extern "C" {
#include <cmocka.h>
}

#undef fail /* cmocka's macro would catch other functions of that name */

/* Under every schedule, with one and with two blocks side by side. */
inline void each_schedule(void (*run)())
{
    for (int k = 0; k < px_sim::SCHEDULES; k++) {
        px_sim::control() = px_sim::settings();
        px_sim::control().order = static_cast<px_sim::schedule>(k);
        px_sim::control().resident = static_cast<unsigned>(1 + k % 2);
        run();
    }
    px_sim::control() = px_sim::settings();
}

/* The launch has found a fault, and says so in these words. */
inline void expect_fault(cudaError_t error, const char *words)
{
    if (error == cudaErrorLaunchFailure && std::string(px_sim::last_fault()).find(words) != std::string::npos) return;
    print_error("error %d, fault \"%s\"; wanted a launch failure with \"%s\"\n", static_cast<int>(error),
                px_sim::last_fault(), words);
    _fail(__FILE__, __LINE__);
}

int run_cluster_tests();
int run_warpgroup_tests();

#endif
