/* The safetensors container: what is written is read back bit for bit, and nothing damaged is read at all. */
#include "train_support.h"

#include "safetensors.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char *const NASTY = "a \"quoted\" \\ line\nand \t a tab, \x01, and \xC3\xA9\xE2\x82\xAC\xF0\x9F\x99\x82";

static float *values(size_t count)
{
    float *list = malloc(count * sizeof *list);
    for (size_t i = 0; i < count; i++) list[i] = (float)i * 0.37f - 3;
    list[0] = -0.0f;
    if (count > 1) list[1] = NAN;
    return list;
}

/* Two tensors, [3,5] and [7], and one of no elements. */
static px_status write_small(const char *path)
{
    px_safetensors_writer *writer;
    int64_t shape_a[] = {3, 5}, shape_b[] = {7}, shape_c[] = {0, 4};
    float *list = values(22);
    px_status status = px_safetensors_create(path, &writer);
    if (status == PX_OK) {
        assert_px_ok(px_safetensors_add_metadata(writer, "text", NASTY));
        assert_px_ok(px_safetensors_declare(writer, "a.weight", 2, shape_a));
        assert_px_ok(px_safetensors_declare(writer, "b", 1, shape_b));
        assert_px_ok(px_safetensors_declare(writer, "empty", 2, shape_c));
        status = px_safetensors_write(writer, list, 10);
        if (status == PX_OK) status = px_safetensors_write(writer, list + 10, 12);
        if (status == PX_OK)
            status = px_safetensors_commit(writer);
        else
            px_safetensors_abandon(writer);
    }
    free(list);
    return status;
}

static void what_is_written_is_read_back_bit_for_bit(void **state)
{
    char *folder = scratch_create();
    const char *path = scratch_path(folder, "m.safetensors");
    px_safetensors *file;
    int64_t shape_a[] = {3, 5}, shape_b[] = {7};
    float a[15], b[7], *list = values(22);
    (void)state;
    assert_px_ok(write_small(path));
    assert_px_ok(px_safetensors_open(path, &file));
    assert_true(px_safetensors_has_checksum(file));
    assert_string_equal(px_safetensors_metadata(file, "text"), NASTY);
    assert_null(px_safetensors_metadata(file, "none"));
    assert_int_equal(px_safetensors_count(file), 3);
    assert_px_ok(px_safetensors_read(file, "a.weight", 2, shape_a, a));
    assert_px_ok(px_safetensors_read(file, "b", 1, shape_b, b));
    assert_memory_equal(a, list, sizeof a);
    assert_memory_equal(b, list + 15, sizeof b);
    assert_int_equal(px_safetensors_find(file, "a.weight")->place % 8, 0);
    assert_px_fails(px_safetensors_read(file, "c", 1, shape_b, b), PX_ERR_INPUT, "tensor c is missing");
    assert_px_fails(px_safetensors_read(file, "b", 2, shape_a, b), PX_ERR_INPUT,
                    "shape [7]; its configuration says [3,5]");
    px_safetensors_close(file);
    free(list);
    scratch_destroy(folder);
}

static void no_truncated_file_is_opened(void **state)
{
    char *folder = scratch_create();
    const char *path = scratch_path(folder, "m"), *cut = scratch_path(folder, "cut");
    size_t bytes;
    (void)state;
    assert_px_ok(write_small(path));
    unsigned char *data = read_bytes(path, &bytes);
    for (size_t length = 0; length < bytes; length++) {
        px_safetensors *file;
        write_bytes(cut, data, length);
        if (px_safetensors_open(cut, &file) != PX_ERR_INPUT)
            fail_msg("%zu of %zu bytes were taken for a whole file", length, bytes);
        assert_non_null(strstr(px_error_message(), cut));
    }
    free(data);
    scratch_destroy(folder);
}

static void a_change_of_any_byte_is_found(void **state)
{
    char *folder = scratch_create();
    const char *path = scratch_path(folder, "m"), *changed = scratch_path(folder, "changed");
    static const unsigned char flips[] = {0x01, 0x20, 0x80};
    size_t bytes;
    (void)state;
    assert_px_ok(write_small(path));
    unsigned char *data = read_bytes(path, &bytes);
    for (size_t i = 0; i < bytes; i++)
        for (size_t f = 0; f < sizeof flips; f++) {
            px_safetensors *file;
            data[i] ^= flips[f];
            write_bytes(changed, data, bytes);
            px_status status = px_safetensors_open(changed, &file);
            /* without the checksum's name there is no checksum to hold against it: what reads checkpoints asks for one
             */
            if (status == PX_OK && px_safetensors_has_checksum(file))
                fail_msg("byte %zu of %zu changed by 0x%02x was not noticed", i, bytes, flips[f]);
            if (status == PX_OK) px_safetensors_close(file);
            data[i] ^= flips[f];
        }
    free(data);
    scratch_destroy(folder);
}

static void write_raw(const char *path, uint64_t header_bytes, const char *header, size_t data_bytes)
{
    unsigned char *file = calloc(1, 8 + strlen(header) + data_bytes);
    for (int i = 0; i < 8; i++) file[i] = (unsigned char)(header_bytes >> (8 * i));
    memcpy(file + 8, header, strlen(header));
    write_bytes(path, file, 8 + strlen(header) + data_bytes);
    free(file);
}

