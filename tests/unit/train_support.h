/* What the tests of host/train share: a scratch folder, small files, small configurations. */
#ifndef TRAIN_SUPPORT_H
#define TRAIN_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <perplex/status.h>

/* A new folder (under TMPDIR, /dev/shm or /tmp), removed with everything in it by the matching call. */
char *scratch_create(void);
void scratch_destroy(char *folder);
/* folder/name; one of 16 static buffers in turn. */
const char *scratch_path(const char *folder, const char *name);
int count_files(const char *folder);

void write_bytes(const char *path, const void *data, size_t bytes);
unsigned char *read_bytes(const char *path, size_t *bytes); /* caller frees */
int file_exists(const char *path);

/* Fails with the recorded message where a call that must succeed does not. */
#define assert_px_ok(call)                                                                                             \
    do {                                                                                                               \
        px_status status_ = (call);                                                                                    \
        if (status_ != PX_OK) fail_msg("%s: %s: %s", #call, px_status_name(status_), px_error_message());              \
    } while (0)
/* The call fails with that code, and its message contains the text. */
#define assert_px_fails(call, code, text)                                                                              \
    do {                                                                                                               \
        px_status status_ = (call);                                                                                    \
        if (status_ != (code) || !strstr(px_error_message(), (text)))                                                  \
            fail_msg("%s: got %s \"%s\", want %s with \"%s\"", #call, px_status_name(status_),                         \
                     status_ == PX_OK ? "" : px_error_message(), px_status_name(code), (text));                        \
    } while (0)

#endif
