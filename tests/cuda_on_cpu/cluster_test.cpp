/* The simulator's clusters and matrix instructions: small kernels that do what PTX defines, and small kernels that do
 * what it forbids. */
#include "simulator_test.h"

#include "cluster.h"
#include "matrix.h"

#include <algorithm>
#include <vector>

namespace
{

enum { BLOCKS = 4, THREADS = 32, STEPS = 5 };

px_launch_attributes in_clusters()
{
    px_launch_attributes attributes = {};
    attributes.cluster = BLOCKS;
    return attributes;
}

/* Dynamic shared memory of the kernels below: two barriers, and two buffers with a quad for every block. */
struct mailbox {
    uint64_t barrier[2];
    uint4 quad[2][BLOCKS];
};

/* What a kernel below does wrong; NOTHING: it is right. */
enum mistake { NOTHING, EXPECTS_TOO_MUCH, EXPECTS_TOO_LITTLE, NO_WAIT, LEAVES_EARLY, ONE_BUFFER, NO_CLUSTER_BARRIER };

/* Every block sends its number to all in every step and adds up what has come: out [blocks] = sum over steps and
 * senders of step * 100 + sender. */
__global__ void everybody_to_everybody_kernel(int *out, int wrong)
{
    PX_DYN_SHARED(mailbox, box);
    const unsigned rank = cluster_rank();
    const unsigned bytes = (BLOCKS + (wrong == EXPECTS_TOO_MUCH) - (wrong == EXPECTS_TOO_LITTLE)) * sizeof(uint4);
    int sum = 0;
    if (threadIdx.x == 0) {
        mbarrier_init(&box->barrier[0], 1);
        mbarrier_init(&box->barrier[1], 1);
        mbarrier_expect(&box->barrier[0], bytes);
        mbarrier_expect(&box->barrier[1], bytes);
    }
    if (wrong != NO_CLUSTER_BARRIER) {
        __syncwarp();
        cluster_arrive();
        cluster_wait();
    }
    for (unsigned step = 0; step < STEPS; step++) {
        const unsigned buffer = wrong == ONE_BUFFER ? 0 : step % 2, arrival = step % 2;
        if (wrong == LEAVES_EARLY && rank == 2 && step + 1 == STEPS) break;
        if (threadIdx.x < BLOCKS) {
            const uint4 v = make_uint4(step * 100 + rank, 0, 0, 0);
            store_async(cluster_map(&box->quad[buffer][rank], threadIdx.x), v,
                        cluster_map(&box->barrier[arrival], threadIdx.x));
        }
        if ((wrong != NO_WAIT || step % 2 == 0) && !mbarrier_wait(&box->barrier[arrival], step / 2 % 2)) px_sim::trap();
        if (threadIdx.x == 0 && step + 2 < STEPS) mbarrier_expect(&box->barrier[arrival], bytes);
        if (threadIdx.x == 0)
            for (unsigned b = 0; b < BLOCKS; b++) sum += static_cast<int>(box->quad[buffer][b].x);
        __syncthreads(); /* this block has read the buffer before it sends what others may answer with the next but one
                          */
    }
    if (wrong != LEAVES_EARLY) {
        cluster_arrive();
        cluster_wait();
    }
    if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

cudaError_t exchange(std::vector<int> &out, mistake wrong)
{
    return PX_LAUNCH_WITH(in_clusters(), everybody_to_everybody_kernel, static_cast<unsigned>(out.size()), THREADS,
                          sizeof(mailbox), px_stream{}, out.data(), static_cast<int>(wrong));
}

bool is_right(const std::vector<int> &out)
{
    const int want = STEPS * (STEPS - 1) / 2 * 100 * BLOCKS + STEPS * BLOCKS * (BLOCKS - 1) / 2;
    return std::all_of(out.begin(), out.end(), [want](int v) { return v == want; });
}

void blocks_of_a_cluster_exchange_what_they_know(void **)
{
    each_schedule([] {
        std::vector<int> out(3 * BLOCKS);
        assert_int_equal(exchange(out, NOTHING), cudaSuccess);
        assert_true(is_right(out));
    });
}

void a_wait_that_nobody_can_satisfy_names_block_and_barrier(void **)
{
    each_schedule([] {
        std::vector<int> out(BLOCKS);
        expect_fault(exchange(out, EXPECTS_TOO_MUCH),
                     "mbarrier_wait for the end of a phase of parity 0 of the barrier at byte 0, "
                     "which lacks 0 arrivals and 16 bytes");
        assert_non_null(strstr(px_sim::last_fault(), "of block "));
        assert_non_null(strstr(px_sim::last_fault(), "cluster_test.cpp:"));
    });
}

/* Under some schedule the launch fails or the sum is wrong. */
int times_caught(mistake wrong)
{
    int caught = 0;
    for (int k = 0; k < px_sim::SCHEDULES; k++) {
        std::vector<int> out(2 * BLOCKS);
        px_sim::control() = px_sim::settings();
        px_sim::control().order = static_cast<px_sim::schedule>(k);
        caught += exchange(out, wrong) != cudaSuccess || !is_right(out);
    }
    px_sim::control() = px_sim::settings();
    return caught;
}

void mistakes_among_blocks_are_caught_in_some_order(void **)
{
    for (const mistake wrong : {EXPECTS_TOO_LITTLE, NO_WAIT, LEAVES_EARLY, ONE_BUFFER, NO_CLUSTER_BARRIER}) {
        if (times_caught(wrong) > 0) continue;
        print_error("mistake %d was not caught\n", static_cast<int>(wrong));
        _fail(__FILE__, __LINE__);
    }
    assert_int_equal(times_caught(NOTHING), 0);
}

/* Blocks of a cluster count themselves; half a barrier does not let anybody through. */
__global__ void count_kernel(int *counts, int *seen)
{
    if (threadIdx.x == 0) counts[blockIdx.x] = 1;
    cluster_arrive();
    cluster_wait();
    const unsigned first = blockIdx.x / BLOCKS * BLOCKS;
    int sum = 0;
    for (unsigned b = first; b < first + BLOCKS; b++) sum += counts[b];
    if (sum != BLOCKS || cluster_rank() != blockIdx.x - first) seen[blockIdx.x] = 0;
}

void the_clusters_barrier_separates_writers_from_readers(void **)
{
    each_schedule([] {
        std::vector<int> counts(2 * BLOCKS), seen(2 * BLOCKS, 1);
        assert_int_equal(
            PX_LAUNCH_WITH(in_clusters(), count_kernel, 2 * BLOCKS, 64, 0, px_stream{}, counts.data(), seen.data()),
            cudaSuccess);
        assert_true(seen == std::vector<int>(2 * BLOCKS, 1));
    });
}

__global__ void forbidden_kernel(int which)
{
    PX_DYN_SHARED(mailbox, box);
    PX_SHARED(uint64_t, elsewhere, [2]);
    if (threadIdx.x != 0) return;
    if (which == 0) cluster_wait();
    if (which == 1) cluster_arrive(), cluster_arrive();
    if (which == 2 && !mbarrier_wait(&box->barrier[0], 0)) px_sim::trap();
    if (which == 3) mbarrier_init(&elsewhere[0], 1);
    if (which == 4) cluster_map(box, BLOCKS);
    if (which < 5) return;
    mbarrier_init(&box->barrier[0], 1);
    if (which == 5) mbarrier_init(&box->barrier[0], 1);
    if (which == 6) mbarrier_expect(&box->barrier[0], 16), mbarrier_expect(&box->barrier[0], 16);
    const cluster_address here = cluster_map(&box->quad[0][0], cluster_rank());
    if (which == 7) store_async(here + 8, make_uint4(0, 0, 0, 0), cluster_map(&box->barrier[0], cluster_rank()));
    if (which == 8) store_async(here, make_uint4(0, 0, 0, 0), cluster_map(&box->barrier[0], cluster_rank() ^ 1));
    if (which == 9)
        store_async(here + (1 << 24), make_uint4(0, 0, 0, 0), cluster_map(&box->barrier[0], cluster_rank()));
    if (which == 10) store_async(here, make_uint4(0, 0, 0, 0), cluster_map(&box->barrier[1], cluster_rank()));
    if (which == 11) mbarrier_expect(&box->barrier[0], 16);
}

void what_ptx_forbids_among_blocks_is_a_fault_with_words(void **)
{
    each_schedule([] {
        static const char *const words[] = {"cluster_wait without cluster_arrive",
                                            "cluster_arrive twice",
                                            "no initialised mbarrier",
                                            "own dynamic shared memory",
                                            "rank 4 of a cluster of 4",
                                            "one already",
                                            "arrivals of this phase",
                                            "no multiple of 16",
                                            "barrier of another one",
                                            "no running block's",
                                            "no initialised mbarrier",
                                            "still expects 16 bytes"};
        for (int which = 0; which < static_cast<int>(sizeof words / sizeof *words); which++)
            expect_fault(
                PX_LAUNCH_WITH(in_clusters(), forbidden_kernel, BLOCKS, THREADS, sizeof(mailbox), px_stream{}, which),
                words[which]);
    });
}

/* ---- matrix instructions ---- */

template <bool BF16> __global__ void multiply_kernel(float *c, const uint32_t *a, const uint32_t *b)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    float sum[4];
    uint32_t w[4];
    for (int r = 0; r < 4; r++) {
        sum[r] = c[fragment_c_row(lane, r) * 8 + fragment_c_column(lane, r)];
        w[r] = a[fragment_a_row(lane, r) * 8 + fragment_a_word(lane, r)];
    }
    const uint32_t *column = b + lane / 4 * 8 + lane % 4;
    matrix_multiply<BF16>(sum, make_uint4(w[0], w[1], w[2], w[3]), column[0], column[4]);
    matrix_multiply<BF16>(sum, make_uint4(w[0], w[1], w[2], w[3]), column[0], column[4]);
    for (int r = 0; r < 4; r++) c[fragment_c_row(lane, r) * 8 + fragment_c_column(lane, r)] = sum[r];
}

/* Words [rows,8] of small whole numbers, which every order of sums gives exactly. */
template <bool BF16> std::vector<uint32_t> words_of(const std::vector<float> &values)
{
    std::vector<uint32_t> words;
    for (size_t i = 0; i < values.size(); i += BF16 ? 2 : 1)
        words.push_back(BF16 ? static_cast<uint32_t>(px_twin::to_bf16(values[i])) |
                                   static_cast<uint32_t>(px_twin::to_bf16(values[i + 1])) << 16
                             : px_twin::to_tf32(values[i]));
    return words;
}

template <bool BF16> void check_multiply()
{
    constexpr int K = BF16 ? 16 : 8;
    std::vector<float> a(16 * K), b(8 * K), c(16 * 8), want(16 * 8);
    for (size_t i = 0; i < a.size(); i++) a[i] = static_cast<float>(static_cast<int>(i * 7 % 31) - 15);
    for (size_t i = 0; i < b.size(); i++) b[i] = static_cast<float>(static_cast<int>(i * 5 % 23) - 11);
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 8; j++) {
            c[i * 8 + j] = want[i * 8 + j] = static_cast<float>(i - j);
            for (int k = 0; k < K; k++) want[i * 8 + j] += 2 * a[i * K + k] * b[j * K + k];
        }
    const std::vector<uint32_t> a_words = words_of<BF16>(a), b_words = words_of<BF16>(b);
    assert_int_equal(
        PX_LAUNCH((multiply_kernel<BF16>), 1, 32, 0, px_stream{}, c.data(), a_words.data(), b_words.data()),
        cudaSuccess);
    assert_true(c == want);
}

