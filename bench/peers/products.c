/* products [--threads LIST] [--rounds N] [--small] [--commit ID] [--json FILE] [--markdown FILE]     or     products --check
 *
 * Times every product of the sizes of `perplex bench --preset quick` (n=32, T=35): perplex's own for each instruction
 * set of the processor, oneDNN's and OpenBLAS's, in turns, beside the peak measured between the turns; then the
 * register tile alone. --small leaves out V=10,000; --check only compares every contender's results with a plain loop
 * in double. */
#include "products.h"

#include "fma.h"
#include "machine.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STREAMS = 32, STEPS = 35, ROWS = STREAMS * STEPS, MAX_ROUNDS = 64, MAX_PRODUCTS = 64, MAX_THREADS = 8 };
static const double SAMPLE_SECONDS = 0.005, LEAST_USE = 0.95; /* as perplex bench judges its probes */

typedef struct options {
    int threads[MAX_THREADS], thread_count, rounds, small, check;
    const char *commit, *json, *markdown;
} options;

/* ---- what products.h promises ------------------------------------------------------------------------------------ */
static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

float *floats(size_t count)
{
    float *x = aligned_alloc(4096, (count * sizeof *x / 4096 + 1) * 4096);
    if (!x) {
        fprintf(stderr, "products: no memory for %zu numbers\n", count);
        exit(1);
    }
    memset(x, 0, count * sizeof *x);
    return x;
}

void fill(float *x, size_t count, uint32_t seed)
{
    uint32_t state = seed * 2654435761u + 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(int32_t)state * 0x1p-31f;
    }
}

typedef struct probe {
    const px_fma_kernel *kernel;
    size_t iterations;
} probe;

static volatile float sink; /* written so that the work is not thrown away */

static void run_probe(void *context, int thread, long begin, long end)
{
    const probe *p = context;
    (void)thread, (void)begin, (void)end;
    const float value = p->kernel->run(p->iterations);
    if (value == 0.125f) sink = value; /* never: the values tend to 1 */
}

static double probe_kernel(px_team *team, const px_fma_kernel *kernel)
{
    probe p = {kernel, 1 << 14};
    for (;; p.iterations *= 2) {
        const double begin = px_clock();
        px_team_together(team, px_team_threads(team), run_probe, &p);
        const double seconds = px_clock() - begin;
        if (seconds > 0.005)
            return kernel->flops_per_iteration * (double)p.iterations * px_team_threads(team) / seconds * 1e-9;
    }
}

double fma_gflops(px_team *team, const char *isa_name)
{
    double best = 0;
    const char *name = isa_name && strcmp(isa_name, "baseline") == 0 ? "generic" : isa_name;
    for (const px_fma_kernel *kernel = px_fma_kernels(); kernel->name; kernel++)
        if (!name || strcmp(kernel->name, name) == 0) best = fmax(best, probe_kernel(team, kernel));
    return best;
}

/* ---- the products of a step -------------------------------------------------------------------------------------- */
static int add_head(product *list, int count, long h, long V)
{
    list[count++] = (product){"head: logits", h, V, ROWS, V, h, 0, 1, 0};
    list[count++] = (product){"head: dH", h, V, ROWS, h, V, 0, 0, 0};
    list[count++] = (product){"head: dW", h, V, V, h, ROWS, 1, 0, 1};
    return count;
}

