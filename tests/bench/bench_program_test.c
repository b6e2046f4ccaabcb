/* `perplex bench` as a user runs it, on small sizes: its JSON against the schema, Ctrl-C, bad arguments.
 * No figure is judged that a busy machine can change: the rules of judging are in compare_test.c and
 * bench_parts_test.c. */
#include "program.h"
#include "schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void check_schema(const cJSON *result)
{
    char message[512] = "", *text = program_read(BENCH_SCHEMA);
    cJSON *schema = cJSON_Parse(text);
    if (!schema) fail_msg("%s is not JSON", BENCH_SCHEMA);
    if (!schema_check(schema, result, "result", message, sizeof message)) fail_msg("%s", message);
    cJSON_Delete(schema);
    free(text);
}

static cJSON *measure(const char *command_line)
{
    program_run run = program_call(command_line);
    cJSON *json = program_json(&run, 0);
    program_free(&run);
    return json;
}

/* Of one step: a window's, or one of each stream. */
static double tokens_of_step(const cJSON *c)
{
    const char *work = json_text(c, "work");
    const int decodes = strcmp(work, "decode") == 0 || strcmp(work, "next") == 0;
    return json_number(c, "batch") * (decodes ? 1 : json_number(c, "steps"));
}

/* Fails unless the run says what it measured as shares that follow from each other. */
static void check_case(const cJSON *c)
{
    double gflops = json_number(c, "gflops"), peak = json_number(c, "peak_gflops"),
           share = json_number(c, "share_of_peak");
    const double tokens = tokens_of_step(c);
    assert_true(fabs(share - gflops / peak) < 1e-9 * share + 1e-12);
    assert_true(fabs(gflops - json_number(c, "tokens_per_s") / tokens * json_number(c, "flops_per_step") * 1e-9) <
                1e-6 * gflops);
    assert_true(json_number(c, "tokens_per_s_q1") <= json_number(c, "tokens_per_s"));
    assert_true(json_number(c, "tokens_per_s_q3") >= json_number(c, "tokens_per_s"));
    assert_true(share > 0);
    /* what a meeting of the threads takes: one thread alone meets nobody */
    if (json_number(c, "threads") > 1)
        assert_true(json_number(c, "step_latency_s") > 0);
    else
        assert_true(cJSON_IsNull(json_at(c, "step_latency_s")));
}

/* Evaluation and decoding are held against the rate at which their weights can be read; training is not. */
static void check_weights(const cJSON *c)
{
    if (strcmp(json_text(c, "work"), "train") == 0) {
        assert_true(cJSON_IsNull(json_at(c, "weight_bytes_per_step")) && cJSON_IsNull(json_at(c, "weight_gb_s")) &&
                    cJSON_IsNull(json_at(c, "read_gb_s")));
        return;
    }
    const double tokens = tokens_of_step(c);
    const double bytes = json_number(c, "weight_bytes_per_step"), rate = json_number(c, "weight_gb_s"),
                 read = json_number(c, "read_gb_s");
    assert_true(fabs(rate - json_number(c, "tokens_per_s") / tokens * bytes * 1e-9) < 1e-6 * rate);
    const double seconds = fmax(json_number(c, "flops_per_step") / json_number(c, "peak_gflops"), bytes / read) * 1e-9;
    assert_true(fabs(json_number(c, "roofline_s") - seconds) < 1e-6 * seconds);
    assert_true(json_number(c, "share_of_roofline") > 0);
}

/* Phases lie inside the step: what is between them is another program's, or too little to time. */
static void check_phases(const cJSON *c)
{
    double sum = json_number(c, "phase_sum");
    if (!(sum > 0 && sum <= 1.001)) fail_msg("%s: its phases sum to %.3f of the step", json_text(c, "name"), sum);
}

static void smoke_obeys_the_schema_and_phases_lie_inside_the_step(void **state)
{
    cJSON *result = measure("bench --preset smoke --case-seconds 0.1 --json");
    const cJSON *c;
    check_schema(result);
    assert_int_equal(cJSON_GetArraySize(json_at(result, "cases")), 3);
    assert_true(cJSON_IsTrue(json_at(result, "complete")));
    assert_true(json_number(result, "peak_gflops") > 0);
    cJSON_ArrayForEach(c, json_at(result, "cases"))
    {
        static const char *const timed[] = {"data", "recurrence_forward", "head", "recurrence_backward", "update"};
        check_case(c);
        check_phases(c);
        for (int i = 0; i < 5; i++) assert_true(json_number(json_at(c, "phases"), timed[i]) > 0);
    }
    cJSON_Delete(result);
}

