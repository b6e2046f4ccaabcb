/* `perplex bench --compare` through the program, on result files made for it: nothing here depends on what a machine
 * did just then. */
#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One case of a result file. share: of peak, 0 = the machine's peak is unknown; rounds: repeats that count. */
typedef struct made_case {
    const char *name;
    double tokens_per_s, share, spread;
    int rounds, contended;
} made_case;

static char old_path[] = "/tmp/perplex-compare-old-XXXXXX", new_path[] = "/tmp/perplex-compare-new-XXXXXX";

static int make_files(void **state)
{
    int old_file = mkstemp(old_path), new_file = mkstemp(new_path);
    close(old_file);
    close(new_file);
    return old_file < 0 || new_file < 0;
}

static int remove_files(void **state)
{
    unlink(old_path);
    unlink(new_path);
    return 0;
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file) fail_msg("%s: cannot be written", path);
    fputs(text, file);
    fclose(file);
}

static void write_result(const char *path, const made_case *cases, size_t count)
{
    FILE *file = fopen(path, "w");
    if (!file) fail_msg("%s: cannot be written", path);
    fprintf(file, "{\"format\":\"perplex-bench\",\"version\":1,\"commit\":\"abc123\",\"date\":\"2026-01-02T03:04:05Z\","
                  "\"complete\":true,"
                  "\"machine\":{\"processor\":\"Made Up 1\"},\"cases\":[");
    for (size_t i = 0; i < count; i++) {
        const made_case *c = &cases[i];
        fprintf(file,
                "%s{\"name\":\"%s\",\"tokens_per_s\":%.17g,\"spread\":%.17g,\"rounds\":%d,\"contended\":%s,\"share_of_"
                "peak\":",
                i ? "," : "", c->name, c->tokens_per_s, c->spread, c->rounds, c->contended ? "true" : "false");
        if (c->share > 0)
            fprintf(file, "%.17g}", c->share);
        else
            fprintf(file, "null}");
    }
    fprintf(file, "]}\n");
    fclose(file);
}

/* Runs the comparison of the two files; it must end with that status and say each of the words (up to a NULL). */
static void expect(int code, const char *const *words)
{
    char line[256];
    snprintf(line, sizeof line, "bench --compare %s %s", old_path, new_path);
    program_run run = program_call(line);
    if (run.code != code) fail_msg("exit status %d, want %d: %s%s", run.code, code, run.out, run.err);
    for (; *words; words++)
        if (!strstr(run.out, *words)) fail_msg("not said: \"%s\": %s%s", *words, run.out, run.err);
    program_free(&run);
}

/* A case of 10,000 tokens/s and half of peak, spread 1 %, and the same with another speed and spread. */
static void judge(double speed, double old_spread, double new_spread, int rounds, int contended, int code,
                  const char *word)
{
    const made_case before = {"h=64", 1e4, 0.5, old_spread, 5, 0},
                    after = {"h=64", 1e4 * speed, 0.5 * speed, new_spread, rounds, contended};
    write_result(old_path, &before, 1);
    write_result(new_path, &after, 1);
    expect(code, (const char *const[]){word, NULL});
}

static void a_repeat_is_silent_and_a_loss_of_a_fifth_is_flagged(void **state)
{
    judge(1, 0.01, 0.01, 5, 0, 0, "0 regressions");
    judge(0.98, 0.02, 0.01, 5, 0, 0, "0 regressions");
    judge(0.80, 0.01, 0.01, 5, 0, 3, "REGRESSION");
    judge(1.3, 0.01, 0.01, 5, 0, 0, "faster");
}

static void a_loss_counts_from_ten_percent_or_three_spreads(void **state)
{
    judge(0.91, 0.01, 0.01, 5, 0, 0, "0 regressions");
    judge(0.89, 0.01, 0.01, 5, 0, 3, "REGRESSION");
    judge(0.86, 0.05, 0.05, 5, 0, 0, "0 regressions"); /* 3 x 5 % pooled: 14 % is not enough, 16 % is */
    judge(0.84, 0.05, 0.05, 5, 0, 3, "REGRESSION");
    judge(0.896, 0.05, 0, 5, 0, 0, "0 regressions"); /* 3 x 3.54 % are 10.6 % */
    judge(0.89, 0.05, 0, 5, 0, 3, "REGRESSION");
}