static int list_products(product *list, int small)
{
    static const long widths[] = {256, 512, 1024};
    int count = 0;
    for (int i = 0; i < 3; i++) {
        const long h = widths[i];
        list[count++] = (product){"step, forward", h, 0, STREAMS, h, h, 0, 1, 0};
        list[count++] = (product){"step, backward", h, 0, STREAMS, h, h, 0, 0, 1};
        list[count++] = (product){"weight gradient", h, 0, h, h, ROWS, 1, 0, 1};
        list[count++] = (product){"input of a layer above", h, 0, ROWS, h, h, 0, 1, 0};
        list[count++] = (product){"its gradient", h, 0, ROWS, h, h, 0, 0, 0};
        count = add_head(list, count, h, 28);
    }
    return small ? count : add_head(list, count, 512, 10000);
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */
typedef struct samples {
    double run_s[MAX_CONTENDERS][MAX_ROUNDS], pack_s[MAX_CONTENDERS][MAX_ROUNDS], peak[MAX_ROUNDS], use[MAX_ROUNDS];
} samples;

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Probes the peak, and how much of its threads' time the probe had: less than all where another program took a core. */
static void probe_peak(px_team *team, double *gflops, double *use)
{
    const double cpu = cpu_seconds(), begin = px_clock();
    *gflops = fma_gflops(team, NULL);
    *use = (cpu_seconds() - cpu) / (px_clock() - begin) / px_team_threads(team);
}

/* Threads of another library may still be spinning: they get time to fall asleep, and this one's are woken by a run
 * that does not count. */
static double time_runs(const contender *who, product_data *d)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    double begin = px_clock();
    who->run(d);
    const double first = px_clock() - begin;
    if (first > 20 * SAMPLE_SECONDS) return first; /* what waking threads costs does not show in it */
    const long times = first > SAMPLE_SECONDS ? 1 : (long)(SAMPLE_SECONDS / first) + 1;
    begin = px_clock();
    for (long i = 0; i < times; i++) who->run(d);
    return (px_clock() - begin) / (double)times;
}

static void measure_round(const contender *list, int count, product_data *d, px_panels *panels, int round, samples *s)
{
    probe_peak(d->context.team, &s->peak[round], &s->use[round]);
    for (int turn = 0; turn < count; turn++) {
        const int i = (turn + round) % count; /* nobody always follows the same one */
        d->context.isa = list[i].isa;
        d->panels = panels[i];
        const double begin = px_clock();
        product_pack(&list[i], d);
        s->pack_s[i][round] = px_clock() - begin;
        s->run_s[i][round] = time_runs(&list[i], d);
    }
}

static cJSON *report_contender(const contender *who, const product *p, samples *s, int i, int rounds)
{
    cJSON *object = cJSON_CreateObject();
    const double seconds = median(s->run_s[i], rounds);
    cJSON_AddStringToObject(object, "name", who->name);
    cJSON_AddNumberToObject(object, "gflops", 2e-9 * (double)p->m * (double)p->n * (double)p->k / seconds);
    cJSON_AddNumberToObject(object, "seconds", seconds);
    cJSON_AddNumberToObject(object, "slowest_over_fastest", s->run_s[i][rounds - 1] / s->run_s[i][0]);
    if (who->isa) cJSON_AddNumberToObject(object, "pack_seconds", median(s->pack_s[i], rounds));
    return object;
}

static cJSON *measure_product(const contender *list, int count, const product *p, px_team *team, int rounds)
{
    static samples s;
    const int threads = px_team_threads(team);
    product_data d = {.p = p,
                      .a = floats((size_t)(p->m * p->k)),
                      .b = floats((size_t)(p->k * p->n)),
                      .c = floats((size_t)(p->m * p->n)),
                      .context = {.team = team, .scratch = floats(px_product_scratch_floats(threads))}};
    px_panels panels[MAX_CONTENDERS] = {{0}};
    fill(d.a, (size_t)(p->m * p->k), 1);
    fill(d.b, (size_t)(p->k * p->n), 2);
    for (int i = 0; i < count; i++) {
        if (list[i].set_threads) list[i].set_threads(threads);
        if (list[i].isa) panels[i].data = floats(px_panels_floats(list[i].isa, p->k, p->n));
    }
    for (int round = 0; round < rounds; round++) measure_round(list, count, &d, panels, round, &s);
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "what", p->what);
    cJSON_AddNumberToObject(object, "h", (double)p->h);
    cJSON_AddNumberToObject(object, "V", (double)p->V);
    cJSON_AddNumberToObject(object, "m", (double)p->m);
    cJSON_AddNumberToObject(object, "n", (double)p->n);
    cJSON_AddNumberToObject(object, "k", (double)p->k);
    cJSON_AddNumberToObject(object, "threads", threads);
    cJSON_AddNumberToObject(object, "peak_gflops", median(s.peak, rounds));
    cJSON_AddBoolToObject(object, "contended", median(s.use, rounds) < LEAST_USE);
    cJSON *by = cJSON_AddArrayToObject(object, "by");
    for (int i = 0; i < count; i++) cJSON_AddItemToArray(by, report_contender(&list[i], p, &s, i, rounds));
    for (int i = 0; i < count; i++) free(panels[i].data);
    free(d.a), free(d.b), free(d.c), free(d.context.scratch);
    return object;
}

