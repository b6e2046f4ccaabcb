/* Small trainings for the tests of host/train: see train_runs.h. */
#include "train_runs.h"

#include "philox.h"
#include "safetensors.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void write_text(const char *path, size_t bytes, unsigned seed)
{
    char *text = malloc(bytes);
    int last = 0;
    for (size_t i = 0; i < bytes; i++) {
        uint32_t lane = px_random_u32(seed, PX_RANDOM_SYNTHETIC, 7, i);
        last = lane % 10 < 6 ? (last * 3 + 1) % 8 : lane % 10 < 8 ? (last + 1) % 8 : (int)(lane >> 8) % 8;
        text[i] = i % 60 == 59 ? '\n' : (char)('a' + last);
    }
    write_bytes(path, text, bytes);
    free(text);
}

void set_all(px_config *config, const char *const *settings)
{
    for (; settings && *settings; settings++) {
        char *copy = strdup(*settings), *equals = strchr(copy, '=');
        assert_non_null(equals);
        *equals = 0;
        assert_px_ok(px_config_set(config, copy, equals + 1));
        free(copy);
    }
}

void small_config(px_config *config, const char *text, const char *run)
{
    static const char *const settings[] = {"hidden=11",
                                           "batch=4",
                                           "steps=7",
                                           "lr=0.1",
                                           "optimizer=sgd",
                                           "schedule=constant",
                                           "warmup-steps=0",
                                           "epochs=0",
                                           "max-steps=60",
                                           "log-every=3",
                                           "device=reference",
                                           "threads=1",
                                           "split=0.8,0.1,0.1",
                                           "init-recurrent=same",
                                           "reset-probability=0",
                                           NULL};
    px_config_default(config);
    set_all(config, settings);
    assert_px_ok(px_config_set(config, "data", text));
    assert_px_ok(px_config_set(config, "run", run));
}

void assert_same_tensors(const char *path_a, const char *path_b, const char *what)
{
    px_safetensors *a, *b;
    assert_px_ok(px_safetensors_open(path_a, &a));
    assert_px_ok(px_safetensors_open(path_b, &b));
    if (px_safetensors_count(a) != px_safetensors_count(b))
        fail_msg("%s: %s has %zu tensors, %s has %zu", what, path_a, px_safetensors_count(a), path_b,
                 px_safetensors_count(b));
    for (size_t i = 0; i < px_safetensors_count(a); i++) {
        const px_safetensor *x = px_safetensors_at(a, i), *y = px_safetensors_find(b, x->name);
        if (!y || x->count != y->count) fail_msg("%s: tensor %s is not the same size in %s", what, x->name, path_b);
        float *v = malloc(x->count * sizeof *v + 1), *w = malloc(x->count * sizeof *w + 1);
        assert_px_ok(px_safetensors_elements(a, x, 0, x->count, v));
        assert_px_ok(px_safetensors_elements(b, y, 0, x->count, w));
        for (size_t k = 0; k < x->count; k++)
            if (memcmp(v + k, w + k, 4) != 0)
                fail_msg("%s: %s[%zu]: %.9g in %s, %.9g in %s", what, x->name, k, (double)v[k], path_a, (double)w[k],
                         path_b);
        free(v);
        free(w);
    }
    px_safetensors_close(a);
    px_safetensors_close(b);
}

/* The state's text without the length of metrics.jsonl, whose speeds have more or fewer digits. */
static char *state_text(const char *path)
{
    px_safetensors *file;
    assert_px_ok(px_safetensors_open(path, &file));
    const char *text = px_safetensors_metadata(file, "perplex.state");
    assert_non_null(text);
    char *copy = strdup(text), *line = strstr(copy, "metrics_bytes");
    px_safetensors_close(file);
    assert_non_null(line);
    char *end = strchr(line, '\n');
    memmove(line, end, strlen(end) + 1);
    return copy;
}

static void assert_same_text(char *a, char *b, const char *what)
{
    if (strcmp(a, b) != 0) {
        size_t i = 0;
        while (a[i] && a[i] == b[i]) i++;
        while (i > 0 && a[i - 1] != '\n') i--;
        fail_msg("%s differs:\n%.300s\n--- and ---\n%.300s", what, a + i, b + i);
    }
    free(a);
    free(b);
}

char *metrics_text(const char *folder)
{
    size_t bytes, room, used = 0;
    char *data = (char *)read_bytes(scratch_path(folder, "metrics.jsonl"), &bytes),
         *out = calloc(1, room = 2 * bytes + 16);
    for (char *line = data, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!end) fail_msg("%s/metrics.jsonl does not end in a whole line", folder);
        cJSON *object = cJSON_ParseWithLength(line, (size_t)(end - line));
        if (!cJSON_IsObject(object)) fail_msg("%s/metrics.jsonl: not an object: %.*s", folder, (int)(end - line), line);
        cJSON_DeleteItemFromObjectCaseSensitive(object, "tokens_per_s");
        cJSON_DeleteItemFromObjectCaseSensitive(object, "seconds");
        char *text = cJSON_PrintUnformatted(object);
        used += (size_t)snprintf(out + used, room - used, "%s\n", text);
        assert_true(used < room);
        free(text);
        cJSON_Delete(object);
    }
    free(data);
    return out;
}

int count_events(const char *folder, const char *event)
{
    char *text = metrics_text(folder), name[64];
    int count = 0;
    snprintf(name, sizeof name, "{\"event\":\"%s\"", event);
    for (char *line = text; (line = strstr(line, name)); line++) count++;
    free(text);
    return count;
}

void assert_same_run(const char *folder_a, const char *folder_b, const char *what)
{
    static const char *const names[] = {"last.safetensors", "best.safetensors"};
    for (int i = 0; i < 2; i++) {
        const char *a = scratch_path(folder_a, names[i]), *b = scratch_path(folder_b, names[i]);
        assert_same_tensors(a, b, what);
        assert_same_text(state_text(a), state_text(b), what);
    }
    assert_same_text(metrics_text(folder_a), metrics_text(folder_b), what);
}
