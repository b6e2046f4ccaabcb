/* The tree of sums and the talk among ranks, with ranks as threads. */
#include "check.h"
#include "thread_ranks.h"
#include "tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Larger than one exchange, and no whole number of blocks; sizes of values differ so much that every order of adding
 * shows. */
enum { COUNT = (1 << 18) + 4711, LEAVES = 8 };

static float leaf_value(int32_t leaf, size_t i)
{
    uint64_t x = ((uint64_t)leaf * COUNT + i) * 0x9E3779B97F4A7C15u;
    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9u;
    return ldexpf((float)((int64_t)(x >> 40) - (1 << 23)), (int)(x & 31) - 40);
}

static void leaf_values(int32_t leaf, double values[PX_TREE_VALUES])
{
    for (int i = 0; i < PX_TREE_VALUES; i++) values[i] = (double)leaf_value(leaf, (size_t)i) / 3;
}

typedef struct sums {
    int32_t leaves;
    float *g[THREAD_RANKS_MAX];
    double values[THREAD_RANKS_MAX][PX_TREE_VALUES];
    px_status status[THREAD_RANKS_MAX];
} sums;

static void add_leaves(px_comm *comm, void *context)
{
    sums *s = context;
    int32_t here = s->leaves / comm->size, rank = comm->rank;
    float *g = calloc(COUNT, sizeof *g);
    px_tree *tree = NULL;
    px_status status = px_tree_create(comm, here, COUNT, 1, &tree);
    for (int step = 0; status == PX_OK && step < 2; step++) { /* the second step finds nothing of the first */
        if (step == 1) memset(g, 0, COUNT * sizeof *g);
        for (int32_t leaf = rank * here; status == PX_OK && leaf < (rank + 1) * here; leaf++) {
            double values[PX_TREE_VALUES];
            leaf_values(leaf, values);
            for (size_t i = 0; i < COUNT; i++)
                g[i] += leaf_value(leaf, i); /* as an engine adds, to what must be zero */
            status = px_tree_add(tree, g, values);
        }
        if (status == PX_OK) status = px_tree_reduce(tree, g, s->values[rank]);
    }
    px_tree_destroy(tree);
    s->g[rank] = g;
    s->status[rank] = status;
}

static void the_tree_gives_the_same_bits_for_1_2_4_and_8_ranks(void **state)
{
    float *want = malloc(COUNT * sizeof *want);
    double want_values[PX_TREE_VALUES];
    (void)state;
    /* written out: ((0+1)+(2+3)) + ((4+5)+(6+7)) */
    for (size_t i = 0; i < COUNT; i++) {
        float g[LEAVES];
        for (int32_t leaf = 0; leaf < LEAVES; leaf++) g[leaf] = leaf_value(leaf, i);
        float a = g[0] + g[1], b = g[2] + g[3], c = g[4] + g[5], d = g[6] + g[7];
        float left = a + b, right = c + d;
        want[i] = left + right;
    }
    double v[LEAVES][PX_TREE_VALUES];
    for (int32_t leaf = 0; leaf < LEAVES; leaf++) leaf_values(leaf, v[leaf]);
    for (int i = 0; i < PX_TREE_VALUES; i++)
        want_values[i] = ((v[0][i] + v[1][i]) + (v[2][i] + v[3][i])) + ((v[4][i] + v[5][i]) + (v[6][i] + v[7][i]));
    for (int32_t size = 1; size <= LEAVES; size *= 2) {
        sums s = {.leaves = LEAVES};
        thread_ranks_run(size, 600, add_leaves, &s);
        for (int32_t rank = 0; rank < size; rank++) {
            assert_int_equal(s.status[rank], PX_OK);
            assert_memory_equal(s.g[rank], want, COUNT * sizeof *want);
            assert_memory_equal(s.values[rank], want_values, sizeof want_values);
            free(s.g[rank]);
        }
    }
    free(want);
}

static void the_order_of_adding_shows_in_these_values(void **state)
{
    (void)state; /* otherwise the test above could not fail */
    int differ = 0;
    for (size_t i = 0; i < 1000; i++) {
        float in_turn = 0, g[LEAVES];
        for (int32_t leaf = 0; leaf < LEAVES; leaf++) in_turn += g[leaf] = leaf_value(leaf, i);
        float a = g[0] + g[1], b = g[2] + g[3], c = g[4] + g[5], d = g[6] + g[7];
        float left = a + b, right = c + d;
        differ += left + right != in_turn;
    }
    assert_true(differ > 100);
}

static void a_tree_of_three_leaves_is_refused(void **state)
{
    px_comm alone = {.size = 1}, three = {.size = 3};
    px_tree *tree;
    (void)state;
    assert_int_equal(px_tree_create(&alone, 3, 10, 1, &tree), PX_ERR_ARGUMENT);
    assert_int_equal(px_tree_create(&three, 4, 10, 1, &tree), PX_ERR_ARGUMENT);
    assert_int_equal(px_tree_create(&alone, 0, 10, 1, &tree), PX_ERR_ARGUMENT);
}

static void one_leaf_alone_is_its_own_sum(void **state)
{
    px_comm alone = {.size = 1};
    px_tree *tree;
    float g[3] = {1, 2, 3};
    double values[PX_TREE_VALUES] = {4, 5}, sum[PX_TREE_VALUES];
    (void)state;
    assert_int_equal(px_tree_create(&alone, 1, 3, 1, &tree), PX_OK);
    assert_int_equal(px_tree_add(tree, g, values), PX_OK);
    assert_int_equal(px_tree_add(tree, g, values), PX_ERR_INTERNAL);
    px_tree_destroy(tree);
    assert_int_equal(px_tree_create(&alone, 1, 3, 1, &tree), PX_OK);
    assert_int_equal(px_tree_add(tree, g, values), PX_OK);
    assert_int_equal(px_tree_reduce(tree, g, sum), PX_OK);
    assert_true(g[0] == 1 && g[2] == 3 && sum[0] == 4 && sum[1] == 5);
    px_tree_destroy(tree);
}