static px_team *team_of(int threads)
{
    px_team *team;
    if (px_team_create(threads, &team) == PX_OK) return team;
    fprintf(stderr, "products: %d threads cannot be had\n", threads);
    exit(1);
}

static void measure_threads(const contender *list, int count, int threads, const options *o, cJSON *products)
{
    product all[MAX_PRODUCTS];
    const int product_count = list_products(all, o->small);
    px_team *team = team_of(threads);
    for (int i = 0; i < product_count; i++) {
        fprintf(stderr, "\r%d thread%s: %d of %d ", threads, threads == 1 ? "" : "s", i + 1, product_count);
        cJSON_AddItemToArray(products, measure_product(list, count, &all[i], team, o->rounds));
    }
    fprintf(stderr, "\n");
    px_team_destroy(team);
}

/* ---- the report -------------------------------------------------------------------------------------------------- */
static double number(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name)->valuedouble;
}

static const char *text(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name)->valuestring;
}

static void write_products(FILE *out, const cJSON *root)
{
    const cJSON *p, *by;
    const cJSON *products = cJSON_GetObjectItem(root, "products");
    fprintf(out, "GFLOP/s (share of the peak in the same turns); the last figure of perplex's first column: "
                 "microseconds to pack B, which is not in the time.\n"
                 "Contended: another program took a core, and the row says little.\n\n");
    fprintf(out, "| product | m, n, k | threads | peak |");
    cJSON_ArrayForEach(by, cJSON_GetObjectItem(cJSON_GetArrayItem(products, 0), "by"))
        fprintf(out, " %s |", text(by, "name"));
    fprintf(out, "\n| --- | --: | --: | --: |");
    for (int i = cJSON_GetArraySize(cJSON_GetObjectItem(cJSON_GetArrayItem(products, 0), "by")); i > 0; i--)
        fprintf(out, " --: |");
    fprintf(out, "\n");
    cJSON_ArrayForEach(p, products)
    {
        const double peak = number(p, "peak_gflops");
        const char *contended = cJSON_IsTrue(cJSON_GetObjectItem(p, "contended")) ? " (contended)" : "";
        fprintf(out, "| %s | %.0f, %.0f, %.0f | %.0f | %.1f%s |", text(p, "what"), number(p, "m"), number(p, "n"),
                number(p, "k"), number(p, "threads"), peak, contended);
        int first = 1;
        cJSON_ArrayForEach(by, cJSON_GetObjectItem(p, "by"))
        {
            fprintf(out, " %.1f (%.0f %%)", number(by, "gflops"), 100 * number(by, "gflops") / peak);
            if (first) fprintf(out, ", %.0f us", 1e6 * number(by, "pack_seconds"));
            fprintf(out, " |");
            first = 0;
        }
        fprintf(out, "\n");
    }
}

static void write_tiles(FILE *out, const cJSON *root)
{
    const cJSON *t;
    fprintf(
        out,
        "\nThe register tile alone, one thread, GFLOP/s (share of that instruction set's own multiply-adds); panels "
        "that lie in the first- and in\n"
        "the second-level cache.\n\n| instruction set | rows | columns | L1 | L2 |\n| --- | --: | --: | --: | --: |\n");
    cJSON_ArrayForEach(t, cJSON_GetObjectItem(root, "tiles"))
    {
        const double peak = number(t, "peak_gflops"), near = number(t, "l1_gflops"), far = number(t, "l2_gflops");
        fprintf(out, "| %s | %.0f | %.0f | %.1f (%.0f %%) | %.1f (%.0f %%) |\n", text(t, "isa"), number(t, "rows"),
                number(t, "columns"), near, 100 * near / peak, far, 100 * far / peak);
    }
}

static int write_file(const char *path, const cJSON *root, int markdown)
{
    FILE *out = fopen(path, "w");
    if (out && markdown) {
        fprintf(out,
                "# Products alone\n\n%s, %s, commit %s; n=32, T=35. Medians of %.0f turns; the same operands again and "
                "again, so what fits in a cache is there.\n\n",
                text(root, "processor"), text(root, "date"), text(root, "commit"), number(root, "rounds"));
        write_products(out, root);
        write_tiles(out, root);
    } else if (out) {
        char *printed = cJSON_Print(root);
        fprintf(out, "%s\n", printed ? printed : "");
        free(printed);
    }
    if (out && !ferror(out) && fclose(out) == 0) return 0;
    perror(path);
    return 1;
}

