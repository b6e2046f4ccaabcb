/* What this GPU reaches at most, measured by the same libraries and in the same precision: the benchmark's yardstick.
 * And its energy counter, where NVIDIA's management library offers one. */
#include "engine_cuda.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PRODUCT_ROWS_PER_SM = 32, /* a square product of this many rows per multiprocessor fills every one of them */
    PRODUCT_MIN = 128,
    PRODUCT_MAX = 8192,
    COPY_BYTES_PER_SM = 4 << 20, /* in all well beyond any L2 cache */
    ROUNDS = 5,                  /* the best of these is reported */
    STEPS = 256                  /* dependent small kernels of one graph */
};

typedef struct yardstick {
    px_blas blas;
    cudaStream_t stream;
    cudaEvent_t start, end;
    cudaGraphExec_t steps;
    void *memory;
    unsigned char *workspace;
    float *a, *b, *c; /* [size,size] */
    int size;
    size_t copy_bytes;
} yardstick;

/* Seconds of the best of ROUNDS calls of `work`, after one that is not counted. */
static px_status best_of(yardstick *y, px_status (*work)(yardstick *), double *seconds)
{
    float best = 0;
    for (int round = -1; round < ROUNDS; round++) {
        float ms = 0;
        PX_CUDA(cudaEventRecord(y->start, y->stream));
        PX_TRY(work(y));
        PX_CUDA(cudaEventRecord(y->end, y->stream));
        PX_CUDA(cudaEventSynchronize(y->end));
        PX_CUDA(cudaEventElapsedTime(&ms, y->start, y->end));
        if (round == 0 || (round > 0 && ms < best)) best = ms;
    }
    *seconds = (double)best / 1e3;
    return PX_OK;
}

static px_status product(yardstick *y) { return px_blas_nt(&y->blas, y->size, y->size, y->size, y->a, y->b, 0, y->c); }

static px_status copy(yardstick *y)
{
    unsigned char *from = y->memory;
    PX_CUDA(cudaMemcpyAsync(from + y->copy_bytes, from, y->copy_bytes, cudaMemcpyDeviceToDevice, y->stream));
    return PX_OK;
}

static px_status steps(yardstick *y)
{
    PX_CUDA(cudaGraphLaunch(y->steps, y->stream));
    return PX_OK;
}

/* A chain of the smallest kernels, each of which must wait for the one before. */
static px_status capture_steps(yardstick *y)
{
    cudaGraph_t graph = NULL;
    cudaError_t launched = cudaSuccess;
    PX_CUDA(cudaStreamBeginCapture(y->stream, cudaStreamCaptureModeThreadLocal));
    for (int i = 0; i < STEPS && launched == cudaSuccess; i++)
        launched = px_launch_layout_bf16((void *)y->c, y->a, 64, (px_stream){y->stream, 0});
    cudaError_t ended = cudaStreamEndCapture(y->stream, &graph);
    if (launched == cudaSuccess && ended == cudaSuccess) ended = cudaGraphInstantiate(&y->steps, graph, 0);
    if (graph) cudaGraphDestroy(graph);
    PX_CUDA(launched);
    PX_CUDA(ended);
    return PX_OK;
}

static void put_away(yardstick *y)
{
    if (y->stream) cudaStreamSynchronize(y->stream);
    if (y->steps) cudaGraphExecDestroy(y->steps);
    px_blas_destroy(&y->blas);
    if (y->start) cudaEventDestroy(y->start);
    if (y->end) cudaEventDestroy(y->end);
    if (y->stream) cudaStreamDestroy(y->stream);
    cudaFree(y->memory);
    cudaGetLastError();
}