static void what_is_noisy_is_not_judged(void **state)
{
    judge(0.5, 0.05, 0.07, 5, 0, 0, "too noisy to judge"); /* above 6 % */
    judge(0.5, 0.07, 0.01, 5, 0, 0, "too noisy to judge");
    judge(0.5, 0.01, 0.01, 5, 1, 0, "too noisy to judge"); /* never had the machine to itself */
    judge(0.5, 0.01, 0, 2, 0, 0, "too noisy to judge");    /* two repeats tell no spread */
}

/* Shares of peak are compared where both have them: the second machine is twice as fast in all. */
static void machines_of_other_speeds_are_compared_by_shares(void **state)
{
    made_case before[] = {
        {"h=64", 1e4, 0.5, 0.01, 5, 0}, {"h=128", 1e4, 0, 0.01, 5, 0}, {"h=256", 1e4, 0.5, 0.01, 5, 0}};
    made_case after[] = {{"h=128", 7e3, 0.9, 0.01, 5, 0}, {"h=64", 2e4, 0.5, 0.01, 5, 0}};
    write_result(old_path, before, 3);
    write_result(new_path, after, 2);
    expect(3, (const char *const[]){"| h=64 | 50.0 % | 50.0 % | +0.0 %",
                                    "| h=128 | 10000 tokens/s | 7000 tokens/s | -30.0 % | 10.0 % | REGRESSION |",
                                    "| h=256 | | | | | not in the new result |",
                                    "2 compared: 1 regression, 0 faster, 0 too noisy to judge, 1 missing",
                                    "commit abc123", "Made Up 1", NULL});
}

static void json_has_the_verdict(void **state)
{
    const made_case before[] = {{"a", 1e4, 0.5, 0.01, 5, 0}, {"b", 1e4, 0.5, 0.01, 5, 0}},
                    after[] = {{"a", 5e3, 0.25, 0.01, 5, 0}, {"b", 5e3, 0.25, 0.01, 5, 1}};
    char line[256];
    write_result(old_path, before, 2);
    write_result(new_path, after, 2);
    snprintf(line, sizeof line, "bench --compare %s %s --json", old_path, new_path);
    program_run run = program_call(line);
    cJSON *verdict = program_json(&run, 3);
    assert_true(json_number(verdict, "compared") == 2 && json_number(verdict, "noisy") == 1 &&
                json_number(verdict, "regressions") == 1);
    assert_non_null(strstr(json_text(verdict, "report"), "REGRESSION"));
    cJSON_Delete(verdict);
    program_free(&run);
}

static void what_is_no_result_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "[1,2",
                                      "{}",
                                      "{\"format\":\"perplex-bench\",\"version\":2,\"cases\":[]}",
                                      "{\"format\":\"perplex-bench\",\"version\":1,\"cases\":[]}",
                                      "{\"format\":\"perplex-bench\",\"version\":1,\"cases\":[{\"name\":1}]}"};
    char line[256];
    snprintf(line, sizeof line, "bench --compare %s %s", old_path, old_path);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_text(old_path, bad[i]);
        program_run run = program_call(line);
        if (run.code != 2 || !strstr(run.err, old_path)) fail_msg("%s: exit status %d: %s", bad[i], run.code, run.err);
        program_free(&run);
    }
    program_run run = program_call("bench --compare /tmp/perplex-none-1.json /tmp/perplex-none-2.json");
    assert_int_equal(run.code, 2);
    program_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeat_is_silent_and_a_loss_of_a_fifth_is_flagged),
        cmocka_unit_test(a_loss_counts_from_ten_percent_or_three_spreads),
        cmocka_unit_test(what_is_noisy_is_not_judged),
        cmocka_unit_test(machines_of_other_speeds_are_compared_by_shares),
        cmocka_unit_test(json_has_the_verdict),
        cmocka_unit_test(what_is_no_result_is_refused),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
