/* The simulator itself: small kernels that do what CUDA defines, and small kernels that do what it forbids. */
#include "simulator_test.h"

#include "device.h"

#include <algorithm>
#include <string>
#include <vector>

namespace
{

__global__ void indices_kernel(int *out)
{
    const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] += static_cast<int>(1 + block * 1000 + thread);
}

__global__ void exchange_kernel(int *out)
{
    const int lane = static_cast<int>(threadIdx.x % 32), v = static_cast<int>(threadIdx.x) * 10;
    int *o = out + threadIdx.x * 8;
    o[0] = __shfl_sync(0xffffffffu, v, 5);
    o[1] = __shfl_xor_sync(0xffffffffu, v, 3);
    o[2] = __shfl_up_sync(0xffffffffu, v, 2);
    o[3] = __shfl_down_sync(0xffffffffu, v, 2);
    o[4] = static_cast<int>(__ballot_sync(0xffffffffu, lane % 3 == 0) & 0xffff);
    o[5] = __any_sync(0xffffffffu, threadIdx.x == 40);
    o[6] = __all_sync(0xffffffffu, threadIdx.x < 32);
    o[7] = 0;
    if (lane < 7) o[7] = __shfl_sync(0x7fu, v, 6); /* part of a warp */
}

__global__ void reversed_kernel(int *x, int count)
{
    PX_SHARED(int, all, [64]);
    PX_DYN_SHARED(int, more);
    all[threadIdx.x] = x[threadIdx.x];
    more[threadIdx.x] = x[threadIdx.x] * 2;
    __syncthreads();
    x[threadIdx.x] =
        all[static_cast<unsigned>(count) - 1 - threadIdx.x] + more[static_cast<unsigned>(count) - 1 - threadIdx.x];
}

__global__ void forgotten_barrier_kernel(int *x)
{
    PX_SHARED(int, all, [64]);
    all[threadIdx.x] = x[threadIdx.x];
    x[threadIdx.x] = all[63 - threadIdx.x];
}

__global__ void neighbour_in_warp_kernel(int *x, int with)
{
    PX_SHARED(int, all, [32]);
    all[threadIdx.x] = x[threadIdx.x];
    if (with) __syncwarp();
    x[threadIdx.x] = all[threadIdx.x ^ 1];
}

__global__ void never_written_kernel(float *x)
{
    PX_SHARED(float, all, [32]);
    x[threadIdx.x] = all[threadIdx.x];
}

__global__ void divergent_barrier_kernel(int *x)
{
    if (threadIdx.x < 16) {
        __syncthreads();
        x[0] = 1;
    } else {
        __syncthreads();
    }
}

__global__ void skipped_barrier_kernel(int *x)
{
    if (threadIdx.x == 7) return;
    __syncthreads();
    x[0] = 1;
}

__global__ void divergent_shuffle_kernel(int *x)
{
    int v = 1;
    if (threadIdx.x < 16) v = __shfl_xor_sync(0xffffffffu, v, 1);
    x[threadIdx.x] = v;
    __syncthreads();
}

__global__ void shuffle_from_returned_kernel(int *x)
{
    if (threadIdx.x == 3) return;
    x[threadIdx.x] = __shfl_sync(0xffffffffu, 1, 3);
}

__global__ void outside_mask_kernel(int *x) { x[threadIdx.x] = __shfl_sync(0xffffu, 1, 3); }

__global__ void two_shuffles_kernel(int *x)
{
    if (threadIdx.x < 16)
        x[threadIdx.x] = __shfl_sync(0xffffffffu, 1, 3);
    else
        x[threadIdx.x] = __shfl_sync(0xffffffffu, 1, 3);
}

__global__ void order_kernel(int *out, int *next)
{
    out[(*next)++] = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    __syncthreads();
}

void every_thread_of_every_block_runs_once(void **)
{
    each_schedule([] {
        const dim3 grid(3, 2, 2), block(5, 3, 2);
        std::vector<int> out(12 * 30, 0);
        assert_int_equal(PX_LAUNCH(indices_kernel, grid, block, 0, px_stream{}, out.data()), cudaSuccess);
        for (int b = 0; b < 12; b++)
            for (int t = 0; t < 30; t++) assert_int_equal(out[b * 30 + t], 1 + b * 1000 + t);
    });
}

