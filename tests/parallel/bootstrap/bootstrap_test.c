/* The bootstrap inside one process: what the environment means, which files are private, the proof of the key; and
 * NCCL's library where it is missing, old or refuses. Several processes are bootstrap.sh's. */
#include "bootstrap.h"
#include "bootstrap_ways.h"
#include "check.h"
#include "nccl.h"
#include "siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/px-bootstrap-XXXXXX";

static const char *const variables[] = {"MASTER_ADDR",
                                        "MASTER_PORT",
                                        "PERPLEX_BOOTSTRAP_DIR",
                                        "PERPLEX_BOOTSTRAP_KEY",
                                        "PERPLEX_JOB",
                                        "SLURM_JOB_ID",
                                        "SLURM_STEP_ID",
                                        "SLURM_RESTART_COUNT",
                                        "SLURM_STEP_NODELIST",
                                        "TORCHELASTIC_RUN_ID",
                                        "TORCHELASTIC_RESTART_COUNT",
                                        "PMIX_NAMESPACE"};

static int each_test_has_a_bare_environment(void **state)
{
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) unsetenv(variables[i]);
    setenv("HOME", folder, 1);
    return 0;
}

static px_bootstrap environment(int one_node)
{
    px_bootstrap bootstrap = {.timeout_s = 0.2};
    px_status status = px_bootstrap_from_environment(0, 2, one_node, &bootstrap);
    if (status != PX_OK) print_error("%s\n", px_error_message());
    assert_int_equal(status, PX_OK);
    return bootstrap;
}

static void assert_says(const char *words)
{
    if (!strstr(px_error_message(), words)) print_error("\"%s\" is not in: %s\n", words, px_error_message());
    assert_non_null(strstr(px_error_message(), words));
}

