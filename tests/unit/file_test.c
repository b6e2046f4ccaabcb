/* Files: mapping and reading name what is wrong, and writing leaves the whole new file or the whole old one. */
#include "file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/perplex_file_test_XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails where a temporary file was left behind */
}

static int entries(void)
{
    int count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void write_text(const char *text)
{
    px_atomic_file file;
    assert_int_equal(px_atomic_open(path, &file), PX_OK);
    assert_int_equal(px_atomic_write(&file, text, strlen(text)), PX_OK);
    assert_int_equal(px_atomic_commit(&file), PX_OK);
}

static void assert_text(const char *want)
{
    char *text;
    size_t bytes;
    char start[4];
    assert_int_equal(px_file_read(path, 1000, &text, &bytes), PX_OK);
    assert_int_equal(bytes, strlen(want));
    assert_string_equal(text, want);
    free(text);
    assert_int_equal(px_file_read_start(path, start, sizeof start, &bytes), PX_OK);
    assert_int_equal(bytes, strlen(want) < 4 ? strlen(want) : 4);
    assert_memory_equal(start, want, bytes);
}

static void committed_text_replaces_the_old(void **state)
{
    (void)state;
    write_text("first");
    assert_text("first");
    write_text("second, longer");
    assert_text("second, longer");
    write_text("");
    assert_text("");
    assert_int_equal(entries(), 1);
}

static void abandoned_text_leaves_the_old(void **state)
{
    px_atomic_file file;
    (void)state;
    write_text("old");
    assert_int_equal(px_atomic_open(path, &file), PX_OK);
    assert_int_equal(px_atomic_write(&file, "new", 3), PX_OK);
    assert_text("old"); /* also while it is being written */
    px_atomic_abandon(&file);
    px_atomic_abandon(&file);
    assert_text("old");
    assert_int_equal(entries(), 1);
}

/* A limit on the size of files stands for a disk that fills up. */
static void failed_write_leaves_the_old(void **state)
{
    struct rlimit kept, small;
    px_atomic_file file;
    char block[4096] = {0};
    (void)state;
    write_text("old");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &kept), 0);
    small = kept;
    small.rlim_cur = 10000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    px_status opened = px_atomic_open(path, &file), written = PX_OK, committed;
    for (int i = 0; i < 1000 && written == PX_OK; i++) written = px_atomic_write(&file, block, sizeof block);
    committed = px_atomic_commit(&file);
    setrlimit(RLIMIT_FSIZE, &kept);
    assert_int_equal(opened, PX_OK);
    assert_int_equal(committed, PX_ERR_IO);
    assert_non_null(strstr(px_error_message(), path));
    assert_text("old");
    assert_int_equal(entries(), 1);
}

static void missing_folders_and_directories_are_named(void **state)
{
    px_atomic_file file;
    px_file opened;
    char *text, missing[80];
    (void)state;
    snprintf(missing, sizeof missing, "%s/no/such", folder);
    assert_int_equal(px_file_open(missing, &opened), PX_ERR_INPUT);
    assert_non_null(strstr(px_error_message(), missing));
    assert_int_equal(px_file_read(missing, 10, &text, NULL), PX_ERR_INPUT);
    assert_int_equal(px_file_open(folder, &opened), PX_ERR_INPUT);
    assert_non_null(strstr(px_error_message(), "folder"));
    assert_int_equal(px_atomic_open(missing, &file), PX_ERR_IO);
    assert_non_null(strstr(px_error_message(), missing));
}

static void file_over_the_limit_is_refused(void **state)
{
    char *text;
    (void)state;
    write_text("twelve bytes");
    assert_int_equal(px_file_read(path, 11, &text, NULL), PX_ERR_INPUT);
    assert_int_equal(px_file_read(path, 12, &text, NULL), PX_OK);
    free(text);
}

static void a_pipe_is_refused_without_waiting_for_a_writer(void **state)
{
    px_file opened;
    char *text;
    (void)state;
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(600); /* ends the test where opening waits */
    assert_int_equal(px_file_open(path, &opened), PX_ERR_INPUT);
    assert_non_null(strstr(px_error_message(), "not a regular file"));
    assert_int_equal(px_file_read(path, 10, &text, NULL), PX_ERR_INPUT);
    alarm(0);
}

static void only_a_regular_file_is_replaced(void **state)
{
    px_atomic_file file;
    struct stat info;
    (void)state; /* the pipe of the test before */
    assert_int_equal(px_atomic_open(path, &file), PX_ERR_IO);
    assert_non_null(strstr(px_error_message(), path));
    assert_int_equal(lstat(path, &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    assert_int_equal(px_atomic_open(folder, &file), PX_ERR_IO);
    assert_int_equal(px_atomic_open("/dev/null", &file), PX_ERR_IO);
    assert_int_equal(lstat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    assert_int_equal(entries(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(committed_text_replaces_the_old),
        cmocka_unit_test(abandoned_text_leaves_the_old),
        cmocka_unit_test(failed_write_leaves_the_old),
        cmocka_unit_test(missing_folders_and_directories_are_named),
        cmocka_unit_test(file_over_the_limit_is_refused),
        cmocka_unit_test(a_pipe_is_refused_without_waiting_for_a_writer),
        cmocka_unit_test(only_a_regular_file_is_replaced),
    };
    return cmocka_run_group_tests_name("file", tests, make_folder, remove_folder);
}
