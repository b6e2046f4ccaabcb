/* Tiles of every shape (engine/cpu/isa.h): a tile's sums are those of a loop over k, bit for bit, whatever its rows,
 * panels and instruction set; and panels hold what was packed. AVX-512's shapes are also compiled for vectors that the
 * compiler cuts into halves for AVX2 ("wide"), so that they are tested where that is all there is. */
#include "isa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { K = 37, K_BEGIN = 3, MOST_ROWS = 14, MOST_COLUMNS = 4 * 48, COLUMN = 5, WIDTH = COLUMN + MOST_COLUMNS };

#ifdef PX_WIDE_SHAPES
extern const px_isa px_wide_x32_isa, px_wide_x48_isa;
#endif

static float a[MOST_ROWS][K_BEGIN + K], add[MOST_ROWS][WIDTH], bias[WIDTH], out[MOST_ROWS][WIDTH];
static float b[4 * K * 48] __attribute__((aligned(64)));

static float value(int i) { return (float)((i * 7919 + 13) % 2001 - 1000) / 777; }

static void fill(float *values, size_t count, int from)
{
    for (size_t i = 0; i < count; i++) values[i] = value(from + (int)i);
}

/* Whether the tile's multiply-adds round once: the compiler and the instruction set decide. */
static int fused(const px_isa *isa)
{
    static float panel[2 * 48] __attribute__((aligned(64)));
    float result[48];
    const float row[] = {-1, 1 + 0x1p-12f}, *rows[] = {row};
    float *results[] = {result};
    panel[0] = 1 + 0x1p-11f;
    panel[isa->panel] = 1 + 0x1p-12f;
    isa->tile(1, 1, &(px_tile){.a = rows, .b = panel, .next = panel, .k = 2, .out = results, .columns = isa->panel});
    memset(panel, 0, sizeof panel);
    return result[0] != 0;
}

static float step(int once, float x, float y, float sum)
{
    if (once) return fmaf(x, y, sum);
    const volatile float product = x * y;
    return product + sum;
}

static float expected(const px_isa *isa, int row, long j, int with)
{
    const long panel = j / isa->panel, in = j % isa->panel;
    const int once = fused(isa);
    float sum = 0;
    for (long k = 0; k < K; k++) sum = step(once, a[row][K_BEGIN + k], b[(panel * K + k) * isa->panel + in], sum);
    if (with) sum += add[row][COLUMN + j];
    if (with) sum += bias[COLUMN + j];
    return sum;
}

static void check_tile(const px_isa *isa, int rows, int panels, long columns, int with)
{
    const float *a_rows[MOST_ROWS], *add_rows[MOST_ROWS];
    float *out_rows[MOST_ROWS];
    for (int r = 0; r < rows; r++) {
        a_rows[r] = a[r];
        add_rows[r] = add[r];
        out_rows[r] = out[r];
    }
    memset(out, 0, sizeof out);
    const px_tile t = {.a = a_rows,
                       .b = b,
                       .panel_stride = (size_t)K * (size_t)isa->panel,
                       .next = b,
                       .k_begin = K_BEGIN,
                       .k = K,
                       .out = out_rows,
                       .add = with ? add_rows : NULL,
                       .bias = with ? bias : NULL,
                       .column = COLUMN,
                       .columns = columns};
    isa->tile(rows, panels, &t);
    for (int r = 0; r < rows; r++)
        for (long j = 0; j < MOST_COLUMNS; j++) {
            const float want = j < columns ? expected(isa, r, j, with) : 0, got = out[r][COLUMN + j];
            if (memcmp(&want, &got, sizeof got) != 0)
                fail_msg("%s: %d rows, %d panels, %ld columns: row %d, column %ld: got %a, want %a", isa->name, rows,
                         panels, columns, r, j, (double)got, (double)want);
        }
}

static void check_tiles(const px_isa *isa)
{
    for (int rows = 1; rows <= isa->tile_rows; rows++)
        for (int panels = 1; panels <= (rows > 3 ? 1 : 5 - rows); panels++)
            for (int with = 0; with < 2; with++) {
                check_tile(isa, rows, panels, (long)panels * isa->panel, with);
                check_tile(isa, rows, panels, (long)panels * isa->panel - 3, with);
            }
}

/* A matrix [K, columns] packed from rows, and from the rows of its transpose. */
static void check_packing(const px_isa *isa)
{
    enum { COLUMNS = 101 };
    static float rows[K][COLUMNS], turned[COLUMNS][K];
    static float packed[K * 192] __attribute__((aligned(64)));
    for (int k = 0; k < K; k++)
        for (int j = 0; j < COLUMNS; j++) rows[k][j] = turned[j][k] = value(k * COLUMNS + j);
    for (int transposed = 0; transposed < 2; transposed++) {
        memset(packed, 0xff, sizeof packed);
        isa->pack(transposed ? &turned[0][0] : &rows[0][0], transposed ? 1 : COLUMNS, transposed ? K : 1, K, COLUMNS,
                  packed);
        for (long j = 0; j < (COLUMNS + isa->panel - 1) / isa->panel * isa->panel; j++)
            for (long k = 0; k < K; k++)
                assert_true(packed[(j / isa->panel * K + k) * isa->panel + j % isa->panel] ==
                            (j < COLUMNS ? rows[k][j] : 0));
    }
}

/* Loading for its own sake: none of the floats is left out. */
static void check_read(const px_isa *isa)
{
    const long count = 5L * isa->panel;
    static float values[5 * 48] __attribute__((aligned(64)));
    assert_int_equal(isa->read(values, count), 0);
    for (long i = 0; i < count; i++) {
        values[i] = 1;
        if (isa->read(values, count) == 0) fail_msg("%s: float %ld of %ld is not read", isa->name, i, count);
        values[i] = 0;
    }
}

static void check_list(const px_isa *const *list)
{
    for (; *list; list++) {
        printf("%s: tiles of 1 to %d rows, panels of %d columns\n", (*list)->name, (*list)->tile_rows, (*list)->panel);
        check_tiles(*list);
        check_packing(*list);
        check_read(*list);
    }
}

static void tiles_of_every_instruction_set_add_in_the_order_of_k(void **state)
{
    (void)state;
    check_list(px_isa_all());
}

static void other_shapes_give_the_same_bits(void **state)
{
    (void)state;
    check_list(px_isa_shapes());
}

static void shapes_of_avx512_give_the_same_bits_on_avx2(void **state)
{
    (void)state;
#ifdef PX_WIDE_SHAPES
    const px_isa *const wide[] = {&px_wide_x32_isa, &px_wide_x48_isa, NULL};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        check_list(wide);
        return;
    }
#endif
    skip();
}

int main(void)
{
    fill(&a[0][0], sizeof a / sizeof(float), 1);
    fill(&add[0][0], sizeof add / sizeof(float), 5);
    fill(bias, WIDTH, 9);
    fill(b, sizeof b / sizeof(float), 11);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_of_every_instruction_set_add_in_the_order_of_k),
        cmocka_unit_test(other_shapes_give_the_same_bits),
        cmocka_unit_test(shapes_of_avx512_give_the_same_bits_on_avx2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