static void devices_side_by_side_start_from_the_same_losses(void **state)
{
    cJSON *result = measure("bench --sweep hidden=33,64 batch=3 steps=7 vocab=40 threads=1 --device cpu,reference "
                            "--case-seconds 0.1 --json");
    const cJSON *c;
    int compared = 0;
    check_schema(result);
    cJSON_ArrayForEach(c, json_at(result, "cases"))
    {
        if (strcmp(json_text(c, "device"), "reference") != 0) continue;
        /* fp32 against double: losses of some 4 nats, each the mean of 21; 1e-5 is 40 units in fp32's last place */
        assert_true(json_number(c, "loss_difference") < 1e-5);
        compared++;
    }
    assert_int_equal(compared, 2);
    assert_int_equal(cJSON_GetArraySize(json_at(result, "crossovers")), 1);
    cJSON_Delete(result);
}

static void evaluation_and_decoding_are_measured_too(void **state)
{
    cJSON *result = measure("bench --hidden 48 --embed 16 --layers 2 --batch 5 --steps 6 --threads 1 --work "
                            "train,evaluate,decode,next --case-seconds 0.1 --json");
    const cJSON *cases = json_at(result, "cases"), *c;
    static const char *const works[] = {"train", "evaluate", "decode", "next"};
    int i = 0;
    check_schema(result);
    cJSON_ArrayForEach(c, cases)
    {
        assert_string_equal(json_text(c, "work"), works[i++]);
        check_case(c);
        check_weights(c);
    }
    assert_int_equal(i, 4);
    /* before the first update, training and evaluation score the same window with the same weights */
    const cJSON *train = json_at(cJSON_GetArrayItem(cases, 0), "losses"),
                *evaluate = json_at(cJSON_GetArrayItem(cases, 1), "losses");
    assert_true(fabs(cJSON_GetArrayItem(train, 0)->valuedouble - cJSON_GetArrayItem(evaluate, 0)->valuedouble) < 1e-5);
    cJSON_Delete(result);
}

/* Parts of a step alone, and a part that this model has not or that an engine cannot run alone: said as its reason. */
static void phases_are_measured_alone(void **state)
{
    static const char *const parts[] = {"data",           "embed", "recurrence_forward", "head", "recurrence_backward",
                                        "embed_backward", "update"};
    cJSON *result = measure("bench --hidden 48 --embed 16 --layers 2 --batch 5 --steps 6 --threads 1 --work phases "
                            "--case-seconds 0.1 --json");
    cJSON *whole =
        measure("bench --hidden 48 --embed 16 --layers 2 --batch 5 --steps 6 --threads 1 --case-seconds 0.1 --json");
    const cJSON *c, *train = cJSON_GetArrayItem(json_at(whole, "cases"), 0);
    double flops = 0, bytes = 0;
    int i = 0;
    check_schema(result);
    cJSON_ArrayForEach(c, json_at(result, "cases"))
    {
        assert_string_equal(json_text(c, "work"), parts[i++]);
        check_phases(c);
        flops += json_number(c, "flops_per_step");
        if (i > 1) bytes += json_number(c, "bytes_per_step");
    }
    assert_int_equal(i, 7);
    assert_true(flops == json_number(train, "flops_per_step") && bytes == json_number(train, "bytes_per_step"));
    cJSON_Delete(result);
    cJSON_Delete(whole);
    result = measure("bench --hidden 20 --batch 2 --steps 3 --threads 1 --work embed,head --device cpu,reference "
                     "--case-seconds 0.05 --json");
    check_schema(result);
    assert_int_equal(cJSON_GetArraySize(json_at(result, "cases")), 1);
    assert_int_equal(cJSON_GetArraySize(json_at(result, "failed")), 3);
    assert_non_null(strstr(json_text(cJSON_GetArrayItem(json_at(result, "failed"), 0), "reason"), "--embed"));
    assert_non_null(strstr(json_text(cJSON_GetArrayItem(json_at(result, "failed"), 2), "reason"), "whole steps only"));
    cJSON_Delete(result);
}

