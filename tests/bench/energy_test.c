/* Energy counters of a processor, in a folder made for them: which count, what one that begins anew has used, what is
 * said where there are none; and joules per token of a benchmark's repeats. */
#include "energy.h"
#include "energy_meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void write_file(const char *zone, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, zone);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", folder, zone, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%s\n", text);
    fclose(file);
}

static void add_zone(const char *zone, const char *name, const char *microjoules, const char *range)
{
    write_file(zone, "name", name);
    write_file(zone, "energy_uj", microjoules);
    write_file(zone, "max_energy_range_uj", range);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/perplex_energy_test_XXXXXX");
    return mkdtemp(folder) && setenv("PERPLEX_POWERCAP", folder, 1) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[96];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static double joules_of(px_energy *energy)
{
    double joules;
    assert_int_equal(px_energy_read(energy, &joules), PX_OK);
    return joules;
}

/* A server with two packages as Linux shows it: memory is beside its package, cores are inside. */
static void packages_and_their_memory_count_and_nothing_twice(void **state)
{
    px_energy *energy;
    (void)state;
    add_zone("intel-rapl:0", "package-0", "1000000", "65532610987");
    add_zone("intel-rapl:0:0", "core", "7", "65532610987");
    add_zone("intel-rapl:0:1", "dram", "2000000", "65532610987");
    add_zone("intel-rapl:1", "package-1", "3000000", "65532610987");
    add_zone("intel-rapl:2", "psys", "9", "65532610987");
    add_zone("intel-rapl-mmio:0", "package-0", "1000000", "65532610987");
    write_file("intel-rapl", "enabled", "1");
    assert_int_equal(px_energy_open(&energy), PX_OK);
    assert_string_equal(px_energy_counters(energy), "RAPL package-0, dram, package-1");
    assert_true(joules_of(energy) == 0);
    write_file("intel-rapl:0", "energy_uj", "3500000");
    write_file("intel-rapl:0:0", "energy_uj", "1000007");
    write_file("intel-rapl:0:1", "energy_uj", "2250000");
    write_file("intel-rapl:1", "energy_uj", "4000000");
    write_file("intel-rapl:2", "energy_uj", "5000009");
    write_file("intel-rapl-mmio:0", "energy_uj", "3500000");
    assert_true(joules_of(energy) == 2.5 + 0.25 + 1);
    px_energy_close(energy);
}

static void a_counter_that_begins_anew_goes_on(void **state)
{
    px_energy *energy;
    (void)state;
    add_zone("intel-rapl:0", "package-0", "64000000", "65000000");
    assert_int_equal(px_energy_open(&energy), PX_OK);
    write_file("intel-rapl:0", "energy_uj", "500000");
    assert_true(joules_of(energy) == 1.5);
    write_file("intel-rapl:0", "energy_uj", "750000");
    assert_true(joules_of(energy) == 1.75);
    px_energy_close(energy);
}

static void expect_no_counters(const char *why)
{
    px_energy *energy;
    assert_int_equal(px_energy_open(&energy), PX_ERR_DEVICE);
    if (!strstr(px_error_message(), folder) || !strstr(px_error_message(), why))
        fail_msg("\"%s\" does not say \"%s\"", px_error_message(), why);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    expect_no_counters("no energy counter of a processor");
    add_zone("intel-rapl:0", "package-0", "12 watts", "65000000");
    write_file("intel-rapl:0", "energy_uj", "many");
    expect_no_counters("intel-rapl:0/energy_uj");
    char path[160];
    snprintf(path, sizeof path, "%s/intel-rapl:0/energy_uj", folder);
    unlink(path);
    expect_no_counters("intel-rapl:0/energy_uj");
}

/* Two repeats of 100 and 300 tokens use 2 and 4 J; what passes between them is not theirs. */
static void repeats_have_their_joules_per_token(void **state)
{
    px_energy_meter meter;
    (void)state;
    add_zone("intel-rapl:0", "package-0", "0", "65000000");
    px_energy_meter_open(&meter, NULL, 1);
    assert_string_equal(meter.counter, "RAPL package-0");
    assert_true(isnan(px_energy_meter_per_token(&meter)));
    write_file("intel-rapl:0", "energy_uj", "10000000");
    px_energy_meter_begin(&meter);
    write_file("intel-rapl:0", "energy_uj", "12000000");
    px_energy_meter_end(&meter, 100);
    write_file("intel-rapl:0", "energy_uj", "32000000");
    px_energy_meter_begin(&meter);
    write_file("intel-rapl:0", "energy_uj", "36000000");
    px_energy_meter_end(&meter, 300);
    assert_true(px_energy_meter_per_token(&meter) == 6.0 / 400);
    px_energy_meter_forget(&meter);
    assert_true(isnan(px_energy_meter_per_token(&meter)));
    write_file("intel-rapl:0", "energy_uj", "");
    px_energy_meter_begin(&meter);
    px_energy_meter_end(&meter, 100);
    assert_true(isnan(px_energy_meter_per_token(&meter)));
    assert_string_equal(meter.counter, "");
    assert_non_null(strstr(meter.reason, "energy_uj"));
    px_energy_meter_close(&meter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(packages_and_their_memory_count_and_nothing_twice, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_counter_that_begins_anew_goes_on, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_is_missing_is_named, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(repeats_have_their_joules_per_token, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
