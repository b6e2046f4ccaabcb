/* Finds and loads perplex-mpi.so: see comm_load.h.
 *
 * The program is not linked with MPI: it starts where there is none (a login node), and a single run never touches it.
 * The module lies beside the program, or where an installation has it (LIBDIR/perplex), or where PERPLEX_MPI_MODULE
 * says. */
#include "comm_load.h"

#include "check.h"

#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static px_status host_fail(px_status status, const char *message) { return px_fail(status, "%s", message); }

static const px_mpi_host host = {host_fail};

static int exists_below(const char *folder, const char *below, char path[PATH_MAX])
{
    int length = snprintf(path, PATH_MAX, "%s%s/%s", folder, below, PX_MPI_MODULE_FILE);
    return length > 0 && length < PATH_MAX && access(path, F_OK) == 0;
}

static px_status find_module(char path[PATH_MAX])
{
    char folder[PATH_MAX];
    const char *given = getenv("PERPLEX_MPI_MODULE");
    if (given && *given) {
        if (access(given, F_OK) != 0 || snprintf(path, PATH_MAX, "%s", given) >= PATH_MAX)
            return px_fail(PX_ERR_DEVICE, "PERPLEX_MPI_MODULE=%.200s: there is no such file; correct or unset it",
                           given);
        return PX_OK;
    }
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (length > 0) {
        folder[length] = 0;
        dirname(folder);
        if (exists_below(folder, "", path) || exists_below(folder, PX_MODULE_FROM_BIN, path)) return PX_OK;
    }
    Dl_info self; /* a library's own place */
    if (dladdr((const void *)&host, &self) && self.dli_fname && realpath(self.dli_fname, folder)) {
        dirname(folder);
        if (exists_below(folder, "", path) || exists_below(folder, "/perplex", path)) return PX_OK;
    }
    return px_fail(PX_ERR_DEVICE, "several ranks, but this perplex was built without MPI: " PX_MPI_MODULE_FILE
                                  " is not beside the program; install "
                                  "openmpi-bin and libopenmpi-dev and build again, or name the module in "
                                  "PERPLEX_MPI_MODULE, or start one process alone");
}

int px_comm_mpi_is_built(void)
{
    char path[PATH_MAX];
    return find_module(path) == PX_OK;
}

px_status px_comm_load_mpi(const px_ranks *ranks, const px_comm_ops **ops, void **state)
{
    char path[PATH_MAX];
    PX_TRY(find_module(path));
    if (!ranks->mpi)
        return px_fail(PX_ERR_DEVICE,
                       "rank %d of %d (%s), but no MPI launcher is there; start by mpirun -n %d, or srun --mpi=pmix",
                       (int)ranks->rank, (int)ranks->size, ranks->source, (int)ranks->size);
    /* OpenMPI's own plug-ins look for its symbols among the global ones. Never closed: MPI does not survive it. */
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!library) {
        const char *why = dlerror();
        return px_fail(PX_ERR_DEVICE,
                       "%s: cannot be loaded: %s; install OpenMPI (libopenmpi3), or add its folder to LD_LIBRARY_PATH",
                       path, why ? why : "unknown reason");
    }
    px_mpi_open_function open = NULL;
    *(void **)&open = dlsym(library, PX_MPI_MODULE_SYMBOL);
    if (!open) return px_fail(PX_ERR_DEVICE, "%s: is no module of perplex", path);
    return open(PX_MPI_MODULE_VERSION, &host, ranks, ops, state);
}