/* A stand-in for NVIDIA's management library is found before any real one: what it says is in the result. */
static void driver_and_clocks_are_in_the_result(void **state)
{
    setenv("LD_LIBRARY_PATH", BENCH_FAKE_NVML, 1);
    cJSON *result = measure("bench --hidden 16 --batch 2 --steps 3 --threads 1 --case-seconds 0.05 --json");
    unsetenv("LD_LIBRARY_PATH");
    check_schema(result);
    const cJSON *nvidia = json_at(result, "nvidia"), *gpus = json_at(nvidia, "gpus"),
                *gpu = cJSON_GetArrayItem(gpus, 1);
    assert_string_equal(json_text(nvidia, "driver"), "999.88.77");
    assert_int_equal(cJSON_GetArraySize(gpus), 2);
    assert_string_equal(json_text(gpu, "name"), "Stand-in 1");
    assert_string_equal(json_text(gpu, "bus"), "00000000:01:00.0");
    assert_true(json_number(gpu, "sm_mhz") == 1501 && json_number(gpu, "sm_mhz_max") == 1981 &&
                json_number(gpu, "memory_mhz") == 2602);
    assert_true(json_number(gpu, "power_limit_w") == 350.5 && cJSON_IsNull(json_at(gpu, "temperature_c")));
    cJSON_Delete(result);
}

/* A processor whose counters stand still, and one that has none: what counted is in the result, or why nothing did. */
static void energy_or_why_there_is_none_is_in_the_result(void **state)
{
    static const char *const files[][2] = {{"name", "package-0"}, {"energy_uj", "5"}, {"max_energy_range_uj", "99"}};
    static const char command[] = "bench --hidden 16 --batch 2 --steps 3 --threads 1 --case-seconds 0.05 --json";
    char folder[] = "/tmp/perplex_bench_test_XXXXXX", zone[64], path[128];
    assert_non_null(mkdtemp(folder));
    setenv("PERPLEX_POWERCAP", folder, 1);
    cJSON *without = measure(command);
    snprintf(zone, sizeof zone, "%s/intel-rapl:0", folder);
    mkdir(zone, 0700);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", zone, files[i][0]);
        FILE *file = fopen(path, "w");
        fputs(files[i][1], file);
        fclose(file);
    }
    cJSON *with = measure(command);
    unsetenv("PERPLEX_POWERCAP");
    check_schema(without);
    check_schema(with);
    assert_true(cJSON_IsNull(json_at(cJSON_GetArrayItem(json_at(without, "cases"), 0), "joules_per_token")));
    const cJSON *said = cJSON_GetArrayItem(json_at(without, "energy"), 0);
    assert_non_null(strstr(json_text(said, "not_counted"), folder));
    said = cJSON_GetArrayItem(json_at(with, "energy"), 0);
    assert_string_equal(json_text(said, "counter"), "RAPL package-0");
    assert_true(json_number(cJSON_GetArrayItem(json_at(with, "cases"), 0), "joules_per_token") == 0);
    cJSON_Delete(with);
    cJSON_Delete(without);
    snprintf(path, sizeof path, "rm -r %s", folder);
    assert_int_equal(system(path), 0);
}

/* ---- stopping, files, arguments ---------------------------------------------------------------------------------- */

static void ctrl_c_keeps_what_was_measured(void **state)
{
    /* 1,440 cases of a third of a second or more: it is never done when the second line of progress comes, after some
     * ten seconds */
    program_started started = program_start(
        "bench --sweep hidden=16..64 batch=1..128 steps=4,8,16 vocab=20,21,22,23,24,25,26,27,28,29 embed=0,8 threads=1 "
        "--case-seconds 0.2 --json");
    for (int i = 0; i < 6000; i++) {
        struct timespec pause = {0, 100000000};
        nanosleep(&pause, NULL);
        char *err = program_read(started.err_path);
        char *newline = strchr(err, '\n');
        int second = newline && strchr(newline + 1, '\n') != NULL;
        free(err);
        if (second) break;
    }
    kill(started.pid, SIGINT);
    program_run run = program_wait(&started);
    cJSON *result = program_json(&run, 1);
    check_schema(result);
    assert_true(cJSON_IsFalse(json_at(result, "complete")));
    int kept = cJSON_GetArraySize(json_at(result, "cases"));
    if (kept < 1 || kept >= 1440) fail_msg("%d cases were kept", kept);
    assert_non_null(strstr(run.err, "stopped"));
    cJSON_Delete(result);
    program_free(&run);
}

/* The saved result alone gives the same pictures again. */
static void redraw(const char *folder)
{
    static const char *const scripts[] = {"speed-hidden.gp", "speed-batch.gp", "phases.gp", "roofline.gp"};
    char line[256], first[160], second[160];
    snprintf(line, sizeof line, "bench --plot %s/bench.json --out %s/again", folder, folder);
    program_run run = program_call(line);
    if (run.code != 0) fail_msg("%s: exit status %d: %s", line, run.code, run.err);
    for (int i = 0; i < 4; i++) {
        snprintf(first, sizeof first, "%s/plots/%s", folder, scripts[i]);
        snprintf(second, sizeof second, "%s/again/plots/%s", folder, scripts[i]);
        char *a = program_read(first), *b = program_read(second);
        assert_string_equal(a, b);
        free(a);
        free(b);
    }
    program_free(&run);
}

