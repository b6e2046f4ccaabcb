/* See targets.h. Valid files come from a tiny training; what carries checksums is sealed again after it was broken, so
 * that the readers behind the checksum are reached too. */
#include "targets.h"

#include "bench.h"
#include "checkpoint.h"
#include "corpus.h"
#include "file.h"
#include "model_exchange.h"
#include "model_file.h"
#include "run_data.h"
#include "state_machine.h"
#include "token_file.h"
#include "train.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>
#ifdef PERPLEX_ZLIB
#include <zlib.h>
#endif
#ifdef PERPLEX_ZSTD
#include <zstd.h>
#endif

static px_vocabulary *words; /* of the process that reads */

/* folder/name; one of 8 places in turn. folder is none of them. */
static const char *join(const char *folder, const char *name)
{
    static char path[8][700];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* ---- sealing ----------------------------------------------------------------------------------------------------- */

static void seal_safetensors(fuzz_bytes *input, size_t header_bytes)
{
    static const char key[] = "\"perplex.checksum\":\"";
    XXH128_canonical_t canonical;
    unsigned char *found = header_bytes ? memmem(input->data + 8, header_bytes, key, sizeof key - 1) : NULL;
    if (!found || (size_t)(found + sizeof key - 1 + 32 - input->data) > 8 + header_bytes) return;
    memset(found + sizeof key - 1, '0', 32);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(input->data, input->bytes));
    for (int i = 0; i < 16; i++) {
        char digits[3];
        snprintf(digits, sizeof digits, "%02x", canonical.digest[i]);
        memcpy(found + sizeof key - 1 + 2 * i, digits, 2);
    }
}

static uint64_t header_length(const fuzz_bytes *input)
{
    uint64_t bytes = 0;
    for (int i = 0; i < 8 && input->bytes >= 8; i++) bytes |= (uint64_t)input->data[i] << (8 * i);
    return bytes <= input->bytes - (input->bytes >= 8 ? 8 : 0) ? bytes : 0;
}

/* Mostly the header alone, its length and the checksum set anew; else anything anywhere. */
static void mutate_safetensors(fuzz_bytes *input, const fuzz_bytes *other, fuzz_random *random)
{
    uint64_t length = header_length(input);
    if (length == 0 || fuzz_below(random, 4) == 0) {
        fuzz_mutate(input, other, random);
        if (fuzz_below(random, 2)) seal_safetensors(input, (size_t)header_length(input));
        return;
    }
    fuzz_bytes header = fuzz_copy(input->data + 8, (size_t)length);
    fuzz_mutate(&header, other, random);
    fuzz_replace(input, 8, (size_t)length, header.data, header.bytes);
    for (int i = 0; i < 8; i++) input->data[i] = (unsigned char)((uint64_t)header.bytes >> (8 * i));
    seal_safetensors(input, header.bytes);
    free(header.data);
}