/* ---- talk -------------------------------------------------------------------------------------------------------- */

typedef struct talk {
    px_status status[THREAD_RANKS_MAX];
    char message[THREAD_RANKS_MAX][300];
    double value[THREAD_RANKS_MAX];
    int64_t most[THREAD_RANKS_MAX];
    int32_t gathered[THREAD_RANKS_MAX];
    char news[THREAD_RANKS_MAX][8];
    int broken[THREAD_RANKS_MAX];
} talk;

static void say_everything(px_comm *comm, void *context)
{
    talk *t = context;
    int32_t rank = comm->rank, all[THREAD_RANKS_MAX] = {0};
    double value = 1 + rank * 0.1;
    int64_t most = rank == 2 ? 70 : rank;
    char news[8] = "";
    if (rank == 0) strcpy(news, "hello");
    px_status status = px_comm_sum(comm, &value, 1);
    if (status == PX_OK) status = px_comm_max(comm, &most, 1);
    if (status == PX_OK) status = px_comm_broadcast(comm, news, sizeof news);
    if (status == PX_OK) status = px_comm_gather(comm, &rank, sizeof rank, rank == 0 ? all : NULL);
    t->status[rank] = status;
    t->value[rank] = value;
    t->most[rank] = most;
    memcpy(t->news[rank], news, sizeof news);
    if (rank == 0) memcpy(t->gathered, all, sizeof all);
}

static void ranks_hear_the_same(void **state)
{
    talk t = {0};
    (void)state;
    thread_ranks_run(4, 600, say_everything, &t);
    double want = 1;
    for (int rank = 1; rank < 4; rank++) want += 1 + rank * 0.1;
    for (int32_t rank = 0; rank < 4; rank++) {
        assert_int_equal(t.status[rank], PX_OK);
        assert_true(t.value[rank] == want);
        assert_int_equal(t.most[rank], 70);
        assert_string_equal(t.news[rank], "hello");
        assert_int_equal(t.gathered[rank], rank);
    }
}

static void one_fails(px_comm *comm, void *context)
{
    talk *t = context;
    px_status mine = comm->rank == 2 ? px_fail(PX_ERR_INPUT, "book.txt: not there") : PX_OK;
    t->status[comm->rank] = px_comm_agree(comm, mine);
    snprintf(t->message[comm->rank], sizeof t->message[0], "%s", px_error_message());
    t->broken[comm->rank] = comm->broken;
}

static void a_failure_that_ranks_agree_on_has_its_reason_everywhere(void **state)
{
    talk t = {0};
    (void)state;
    thread_ranks_run(4, 600, one_fails, &t);
    for (int32_t rank = 0; rank < 4; rank++) {
        assert_int_equal(t.status[rank], PX_ERR_INPUT);
        assert_non_null(strstr(t.message[rank], "book.txt: not there"));
        assert_int_equal(t.broken[rank], 0); /* they can leave in order */
        if (rank != 2) assert_non_null(strstr(t.message[rank], "rank 2 of 4"));
    }
}

static void one_tells(px_comm *comm, void *context)
{
    talk *t = context;
    if (comm->rank == 1) {
        (void)px_fail(PX_ERR_IO, "the disk is full");
        px_comm_tell(comm);
    } else {
        double value = 1;
        t->status[comm->rank] = px_comm_sum(comm, &value, 1);
    }
    snprintf(t->message[comm->rank], sizeof t->message[0], "%s", px_error_message());
    t->broken[comm->rank] = comm->broken;
}

static void who_fails_alone_is_heard_by_all_who_wait(void **state)
{
    talk t = {0};
    (void)state;
    thread_ranks_run(4, 600, one_tells, &t);
    for (int32_t rank = 0; rank < 4; rank++) {
        assert_int_equal(t.broken[rank], 1);
        assert_non_null(strstr(t.message[rank], "the disk is full"));
        if (rank != 1) assert_int_equal(t.status[rank], PX_ERR_IO);
    }
}

static void one_is_missing(px_comm *comm, void *context)
{
    talk *t = context;
    double value = 1;
    if (comm->rank != 1) t->status[comm->rank] = px_comm_sum(comm, &value, 1);
    snprintf(t->message[comm->rank], sizeof t->message[0], "%s", px_error_message());
}

static void a_rank_that_does_not_come_ends_the_wait_at_the_deadline(void **state)
{
    talk t = {0};
    (void)state;
    thread_ranks_run(3, 0.3, one_is_missing, &t);
    for (int32_t rank = 0; rank < 3; rank += 2) {
        assert_int_equal(t.status[rank], PX_ERR_IO);
        assert_non_null(strstr(t.message[rank], "no answer from the other ranks for 0.3 s"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree_gives_the_same_bits_for_1_2_4_and_8_ranks),
        cmocka_unit_test(the_order_of_adding_shows_in_these_values),
        cmocka_unit_test(a_tree_of_three_leaves_is_refused),
        cmocka_unit_test(one_leaf_alone_is_its_own_sum),
        cmocka_unit_test(ranks_hear_the_same),
        cmocka_unit_test(a_failure_that_ranks_agree_on_has_its_reason_everywhere),
        cmocka_unit_test(who_fails_alone_is_heard_by_all_who_wait),
        cmocka_unit_test(a_rank_that_does_not_come_ends_the_wait_at_the_deadline),
    };
    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
