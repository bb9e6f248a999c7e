/* so_density.c - what 200c, 500c, 200m and vir mean at a redshift.
 *
 * Everything is a multiple of the mean density, which the particles themselves have: so
 * no constant of gravity and no system of units is needed, comoving or not.
 */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/halo/so.h"

static double lambda_of(const peri_so_cosmology_t *c)
{
    return isnan(c->omega_lambda) ? 1 - c->omega_m : c->omega_lambda;
}

double peri_so_omega_at(const peri_so_cosmology_t *c)
{
    double z1 = 1 + c->redshift, lambda = lambda_of(c);
    double matter = c->omega_m * z1 * z1 * z1;
    return matter / (matter + (1 - c->omega_m - lambda) * z1 * z1 + lambda);
}

static int check_cosmology(const char *name, const peri_so_cosmology_t *c,
                           peri_err_t *err)
{
    const char *missing = isnan(c->omega_m)    ? "omega_m"
                          : isnan(c->redshift) ? "redshift"
                                               : NULL;
    if (missing)
        return peri_err_set(err, PERI_EINVAL,
                            "the density %s needs %s, which the input does not tell: "
                            "give it",
                            name, missing);
    double omega = peri_so_omega_at(c);
    if (!(c->omega_m > 0) || !(c->redshift > -1) || !(omega > 0) || !isfinite(omega))
        return peri_err_set(err, PERI_EINVAL,
                            "there is no critical density with omega_m = %g, "
                            "omega_lambda = %g and redshift = %g",
                            c->omega_m, lambda_of(c), c->redshift);
    return 0;
}

int peri_so_density(const char *name, const peri_so_cosmology_t *c, double *density,
                    peri_err_t *err)
{
    char *end;
    double number = strtod(name, &end);
    if (end != name && number > 0 && isfinite(number) && strcmp(end, "m") == 0) {
        *density = number * c->mean;
        return 0;
    }
    bool critical = end != name && number > 0 && isfinite(number) && !strcmp(end, "c");
    if (!critical && strcmp(name, "vir") != 0)
        return peri_err_set(err, PERI_EINVAL,
                            "there is no overdensity '%s': write a number and c (times "
                            "the critical density) or m (times the mean), or vir",
                            name);
    if (check_cosmology(name, c, err)) return -1;
    double omega = peri_so_omega_at(c), x = omega - 1;
    double pi2 = acos(-1) * acos(-1);
    if (!critical) number = 18 * pi2 + 82 * x - 39 * x * x;
    *density = number * c->mean / omega;
    return 0;
}