void shuffles_and_votes_do_what_cuda_says(void **)
{
    each_schedule([] {
        std::vector<int> out(64 * 8);
        assert_int_equal(PX_LAUNCH(exchange_kernel, 1, 64, 0, px_stream{}, out.data()), cudaSuccess);
        for (int t = 0; t < 64; t++) {
            const int lane = t % 32, base = t - lane, *o = &out[t * 8];
            assert_int_equal(o[0], (base + 5) * 10);
            assert_int_equal(o[1], (base + (lane ^ 3)) * 10);
            assert_int_equal(o[2], (lane >= 2 ? t - 2 : t) * 10);
            assert_int_equal(o[3], (lane < 30 ? t + 2 : t) * 10);
            assert_int_equal(o[4], 0x9249);
            assert_int_equal(o[5], base == 32);
            assert_int_equal(o[6], base == 0);
            assert_int_equal(o[7], lane < 7 ? (base + 6) * 10 : 0);
        }
    });
}

void a_barrier_separates_writers_from_readers(void **)
{
    each_schedule([] {
        std::vector<int> x(64);
        for (int i = 0; i < 64; i++) x[i] = i;
        assert_int_equal(PX_LAUNCH(reversed_kernel, 1, 64, 64 * sizeof(int), px_stream{}, x.data(), 64), cudaSuccess);
        for (int i = 0; i < 64; i++) assert_int_equal(x[i], 3 * (63 - i));
    });
}

void a_forgotten_barrier_gives_another_result_in_some_order(void **)
{
    static int wrong, wrong_without_syncwarp;
    wrong = wrong_without_syncwarp = 0;
    each_schedule([] {
        std::vector<int> x(64), y(32);
        for (int i = 0; i < 64; i++) x[i] = i, y[i % 32] = i % 32;
        assert_int_equal(PX_LAUNCH(forgotten_barrier_kernel, 1, 64, 0, px_stream{}, x.data()), cudaSuccess);
        for (int i = 0; i < 64; i++) wrong += x[i] != 63 - i;
        assert_int_equal(PX_LAUNCH(neighbour_in_warp_kernel, 1, 32, 0, px_stream{}, y.data(), 0), cudaSuccess);
        for (int i = 0; i < 32; i++) wrong_without_syncwarp += y[i] != (i ^ 1);
        for (int i = 0; i < 32; i++) y[i] = i;
        assert_int_equal(PX_LAUNCH(neighbour_in_warp_kernel, 1, 32, 0, px_stream{}, y.data(), 1), cudaSuccess);
        for (int i = 0; i < 32; i++) assert_int_equal(y[i], i ^ 1);
    });
    assert_true(wrong > 0 && wrong_without_syncwarp > 0);
}

void shared_memory_that_nobody_wrote_is_NaN(void **)
{
    std::vector<float> x(32, 0.0f);
    assert_int_equal(PX_LAUNCH(never_written_kernel, 1, 32, 0, px_stream{}, x.data()), cudaSuccess);
    for (float v : x) assert_true(v != v);
}

void what_cuda_forbids_is_a_fault_with_words(void **)
{
    each_schedule([] {
        std::vector<int> x(64);
        expect_fault(PX_LAUNCH(divergent_barrier_kernel, 1, 32, 0, px_stream{}, x.data()),
                     "another thread of the block waits");
        expect_fault(PX_LAUNCH(skipped_barrier_kernel, 1, 32, 0, px_stream{}, x.data()), "returned");
        expect_fault(PX_LAUNCH(divergent_shuffle_kernel, 1, 32, 0, px_stream{}, x.data()), "deadlock");
        expect_fault(PX_LAUNCH(shuffle_from_returned_kernel, 1, 32, 0, px_stream{}, x.data()), "takes no part");
        expect_fault(PX_LAUNCH(outside_mask_kernel, 1, 32, 0, px_stream{}, x.data()), "leaves it out");
        expect_fault(PX_LAUNCH(two_shuffles_kernel, 1, 32, 0, px_stream{}, x.data()), "different warp functions");
        /* and the next launch is sound again */
        assert_int_equal(PX_LAUNCH(reversed_kernel, 1, 32, 64 * sizeof(int), px_stream{}, x.data(), 32), cudaSuccess);
        assert_string_equal(px_sim::last_fault(), "");
    });
}

void launches_that_no_gpu_takes_are_refused(void **)
{
    std::vector<int> x(64);
    assert_int_equal(PX_LAUNCH(indices_kernel, 0, 32, 0, px_stream{}, x.data()), cudaErrorInvalidConfiguration);
    assert_int_equal(PX_LAUNCH(indices_kernel, 1, 1025, 0, px_stream{}, x.data()), cudaErrorInvalidConfiguration);
    assert_int_equal(PX_LAUNCH(indices_kernel, dim3(1, 65536, 1), 1, 0, px_stream{}, x.data()),
                     cudaErrorInvalidConfiguration);
    /* more than 48 KiB must be asked for first, and no more than the device has */
    assert_int_equal(PX_LAUNCH(reversed_kernel, 1, 32, 48 * 1024 + 1, px_stream{}, x.data(), 32),
                     cudaErrorInvalidConfiguration);
    assert_int_equal(PX_ALLOW_SHARED(reversed_kernel, 300 * 1024), cudaErrorInvalidValue);
    assert_int_equal(PX_ALLOW_SHARED(reversed_kernel, 100 * 1024), cudaSuccess);
    assert_int_equal(PX_LAUNCH(reversed_kernel, 1, 32, 48 * 1024 + 1, px_stream{}, x.data(), 32), cudaSuccess);
}

