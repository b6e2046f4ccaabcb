/* Kernel tests: `test NAME...` runs the named groups, without names all of them. */
#include "kernel_test.h"

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)();
    } groups[] = {{"embed", run_embed_tests},
                  {"recurrence", run_recurrence_tests},
                  {"recurrence_fused", run_fused_tests},
                  {"recurrence_persistent", run_persistent_tests},
                  {"recurrence_persistent_fp32", run_persistent_fp32_tests},
                  {"recurrence_persistent_tf32", run_persistent_tf32_tests},
                  {"recurrence_persistent_bf16", run_persistent_bf16_tests},
                  {"recurrence_grid", run_grid_tests},
                  {"recurrence_grid_fp32", run_grid_fp32_tests},
                  {"recurrence_grid_tf32", run_grid_tf32_tests},
                  {"recurrence_grid_bf16", run_grid_bf16_tests},
                  {"recurrence_wide", run_wide_tests},
                  {"recurrence_wide_tf32", run_wide_tf32_tests},
                  {"recurrence_wide_bf16", run_wide_bf16_tests},
                  {"gates", run_gates_tests},
                  {"gates_persistent", run_gates_persistent_tests},
                  {"gates_persistent_fp32", run_gates_persistent_fp32_tests},
                  {"gates_persistent_tf32", run_gates_persistent_tf32_tests},
                  {"gates_persistent_bf16", run_gates_persistent_bf16_tests},
                  {"penalties", run_penalties_tests},
                  {"head", run_head_tests},
                  {"draw", run_draw_tests},
                  {"adaptive", run_adaptive_tests},
                  {"update", run_update_tests},
                  {"layout", run_layout_tests}};
    const char *why = "";
    int failures = 0;
    if (!device_works(&why)) {
        std::printf("SKIP: kernel tests on a GPU: %s\n", why);
        return 77;
    }
    for (const auto &group : groups) {
        bool asked = argc < 2;
        for (int i = 1; i < argc; i++) asked = asked || std::strcmp(argv[i], group.name) == 0;
        if (asked) failures += group.run();
    }
    return failures ? 1 : 0;
}