static px_status take_up(yardstick *y, int ordinal, px_precision precision)
{
    px_device_info info;
    PX_CUDA(cudaSetDevice(ordinal));
    PX_TRY(px_cuda_device_info(ordinal, &info));
    int size = info.multiprocessors * PRODUCT_ROWS_PER_SM / 128 * 128;
    y->size = size < PRODUCT_MIN ? PRODUCT_MIN : size > PRODUCT_MAX ? PRODUCT_MAX : size;
    y->copy_bytes = (size_t)info.multiprocessors * COPY_BYTES_PER_SM;
    size_t matrix = (size_t)y->size * (size_t)y->size * sizeof(float);
    size_t room = 3 * matrix > 2 * y->copy_bytes ? 3 * matrix : 2 * y->copy_bytes;
    PX_CUDA(cudaStreamCreateWithFlags(&y->stream, cudaStreamNonBlocking));
    PX_CUDA(cudaEventCreate(&y->start));
    PX_CUDA(cudaEventCreate(&y->end));
    PX_CUDA(cudaMalloc(&y->memory, room + PX_BLAS_WORKSPACE_BYTES));
    PX_CUDA(cudaMemsetAsync(y->memory, 0x3c, room, y->stream));
    y->a = y->memory; /* every element 0.0115, in fp32 and in bf16: products of zeros would draw less power and run
                         faster */
    y->b = y->a + matrix / sizeof(float);
    y->c = y->b + matrix / sizeof(float);
    y->workspace = (unsigned char *)y->memory + room; /* room is a multiple of 256: matrix sizes are multiples of 128 */
    PX_TRY(px_blas_create(&y->blas, precision, y->stream, y->workspace));
    return capture_steps(y);
}

static px_status measure(yardstick *y, px_device_peak *peak)
{
    double product_s = 0, copy_s = 0, steps_s = 0, n = y->size;
    PX_TRY(best_of(y, product, &product_s));
    PX_TRY(best_of(y, copy, &copy_s));
    PX_TRY(best_of(y, steps, &steps_s));
    peak->gflops = product_s > 0 ? 2 * n * n * n / product_s / 1e9 : 0;
    peak->copy_gb_s = copy_s > 0 ? 2 * (double)y->copy_bytes / copy_s / 1e9 : 0;
    peak->step_latency_s = steps_s / STEPS;
    return PX_OK;
}

px_status px_cuda_peak(int ordinal, px_precision precision, px_device_peak *peak)
{
    yardstick y = {0};
    snprintf(peak->what, sizeof peak->what, "cublas %s", px_precision_name(precision));
    px_status status = take_up(&y, ordinal, precision);
    if (status == PX_OK) status = measure(&y, peak);
    put_away(&y);
    return status;
}

/* ---- energy: NVML comes with the driver, so it is looked for at run time ----------------------------------------- */

typedef struct nvmlDevice_st *nvml_device;

px_status px_cuda_energy(px_engine *base, double *joules)
{
    px_cuda *engine = px_cuda_self(base);
    static void *library;
    static int (*by_bus)(const char *, nvml_device *), (*total)(nvml_device, unsigned long long *);
    char bus[32];
    nvml_device device = NULL;
    unsigned long long millijoules = 0;
    if (!library) {
        int (*start)(void) = NULL;
        library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
        if (library) {
            *(void **)&start = dlsym(library, "nvmlInit_v2");
            *(void **)&by_bus = dlsym(library, "nvmlDeviceGetHandleByPciBusId_v2");
            *(void **)&total = dlsym(library, "nvmlDeviceGetTotalEnergyConsumption");
            if (!start || start() != 0) by_bus = NULL;
        }
    }
    if (!by_bus || !total)
        return px_fail(PX_ERR_DEVICE,
                       "cuda:%d: energy cannot be read: libnvidia-ml.so.1 is not there or does not start",
                       engine->ordinal);
    PX_CUDA(cudaSetDevice(engine->ordinal));
    PX_CUDA(cudaStreamSynchronize(engine->compute)); /* what was asked for so far has been done and is in the count */
    PX_CUDA(cudaDeviceGetPCIBusId(bus, sizeof bus, engine->ordinal));
    if (by_bus(bus, &device) != 0 || total(device, &millijoules) != 0)
        return px_fail(PX_ERR_DEVICE, "cuda:%d: this GPU has no energy counter", engine->ordinal);
    *joules = (double)millijoules / 1e3;
    return PX_OK;
}
