/* The simulator's warpgroups: a small kernel that multiplies as PTX defines it, and the same with what PTX forbids. */
#include "simulator_test.h"

#include "warpgroup.h"

#include <cmath>
#include <vector>

namespace
{

enum { COLUMNS = 16, STEPS = 3, QUAD_BYTES = COLUMNS * 16 + 16, MATRIX_BYTES = STEPS * 2 * QUAD_BYTES };

enum mistake {
    NOTHING,
    READS_BEFORE_WAITING,
    OVERWRITES_BEFORE_WAITING,
    NO_FENCE_OF_REGISTERS,
    NO_FENCE_OF_WRITES,
    ANOTHER_STRIDE,
    ONE_WARP_DIFFERS,
    ONE_WARP_STOPS,
    NEVER_WAITS
};

/* c [64,COLUMNS] = a [64,STEPS*8] b [COLUMNS,STEPS*8]^T, of words that hold tf32. */
__global__ void warpgroup_kernel(float *c, const uint32_t *a, const uint32_t *b, int wrong)
{
    PX_DYN_SHARED(char, shared);
    const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, row = thread / 32 * 16;
    const uint32_t along_k = wrong == ANOTHER_STRIDE ? QUAD_BYTES - 16 : static_cast<uint32_t>(QUAD_BYTES);
    float sum[COLUMNS / 2] = {};
    for (int p = thread; p < COLUMNS * STEPS * 8; p += PX_WARPGROUP) {
        const int column = p / (STEPS * 8), word = p % (STEPS * 8);
        reinterpret_cast<uint32_t *>(shared + word / 4 * QUAD_BYTES + column * 16)[word % 4] = b[p];
    }
    __syncthreads();
    if (wrong != NO_FENCE_OF_WRITES) shared_writes_fence();
    if (wrong != NO_FENCE_OF_REGISTERS) warpgroup_fence();
    for (int step = 0; step < STEPS; step++) {
        if (wrong == ONE_WARP_STOPS && row == 16 && step == 2) break;
        const uint32_t at =
            static_cast<uint32_t>(step * 2 * QUAD_BYTES) + (wrong == ONE_WARP_DIFFERS && row == 32 ? 16 : 0);
        uint32_t w[4];
        for (int r = 0; r < 4; r++)
            w[r] = a[(row + fragment_a_row(lane, r)) * STEPS * 8 + step * 8 + fragment_a_word(lane, r)];
        warpgroup_multiply<false>(sum, make_uint4(w[0], w[1], w[2], w[3]),
                                  shared_matrix_at(shared_matrix(matrix_address(shared), along_k, 128), at), step > 0);
    }
    if (wrong == NEVER_WAITS) return;
    if (wrong == OVERWRITES_BEFORE_WAITING) {
        __syncthreads();
        if (thread == 0) *reinterpret_cast<float *>(shared) += 1;
    }
    if (wrong != READS_BEFORE_WAITING) warpgroup_wait(sum);
    for (int r = 0; r < COLUMNS / 2; r++)
        c[(row + warpgroup_c_row(lane, r)) * COLUMNS + warpgroup_c_column(lane, r)] = sum[r];
    if (wrong == READS_BEFORE_WAITING) warpgroup_wait(sum);
}

/* Small whole numbers, which every order of sums gives exactly. */
std::vector<uint32_t> operand(int rows, int factor)
{
    std::vector<uint32_t> words(static_cast<size_t>(rows) * STEPS * 8);
    for (size_t i = 0; i < words.size(); i++)
        words[i] = px_twin::to_tf32(static_cast<float>(static_cast<int>(i * static_cast<size_t>(factor) % 29) - 14));
    return words;
}

/* Does the launch succeed with the right sums? */
bool multiplies(mistake wrong, cudaError_t *error)
{
    const std::vector<uint32_t> a = operand(64, 7), b = operand(COLUMNS, 5);
    std::vector<float> c(64 * COLUMNS);
    *error = PX_LAUNCH(warpgroup_kernel, 1, PX_WARPGROUP, MATRIX_BYTES, px_stream{}, c.data(), a.data(), b.data(),
                       static_cast<int>(wrong));
    bool right = *error == cudaSuccess;
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < COLUMNS; j++) {
            float want = 0;
            for (int k = 0; k < STEPS * 8; k++)
                want += px_twin::float_of_word(a[i * STEPS * 8 + k]) * px_twin::float_of_word(b[j * STEPS * 8 + k]);
            right = right && c[i * COLUMNS + j] == want;
        }
    return right;
}

void a_warpgroup_multiplies_matrices(void **)
{
    each_schedule([] {
        cudaError_t error;
        assert_true(multiplies(NOTHING, &error));
    });
}

/* Under some schedule the sums are wrong. */
void what_is_read_or_written_before_the_wait_shows(void **)
{
    for (const mistake wrong : {READS_BEFORE_WAITING, OVERWRITES_BEFORE_WAITING, ANOTHER_STRIDE}) {
        int right = 0;
        for (int k = 0; k < px_sim::SCHEDULES; k++) {
            cudaError_t error;
            px_sim::control().order = static_cast<px_sim::schedule>(k);
            right += multiplies(wrong, &error);
        }
        px_sim::control() = px_sim::settings();
        assert_true(right < px_sim::SCHEDULES);
    }
}

void what_ptx_forbids_in_a_warpgroup_is_a_fault_with_words(void **)
{
    each_schedule([] {
        static const struct {
            mistake wrong;
            const char *words;
        } faults[] = {{NO_FENCE_OF_REGISTERS, "without warpgroup_fence()"},
                      {NO_FENCE_OF_WRITES, "without shared_writes_fence()"},
                      {ONE_WARP_DIFFERS, "has another matrix"},
                      {ONE_WARP_STOPS, "different numbers"},
                      {NEVER_WAITS, "products are under way"}};
        for (const auto &fault : faults) {
            cudaError_t error;
            multiplies(fault.wrong, &error);
            expect_fault(error, fault.words);
        }
    });
}

void a_matrix_is_described_as_ptx_has_it(void **)
{
    /* start, offset along k, offset along the columns, all over 16; the rest, base offset and swizzle, is 0 */
    assert_true(shared_matrix(0x1230, 0x840, 0x80) == (0x123ull | 0x84ull << 16 | 0x8ull << 32));
    assert_true(shared_matrix_at(shared_matrix(0x1230, 0x840, 0x80), 0x1080) == shared_matrix(0x22b0, 0x840, 0x80));
}

} // namespace

int run_warpgroup_tests()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_warpgroup_multiplies_matrices),
        cmocka_unit_test(what_is_read_or_written_before_the_wait_shows),
        cmocka_unit_test(what_ptx_forbids_in_a_warpgroup_is_a_fault_with_words),
        cmocka_unit_test(a_matrix_is_described_as_ptx_has_it),
    };
    return cmocka_run_group_tests_name("warpgroups", tests, nullptr, nullptr);
}