static void a_folder_gets_json_csv_markdown_and_plots(void **state)
{
    char folder[] = "/tmp/perplex-bench-folder-XXXXXX", line[256], path[128];
    assert_non_null(mkdtemp(folder));
    snprintf(line, sizeof line,
             "bench --sweep hidden=16,32 batch=1,4 steps=4 threads=1 --case-seconds 0.05 --png --out %s", folder);
    program_run run = program_call(line);
    assert_int_equal(run.code, 0);
    int drawn = !strstr(run.err, "gnuplot was not found");
    static const char *const files[] = {"bench.json",
                                        "bench.csv",
                                        "bench.md",
                                        "plots/speed-hidden.gp",
                                        "plots/speed-batch.gp",
                                        "plots/phases.gp",
                                        "plots/roofline.gp",
                                        "plots/speed-hidden.svg",
                                        "plots/speed-batch.png",
                                        "plots/phases.svg",
                                        "plots/roofline.png"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        int picture = strstr(files[i], ".svg") || strstr(files[i], ".png");
        if (picture && !drawn) continue;
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        char *text = program_read(path);
        if (!text[0]) fail_msg("%s is empty", path);
        if (strcmp(files[i], "bench.json") == 0) {
            cJSON *json = cJSON_Parse(text);
            assert_non_null(json);
            check_schema(json);
            cJSON_Delete(json);
        }
        if (strcmp(files[i], "bench.csv") == 0) {
            int lines = 0;
            for (char *at = text; *at; at++) lines += *at == '\n';
            assert_int_equal(lines, 5);
        }
        free(text);
    }
    if (!drawn) printf("SKIP plots: gnuplot is not installed\n");
    program_free(&run);
    if (drawn) redraw(folder);
    snprintf(line, sizeof line, "rm -r %s", folder);
    assert_int_equal(system(line), 0);
}

static void wrong_arguments_end_with_status_2_and_one_clear_line(void **state)
{
    static const struct {
        const char *line, *word;
    } bad[] = {
        {"bench --sweep hidden=9..1", "backwards"},
        {"bench --sweep hiden=9", "expected key"},
        {"bench --preset quik", "seed-chapter"},
        {"bench --preset quick --hidden 3", "--hidden"},
        {"bench --preset quick --sweep hidden=3", "preset brings its own"},
        {"bench --device abacus", "abacus"},
        {"bench --work walk", "decode"},
        {"bench --plot /tmp/perplex-none.json", "--out"},
        {"bench --plot /tmp/perplex-none.json --out /tmp/perplex-none", "perplex-none.json"},
        {"bench --hidden 0", "hidden"},
        {"bench --prset quick", "preset"},
        {"bench --precision bf16", "fp32"},
        {"bench --tied", "embed"},
        {"bench --data /tmp/perplex-none.txt", "perplex-none.txt"},
        {"bench --hidden 65536 --batch 1048576 --steps 1048576", "too large"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        program_run run = program_call(bad[i].line);
        if (run.code != 2 || !strstr(run.err, bad[i].word))
            fail_msg("%s: exit status %d: %s", bad[i].line, run.code, run.err);
        program_free(&run);
    }
}

/* Some terabytes: a matter of the machine, not of the arguments. */
static void too_little_memory_ends_with_status_1_and_says_what_to_lower(void **state)
{
    program_run run = program_call("bench --hidden 65536 --layers 16 --batch 1 --steps 1");
    if (run.code != 1 || !strstr(run.err, "memory") || !strstr(run.err, "lower --hidden"))
        fail_msg("exit status %d: %s", run.code, run.err);
    program_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smoke_obeys_the_schema_and_phases_lie_inside_the_step),
        cmocka_unit_test(devices_side_by_side_start_from_the_same_losses),
        cmocka_unit_test(evaluation_and_decoding_are_measured_too),
        cmocka_unit_test(phases_are_measured_alone),
        cmocka_unit_test(driver_and_clocks_are_in_the_result),
        cmocka_unit_test(energy_or_why_there_is_none_is_in_the_result),
        cmocka_unit_test(ctrl_c_keeps_what_was_measured),
        cmocka_unit_test(a_folder_gets_json_csv_markdown_and_plots),
        cmocka_unit_test(too_little_memory_ends_with_status_1_and_says_what_to_lower),
        cmocka_unit_test(wrong_arguments_end_with_status_2_and_one_clear_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