static cJSON *begin_report(const options *o)
{
    char date[32];
    const time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "format", "perplex-products");
    cJSON_AddNumberToObject(root, "version", 1);
    cJSON_AddStringToObject(root, "date", date);
    cJSON_AddStringToObject(root, "commit", o->commit);
    cJSON_AddStringToObject(root, "processor", px_machine_processor());
    cJSON_AddNumberToObject(root, "rounds", o->rounds);
    return root;
}

static int wrong_usage(const char *why)
{
    fprintf(stderr,
            "products: %s; usage: products [--threads 1,2] [--rounds 1..64] [--small] [--commit ID] [--json FILE] "
            "[--markdown FILE] | --check\n",
            why);
    return 2;
}

static int read_threads(const char *list, options *o)
{
    for (o->thread_count = 0; o->thread_count < MAX_THREADS; list++) {
        char *end;
        const long threads = strtol(list, &end, 10);
        if (end == list || threads < 1 || threads > 1024) return 0;
        o->threads[o->thread_count++] = (int)threads;
        if (!*end) return 1;
        if (*end != ',') return 0;
        list = end;
    }
    return 0;
}

static int read_options(int argc, char **argv, options *o)
{
    static const struct option names[] = {
        {"threads", 1, NULL, 't'}, {"rounds", 1, NULL, 'r'}, {"small", 0, NULL, 's'},    {"check", 0, NULL, 'c'},
        {"commit", 1, NULL, 'i'},  {"json", 1, NULL, 'j'},   {"markdown", 1, NULL, 'm'}, {0}};
    const int cores = px_machine_cores();
    *o = (options){.threads = {1, cores}, .thread_count = cores > 1 ? 2 : 1, .rounds = 5, .commit = "unknown"};
    for (int flag; (flag = getopt_long(argc, argv, "", names, NULL)) != -1;) switch (flag) {
        case 't':
            if (!read_threads(optarg, o)) return wrong_usage("--threads needs numbers");
            break;
        case 'r': o->rounds = atoi(optarg); break;
        case 's': o->small = 1; break;
        case 'c': o->check = 1; break;
        case 'i': o->commit = optarg; break;
        case 'j': o->json = optarg; break;
        case 'm': o->markdown = optarg; break;
        default: return wrong_usage("unknown flag");
        }
    if (optind < argc) return wrong_usage(argv[optind]);
    return o->rounds < 1 || o->rounds > MAX_ROUNDS ? wrong_usage("--rounds is out of range") : 0;
}

/* OpenBLAS's threads go on looking for work for 2^26 clock ticks after a product, on the cores of whoever comes next;
 * 2^20 are half a millisecond. It reads the variable before main begins. */
static void start_again_with_short_spins(char **argv)
{
    static const char name[] = "OPENBLAS_THREAD_TIMEOUT";
    if (getenv(name)) return;
    setenv(name, "20", 1);
    execv("/proc/self/exe", argv); /* where that fails, the peak probes show the disturbance */
}

int main(int argc, char **argv)
{
    options o;
    contender list[MAX_CONTENDERS];
    int code = read_options(argc, argv, &o);
    if (code) return code;
    start_again_with_short_spins(argv);
    const int count = contenders_list(list);
    px_team *two = team_of(2);
    if (products_check(list, count, two)) return 1;
    px_team_destroy(two);
    for (int i = 0; i < count && o.check; i++) printf("%s agrees with a plain loop in double\n", list[i].name);
    if (o.check) return 0;
    cJSON *root = begin_report(&o), *products = cJSON_AddArrayToObject(root, "products");
    for (int i = 0; i < o.thread_count; i++) measure_threads(list, count, o.threads[i], &o, products);
    cJSON_AddItemToObject(root, "tiles", tiles_measure(o.rounds));
    code = write_file(o.markdown ? o.markdown : "/dev/stdout", root, 1);
    if (o.json) code |= write_file(o.json, root, 0);
    cJSON_Delete(root);
    return code;
}