void matrix_instructions_multiply_matrices(void **)
{
    each_schedule([] {
        check_multiply<true>();
        check_multiply<false>();
    });
}

void tf32_is_the_nearest_one(void **)
{
    const float ulp = 0x1p-10f;
    assert_int_equal(px_twin::to_tf32(1), 0x3f800000);
    assert_int_equal(px_twin::to_tf32(1 + ulp / 2), px_twin::to_tf32(1 + ulp)); /* a tie goes away from zero */
    assert_int_equal(px_twin::to_tf32(-1 - ulp / 2), px_twin::to_tf32(-1 - ulp));
    assert_int_equal(px_twin::to_tf32(1 + ulp * 0.49f), px_twin::to_tf32(1));
    assert_int_equal(px_twin::to_tf32(0x1.fffffep127f), 0x7f800000);
    assert_int_equal(px_twin::to_tf32(-INFINITY), 0xff800000u);
    assert_int_equal(px_twin::to_tf32(NAN), 0x7fffffff);
}

} // namespace

int run_cluster_tests()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_a_cluster_exchange_what_they_know),
        cmocka_unit_test(a_wait_that_nobody_can_satisfy_names_block_and_barrier),
        cmocka_unit_test(mistakes_among_blocks_are_caught_in_some_order),
        cmocka_unit_test(the_clusters_barrier_separates_writers_from_readers),
        cmocka_unit_test(what_ptx_forbids_among_blocks_is_a_fault_with_words),
        cmocka_unit_test(matrix_instructions_multiply_matrices),
        cmocka_unit_test(tf32_is_the_nearest_one),
    };
    return cmocka_run_group_tests_name("clusters", tests, nullptr, nullptr);
}