/* Header fields, ids or the vocabulary's text; then sizes and checksums that agree, most of the time. */
static void mutate_tokens(fuzz_bytes *input, const fuzz_bytes *other, fuzz_random *random)
{
    px_token_header header;
    if (input->bytes < sizeof header || fuzz_below(random, 5) == 0) {
        fuzz_mutate(input, other, random);
        return;
    }
    memcpy(&header, input->data, sizeof header);
    const size_t behind = input->bytes - sizeof header;
    size_t ids;
    if (__builtin_mul_overflow((size_t)header.count, (size_t)header.id_bytes, &ids) || header.id_bytes == 0 ||
        ids > behind ||
        header.vocabulary_bytes > behind - ids) { /* broken before: libFuzzer goes on from such inputs */
        fuzz_mutate(input, other, random);
        return;
    }
    fuzz_bytes id_part = fuzz_copy(input->data + sizeof header, ids),
               text = fuzz_copy(input->data + sizeof header + ids, (size_t)header.vocabulary_bytes);
    size_t what = fuzz_below(random, 3);
    if (what == 0) fuzz_mutate(&id_part, other, random);
    if (what == 1) fuzz_mutate(&text, other, random);
    if (what != 2) {
        header.vocabulary_bytes = text.bytes;
        header.count = id_part.bytes / header.id_bytes;
        id_part.bytes = (size_t)header.count * header.id_bytes;
    } else {
        unsigned char *raw = (unsigned char *)&header;
        for (int i = 0; i < 2; i++) raw[8 + fuzz_below(random, sizeof header - 16)] = (unsigned char)fuzz_next(random);
    }
    header.ids_checksum = XXH3_64bits(id_part.data, id_part.bytes);
    header.vocabulary_checksum = XXH3_64bits(text.data, text.bytes);
    header.header_checksum = XXH3_64bits(&header, offsetof(px_token_header, header_checksum));
    fuzz_replace(input, 0, input->bytes, &header, sizeof header);
    fuzz_replace(input, input->bytes, 0, id_part.data, id_part.bytes);
    fuzz_replace(input, input->bytes, 0, text.data, text.bytes);
    free(id_part.data);
    free(text.data);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static volatile unsigned sink; /* every value is looked at */

static px_status read_safetensors(const char *folder, const char *path, const fuzz_bytes *input)
{
    px_safetensors *file;
    (void)folder, (void)input;
    px_status status = px_safetensors_open(path, &file);
    if (status != PX_OK) return status;
    for (size_t i = 0; i < px_safetensors_count(file); i++) {
        const px_safetensor *tensor = px_safetensors_at(file, i);
        if (px_safetensors_find(file, tensor->name) != tensor) abort();
        unsigned char element[8];
        if (tensor->count && px_safetensors_elements(file, tensor, tensor->count - 1, 1, element) != PX_OK) abort();
        if (tensor->count) sink += element[0];
    }
    px_safetensors_metadata(file, "perplex.config");
    px_safetensors_close(file);
    return PX_OK;
}

static px_status read_model(const char *folder, const char *path, const fuzz_bytes *input)
{
    px_model_file model;
    (void)folder, (void)input;
    px_status status = px_model_file_open(path, &model);
    if (status != PX_OK) return status;
    for (size_t i = 0; i < model.parameters.count; i++) sink += model.weights[i] > 0;
    px_model_file_close(&model);
    return PX_OK;
}

static px_status read_tokens(const char *folder, const char *path, const fuzz_bytes *input)
{
    px_corpus corpus;
    px_corpus_request request = {.data = path, .min_count = 1, .split = {0.8, 0.1, 0.1}, .scratch_dir = folder};
    (void)input;
    px_status status = px_corpus_open(&request, &corpus);
    if (status != PX_OK) return status;
    int32_t V = px_vocabulary_size(corpus.vocabulary);
    for (size_t i = 0; i < px_tokens_count(corpus.data); i++) {
        int32_t id;
        if (px_tokens_at(corpus.data, i, &id) != PX_OK || id < 0 || id >= V) abort();
    }
    size_t unknown;
    if (px_tokens_unknown(corpus.data, 0, px_tokens_count(corpus.data), &unknown) != PX_OK) abort();
    sink += (unsigned)unknown;
    px_corpus_close(&corpus);
    return PX_OK;
}

static px_status read_config(const char *folder, const char *path, const fuzz_bytes *input)
{
    px_config config;
    (void)folder;
    px_config_default(&config);
    px_status status = px_config_read(&config, (const char *)input->data, input->bytes, path);
    if (status == PX_OK) px_config_check(&config);
    if (status == PX_OK) { /* what was read can be written and read again */
        char *text = px_config_write(&config);
        px_config again;
        px_config_default(&again);
        if (!text || px_config_read(&again, text, strlen(text), "again") != PX_OK) abort();
        px_config_free(&again);
        free(text);
    }
    px_config_free(&config);
    return status;
}

static px_status read_vocabulary(const char *folder, const char *path, const fuzz_bytes *input)
{
    px_vocabulary *vocabulary = NULL;
    (void)folder;
    px_status status = px_vocabulary_read((const char *)input->data, input->bytes, path, &vocabulary);
    if (status != PX_OK) return status;
    char *text = px_vocabulary_write(vocabulary);
    px_vocabulary *again = NULL;
    if (!text || px_vocabulary_read(text, strlen(text), "again", &again) != PX_OK ||
        px_vocabulary_hash(again) != px_vocabulary_hash(vocabulary))
        abort();
    px_vocabulary_destroy(again);
    px_vocabulary_destroy(vocabulary);
    free(text);
    return PX_OK;
}

/* The input lies in a run folder under the name of the seed's kind. */
static px_status read_run(const char *folder, const char *path, const fuzz_bytes *input)
{
    px_run_data data;
    const char *run = join(folder, "run"),
               *name = join(folder, input->bytes && input->data[0] == '#' ? "run/config" : "run/metrics.jsonl");
    (void)path;
    FILE *file = fopen(name, "wb");
    if (!file || fwrite(input->data, 1, input->bytes, file) != input->bytes || fclose(file) != 0) abort();
    px_status status = px_run_data_read(run, &data);
    if (status == PX_OK) px_run_data_free(&data);
    return status;
}

static px_status read_list(const char *folder, const char *path, const fuzz_bytes *input)
{
    px_vocabulary_list list;
    px_vocabulary_names names = {.level = -1, .normalise = -1};
    px_vocabulary *vocabulary = NULL;
    int32_t *row = NULL;
    size_t placeholders;
    (void)folder, (void)input;
    px_status status = px_vocabulary_list_read(path, &list);
    if (status == PX_OK) status = px_vocabulary_list_make(&list, &names, &vocabulary, &row, &placeholders);
    if (status == PX_OK && px_vocabulary_size(vocabulary) < (int32_t)list.count) abort();
    px_vocabulary_destroy(vocabulary);
    px_vocabulary_list_free(&list);
    free(row);
    return status;
}

/* Ids of the words' vocabulary, whose list it is, too. */
static px_status read_ids(const char *folder, const char *path, const fuzz_bytes *input)
{
    enum { ROWS = 1 << 16 };
    static int32_t row[ROWS];
    px_tokenize_result result;
    px_vocabulary *vocabulary = NULL;
    (void)input;
    for (int32_t i = 0; i < px_vocabulary_size(words) && i < ROWS; i++) row[i] = i;
    const px_ids_request request = {.paths = path,
                                    .list_count = (size_t)px_vocabulary_size(words),
                                    .list_name = "words",
                                    .listed = words,
                                    .row = row,
                                    .scratch_dir = folder};
    px_status status = px_tokenize_ids(&request, NULL, &result, &vocabulary);
    if (status == PX_OK && (result.tokens < 1 || px_vocabulary_size(vocabulary) != px_vocabulary_size(words))) abort();
    px_vocabulary_destroy(vocabulary);
    return status;
}

static px_status read_foreign(const char *folder, const char *path, const fuzz_bytes *input)
{
    px_vocabulary_list list;
    px_import_result result;
    (void)input;
    px_status status = px_vocabulary_list_of(words, "words", &list);
    if (status != PX_OK) return status;
    px_import_request request = {.path = path, .vocabulary = &list, .names = {.level = -1, .normalise = -1}};
    status = px_model_import(&request, join(folder, "imported.safetensors"), &result);
    px_vocabulary_list_free(&list);
    return status;
}

static px_status read_text(const char *folder, const char *path, const fuzz_bytes *input)
{
    static const px_text_options options[] = {{0, 0, 0}, {1, 0, 0}, {1, 0, 1}, {2, 0, 1}, {1, 1, 1}, {2, 2, 0}};
    px_status status = PX_OK;
    (void)input;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        px_corpus corpus;
        px_corpus_request request = {.data = path, .text = options[i], .min_count = 1, .scratch_dir = folder};
        status = px_corpus_open(&request, &corpus);
        if (status == PX_ERR_MEMORY || status == PX_ERR_INTERNAL) return status;
        if (status == PX_OK) px_corpus_close(&corpus);
    }
    return status;
}

