/* `perplex bench --preset quick --json`, the command that scripts rely on: its names and its schema. How fast
 * it is depends on the machine and its neighbours: no test judges that. */
#include "program.h"
#include "schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void quick_obeys_the_schema(void **state)
{
    program_run run = program_call("bench --preset quick --json");
    cJSON *result = program_json(&run, 0);
    char message[512] = "", *text = program_read(BENCH_SCHEMA);
    cJSON *schema = cJSON_Parse(text);
    if (!schema_check(schema, result, "result", message, sizeof message)) fail_msg("%s", message);
    assert_true(json_number(result, "peak_gflops") > 0);
    assert_true(json_number(result, "threads") >= 1);
    assert_true(cJSON_GetArraySize(json_at(result, "cases")) >= 11);
    assert_int_equal(cJSON_GetArraySize(json_at(result, "failed")), 0);
    const cJSON *c;
    int weights = 0; /* cases that are held against reading the weights */
    cJSON_ArrayForEach(c, json_at(result, "cases"))
    {
        double sum = json_number(c, "phase_sum"), share = json_number(c, "share_of_peak");
        if (!(sum > 0 && sum <= 1.001)) fail_msg("%s: its phases sum to %.3f of the step", json_text(c, "name"), sum);
        assert_true(share > 0);
        if (strcmp(json_text(c, "work"), "train") != 0) {
            assert_true(json_number(c, "read_gb_s") > 0);
            weights++;
        }
        assert_true(json_number(c, "tokens_per_s") > 0 && json_number(c, "threads") >= 1);
        printf("%5.1f %% of peak, %.0f tokens/s: %s\n", 100 * share, json_number(c, "tokens_per_s"),
               json_text(c, "name"));
    }
    assert_true(weights >= 2); /* evaluation and decoding of one stream */
    cJSON_Delete(schema);
    cJSON_Delete(result);
    free(text);
    program_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(quick_obeys_the_schema)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
