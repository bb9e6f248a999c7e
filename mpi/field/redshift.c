/* redshift.c - see redshift.h. */
#include "mpi/field/redshift.h"

#include <math.h>
#include <string.h>

/* How many of the unit are in 1 Mpc/h. */
static int per_mpc_h(const peri_simulation_t *sim, double *per, peri_err_t *err)
{
    static const struct {
        const char *name;
        double per_mpc;
    } units[] = {{"pc", 1e6}, {"kpc", 1e3}, {"Mpc", 1}, {"Gpc", 1e-3}};
    const char *unit = sim->length;
    if (*unit == 'c') unit++;
    size_t n = strcspn(unit, "/ ");
    bool over_h = !strcmp(unit + n, "/h");
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i].name) != n || strncmp(units[i].name, unit, n)) continue;
        if (!over_h && unit[n]) continue;
        *per = units[i].per_mpc / (over_h ? 1 : sim->hubble);
        if (isfinite(*per)) return 0;
        return peri_err_set(err, PERI_EINVAL,
                            "the Hubble constant is not known: give hubble => 0.7");
    }
    return peri_err_set(
        err, PERI_EINVAL,
        "the unit of the positions is %s%s%s, and redshift space needs one "
        "of Mpc/h, kpc/h, Mpc, kpc: convert them, with pos => '...'",
        *sim->length ? "\"" : "not known", sim->length, *sim->length ? "\"" : "");
}

int peri_redshift_factor(const peri_simulation_t *sim, double *factor, peri_err_t *err)
{
    double per = NAN;
    if (!isfinite(sim->redshift) || !isfinite(sim->omega_m) ||
        !isfinite(sim->omega_lambda))
        return peri_err_set(
            err, PERI_EINVAL,
            "redshift space needs redshift, omega_m and omega_lambda, and "
            "the files do not say them all: give them");
    if (*sim->velocity && strcmp(sim->velocity, "km/s"))
        return peri_err_set(
            err, PERI_EINVAL,
            "velocities are in %s, and redshift space needs km/s: convert "
            "them, with vel => '...'",
            sim->velocity);
    if (per_mpc_h(sim, &per, err)) return -1;
    double z1 = 1 + sim->redshift, curved = 1 - sim->omega_m - sim->omega_lambda;
    double e2 = sim->omega_m * z1 * z1 * z1 + curved * z1 * z1 + sim->omega_lambda;
    if (!(e2 > 0))
        return peri_err_set(err, PERI_EINVAL,
                            "there is no expansion at redshift %g with omega_m = %g and "
                            "omega_lambda = %g",
                            sim->redshift, sim->omega_m, sim->omega_lambda);
    *factor = z1 / (100 * sqrt(e2)) * per;
    return 0;
}