static px_status read_automaton(const char *folder, const char *path, const fuzz_bytes *input)
{
    px_machine *machine;
    (void)folder;
    px_status status = px_machine_read((const char *)input->data, input->bytes, path, &machine);
    if (status != PX_OK) return status;
    int32_t state = 0;
    for (uint64_t draw = 0; draw < 50; draw++) {
        const px_machine_edge *edge = px_machine_step(machine, &state, 1, draw);
        if (state < 0 || state >= machine->states || edge->symbol < 0 || edge->symbol >= machine->symbol_count) abort();
    }
    if (!(machine->entropy_bits >= 0)) abort();
    px_machine_destroy(machine);
    return PX_OK;
}

/* Compared with itself, and read for tables and plots. */
static px_status read_result(const char *folder, const char *path, const fuzz_bytes *input)
{
    px_bench_verdict verdict;
    px_bench_result result;
    (void)folder, (void)input;
    px_status status = px_bench_compare(path, path, &verdict);
    if (status == PX_OK) {
        if (verdict.regressions) abort();
        free(verdict.report);
    } else if (fuzz_mistake(status))
        return status;
    status = px_bench_result_read(&path, 1, &result);
    if (status == PX_OK) px_bench_result_free(&result);
    return status;
}

const char *fuzz_mistake(px_status status)
{
    if (status == PX_ERR_MEMORY) return "absurd memory";
    if (status == PX_ERR_INTERNAL || status == PX_ERR_CUDA || status == PX_STOPPED)
        return "a status that no file can cause";
    return status != PX_OK && !px_error_message()[0] ? "refused without a message" : NULL;
}

