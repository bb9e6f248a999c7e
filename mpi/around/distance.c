/* distance.c - see distance.h.
 *
 * The integral over ln(1 + z) is tabulated by Gauss-Legendre quadrature of 5 points in
 * each interval; back from distance to redshift goes a cubic that has the exact slopes.
 */
#include "mpi/around/distance.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define INTERVALS 4096

struct peri_distances {
    double omega_m, omega_lambda, hubble_length, z_max;
    double step;                    /* in ln(1 + z) */
    double distance[INTERVALS + 1]; /* at multiples of it */
};

double peri_expansion(double omega_m, double omega_lambda, double z)
{
    const double s = 1 + z;
    return sqrt(omega_m * s * s * s + (1 - omega_m - omega_lambda) * s * s +
                omega_lambda);
}

/* dD / d ln(1 + z). */
static double slope(const peri_distances_t *t, double s)
{
    const double z = expm1(s);
    return t->hubble_length * (1 + z) / peri_expansion(t->omega_m, t->omega_lambda, z);
}

static double integrate(const peri_distances_t *t, double from, double to)
{
    static const double x[] = {0, 0.5384693101056830910, 0.9061798459386639928};
    static const double w[] = {0.5688888888888888889, 0.4786286704993664680,
                               0.2369268850561890875};
    const double middle = (from + to) / 2, half = (to - from) / 2;
    double sum = w[0] * slope(t, middle);
    for (int i = 1; i < 3; i++)
        sum += w[i] * (slope(t, middle - half * x[i]) + slope(t, middle + half * x[i]));
    return sum * half;
}

peri_distances_t *peri_distances_new(double omega_m, double omega_lambda,
                                     double hubble_length, double z_max, peri_err_t *err)
{
    peri_distances_t *t = calloc(1, sizeof(*t));
    if (!t) {
        peri_err_set(err, PERI_ELIMIT, "there is no memory for a table of distances");
        return NULL;
    }
    *t = (peri_distances_t){.omega_m = omega_m,
                            .omega_lambda = omega_lambda,
                            .hubble_length = hubble_length,
                            .z_max = z_max,
                            .step = log1p(z_max) / INTERVALS};
    double *d = t->distance;
    for (size_t i = 0; i < INTERVALS; i++)
        d[i + 1] = d[i] + integrate(t, (double)i * t->step, (double)(i + 1) * t->step);
    if (z_max > 0 && isfinite(d[INTERVALS]) && d[INTERVALS] > 0) return t;
    free(t);
    peri_err_set(err, PERI_EINVAL,
                 "there are no distances up to redshift %g for omega_m = %g, "
                 "omega_lambda = %g",
                 z_max, omega_m, omega_lambda);
    return NULL;
}

void peri_distances_free(peri_distances_t *t)
{
    free(t);
}

double peri_distance_of(const peri_distances_t *t, double z)
{
    const double s = log1p(z);
    if (!(z >= 0 && z <= t->z_max)) return NAN;
    size_t i = (size_t)(s / t->step);
    if (i > INTERVALS - 1) i = INTERVALS - 1;
    return t->distance[i] + integrate(t, (double)i * t->step, s);
}

double peri_redshift_of(const peri_distances_t *t, double distance)
{
    const double *d = t->distance;
    size_t lo = 0, hi = INTERVALS;
    if (!(distance >= 0 && distance <= d[INTERVALS])) return NAN;
    while (hi - lo > 1) {
        const size_t mid = (lo + hi) / 2;
        if (d[mid] <= distance)
            lo = mid;
        else
            hi = mid;
    }
    const double width = d[hi] - d[lo], u = (distance - d[lo]) / width;
    const double s0 = (double)lo * t->step, s1 = (double)hi * t->step;
    const double m0 = width / slope(t, s0), m1 = width / slope(t, s1);
    const double a = m0 + m1 - 2 * t->step, b = 3 * t->step - 2 * m0 - m1;
    return expm1(s0 + u * (m0 + u * (b + u * a)));
}

static bool per_h(const char *unit)
{
    const size_t n = strlen(unit);
    return n > 2 && strcmp(unit + n - 2, "/h") == 0;
}

/* Megaparsecs in a unit of length. */
static double megaparsecs(const char *unit, double h)
{
    static const struct {
        const char *name;
        double megaparsecs;
    } units[] = {{"Mpc", 1}, {"kpc", 1e-3}, {"Gpc", 1e3}, {"pc", 1e-6}};
    if (unit[0] == 'c') unit++;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        const size_t n = strlen(units[i].name);
        if (strncmp(unit, units[i].name, n) != 0) continue;
        if (!unit[n]) return units[i].megaparsecs;
        if (strcmp(unit + n, "/h") == 0) return units[i].megaparsecs / h;
    }
    return NAN;
}

double peri_hubble_length(const char *unit, double h)
{
    if (per_h(unit)) h = 1;
    return PERI_LIGHT / (100 * h) / megaparsecs(unit, h);
}

double peri_gravity(const char *length, const char *mass, double h)
{
    /* The Sun's G M of the IAU over a megaparsec, in (km/s)^2. */
    static const double sun = 1.3271244e20 / 3.0856775814913673e22 * 1e-6;
    if (per_h(length) && per_h(mass)) h = 1;
    char *end;
    double suns = strtod(mass, &end);
    if (end == mass) suns = 1;
    while (*end == ' ') end++;
    if (strcmp(end, "Msun/h") == 0)
        suns /= h;
    else if (strcmp(end, "Msun") != 0)
        return NAN;
    return sun * suns / megaparsecs(length, h);
}
