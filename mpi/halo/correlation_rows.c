/* correlation_rows.c - the columns and rows of the kernel correlation, which depend on
 * the mode and on the inputs.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/halo/correlation_glue.h"

enum {
    FIRST_LO,
    FIRST_HI,
    SECOND_LO,
    SECOND_HI,
    MEAN,
    EXPECTED,
    VALUE,
    ERROR = VALUE + 3
};
enum { DD = ERROR + 3, DR = DD + 2, RD = DR + 2, RR = RD + 2, QUANTITIES = RR + 2 };

static void add_column(correlation_layout_t *l, int quantity, const char *name,
                       const char *suffix, const char *unit, const char *help,
                       const char *of)
{
    const size_t k = l->n++;
    const bool integer = quantity >= DD && (quantity - DD) % 2 == 0;
    snprintf(l->names[k], sizeof(l->names[k]), "%s%s", name, suffix);
    snprintf(l->helps[k], sizeof(l->helps[k]), help, of);
    l->quantity[k] = quantity;
    l->columns[k] = (peri_coldef_t){l->names[k], integer ? PERI_COL_I64 : PERI_COL_F64, 1,
                                    unit, l->helps[k]};
}

void correlation_lay_out(const peri_run_t *run, correlation_layout_t *l)
{
    static const char *const counts[] = {"dd", "dr", "rd", "rr"};
    const correlation_mode_t *m = correlation_mode(run);
    const char *unit = m->kind == PERI_PAIRS_THETA ? "deg" : "{length}";
    const char *unit2 = m->kind == PERI_PAIRS_S_MU ? "" : "{length}";
    const bool random = peri_run_has_input(run, PERI_CORRELATION_RANDOMS);
    l->n = 0;
    add_column(l, FIRST_LO, m->first, "_lo", unit, "Lower edge of the bin of %s.",
               m->first);
    add_column(l, FIRST_HI, m->first, "_hi", unit, "Upper edge, not in the bin.", "");
    if (m->second) {
        add_column(l, SECOND_LO, m->second, "_lo", unit2, "Lower edge of the bin of %s.",
                   m->second);
        add_column(l, SECOND_HI, m->second, "_hi", unit2, "Upper edge.", "");
    }
    if (peri_run_bool(run, "mean"))
        add_column(l, MEAN, m->first, "_mean", unit,
                   "Mean %s of the pairs, without weights.", m->first);
    for (int k = 0; k < 4; k++) {
        if (k &&
            (!random || (k == 2 && !peri_run_has_input(run, PERI_CORRELATION_SECOND))))
            continue;
        add_column(l, DD + 2 * k, counts[k], "", "",
                   k == 0 || k == 3 ? "Pairs; of one set (i, j) and (j, i) are two."
                                    : "Pairs of points and random points.",
                   "");
        add_column(l, DD + 2 * k + 1, counts[k], "_weight", "",
                   "Sum of the products of their weights.", "");
    }
    add_column(l, EXPECTED, "expected", "", "", "dd_weight if points had no order.", "");
    for (int v = 0; v < 3 && m->values[v]; v++) {
        const char *of = !strcmp(m->name, "wp") ? "{length}" : "";
        add_column(l, VALUE + v, m->values[v], "", of, "Correlation function.", "");
        add_column(l, ERROR + v, m->values[v], "_error", of, "Its Poisson error.", "");
    }
}

/* The numbers of a row. */
typedef struct {
    double number[QUANTITIES];
    int64_t count[4]; /* DD, DR, RD, RR */
} row_t;

/* Rows are sums over the second bins. */
static bool summed(const correlation_mode_t *m)
{
    return !m->second && (m->kind == PERI_PAIRS_S_MU || m->kind == PERI_PAIRS_RP_PI);
}

/* Of a row that is the sum of n bins from this one on. */
static void fill_counts(row_t *r, const peri_correlation_t *c, size_t from, size_t n)
{
    const peri_pairs_counts_t *const all[4] = {c->dd, c->dr, c->rd, c->rr};
    double separation = 0;
    for (size_t b = from; b < from + n; b++) {
        for (int q = 0; q < 4; q++) {
            if (!all[q]) continue;
            r->count[q] += (int64_t)all[q]->count[b];
            r->number[DD + 2 * q + 1] += peri_pairs_weight(all[q], b);
        }
        r->number[EXPECTED] += c->expected[b];
        if (c->dd->separation)
            separation += (double)c->dd->separation[b] * c->dd->separation_unit;
    }
    r->number[MEAN] = r->count[0] ? separation / (double)r->count[0] : NAN;
}

static void put_row(peri_rowset_t *rows, const correlation_layout_t *l, size_t i,
                    const row_t *r)
{
    for (size_t column = 0; column < l->n; column++) {
        const int q = l->quantity[column];
        void *data = peri_rowset_data(rows, column);
        if (l->columns[column].type == PERI_COL_I64)
            ((int64_t *)data)[i] = r->count[(q - DD) / 2];
        else
            ((double *)data)[i] = r->number[q];
    }
}

/* xi or its sums, then their errors: nrows each, the errors 3 * nrows later. */
static int find_values(const correlation_mode_t *m, const correlation_edges_t *e,
                       const peri_correlation_t *c, size_t nrows, double *values,
                       peri_err_t *err)
{
    double *errors = values + 3 * nrows;
    if (!summed(m)) {
        memcpy(values, c->xi, nrows * sizeof *values);
        memcpy(errors, c->error, nrows * sizeof *errors);
        return 0;
    }
    for (size_t v = 0; v < 3 && m->values[v]; v++)
        if (peri_correlation_project(&e->bins, c, m->sum[v], values + v * nrows,
                                     errors + v * nrows, err))
            return -1;
    return 0;
}

int correlation_put_rows(peri_run_t *run, const correlation_edges_t *e,
                         const peri_correlation_t *c, peri_err_t *err)
{
    const correlation_mode_t *m = correlation_mode(run);
    const size_t nrows = summed(m) ? e->bins.nfirst : c->nbins, per = c->nbins / nrows;
    const size_t nsecond = nrows / e->bins.nfirst;
    double *values = peri_xcalloc(nrows * 6, sizeof *values);
    correlation_layout_t *l = peri_xcalloc(1, sizeof *l);
    int rc = find_values(m, e, c, nrows, values, err);
    if (!rc && peri_rowset_extend(peri_run_rows(run), nrows, err) < 0) rc = -1;
    correlation_lay_out(run, l);
    for (size_t i = 0; !rc && i < nrows; i++) {
        const size_t j = i / nsecond, k = i % nsecond;
        row_t r = {.number = {[FIRST_LO] = e->first[j], [FIRST_HI] = e->first[j + 1]}};
        if (m->second) {
            r.number[SECOND_LO] = e->second[k];
            r.number[SECOND_HI] = e->second[k + 1];
        }
        for (size_t v = 0; v < 6; v++) r.number[VALUE + v] = values[v * nrows + i];
        fill_counts(&r, c, i * per, per);
        put_row(peri_run_rows(run), l, i, &r);
    }
    free(values);
    free(l);
    return rc;
}