void clusters_are_whole_and_no_larger_than_the_device_has(void **)
{
    std::vector<int> x(8 * 32 * 4);
    px_launch_attributes four = {}, sixteen = {};
    four.cluster = 4, sixteen.cluster = 16;
    assert_int_equal(PX_LAUNCH_WITH(four, indices_kernel, 6, 32, 0, px_stream{}, x.data()),
                     cudaErrorInvalidConfiguration);
    assert_non_null(std::strstr(px_sim::last_fault(), "clusters of 4"));
    assert_int_equal(PX_LAUNCH_WITH(sixteen, indices_kernel, 16, 32, 0, px_stream{}, x.data()),
                     cudaErrorInvalidConfiguration);
    assert_int_equal(PX_ALLOW_LARGE_CLUSTERS(indices_kernel), cudaSuccess);
    assert_int_equal(PX_LAUNCH_WITH(sixteen, indices_kernel, 16, 32, 0, px_stream{}, x.data()), cudaSuccess);
    for (int order = 0; order < px_sim::SCHEDULES; order++) {
        px_sim::control().order = static_cast<px_sim::schedule>(order);
        std::fill(x.begin(), x.end(), 0);
        assert_int_equal(PX_LAUNCH_WITH(four, indices_kernel, dim3(8, 2, 1), 32, 0, px_stream{}, x.data()),
                         cudaSuccess);
        for (int i = 0; i < 16 * 32; i++)
            assert_int_equal(x[static_cast<size_t>(i)], 1 + i / 32 * 1000 + i % 32); /* each once */
    }
    px_sim::control() = px_sim::settings();
}

/* Every block says that it is here and waits for all the others, not for ever. */
__global__ void all_here_kernel(int *flags, int *missed)
{
    volatile int *here = flags;
    const unsigned blocks = gridDim.x;
    here[blockIdx.x] = 1;
    for (unsigned b = 0; b < blocks; b++) {
        int left = 1000;
        while (!here[b] && left-- > 0) spin_pause();
        if (left < 0) missed[blockIdx.x] = 1;
    }
}

void blocks_of_a_cooperative_launch_run_side_by_side(void **)
{
    px_launch_attributes together = {};
    together.cooperative = true;
    for (int order = 0; order < px_sim::SCHEDULES; order++) {
        px_sim::control().order = static_cast<px_sim::schedule>(order);
        std::vector<int> here(5), missed(5);
        assert_int_equal(PX_LAUNCH_WITH(together, all_here_kernel, 5, 1, 0, px_stream{}, here.data(), missed.data()),
                         cudaSuccess);
        assert_true(missed == std::vector<int>(5));
    }
    px_sim::control() = px_sim::settings();
    std::vector<int> here(5), missed(5); /* without it they come one after another */
    assert_int_equal(PX_LAUNCH(all_here_kernel, 5, 1, 0, px_stream{}, here.data(), missed.data()), cudaSuccess);
    assert_true(missed == std::vector<int>({1, 1, 1, 1, 0}));
    px_sim::control().cooperative_limit = 4;
    assert_int_equal(PX_LAUNCH_WITH(together, all_here_kernel, 5, 1, 0, px_stream{}, here.data(), missed.data()),
                     cudaErrorInvalidConfiguration);
    px_sim::control() = px_sim::settings();
}

/* Adds one to each value, where the stream has come to it or before. */
__global__ void waiting_kernel(int *x, int before)
{
    int v = before ? x[threadIdx.x] : 0;
    if (blockIdx.x > 0) return wait_for_stream();
    wait_for_stream();
    if (!before) v = x[threadIdx.x];
    x[threadIdx.x] = v + 1;
}

__global__ void hasty_kernel(int *x)
{
    if (threadIdx.x < 3) return;
    wait_for_stream();
    x[threadIdx.x] = 1;
}

std::vector<int> device_values(32), hidden_values;