static const char *in_folder(const char *name)
{
    static char path[2][256];
    static int turn;
    turn = 1 - turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* ---- the environment --------------------------------------------------------------------------------------------- */

static void slurm_names_the_job_the_step_the_restart_and_the_first_node(void **state)
{
    setenv("SLURM_JOB_ID", "71", 1);
    setenv("SLURM_STEP_ID", "3", 1);
    setenv("SLURM_RESTART_COUNT", "2", 1);
    setenv("SLURM_STEP_NODELIST", "node[003-004,9],other", 1);
    px_bootstrap b = environment(0);
    assert_string_equal(b.job, "slurm-71-3");
    assert_string_equal(b.restart, "2");
    assert_string_equal(b.address, "node003");
    setenv("SLURM_STEP_NODELIST", "alpha,beta", 1);
    assert_string_equal(environment(0).address, "alpha");
    assert_string_equal(environment(1).address, "127.0.0.1");
    setenv("SLURM_RESTART_COUNT", "2/../..", 1);
    assert_int_equal(px_bootstrap_from_environment(0, 2, 0, &b), PX_ERR_ARGUMENT);
}

static void outside_of_a_step_slurm_names_no_job(void **state)
{
    setenv("SLURM_JOB_ID", "71", 1);
    assert_string_equal(environment(0).job, "");
}

static void a_job_that_is_named_wins_and_becomes_part_of_a_file_name(void **state)
{
    setenv("SLURM_JOB_ID", "71", 1);
    setenv("SLURM_STEP_ID", "3", 1);
    setenv("PERPLEX_JOB", "my/../job 7", 1);
    assert_string_equal(environment(0).job, "my_.._job_7");
}

static void address_and_port_name_a_job_where_nothing_else_does(void **state)
{
    setenv("MASTER_ADDR", "10.0.0.7", 1);
    setenv("MASTER_PORT", "29500", 1);
    px_bootstrap b = environment(0);
    assert_string_equal(b.job, "at-10.0.0.7-29500");
    setenv("TORCHELASTIC_RUN_ID", "none", 1);
    assert_string_equal(environment(0).job, "at-10.0.0.7-29500");
    setenv("TORCHELASTIC_RUN_ID", "r9", 1);
    assert_string_equal(environment(0).job, "torch-r9");
    setenv("MASTER_PORT", "70000", 1);
    assert_int_equal(px_bootstrap_from_environment(0, 2, 0, &b), PX_ERR_ARGUMENT);
    assert_says("MASTER_PORT=70000");
}

static px_status no_broadcast(void *context, void *data, size_t bytes) { return PX_OK; }

static void mpi_comes_before_tcp_and_tcp_before_a_file(void **state)
{
    px_bootstrap_way way;
    px_bootstrap b = environment(0);
    assert_int_equal(px_bootstrap_choose(&b, &way), PX_ERR_ARGUMENT);
    assert_says("MASTER_ADDR");
    assert_says("PERPLEX_JOB");
    setenv("PERPLEX_JOB", "j", 1);
    b = environment(0);
    assert_int_equal(px_bootstrap_choose(&b, &way), PX_OK);
    assert_int_equal(way, PX_BOOTSTRAP_FILE);
    setenv("MASTER_ADDR", "127.0.0.1", 1);
    setenv("MASTER_PORT", "29500", 1);
    b = environment(0);
    assert_int_equal(px_bootstrap_choose(&b, &way), PX_OK);
    assert_int_equal(way, PX_BOOTSTRAP_TCP);
    b.broadcast = no_broadcast;
    assert_int_equal(px_bootstrap_choose(&b, &way), PX_OK);
    assert_int_equal(way, PX_BOOTSTRAP_MPI);
    b.way = PX_BOOTSTRAP_FILE;
    assert_int_equal(px_bootstrap_choose(&b, &way), PX_OK);
    assert_int_equal(way, PX_BOOTSTRAP_FILE);
    b.way = PX_BOOTSTRAP_MPI;
    b.broadcast = NULL;
    assert_int_equal(px_bootstrap_choose(&b, &way), PX_ERR_ARGUMENT);
    assert_says("--bootstrap tcp or file");
}

static void one_rank_needs_nothing_and_a_deadline_is_a_number(void **state)
{
    char data[4] = "abc";
    px_bootstrap b = environment(0);
    b.size = 1;
    assert_int_equal(px_bootstrap_run(&b, data, sizeof data), PX_OK);
    b.timeout_s = 0;
    assert_int_equal(px_bootstrap_run(&b, data, sizeof data), PX_ERR_ARGUMENT);
    assert_says("--bootstrap-timeout");
}

/* ---- private files ----------------------------------------------------------------------------------------------- */

static void a_key_is_made_once_and_only_the_user_can_read_it(void **state)
{
    px_bootstrap_key first, second;
    struct stat about;
    px_bootstrap b = environment(1);
    assert_int_equal(px_private_key(b.key_path, &first), PX_OK);
    assert_int_equal(stat(b.key_path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(about.st_size, PX_KEY_BYTES);
    assert_int_equal(px_private_key(b.key_path, &second), PX_OK);
    assert_memory_equal(&first, &second, sizeof first);
}

static void a_key_that_others_can_read_or_exchange_is_refused(void **state)
{
    px_bootstrap_key key;
    const char *path = in_folder("open-key");
    assert_int_equal(px_private_key(path, &key), PX_OK);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(px_private_key(path, &key), PX_ERR_INPUT);
    assert_says("chmod 600");
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 8), 0);
    assert_int_equal(px_private_key(path, &key), PX_ERR_INPUT);
    assert_says("no key");
    assert_int_equal(symlink(path, in_folder("key-link")), 0);
    assert_int_equal(px_private_key(in_folder("key-link"), &key), PX_ERR_INPUT);
    assert_says("symbolic link");
    assert_int_equal(px_private_key(folder, &key), PX_ERR_INPUT);
    assert_says("not a plain file");
    if (geteuid() == 0) { /* only root can give files away */
        const char *other = in_folder("another-user's-key");
        assert_int_equal(px_private_key(other, &key), PX_OK);
        assert_int_equal(chown(other, 65534, 65534), 0);
        assert_int_equal(px_private_key(other, &key), PX_ERR_INPUT);
        assert_says("belongs to user 65534");
    }
}

static void a_folder_that_others_can_write_is_refused(void **state)
{
    const char *path = in_folder("open-folder");
    assert_int_equal(px_private_folder(path), PX_OK);
    assert_int_equal(chmod(path, 0777), 0);
    assert_int_equal(px_private_folder(path), PX_ERR_INPUT);
    assert_says("others can write");
    assert_int_equal(chmod(path, 01777), 0); /* as /tmp */
    assert_int_equal(px_private_folder(path), PX_OK);
    assert_int_equal(px_private_folder(in_folder("nowhere/deep")), PX_ERR_INPUT);
}

static void files_of_other_restarts_go_and_those_of_other_jobs_stay(void **state)
{
    static const char *const gone[] = {"perplex-j-0-id", "perplex-j-1-rank-3", "perplex-j-1-port"};
    static const char *const kept[] = {"perplex-j-2-rank-1", "perplex-k-0-id", "perplex-j-5-0-id", "perplex-j-0-notes",
                                       "key"};
    setenv("PERPLEX_JOB", "j", 1);
    setenv("PERPLEX_BOOTSTRAP_DIR", in_folder("clean"), 1);
    px_bootstrap b = environment(1);
    snprintf(b.restart, sizeof b.restart, "2");
    assert_int_equal(px_private_folder(b.folder), PX_OK);
    char path[512];
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        snprintf(path, sizeof path, "%.300s/%s", b.folder, gone[i]);
        assert_int_equal(px_private_write(path, "x", 1), PX_OK);
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        snprintf(path, sizeof path, "%.300s/%s", b.folder, kept[i]);
        assert_int_equal(px_private_write(path, "x", 1), PX_OK);
    }
    px_private_clean(&b);
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        snprintf(path, sizeof path, "%.300s/%s", b.folder, gone[i]);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        snprintf(path, sizeof path, "%.300s/%s", b.folder, kept[i]);
        assert_int_equal(access(path, F_OK), 0);
    }
}