const fuzz_target fuzz_targets[] = {
    {"safetensors", {"last.safetensors", "weights.safetensors"}, mutate_safetensors, read_safetensors, 2500},
    {"checkpoint", {"last.safetensors", "best.safetensors"}, mutate_safetensors, read_model, 2500},
    {"token_file", {"text.tok", "words.tok"}, mutate_tokens, read_tokens, 2500},
    {"config", {"config"}, fuzz_mutate, read_config, 2500},
    {"vocabulary", {"vocabulary", "vocabulary-words"}, fuzz_mutate, read_vocabulary, 2500},
    {"run_folder", {"metrics.jsonl", "config"}, fuzz_mutate, read_run, 2500},
    {"vocabulary_list", {"list.json", "object.json", "list.txt", "tokenizer.bin"}, fuzz_mutate, read_list, 2000},
    {"ids", {"ids.bin", "llmc.bin"}, fuzz_mutate, read_ids, 2500},
    {"import", {"weights.safetensors"}, mutate_safetensors, read_foreign, 1500},
    {"text", {"text", "list.json"}, fuzz_mutate, read_text, 500},
    {"automaton", {"machine.txt", "brackets.txt"}, fuzz_mutate, read_automaton, 2500},
    {"bench_result", {"bench.json"}, fuzz_mutate, read_result, 2500},
#ifdef PERPLEX_ZLIB
    {"gzip", {"text.gz"}, fuzz_mutate, read_text, 500},
#endif
#ifdef PERPLEX_ZSTD
    {"zstd", {"text.zst"}, fuzz_mutate, read_text, 500},
#endif
};
const size_t fuzz_target_count = sizeof fuzz_targets / sizeof fuzz_targets[0];

/* ---- seeds ------------------------------------------------------------------------------------------------------- */

static void must(px_status status)
{
    if (status == PX_OK) return;
    fprintf(stderr, "fuzz: no valid file to begin with: %s\n", px_error_message());
    exit(1);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0) must(PX_ERR_IO);
}