void a_launch_that_overlaps_finds_memory_after_its_wait_alone(void **)
{
    px_launch_attributes none = {};
    const px_stream overlapping = {nullptr, 1};
    int *x = device_values.data();
    px_sim::set_curtain([](bool drawn) {
        if (drawn) hidden_values = device_values;
        for (size_t i = 0; i < device_values.size(); i++) device_values[i] = drawn ? -1 : hidden_values[i];
    });
    for (int order = 0; order < px_sim::SCHEDULES; order++) {
        px_sim::control().order = static_cast<px_sim::schedule>(order);
        for (int &v : device_values) v = 5;
        assert_int_equal(PX_LAUNCH_WITH(none, waiting_kernel, 3, 32, 0, overlapping, x, 0), cudaSuccess);
        assert_true(device_values == std::vector<int>(32, 6));
        assert_int_equal(PX_LAUNCH_WITH(none, waiting_kernel, 3, 32, 0, overlapping, x, 1), cudaSuccess);
        assert_true(device_values == std::vector<int>(32, 0)); /* -1 was there */
        assert_int_equal(PX_LAUNCH_WITH(none, waiting_kernel, 3, 32, 0, px_stream{}, x, 1), cudaSuccess);
        assert_true(device_values == std::vector<int>(32, 1));
        assert_int_equal(PX_LAUNCH_WITH(none, hasty_kernel, 1, 32, 0, overlapping, x), cudaErrorLaunchFailure);
        assert_non_null(std::strstr(px_sim::last_fault(), "returned without wait_for_stream()"));
        assert_true(device_values == std::vector<int>(32, 1)); /* it is there again */
        assert_int_equal(PX_LAUNCH_WITH(none, hasty_kernel, 1, 32, 0, px_stream{}, x), cudaSuccess);
    }
    px_sim::set_curtain(nullptr);
    px_sim::control() = px_sim::settings();
}

int *only_this;

void a_pointer_that_is_not_the_devices_is_refused(void **)
{
    std::vector<int> x(64), y(64);
    only_this = x.data();
    px_sim::set_hooks(nullptr, [](const void *p) { return p == only_this; });
    assert_int_equal(PX_LAUNCH(indices_kernel, 1, 1, 0, px_stream{}, x.data()), cudaSuccess);
    assert_int_equal(PX_LAUNCH(indices_kernel, 1, 1, 0, px_stream{}, y.data()), cudaErrorInvalidValue);
    px_sim::set_hooks(nullptr, nullptr);
    assert_non_null(std::strstr(px_sim::last_fault(), "argument 0"));
}

std::vector<int> order_under(px_sim::schedule order, uint64_t seed)
{
    std::vector<int> out(128, -1);
    int next = 0;
    px_sim::control() = px_sim::settings();
    px_sim::control().order = order;
    px_sim::control().seed = seed;
    assert_int_equal(PX_LAUNCH(order_kernel, 2, 64, 0, px_stream{}, out.data(), &next), cudaSuccess);
    px_sim::control() = px_sim::settings();
    return out;
}

void schedules_differ_and_repeat(void **)
{
    const std::vector<int> forward = order_under(px_sim::FORWARD, 1), reverse = order_under(px_sim::REVERSE, 1);
    for (int i = 0; i < 128; i++) assert_true(forward[i] == i && reverse[i] == 127 - i);
    assert_true(order_under(px_sim::STICKY, 1) == order_under(px_sim::STICKY, 1));
    assert_true(order_under(px_sim::STICKY, 1) != order_under(px_sim::STICKY, 2));
    assert_true(order_under(px_sim::STICKY, 1) != forward);
}

} // namespace

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_of_every_block_runs_once),
        cmocka_unit_test(shuffles_and_votes_do_what_cuda_says),
        cmocka_unit_test(a_barrier_separates_writers_from_readers),
        cmocka_unit_test(a_forgotten_barrier_gives_another_result_in_some_order),
        cmocka_unit_test(shared_memory_that_nobody_wrote_is_NaN),
        cmocka_unit_test(what_cuda_forbids_is_a_fault_with_words),
        cmocka_unit_test(launches_that_no_gpu_takes_are_refused),
        cmocka_unit_test(clusters_are_whole_and_no_larger_than_the_device_has),
        cmocka_unit_test(blocks_of_a_cooperative_launch_run_side_by_side),
        cmocka_unit_test(a_launch_that_overlaps_finds_memory_after_its_wait_alone),
        cmocka_unit_test(a_pointer_that_is_not_the_devices_is_refused),
        cmocka_unit_test(schedules_differ_and_repeat),
    };
    const int failures = cmocka_run_group_tests_name("simulator", tests, nullptr, nullptr);
    return failures + run_cluster_tests() + run_warpgroup_tests() ? 1 : 0;
}
