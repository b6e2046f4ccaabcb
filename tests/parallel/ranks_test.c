/* Finding this process among the ranks of a job, from flags and from what launchers leave in the environment. */
#include "ranks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"OMPI_COMM_WORLD_RANK",
                                    "OMPI_COMM_WORLD_SIZE",
                                    "OMPI_COMM_WORLD_LOCAL_RANK",
                                    "RANK",
                                    "WORLD_SIZE",
                                    "LOCAL_RANK",
                                    "SLURM_STEP_ID",
                                    "SLURM_PROCID",
                                    "SLURM_STEP_NUM_TASKS",
                                    "SLURM_LOCALID",
                                    "PMIX_RANK",
                                    "PMI_RANK"};

/* "NAME=value" strings, ended by NULL, and nothing else of all this. */
static px_ranks found_in(const char *const *environment)
{
    px_ranks ranks;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unsetenv(names[i]);
    for (; *environment; environment++) putenv((char *)(uintptr_t)*environment);
    assert_int_equal(px_ranks_find(-1, -1, -1, &ranks), PX_OK);
    return ranks;
}
#define FOUND_IN(...) found_in((const char *const[]){__VA_ARGS__, NULL})

static void refused_in(const char *const *environment, const char *named)
{
    px_ranks ranks;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unsetenv(names[i]);
    for (; *environment; environment++) putenv((char *)(uintptr_t)*environment);
    assert_int_equal(px_ranks_find(-1, -1, -1, &ranks), PX_ERR_ARGUMENT);
    assert_non_null(strstr(px_error_message(), named));
}
#define REFUSED_IN(named, ...) refused_in((const char *const[]){__VA_ARGS__, NULL}, named)

static void is(px_ranks ranks, int32_t rank, int32_t size, int32_t local_rank, const char *source)
{
    assert_int_equal(ranks.rank, rank);
    assert_int_equal(ranks.size, size);
    assert_int_equal(ranks.local_rank, local_rank);
    assert_string_equal(ranks.source, source);
}

static void nothing_in_the_environment_is_one_rank_alone(void **state)
{
    (void)state;
    is(found_in((const char *const[]){NULL}), 0, 1, 0, "alone");
    assert_int_equal(found_in((const char *const[]){NULL}).mpi, 0);
}

static void launchers_are_found_in_their_order(void **state)
{
    (void)state;
    /* under mpirun inside a Slurm job every process sees SLURM_PROCID=0 */
    px_ranks ranks = FOUND_IN("OMPI_COMM_WORLD_RANK=3", "OMPI_COMM_WORLD_SIZE=4", "OMPI_COMM_WORLD_LOCAL_RANK=1",
                              "RANK=0", "WORLD_SIZE=2", "SLURM_STEP_ID=0", "SLURM_PROCID=0", "SLURM_STEP_NUM_TASKS=1");
    is(ranks, 3, 4, 1, "OMPI_COMM_WORLD_RANK");
    assert_int_equal(ranks.mpi, 1);
    ranks = FOUND_IN("RANK=1", "WORLD_SIZE=2", "LOCAL_RANK=0", "SLURM_STEP_ID=0", "SLURM_PROCID=0",
                     "SLURM_STEP_NUM_TASKS=1");
    is(ranks, 1, 2, 0, "RANK");
    assert_int_equal(ranks.mpi, 0);
    is(FOUND_IN("SLURM_STEP_ID=0", "SLURM_PROCID=5", "SLURM_STEP_NUM_TASKS=8", "SLURM_LOCALID=1"), 5, 8, 1,
       "SLURM_PROCID");
    assert_int_equal(FOUND_IN("SLURM_STEP_ID=0", "SLURM_PROCID=5", "SLURM_STEP_NUM_TASKS=8", "PMIX_RANK=5").mpi, 1);
}

static void a_batch_script_is_no_step(void **state)
{
    (void)state;
    is(FOUND_IN("SLURM_PROCID=0", "SLURM_STEP_NUM_TASKS=4"), 0, 1, 0, "alone");
    is(FOUND_IN("SLURM_STEP_ID=batch", "SLURM_PROCID=0", "SLURM_STEP_NUM_TASKS=4"), 0, 1, 0, "alone");
    is(FOUND_IN("SLURM_STEP_ID=4294967291", "SLURM_PROCID=0", "SLURM_STEP_NUM_TASKS=4"), 0, 1, 0, "alone");
}

static void a_lone_RANK_is_somebody_elses(void **state)
{
    (void)state;
    is(FOUND_IN("RANK=colonel"), 0, 1, 0, "alone");
}

static void without_a_local_rank_the_rank_stands_for_it(void **state)
{
    (void)state;
    is(FOUND_IN("RANK=1", "WORLD_SIZE=2"), 1, 2, 1, "RANK");
}

static void what_is_no_number_in_range_is_refused_by_name(void **state)
{
    (void)state;
    REFUSED_IN("RANK=2", "RANK=2", "WORLD_SIZE=2");
    REFUSED_IN("WORLD_SIZE=two", "RANK=0", "WORLD_SIZE=two");
    REFUSED_IN("LOCAL_RANK=-1", "RANK=0", "WORLD_SIZE=2", "LOCAL_RANK=-1");
    REFUSED_IN("SLURM_STEP_NUM_TASKS", "SLURM_STEP_ID=3", "SLURM_PROCID=0");
}

static void flags_come_first_and_belong_together(void **state)
{
    px_ranks ranks;
    (void)state;
    FOUND_IN("RANK=0", "WORLD_SIZE=2");
    assert_int_equal(px_ranks_find(3, 4, -1, &ranks), PX_OK);
    is(ranks, 3, 4, 3, "flags");
    assert_int_equal(px_ranks_find(3, 4, 1, &ranks), PX_OK);
    is(ranks, 3, 4, 1, "flags");
    assert_int_equal(px_ranks_find(3, -1, -1, &ranks), PX_ERR_ARGUMENT);
    assert_int_equal(px_ranks_find(-1, 4, -1, &ranks), PX_ERR_ARGUMENT);
    assert_int_equal(px_ranks_find(4, 4, -1, &ranks), PX_ERR_ARGUMENT);
}

static void what_was_found_can_be_read(void **state)
{
    char text[120];
    (void)state;
    px_ranks ranks = FOUND_IN("RANK=1", "WORLD_SIZE=2", "LOCAL_RANK=0");
    px_ranks_describe(&ranks, text, sizeof text);
    assert_string_equal(text, "rank 1 of 2, 0 on this machine (RANK)");
    ranks = found_in((const char *const[]){NULL});
    px_ranks_describe(&ranks, text, sizeof text);
    assert_string_equal(text, "rank 0 of 1 (alone)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_in_the_environment_is_one_rank_alone),
        cmocka_unit_test(launchers_are_found_in_their_order),
        cmocka_unit_test(a_batch_script_is_no_step),
        cmocka_unit_test(a_lone_RANK_is_somebody_elses),
        cmocka_unit_test(without_a_local_rank_the_rank_stands_for_it),
        cmocka_unit_test(what_is_no_number_in_range_is_refused_by_name),
        cmocka_unit_test(flags_come_first_and_belong_together),
        cmocka_unit_test(what_was_found_can_be_read),
    };
    return cmocka_run_group_tests_name("ranks", tests, NULL, NULL);
}
