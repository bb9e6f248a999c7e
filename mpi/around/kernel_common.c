/* kernel_common.c - see kernel_common.h. */
#include "mpi/around/kernel_common.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const peri_coldef_t peri_centre_extra[1] = {
    {"radius", PERI_COL_F64, 1, "{length}", "Radius of the centre, its own."}};

int peri_vector_read(const peri_run_t *run, const char *param, double out[3],
                     peri_err_t *err)
{
    size_t n;
    const double *v = peri_run_floats(run, param, &n);
    if (n != 3)
        return peri_err_set(err, PERI_EINVAL,
                            "%s needs three numbers, as [1, 2, 3]: "
                            "there are %zu",
                            param, n);
    memcpy(out, v, 3 * sizeof(*out));
    return 0;
}

const double *peri_box_of(const peri_run_t *run)
{
    const peri_simulation_t *s = peri_run_simulation(run, 0);
    return isnan(s->box[0]) ? NULL : s->box;
}

void peri_all_wanted(const peri_run_t *run, peri_need_t *need)
{
    for (size_t i = 0; i < 2; i++)
        if (peri_run_has_input(run, i))
            need->particles[i] |=
                peri_run_found(run, i) & (PERI_HAS_VELOCITY | PERI_HAS_MASS);
}

int peri_tell(void *teller, double done, double total, peri_err_t *err)
{
    const peri_teller_t *t = teller;
    return peri_run_progress(t->run, t->what, done, total, err);
}

int peri_centres_given(const peri_run_t *run, peri_err_t *err)
{
    double centre[3];
    const bool one = peri_run_given(run, "centre");
    if (one == peri_run_has_input(run, 1))
        return peri_err_set(
            err, PERI_EINVAL,
            one ? "centre and a table of centres are both given: leave one out"
                : "there is nothing to look around: give centre => [x, y, z], or a table "
                  "of centres as second input");
    return one ? peri_vector_read(run, "centre", centre, err) : 0;
}

static void put_inside(const double *box, peri_centre_t *c)
{
    for (int k = 0; box && k < 3; k++) {
        c->x[k] -= floor(c->x[k] / box[k]) * box[k];
        if (!(c->x[k] < box[k])) c->x[k] = 0;
    }
}

static int one_centre(peri_run_t *run, peri_centre_t **all, peri_err_t *err)
{
    peri_centre_t *c = malloc(sizeof(*c));
    if (!c) return peri_err_set(err, PERI_ELIMIT, "there is no memory for a centre");
    *c = (peri_centre_t){.v = {NAN, NAN, NAN}, .radius = NAN, .mass = NAN};
    *all = c;
    return peri_vector_read(run, "centre", c->x, err);
}

static int many_centres(peri_run_t *run, peri_centre_t **all, size_t *n, peri_err_t *err)
{
    const char *here = peri_run_simulation(run, 0)->length;
    const char *there = peri_run_simulation(run, 1)->length;
    if (*here && *there && strcmp(here, there) != 0)
        return peri_err_set(err, PERI_EINVAL,
                            "centres are in %s, but particles in %s: write a SELECT that "
                            "converts them as the second input",
                            there, here);
    const double *radius = peri_rowset_data(peri_run_table(run, 1), 0);
    if (peri_centres_gather(peri_run_particles(run, 1), radius, peri_run_comm(run), all,
                            n, err))
        return -1;
    if (*n) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "there are no centres: the second input has no "
                        "rows");
}

int peri_centres_read(peri_run_t *run, peri_centre_t **all, size_t *n, peri_err_t *err)
{
    *all = NULL;
    *n = 1;
    int rc = peri_run_given(run, "centre") ? one_centre(run, all, err)
                                           : many_centres(run, all, n, err);
    for (size_t i = 0; rc == 0 && i < *n; i++) put_inside(peri_box_of(run), &(*all)[i]);
    if (rc == 0) return 0;
    free(*all);
    *all = NULL;
    return -1;
}