/* ---- the proof of the key ---------------------------------------------------------------------------------------- */

/* The vectors of the SipHash paper's reference code: key 00 01 ... 0f, message 00 01 ... */
static void siphash_gives_its_authors_vectors(void **state)
{
    unsigned char key[16], message[15];
    for (unsigned i = 0; i < 16; i++) key[i] = (unsigned char)i;
    for (unsigned i = 0; i < 15; i++) message[i] = (unsigned char)i;
    assert_true(px_siphash(key, message, 0) == 0x726fdb47dd0e0e31u);
    assert_true(px_siphash(key, message, 1) == 0x74f839c593dc67fdu);
    assert_true(px_siphash(key, message, 8) == 0x93f5f5799a932462u);
    assert_true(px_siphash(key, message, 15) == 0xa129ca6149be45e5u);
}

/* ---- NCCL's library ---------------------------------------------------------------------------------------------- */

/* Loading happens once per process: the failures come first, and leave nothing loaded. */
static void nccl_that_is_missing_wrong_or_old_is_named_with_the_remedy(void **state)
{
    setenv("PERPLEX_NCCL", in_folder("libnccl.so.2"), 1);
    assert_int_equal(px_nccl_load(NULL), PX_ERR_DEVICE);
    assert_says("libnccl.so.2: NCCL cannot be loaded");
    assert_says("nvidia-nccl-cu13");
    setenv("PERPLEX_NCCL", "libm.so.6", 1);
    assert_int_equal(px_nccl_load(NULL), PX_ERR_DEVICE);
    assert_says("has no ncclGetVersion");
    setenv("PERPLEX_NCCL", PX_FAKE_NCCL, 1);
    setenv("PX_FAKE_NCCL_FAULT", "old", 1);
    assert_int_equal(px_nccl_load(NULL), PX_ERR_DEVICE);
    assert_says("2.14");
    unsetenv("PX_FAKE_NCCL_FAULT");
}

static void nccl_is_pinned_unless_the_user_has_chosen(void **state)
{
    int32_t version;
    char text[128];
    unsetenv("NCCL_ALGO");
    setenv("NCCL_PROTO", "LL128", 1);
    setenv("PERPLEX_NCCL", PX_FAKE_NCCL, 1);
    assert_int_equal(px_nccl_load(&version), PX_OK);
    assert_int_equal(version, 22905);
    assert_string_equal(getenv("NCCL_ALGO"), "Ring");
    px_nccl_describe(text, sizeof text);
    assert_string_equal(text, "NCCL 2.29.5, algorithm Ring, protocol LL128");
}

enum { LONG_S = 600 }; /* of a wait that ends by itself */

static px_status join(double start_s, double stall_s, px_nccl **nccl)
{
    char id[PX_NCCL_ID_BYTES];
    px_nccl_options options = {.rank = 0, .size = 1, .start_timeout_s = start_s, .stall_timeout_s = stall_s};
    PX_TRY(px_nccl_new_id(id));
    return px_nccl_create(&options, id, nccl);
}

