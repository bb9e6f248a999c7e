/* power.c - a power spectrum from a formula or a table, scaled to sigma_8.
 *
 * The formula is k^n_s T(k)^2 with the transfer function of Eisenstein & Hu (1998, ApJ
 * 496, 605), equations 26 and 28 to 31: the shape that baryons give it, without their
 * wiggles.
 */
#include "examples/universe/power.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define CMB_TEMPERATURE 2.7255
#define MAX_TABLE       100000

struct power {
    power_params_t params;
    double scale;
    /* Of a table: ln k and ln P. */
    size_t points;
    double *log_k, *log_p;
};

double transfer_function(const power_params_t *c, double k)
{
    const double euler = 2.718281828459045;
    double matter = c->omega_m * c->h * c->h, baryons = c->omega_b * c->h * c->h;
    double fraction = c->omega_b / c->omega_m, theta = CMB_TEMPERATURE / 2.7;
    double horizon = 44.5 * log(9.83 / matter) / sqrt(1 + 10 * pow(baryons, 0.75));
    double alpha = 1 - 0.328 * log(431 * matter) * fraction +
                   0.38 * log(22.3 * matter) * fraction * fraction;
    double damped = 1 + pow(0.43 * k * c->h * horizon, 4);
    double shape = c->omega_m * c->h * (alpha + (1 - alpha) / damped);
    double q = k * theta * theta / shape;
    double l = log(2 * euler + 1.8 * q);
    return l / (l + (14.2 + 731 / (1 + 62.5 * q)) * q * q);
}

/* ---- tables ---- */

static int bad_line(const char *path, int line, const char *what, peri_err_t *err)
{
    return peri_err_set(err, PERI_EFORMAT,
                        "%s:%d: %s; a spectrum has lines of k in h/Mpc and P(k) in "
                        "(Mpc/h)^3, in order of k",
                        path, line, what);
}

static int add_point(power_t *p, const char *path, int line, const char *text,
                     peri_err_t *err)
{
    char *rest, *end;
    double k = strtod(text, &rest), value = strtod(rest, &end);
    if (rest == text || end == rest) return bad_line(path, line, "no two numbers", err);
    if (!(k > 0 && k <= DBL_MAX && value > 0 && value <= DBL_MAX))
        return bad_line(path, line, "k and P(k) must be above 0", err);
    if (p->points && !(log(k) > p->log_k[p->points - 1]))
        return bad_line(path, line, "k does not grow", err);
    if (p->points == MAX_TABLE) return bad_line(path, line, "too many lines", err);
    p->log_k[p->points] = log(k);
    p->log_p[p->points++] = log(value);
    return 0;
}

static int read_table(power_t *p, const char *path, peri_err_t *err)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return peri_err_set(err, PERI_ENOTFOUND, "cannot open the spectrum %s: %s", path,
                            strerror(errno));
    p->log_k = peri_xcalloc(MAX_TABLE, sizeof(double));
    p->log_p = peri_xcalloc(MAX_TABLE, sizeof(double));
    char text[1024];
    int rc = 0;
    for (int line = 1; !rc && fgets(text, sizeof(text), f); line++) {
        size_t blank = strspn(text, " \t\r\n");
        if (text[blank] && text[blank] != '#') rc = add_point(p, path, line, text, err);
    }
    fclose(f);
    if (!rc && p->points < 2) rc = bad_line(path, 1, "fewer than two points", err);
    return rc;
}

/* Between points, and beyond the ends, a power law. */
static double table_at(const power_t *p, double log_k)
{
    size_t low = 0, high = p->points - 1;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (p->log_k[middle] > log_k)
            high = middle;
        else
            low = middle;
    }
    double part = (log_k - p->log_k[low]) / (p->log_k[high] - p->log_k[low]);
    return exp(p->log_p[low] + part * (p->log_p[high] - p->log_p[low]));
}

/* ---- the spectrum ---- */

double power_at(const power_t *p, double k)
{
    if (p->points) return p->scale * table_at(p, log(k));
    double transfer = transfer_function(&p->params, k);
    return p->scale * pow(k, p->params.n_s) * transfer * transfer;
}

/* Fourier transform of a sphere of radius 1 and volume 1. */
static double sphere(double x)
{
    if (x < 0.01) return 1 - x * x / 10;
    return 3 * (sin(x) - x * cos(x)) / (x * x * x);
}

double power_sigma(const power_t *p, double radius)
{
    const double first = log(1e-5 / radius), last = log(1e3 / radius);
    const int steps = 20000;
    double sum = 0, step = (last - first) / steps;
    for (int i = 0; i <= steps; i++) {
        double k = exp(first + i * step), w = sphere(k * radius);
        sum += (i == 0 || i == steps ? 0.5 : 1) * k * k * k * power_at(p, k) * w * w;
    }
    return sqrt(sum * step / (2 * M_PI * M_PI));
}

power_t *power_new(const power_params_t *params, peri_err_t *err)
{
    power_t *p = peri_xcalloc(1, sizeof(*p));
    p->params = *params;
    p->scale = 1;
    if (params->file && read_table(p, params->file, err)) goto bad;
    double sigma = power_sigma(p, 8);
    if (!(sigma > 0 && sigma <= DBL_MAX)) {
        peri_err_set(err, PERI_EINVAL,
                     "the power spectrum cannot be scaled to sigma_8 = %g: its own is %g",
                     params->sigma8, sigma);
        goto bad;
    }
    p->scale = params->sigma8 * params->sigma8 / (sigma * sigma);
    return p;
bad:
    power_free(p);
    return NULL;
}

void power_free(power_t *p)
{
    if (!p) return;
    free(p->log_k);
    free(p->log_p);
    free(p);
}
