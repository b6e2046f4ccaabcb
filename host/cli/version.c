/* perplex --version: see version.h. */
#include "version.h"

#include "comm.h"
#include "devices.h"
#include "engine_cpu.h"
#include "events.h"
#include "inspect.h"
#include "nccl.h"
#include "screen.h"
#include "px_commit.h" /* PX_COMMIT: made at each build (cmake/PerplexVersion.cmake) */

#include <perplex/version.h>
#include <stddef.h>

static int has_zlib(void) { return PX_WITH_ZLIB; }
static int has_zstd(void) { return PX_WITH_ZSTD; }
static int has_nccl(void) { return px_nccl_load(NULL) == PX_OK; }

static const struct {
    const char *name, *use, *without;
    int (*is_there)(void);
} parts[] = {
    {"zlib", "texts in .gz", "not built in", has_zlib},
    {"zstd", "texts in .zst", "not built in", has_zstd},
    {"TensorBoard", "event files, by protobuf-c and ISA-L", "not built in", px_events_built_in},
    {"ncurses", "train --live, top", "not built in", px_screen_built_in},
    {"LAPACK", "eigenvalues", "not found when this was built, or not here", px_inspect_has_lapack},
    {"MPI", "several processes", "no perplex-mpi.so here", px_comm_mpi_is_built},
    {"NCCL", "several GPUs", "no libnccl.so.2 here", has_nccl},
    {"CUDA", "GPUs", "no perplex-cuda.so here", px_engine_has_cuda},
};

void px_version_print(FILE *out)
{
    const char *taken = px_cpu_instruction_set();
    fprintf(out, "perplex %s\n", PERPLEX_VERSION);
    fprintf(out, "%-16s  %s\n", "commit", PX_COMMIT);
#if defined(__clang__)
    fprintf(out, "%-16s  clang %s\n", "compiler", __clang_version__);
#else
    fprintf(out, "%-16s  gcc %s\n", "compiler", __VERSION__);
#endif
    fprintf(out, "%-16s  %s; here: %s\n", "instruction sets", px_cpu_instruction_sets,
            taken ? taken : "not the one that PERPLEX_ISA asks for");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].is_there())
            fprintf(out, "%-16s  yes (%s)\n", parts[i].name, parts[i].use);
        else
            fprintf(out, "%-16s  no (%s: %s)\n", parts[i].name, parts[i].use, parts[i].without);
    }
}