static void what_nccl_refuses_is_told_in_its_words(void **state)
{
    px_nccl *nccl;
    setenv("PX_FAKE_NCCL_FAULT", "id-fails", 1);
    assert_int_equal(join(LONG_S, LONG_S, &nccl), PX_ERR_DEVICE);
    assert_says("NCCL_SOCKET_IFNAME");
    setenv("PX_FAKE_NCCL_FAULT", "init-fails", 1);
    assert_int_equal(join(LONG_S, LONG_S, &nccl), PX_ERR_DEVICE);
    assert_says("Duplicate GPU detected");
    assert_null(nccl);
    setenv("PX_FAKE_NCCL_FAULT", "init-hangs", 1);
    assert_int_equal(join(0.2, LONG_S, &nccl), PX_ERR_IO);
    assert_says("not all ranks met within 0.2 s");
    unsetenv("PX_FAKE_NCCL_FAULT");
}

static void after_a_failure_every_call_fails_and_nothing_hangs(void **state)
{
    static const struct {
        const char *fault, *words;
        double stall_s;
        int good; /* sums before it */
    } faults[] = {{"enqueue-fails@2", "connection refused", LONG_S, 1},
                  {"reduce-hangs@1", "within 0.2 s", 0.2, 0},
                  {"reduce-breaks@2", "socket closed", LONG_S, 1}};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        float values[2] = {1, 2};
        px_nccl *nccl;
        setenv("PX_FAKE_NCCL_FAULT", faults[i].fault, 1);
        assert_int_equal(join(LONG_S, faults[i].stall_s, &nccl), PX_OK);
        for (int k = 0; k < faults[i].good; k++) {
            assert_int_equal(px_nccl_start(nccl, values, 2, NULL), PX_OK);
            assert_int_equal(px_nccl_finish(nccl, NULL), PX_OK);
        }
        px_status status = px_nccl_start(nccl, values, 2, NULL);
        if (status == PX_OK) status = px_nccl_finish(nccl, NULL);
        assert_int_equal(status, PX_ERR_IO);
        assert_says(faults[i].words);
        assert_int_equal(px_nccl_start(nccl, values, 2, NULL), PX_ERR_IO);
        assert_says(faults[i].words);
        assert_int_equal(px_nccl_watch(nccl, 0), PX_ERR_IO);
        px_nccl_destroy(nccl);
    }
    unsetenv("PX_FAKE_NCCL_FAULT");
}

static void who_waits_too_long_for_the_device_is_let_go(void **state)
{
    px_nccl *nccl;
    assert_int_equal(join(LONG_S, 0.2, &nccl), PX_OK);
    assert_int_equal(px_nccl_watch(nccl, 0.1), PX_OK);
    assert_int_equal(px_nccl_watch(nccl, 0.3), PX_ERR_IO);
    assert_says("another rank has ended or hangs");
    px_nccl_destroy(nccl);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, each_test_has_a_bare_environment)
    const struct CMUnitTest tests[] = {
        TEST(slurm_names_the_job_the_step_the_restart_and_the_first_node),
        TEST(outside_of_a_step_slurm_names_no_job),
        TEST(a_job_that_is_named_wins_and_becomes_part_of_a_file_name),
        TEST(address_and_port_name_a_job_where_nothing_else_does),
        TEST(mpi_comes_before_tcp_and_tcp_before_a_file),
        TEST(one_rank_needs_nothing_and_a_deadline_is_a_number),
        TEST(a_key_is_made_once_and_only_the_user_can_read_it),
        TEST(a_key_that_others_can_read_or_exchange_is_refused),
        TEST(a_folder_that_others_can_write_is_refused),
        TEST(files_of_other_restarts_go_and_those_of_other_jobs_stay),
        TEST(siphash_gives_its_authors_vectors),
        TEST(nccl_that_is_missing_wrong_or_old_is_named_with_the_remedy),
        TEST(nccl_is_pinned_unless_the_user_has_chosen),
        TEST(what_nccl_refuses_is_told_in_its_words),
        TEST(after_a_failure_every_call_fails_and_nothing_hangs),
        TEST(who_waits_too_long_for_the_device_is_let_go),
    };
    if (!mkdtemp(folder)) return 1;
    setenv("PX_FAKE_NCCL_DIR", folder, 1);
    int failed = cmocka_run_group_tests_name("bootstrap", tests, NULL, NULL);
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? failed : 1;
}