static void copy_file(const char *from, const char *to)
{
    char *text;
    size_t bytes;
    must(px_file_read(from, 1 << 24, &text, &bytes));
    FILE *file = fopen(to, "wb");
    if (!file || fwrite(text, 1, bytes, file) != bytes || fclose(file) != 0) must(PX_ERR_IO);
    free(text);
}

/* The text as gzip and zstd pack it. */
static void pack(const char *path, const char *gz_path, const char *zst_path)
{
    char *text;
    size_t bytes;
    must(px_file_read(path, 1 << 24, &text, &bytes));
#ifdef PERPLEX_ZLIB
    gzFile gz = gzopen(gz_path, "wb");
    if (!gz || gzwrite(gz, text, (unsigned)bytes) != (int)bytes || gzclose(gz) != Z_OK) must(PX_ERR_IO);
#endif
#ifdef PERPLEX_ZSTD
    const size_t room = ZSTD_compressBound(bytes);
    char *packed = malloc(room);
    FILE *file = fopen(zst_path, "wb");
    if (!packed || !file) must(PX_ERR_IO);
    const size_t used = ZSTD_compress(packed, room, text, bytes, 3);
    if (ZSTD_isError(used) || fwrite(packed, 1, used, file) != used || fclose(file) != 0) must(PX_ERR_IO);
    free(packed);
#endif
    (void)gz_path, (void)zst_path;
    free(text);
}

static void make_result(const char *path)
{
    static const char item[] =
        "{\"name\": \"%s\", \"work\": \"train\", \"device\": \"cpu\", \"device_text\": \"cpu: one\", \"precision\": "
        "\"fp32\", \"group\": %d, \"batch\": 4,"
        " \"steps\": 5, \"hidden\": 8, \"embed\": 0, \"layers\": 1, \"vocab\": 28, \"tied\": false, \"threads\": 1, "
        "\"rounds\": 9, \"disturbed\": 0, \"contended\": false,"
        " \"noisy\": false, \"tokens_per_s\": 1000.5, \"tokens_per_s_q1\": 990, \"tokens_per_s_q3\": 1010, \"spread\": "
        "0.02, \"step_s\": 0.02, \"phases\": {\"data\": 0.001},"
        " \"phase_sum\": 1, \"flops_per_step\": 1e5, \"bytes_per_step\": 1e4, \"gflops\": 0.1, \"peak_gflops\": 2, "
        "\"copy_gb_s\": 1, \"share_of_peak\": 0.05,"
        " \"memory\": {\"total\": 1000}, \"joules_per_token\": null, \"loss_difference\": null}";
    FILE *file = fopen(path, "wb");
    if (!file) must(PX_ERR_IO);
    fprintf(file, "{\"format\": \"perplex-bench\", \"version\": 1, \"commit\": \"a1\", \"date\": "
                  "\"2026-01-02T03:04:05Z\", \"complete\": true, \"preset\": \"quick\", \"seconds\": 3.5,"
                  " \"machine\": {\"processor\": \"one\"}, \"cases\": [");
    fprintf(file, item, "one", 0);
    fputs(", ", file);
    fprintf(file, item, "two", 1);
    fputs("], \"peaks\": [{\"device\": \"cpu\", \"precision\": \"fp32\", \"threads\": 1, \"gflops\": 2, \"copy_gb_s\": "
          "1, \"instruction_set\": \"avx2\"}]}\n",
          file);
    if (fclose(file) != 0) must(PX_ERR_IO);
}

static void make_tokens(const char *text, int level, const char *path, const char *vocabulary_path)
{
    px_corpus_request request = {.data = text, .text = {.level = level}, .min_count = 1};
    px_tokenize_result result;
    px_vocabulary *vocabulary;
    must(px_tokenize(&request, path, &result, &vocabulary));
    char *form = px_vocabulary_write(vocabulary);
    if (!form) must(PX_ERR_MEMORY);
    write_text(vocabulary_path, form);
    free(form);
    px_vocabulary_destroy(vocabulary);
}