static void impossible_headers_are_refused(void **state)
{
    static const struct {
        const char *header;
        size_t data_bytes;
        const char *message; /* NULL: to be accepted */
    } cases[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, NULL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}   ", 8, NULL},
        {"{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]},\"a\":{\"dtype\":\"F32\",\"shape\":[2],"
         "\"data_offsets\":[0,8]}}",
         12, NULL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}x", 8, "text behind"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}", 8, "not JSON"},
        {"[1,2]", 8, "no JSON header"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9, "1 bytes stand behind"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, "two whole numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8.5]}}", 8, "two whole numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,1e300]}}", 8, "two whole numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "two whole numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]}}", 8, "two whole numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "does not fit"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "whole numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,2],\"data_offsets\":[0,0]}}", 0,
         "impossibly large"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[4294967296,536870912],\"data_offsets\":[0,0]}}", 0, "does not fit"},
        {"{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "dtype is not known"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8, "too many dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "missing"},
        {"{\"a\":7}", 8, "not an object"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],"
         "\"data_offsets\":[4,12]}}",
         12, "overlaps"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],"
         "\"data_offsets\":[0,8]}}",
         8, "overlaps"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "gap"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"F32\",\"shape\":[2],"
         "\"data_offsets\":[8,16]}}",
         16, "twice"},
        {"{\"__metadata__\":7,\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
         "metadata is not an object"},
        {"{\"__metadata__\":{\"k\":7},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "not text"},
        {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
         8, "twice"},
        {"{\"__metadata__\":{\"perplex.checksum\": "
         "\"00\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
         8, "rewritten"},
        {"{\"__metadata__\":{\"perplex.checksum\":\"00\"}}", 0, "rewritten"},
        {"{\"__metadata__\":{\"perplex.checksum\":\"00000000000000000000000000000000\"}}", 0, "does not match"},
    };
    char *folder = scratch_create();
    const char *path = scratch_path(folder, "m");
    px_safetensors *file;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_raw(path, strlen(cases[i].header), cases[i].header, cases[i].data_bytes);
        px_status status = px_safetensors_open(path, &file);
        if (!cases[i].message) {
            if (status != PX_OK) fail_msg("%s: %s", cases[i].header, px_error_message());
            px_safetensors_close(file);
        } else if (status != PX_ERR_INPUT || !strstr(px_error_message(), cases[i].message))
            fail_msg("%s: got %s \"%s\", want \"%s\"", cases[i].header, px_status_name(status),
                     status == PX_OK ? "" : px_error_message(), cases[i].message);
    }
    write_raw(path, 100000001, "{}", 0);
    assert_px_fails(px_safetensors_open(path, &file), PX_ERR_INPUT, "would have 100000001 bytes");
    write_raw(path, UINT64_MAX, "{}", 0);
    assert_px_fails(px_safetensors_open(path, &file), PX_ERR_INPUT, "not a safetensors file");
    write_raw(path, 60, "{}", 0);
    assert_px_fails(px_safetensors_open(path, &file), PX_ERR_INPUT, "cut short");
    write_bytes(path, "", 0);
    assert_px_fails(px_safetensors_open(path, &file), PX_ERR_INPUT, "empty");
    assert_px_fails(px_safetensors_open(folder, &file), PX_ERR_INPUT, "folder");
    assert_px_fails(px_safetensors_open(scratch_path(folder, "none"), &file), PX_ERR_INPUT, "No such file");
    scratch_destroy(folder);
}

/* RLIMIT_FSIZE makes writing fail as a full disk does, in the middle of a file. */
static void a_full_disk_leaves_the_old_file(void **state)
{
    char *folder = scratch_create();
    const char *path = scratch_path(folder, "m");
    struct rlimit old, small;
    size_t bytes, again;
    (void)state;
    assert_px_ok(write_small(path));
    unsigned char *before = read_bytes(path, &bytes);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (size_t limit = 0; limit < bytes; limit += 37) {
        small = old;
        small.rlim_cur = limit;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        px_status status = write_small(path);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(status, PX_ERR_IO);
        assert_non_null(strstr(px_error_message(), "left as it was"));
        unsigned char *after = read_bytes(path, &again);
        assert_int_equal(again, bytes);
        assert_memory_equal(after, before, bytes);
        assert_int_equal(count_files(folder), 1);
        free(after);
    }
    free(before);
    scratch_destroy(folder);
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    char *folder = scratch_create();
    px_safetensors_writer *writer;
    static const char *const bad[] = {"\xff",     "a\xC3", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                                      "\xE2\x82", "\x80"};
    (void)state;
    assert_px_ok(px_safetensors_create(scratch_path(folder, "m"), &writer));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_px_fails(px_safetensors_add_metadata(writer, "text", bad[i]), PX_ERR_ARGUMENT, "not valid UTF-8");
    px_safetensors_abandon(writer);
    assert_int_equal(count_files(folder), 0);
    scratch_destroy(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back_bit_for_bit),
        cmocka_unit_test(no_truncated_file_is_opened),
        cmocka_unit_test(a_change_of_any_byte_is_found),
        cmocka_unit_test(impossible_headers_are_refused),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
