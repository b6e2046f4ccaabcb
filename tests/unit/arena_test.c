/* Arenas: aligned, zeroed blocks of one allocation; a request past the end is a mistake in this code; memory that is
 * not there is refused. */
#include "arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void blocks_are_aligned_zeroed_and_apart(void **state)
{
    static const size_t sizes[] = {1, 63, 64, 65, 1000, 4096};
    unsigned char *block[6];
    px_arena arena;
    size_t bytes = 0;
    (void)state;
    for (int k = 0; k < 6; k++) bytes += px_arena_round(sizes[k]);
    assert_int_equal(px_arena_create(&arena, bytes, "a test"), PX_OK);
    for (int k = 0; k < 6; k++) {
        block[k] = px_arena_take(&arena, sizes[k]);
        assert_int_equal((uintptr_t)block[k] % 64, 0);
        for (size_t i = 0; i < sizes[k]; i++) assert_int_equal(block[k][i], 0);
        memset(block[k], k + 1, sizes[k]);
    }
    assert_int_equal(arena.used, arena.bytes);
    for (int k = 0; k < 6; k++)
        for (size_t i = 0; i < sizes[k]; i++) assert_int_equal(block[k][i], k + 1);
    px_arena_destroy(&arena);
    assert_null(arena.base);
    px_arena_destroy(&arena); /* a second time is harmless */
}

static void sizes_round_up_to_64(void **state)
{
    (void)state;
    assert_int_equal(px_arena_round(0), PX_ARENA_RED_ZONE);
    assert_int_equal(px_arena_round(1), 64 + PX_ARENA_RED_ZONE);
    assert_int_equal(px_arena_round(64), 64 + PX_ARENA_RED_ZONE);
    assert_int_equal(px_arena_round(65), 128 + PX_ARENA_RED_ZONE);
}

static void empty_arena_is_fine(void **state)
{
    px_arena arena;
    (void)state;
    assert_int_equal(px_arena_create(&arena, 0, "nothing"), PX_OK);
    px_arena_destroy(&arena);
}

static void memory_that_is_not_there_is_refused_up_front(void **state)
{
    px_arena arena;
    (void)state;
    assert_int_equal(px_arena_create(&arena, (size_t)1 << 46, "activations"), PX_ERR_MEMORY);
    assert_non_null(strstr(px_error_message(), "activations"));
    assert_null(arena.base);
    px_arena_destroy(&arena);
}

static void taking_more_than_was_computed_ends_the_program(void **state)
{
    px_arena arena;
    int status;
    (void)state;
    assert_int_equal(px_arena_create(&arena, 128, "a test"), PX_OK);
    px_arena_take(&arena, 64);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(2); /* its message is not a failure of this test */
        px_arena_take(&arena, 65);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    px_arena_destroy(&arena);
}

/* 1 where a write into the block at that byte ends the program. */
static int write_ends(unsigned char *block, size_t at)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(2); /* the sanitizer's report is what is wanted */
        *(volatile unsigned char *)(block + at) = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_write_past_a_block_is_caught_under_address_sanitizer(void **state)
{
    static const size_t sizes[] = {64, 60, 1};
    px_arena arena;
    size_t bytes = px_arena_round(64); /* stays untaken */
    (void)state;
    for (int k = 0; k < 3; k++) bytes += px_arena_round(sizes[k]);
    assert_int_equal(px_arena_create(&arena, bytes, "a test"), PX_OK);
    for (int k = 0; k < 3; k++) {
        unsigned char *block = px_arena_take(&arena, sizes[k]);
        assert_false(write_ends(block, 0));
        assert_false(write_ends(block, sizes[k] - 1));
#ifdef PX_ARENA_SANITIZED
        assert_true(write_ends(block, sizes[k]));
        assert_true(write_ends(block, px_arena_round(sizes[k]) - 1));
#endif
    }
    px_arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_zeroed_and_apart),
        cmocka_unit_test(sizes_round_up_to_64),
        cmocka_unit_test(empty_arena_is_fine),
        cmocka_unit_test(memory_that_is_not_there_is_refused_up_front),
        cmocka_unit_test(taking_more_than_was_computed_ends_the_program),
        cmocka_unit_test(a_write_past_a_block_is_caught_under_address_sanitizer),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