/* Raw ids behind llm.c's header, and without one; and its tokenizer of three pieces. */
static void make_ids(const char *folder)
{
    enum { COUNT = 40 };
    static const char pieces[] = "\1a\3 th\2\n ";
    struct {
        int32_t header[256];
        uint16_t id[COUNT];
    } file = {.header = {20240520, 1, COUNT}};
    for (uint16_t i = 0; i < COUNT; i++) file.id[i] = i % 7;
    must(px_file_put(join(folder, "llmc.bin"), &file, sizeof file));
    must(px_file_put(join(folder, "ids.bin"), file.id, sizeof file.id));
    char tokenizer[sizeof file.header + sizeof pieces - 1];
    file.header[0] = 20240328, file.header[1] = 2, file.header[2] = 3;
    memcpy(tokenizer, file.header, sizeof file.header);
    memcpy(tokenizer + sizeof file.header, pieces, sizeof pieces - 1);
    must(px_file_put(join(folder, "tokenizer.bin"), tokenizer, sizeof tokenizer));
}

void fuzz_make_seeds(const char *folder)
{
    px_config config;
    px_train_hooks hooks = {0};
    px_train_result result;
    px_model_file model;
    FILE *text = fopen(join(folder, "text"), "wb");
    if (!text) must(PX_ERR_IO);
    for (int i = 0; i < 300; i++) fprintf(text, "the %s \xc3\xa9%d went\n", i % 3 ? "king" : "queen", i * i % 11);
    fclose(text);
    px_config_default(&config);
    must(px_config_set(&config, "data", join(folder, "text")));
    must(px_config_set(&config, "run", join(folder, "run")));
    static const char *const settings[][2] = {
        {"level", "word"},   {"hidden", "5"},  {"embed", "3"},     {"batch", "2"},        {"steps", "4"},
        {"max-steps", "40"}, {"threads", "1"}, {"log-every", "2"}, {"valid-every", "10"}, {"schedule", "constant"}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        must(px_config_set(&config, settings[i][0], settings[i][1]));
    must(px_train_start(&config, &hooks, &result));
    px_config_free(&config);
    static const char *const names[] = {"run/last.safetensors", "run/best.safetensors", "run/config",
                                        "run/metrics.jsonl"};
    for (size_t i = 0; i < 4; i++) copy_file(join(folder, names[i]), join(folder, names[i] + 4));
    must(px_model_file_open(join(folder, "best.safetensors"), &model));
    must(px_model_export(&model, join(folder, "weights.safetensors")));
    px_model_file_close(&model);
    make_tokens(join(folder, "text"), 1, join(folder, "text.tok"), join(folder, "vocabulary"));
    make_tokens(join(folder, "text"), 2, join(folder, "words.tok"), join(folder, "vocabulary-words"));
    write_text(join(folder, "list.json"),
               "[\"<unk>\", \" \", \"a\", \"\\u00e9\", \"\\n\", \"<pad>\", \"z\", \"\\\\\", \"\\u0000\"]\n");
    write_text(join(folder, "object.json"), "{\"the\": 1, \"<unk>\": 0, \"king\": 2, \"queen\": 3}\n");
    write_text(join(folder, "machine.txt"), "# two states\ns a 0.3 s\ns \\s 0.7 t\nt \\n 1/2 s # back\nt \\\\ 0.5 t\n");
    write_text(join(folder, "brackets.txt"), px_machine_builtin_text("brackets"));
    make_result(join(folder, "bench.json"));
    make_ids(folder);
    pack(join(folder, "text"), join(folder, "text.gz"), join(folder, "text.zst"));
    write_text(join(folder, "list.txt"), "<unk>\nthe\nking\nqueen\n\xc3\xa9t\xc3\xa9\n");
}

void fuzz_prepare(const char *folder) { must(px_token_file_vocabulary(join(folder, "words.tok"), &words)); }
