/* Finding and loading the CUDA module: see cuda_loader.h.
 *
 * The program links neither cuBLAS nor the driver, so that it starts on a login node; dlopen brings them in when a GPU
 * is asked for, and its message names the library that is not there. */
#include "cuda_loader.h"

#include "check.h"
#include "px_build_id.h"

#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE_FILE "perplex-cuda.so"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const px_cuda_module *loaded; /* set once, under lock */

static void host_record(const char *message) { px_record_failure("%s", message); }

static const px_cuda_host host = {.record = host_record, .message = px_error_message};

/* Appends one place to look in; a path that does not fit is no place. */
static void add_place(char places[][PATH_MAX], int *count, const char *folder, const char *below)
{
    int length = snprintf(places[*count], PATH_MAX, "%s%s/%s", folder, below, MODULE_FILE);
    if (length > 0 && length < PATH_MAX) ++*count;
}

/* Where the module may lie, in order: beside the program or where its installation has it, then the same for the
 * library that this code is part of (libperplex.so in LIBDIR, the module in LIBDIR/perplex). places has room for 4. */
static int find_places(char places[][PATH_MAX])
{
    int count = 0;
    char folder[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (length > 0) {
        folder[length] = '\0';
        dirname(folder);
        add_place(places, &count, folder, "");
        add_place(places, &count, folder, PX_MODULE_FROM_BIN);
    }
    Dl_info self;
    if (dladdr((void *)&lock, &self) && self.dli_fname && realpath(self.dli_fname, folder)) {
        dirname(folder);
        add_place(places, &count, folder, "");
        add_place(places, &count, folder, "/perplex");
    }
    return count;
}

static px_status open_module(const char *path, const px_cuda_module **module)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *why =
            dlerror(); /* "libcublas.so.13: cannot open shared object file: ..." names the missing library */
        return px_fail(PX_ERR_DEVICE,
                       "%s: cannot be loaded: %s; install that CUDA library or add its folder to LD_LIBRARY_PATH, or "
                       "use --device cpu",
                       path, why ? why : "unknown reason");
    }
    px_cuda_module_open_function open = NULL;
    *(void **)&open = dlsym(library, PX_CUDA_MODULE_SYMBOL);
    *module = open ? open(PX_BUILD_ID, &host) : NULL;
    if (!*module) {
        dlclose(library);
        return px_fail(PX_ERR_DEVICE,
                       "%s: is the CUDA engine of another build of perplex; build both together, or use --device cpu",
                       path);
    }
    return PX_OK; /* never closed: the CUDA runtime inside does not survive it */
}

/* The module's file into path [PATH_MAX]: where PERPLEX_CUDA_MODULE says, else the first place that has it. */
static px_status find_module(char *path)
{
    const char *given = getenv("PERPLEX_CUDA_MODULE");
    if (given && *given) {
        if (access(given, F_OK) != 0 || snprintf(path, PATH_MAX, "%s", given) >= PATH_MAX)
            return px_fail(PX_ERR_DEVICE,
                           "PERPLEX_CUDA_MODULE=%s: there is no such file; correct or unset it, or use --device cpu",
                           given);
        return PX_OK;
    }
    char places[4][PATH_MAX];
    int count = find_places(places);
    for (int i = 0; i < count; i++) {
        if (access(places[i], F_OK) != 0) continue;
        memcpy(path, places[i], PATH_MAX);
        return PX_OK;
    }
    return px_fail(PX_ERR_DEVICE,
                   "no CUDA engine: " MODULE_FILE
                   " is not beside the program; build it (cmake -DPERPLEX_CUDA=ON needs the CUDA toolkit), "
                   "name it in PERPLEX_CUDA_MODULE, or use --device cpu");
}

int px_engine_has_cuda(void)
{
    char path[PATH_MAX];
    return find_module(path) == PX_OK;
}

static px_status load_locked(const px_cuda_module **module)
{
    char path[PATH_MAX];
    PX_TRY(find_module(path));
    return open_module(path, module);
}

px_status px_cuda_module_load(const px_cuda_module **module)
{
    pthread_mutex_lock(&lock);
    px_status status = loaded ? PX_OK : load_locked(&loaded);
    *module = loaded;
    pthread_mutex_unlock(&lock);
    return status;
}

/* ---- a device ---------------------------------------------------------------------------------------------------- */

px_status px_cuda_open(int ordinal, const px_engine_ops **ops, char *about)
{
    const px_cuda_module *module;
    px_device_info info;
    PX_TRY(px_cuda_module_load(&module));
    PX_TRY(module->probe(ordinal, &info));
    *ops = module->ops;
    snprintf(about, PX_DEVICE_ABOUT_BYTES, "%s:%d %s, %.1f GB, capability %d.%d", module->ops->name, info.ordinal,
             info.name, (double)info.memory_bytes / 1e9, info.major, info.minor);
    return PX_OK;
}

px_status px_engine_devices(px_device_info *list, int capacity, int *count)
{
    *count = 0;
    const px_cuda_module *module;
    PX_TRY(px_cuda_module_load(&module));
    return module->devices(list, capacity, count);
}

/* ---- ranges: only where the module is there already, so that they cost one test ---------------------------------- */

void px_range_push(const char *name, uint32_t colour)
{
    const px_cuda_module *module = __atomic_load_n(&loaded, __ATOMIC_RELAXED);
    if (module) module->range_push(name, colour);
}

void px_range_pop(void)
{
    const px_cuda_module *module = __atomic_load_n(&loaded, __ATOMIC_RELAXED);
    if (module) module->range_pop();
}
