/* interpolate.c - what the grid has at the positions of particles.
 *
 * A position goes to the rank that has its lowest plane, with where it came from; the
 * value comes back. Those of this rank's own planes go nowhere.
 */
#include <stdlib.h>

#include "core/base/util.h"
#include "mpi/field/cloud.h"
#include "mpi/field/private.h"
#include "perigee/particles.h"

typedef struct {
    double x, y, z;
    uint64_t index;
    int64_t rank;
} asked_t;

typedef struct {
    double value;
    uint64_t index;
} answer_t;

typedef struct {
    const peri_field_t *f;
    peri_scheme_t scheme;
    peri_axis_t axes[3];
    double *ghosts;
} work_t;

static inline __attribute__((always_inline)) double
sum_cloud(int scheme, const work_t *w, double x, double y, double z)
{
    const peri_field_t *f = w->f;
    double t[3] = {peri_axis_at(&w->axes[0], x), peri_axis_at(&w->axes[1], y),
                   peri_axis_at(&w->axes[2], z)};
    size_t i[3];
    double weight[3][4], sum = 0;
    for (int k = 0; k < 3; k++) {
        i[k] = (uint32_t)t[k];
        peri_cloud(scheme, t[k] - (double)i[k], weight[k]);
    }
    for (size_t a = 0; a < (size_t)scheme; a++) {
        size_t plane = i[0] - f->x0 + a;
        const double *from = plane < f->nx
                                 ? f->data + plane * f->n[1] * f->row
                                 : w->ghosts + (plane - f->nx) * f->n[1] * f->row;
        for (size_t b = 0; b < (size_t)scheme; b++) {
            const double *row = from + (i[1] + b) % f->n[1] * f->row;
            double part = 0;
            for (size_t c = 0; c < (size_t)scheme; c++)
                part += weight[2][c] * row[(i[2] + c) % f->n[2]];
            sum += weight[0][a] * weight[1][b] * part;
        }
    }
    return sum;
}

static double value_at(const work_t *w, double x, double y, double z)
{
    switch (w->scheme) {
    case PERI_NGP:
        return sum_cloud(PERI_NGP, w, x, y, z);
    case PERI_CIC:
        return sum_cloud(PERI_CIC, w, x, y, z);
    case PERI_TSC:
        return sum_cloud(PERI_TSC, w, x, y, z);
    case PERI_PCS:
        break;
    }
    return sum_cloud(PERI_PCS, w, x, y, z);
}

/* Values of the rank's own points; *out are those to ask others for, at `dest`. */
static int split(const work_t *w, const peri_points_t *p, double *values, asked_t **out,
                 int **dest, size_t *nout, peri_err_t *err)
{
    const peri_field_t *f = w->f;
    size_t foreign = 0;
    for (size_t i = 0; i < p->n; i++) {
        double x = peri_axis_at(&w->axes[0], p->x[i]);
        double y = peri_axis_at(&w->axes[1], p->y[i]);
        double z = peri_axis_at(&w->axes[2], p->z[i]);
        if (!(x >= 0 && y >= 0 && z >= 0))
            return peri_err_set(err, PERI_EINVAL, "A position is not finite.");
        if ((size_t)x >= f->x0 && (size_t)x < f->x0 + f->nx)
            values[i] = value_at(w, p->x[i], p->y[i], p->z[i]);
        else
            foreign++;
    }
    *out = malloc((foreign + 1) * sizeof(**out));
    *dest = malloc((foreign + 1) * sizeof(**dest));
    if (!*out || !*dest)
        return peri_err_set(err, PERI_ELIMIT, "There is no memory to send %zu positions.",
                            foreign);
    size_t n = 0;
    for (size_t i = 0; i < p->n && n < foreign; i++) {
        size_t x = (size_t)peri_axis_at(&w->axes[0], p->x[i]);
        if (x >= f->x0 && x < f->x0 + f->nx) continue;
        (*dest)[n] = peri_field_owner(f, x);
        (*out)[n++] = (asked_t){p->x[i], p->y[i], p->z[i], i, f->p->rank};
    }
    *nout = n;
    return 0;
}

/* Values of what other ranks ask for, ready to go back. */
static int answer(const work_t *w, const asked_t *asked, size_t n, answer_t **answers,
                  int **dest, peri_err_t *err)
{
    *answers = malloc((n + 1) * sizeof(**answers));
    *dest = malloc((n + 1) * sizeof(**dest));
    if (!*answers || !*dest)
        return peri_err_set(err, PERI_ELIMIT, "There is no memory to send %zu values.",
                            n);
    for (size_t i = 0; i < n; i++) {
        (*answers)[i] =
            (answer_t){value_at(w, asked[i].x, asked[i].y, asked[i].z), asked[i].index};
        (*dest)[i] = (int)asked[i].rank;
    }
    return 0;
}

int peri_field_interpolate(const peri_field_t *f, const peri_points_t *points,
                           peri_scheme_t scheme, double *values, peri_err_t *err)
{
    if (f->modes) return peri_err_set(err, PERI_EINTERNAL, "The field is in modes.");
    work_t w = {.f = f, .scheme = scheme};
    peri_axes(f, scheme, 0, w.axes);
    asked_t *out = NULL, *asked = NULL;
    answer_t *answers = NULL, *got = NULL;
    int *dest = NULL, *back = NULL;
    size_t nout = 0, nasked = 0, ngot = 0;
    w.ghosts = malloc((size_t)scheme * f->n[1] * f->row * sizeof(double));
    int rc = w.ghosts ? 0
                      : peri_err_set(err, PERI_ELIMIT,
                                     "There is no memory for planes between ranks.");
    if ((rc = peri_ranks_agree(rc, f->comm, err))) goto out;
    peri_ghostplanes_fetch(f, w.ghosts, (size_t)scheme - 1);
    rc = split(&w, points, values, &out, &dest, &nout, err);
    if ((rc = peri_ranks_agree(rc, f->comm, err)) || f->p->nranks == 1) goto out;
    if ((rc = peri_items_exchange(out, sizeof(*out), nout, dest, f->comm, (void **)&asked,
                                  &nasked, err)))
        goto out;
    rc = answer(&w, asked, nasked, &answers, &back, err);
    if ((rc = peri_ranks_agree(rc, f->comm, err))) goto out;
    if ((rc = peri_items_exchange(answers, sizeof(*answers), nasked, back, f->comm,
                                  (void **)&got, &ngot, err)))
        goto out;
    for (size_t i = 0; i < ngot; i++) values[got[i].index] = got[i].value;
out:
    free(w.ghosts);
    free(out);
    free(dest);
    free(asked);
    free(answers);
    free(back);
    free(got);
    return rc;
}
