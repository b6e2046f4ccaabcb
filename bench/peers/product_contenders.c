/* Who computes a product (products.h), and whether the result is right. */
#include "products.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_ONEDNN
#include <dnnl.h>
#include <omp.h>

static void run_onednn(product_data *d)
{
    const product *p = d->p;
    dnnl_sgemm(p->transposed_a ? 'T' : 'N', p->transposed_b ? 'T' : 'N', p->m, p->n, p->k, 1, d->a,
               p->transposed_a ? p->m : p->k, d->b, p->transposed_b ? p->k : p->n, p->accumulate ? 1 : 0, d->c, p->n);
}
#endif

#ifdef HAVE_OPENBLAS
#include <cblas.h>

static void run_openblas(product_data *d)
{
    const product *p = d->p;
    cblas_sgemm(CblasRowMajor, p->transposed_a ? CblasTrans : CblasNoTrans, p->transposed_b ? CblasTrans : CblasNoTrans,
                (int)p->m, (int)p->n, (int)p->k, 1, d->a, (int)(p->transposed_a ? p->m : p->k), d->b,
                (int)(p->transposed_b ? p->k : p->n), p->accumulate ? 1 : 0, d->c, (int)p->n);
}
#endif

/* As the CPU engine does it: B is packed before, once for a window; a transposed A is turned block by block. */
static void run_perplex(product_data *d)
{
    const product *p = d->p;
    if (p->transposed_a)
        px_product_packed_rows(&d->context, p->m, p->k, px_transposed(d->a, (size_t)p->m), &d->panels, 0, p->accumulate,
                               d->c, (size_t)p->n);
    else
        px_product_panels(&d->context, p->m, d->a, (size_t)p->k, &d->panels, NULL, p->accumulate, d->c, (size_t)p->n);
}

void product_pack(const contender *who, product_data *d)
{
    const product *p = d->p;
    if (!who->isa) return;
    const px_view b = p->transposed_b ? px_transposed(d->b, (size_t)p->k) : px_rows(d->b, (size_t)p->n);
    px_panels_pack(&d->context, b, p->k, p->n, &d->panels);
}

int contenders_list(contender *list)
{
    static char names[MAX_CONTENDERS][32];
    int count = 0;
    for (const px_isa *const *isa = px_isa_all(); *isa && count < MAX_CONTENDERS - 2; isa++) {
        snprintf(names[count], sizeof names[count], "perplex %s", (*isa)->name);
        list[count] = (contender){.name = names[count], .isa = *isa, .run = run_perplex};
        count++;
    }
#ifdef HAVE_ONEDNN
    list[count++] = (contender){.name = "oneDNN", .run = run_onednn, .set_threads = omp_set_num_threads};
#endif
#ifdef HAVE_OPENBLAS
    list[count++] = (contender){.name = "OpenBLAS", .run = run_openblas, .set_threads = openblas_set_num_threads};
#endif
    return count;
}

/* Largest error of C beyond what rounding allows: k roundings of sums of |a b|, in whatever order they are taken. NULL:
 * none. */
static const char *wrong_element(const product_data *d, const float *before, char text[160])
{
    const product *p = d->p;
    for (long i = 0; i < p->m; i++)
        for (long j = 0; j < p->n; j++) {
            double want = p->accumulate ? (double)before[i * p->n + j] : 0, size = fabs(want);
            for (long k = 0; k < p->k; k++) {
                const double x = (double)(p->transposed_a ? d->a[k * p->m + i] : d->a[i * p->k + k]) *
                                 (double)(p->transposed_b ? d->b[j * p->k + k] : d->b[k * p->n + j]);
                want += x;
                size += fabs(x);
            }
            const double got = (double)d->c[i * p->n + j], allowed = (double)(p->k + 2) * 0x1p-24 * size;
            if (fabs(got - want) <= allowed) continue; /* NaN is not */
            snprintf(text, 160, "C[%ld,%ld] is %.9g, want %.9g within %.2g", i, j, got, want, allowed);
            return text;
        }
    return NULL;
}

static int check_one(const contender *who, const product *p, px_team *team)
{
    char text[160];
    product_data d = {.p = p,
                      .a = floats((size_t)(p->m * p->k)),
                      .b = floats((size_t)(p->k * p->n)),
                      .c = floats((size_t)(p->m * p->n)),
                      .context = {.isa = who->isa,
                                  .team = team,
                                  .scratch = floats(px_product_scratch_floats(px_team_threads(team)))}};
    float *before = floats((size_t)(p->m * p->n));
    fill(d.a, (size_t)(p->m * p->k), 1);
    fill(d.b, (size_t)(p->k * p->n), 2);
    fill(before, (size_t)(p->m * p->n), 3);
    memcpy(d.c, before, sizeof(float) * (size_t)(p->m * p->n));
    if (who->isa) d.panels.data = floats(px_panels_floats(who->isa, p->k, p->n));
    product_pack(who, &d);
    who->run(&d);
    const char *wrong = wrong_element(&d, before, text);
    if (wrong)
        fprintf(stderr, "products: %s: m=%ld n=%ld k=%ld%s%s%s: %s\n", who->name, p->m, p->n, p->k,
                p->transposed_a ? " A transposed" : "", p->transposed_b ? " B transposed" : "",
                p->accumulate ? " added" : "", wrong);
    free(d.a), free(d.b), free(d.c), free(d.context.scratch), free(d.panels.data), free(before);
    return wrong != NULL;
}

int products_check(const contender *list, int count, px_team *team)
{
    static const long sizes[][3] = {{1, 1, 1}, {1, 33, 40}, {7, 28, 19}, {32, 64, 64}, {33, 75, 530}, {130, 100, 64}};
    int failed = 0;
    for (int i = 0; i < count; i++) {
        if (list[i].set_threads) list[i].set_threads(px_team_threads(team));
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            for (int form = 0; form < 6; form++) {
                const product p = {.m = sizes[s][0],
                                   .n = sizes[s][1],
                                   .k = sizes[s][2],
                                   .transposed_a = form % 3 == 1,
                                   .transposed_b = form % 3 == 2,
                                   .accumulate = form / 3};
                failed |= check_one(&list[i], &p, team);
            }
    }
    return failed;
}
