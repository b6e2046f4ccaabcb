/* One reader under libFuzzer, which looks for inputs that reach new code: FUZZ_TARGET is the name of its target in
 * targets.c.
 *
 *     fuzz_TARGET CORPUS [LIBFUZZER'S FLAGS]      CORPUS: a folder of inputs; the target's valid files are put there first */
#include "targets.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What libFuzzer calls, and what it offers. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t room, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t room);

static const fuzz_target *target;
static char folder[600], input_path[700];

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *level)
{
    (void)info, (void)kind, (void)level;
    return remove(path);
}

static void remove_folder(void) { nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

static void copy_seed(const char *corpus, const char *name)
{
    char from[900], to[900];
    unsigned char block[4096];
    size_t bytes;
    snprintf(from, sizeof from, "%s/%s", folder, name);
    snprintf(to, sizeof to, "%.700s/%.100s", corpus, name);
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    if (!in || !out) exit(1);
    while ((bytes = fread(block, 1, sizeof block, in)) > 0)
        if (fwrite(block, 1, bytes, out) != bytes) exit(1);
    fclose(in);
    if (fclose(out) != 0) exit(1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *base = getenv("TMPDIR");
    struct stat info;
    snprintf(folder, sizeof folder, "%s/perplex-fuzz-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder)) exit(1);
    atexit(remove_folder);
    snprintf(input_path, sizeof input_path, "%s/input", folder);
    for (size_t i = 0; i < fuzz_target_count; i++)
        if (strcmp(fuzz_targets[i].name, FUZZ_TARGET) == 0) target = &fuzz_targets[i];
    if (!target) exit(1);
    fuzz_make_seeds(folder);
    fuzz_prepare(folder);
    for (int i = 1; i < *argc; i++) {
        if ((*argv)[i][0] == '-' || stat((*argv)[i], &info) != 0 || !S_ISDIR(info.st_mode)) continue;
        for (size_t k = 0; k < FUZZ_SEEDS_MAX && target->seeds[k]; k++) copy_seed((*argv)[i], target->seeds[k]);
        break;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_bytes input = fuzz_copy(data, bytes);
    FILE *file = fopen(input_path, "wb");
    if (!file || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0) exit(1);
    const px_status status = target->read(folder, input_path, &input);
    free(input.data);
    const char *mistake = fuzz_mistake(status);
    if (!mistake) return 0;
    fprintf(stderr, "%s: %s: %s\n", target->name, mistake, px_error_message());
    abort();
}

/* In turns libFuzzer's own changes, which learn from what is reached, and the target's, which know numbers, words and
 * checksums. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t room, unsigned seed)
{
    fuzz_random random = {.state = seed};
    if (fuzz_below(&random, 2)) return LLVMFuzzerMutate(data, bytes, room);
    fuzz_bytes input = fuzz_copy(data, bytes), other = fuzz_copy(data, bytes);
    target->mutate(&input, &other, &random);
    const size_t made = input.bytes < room ? input.bytes : room;
    memcpy(data, input.data, made);
    free(input.data);
    free(other.data);
    return made;
}
