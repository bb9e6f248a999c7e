/* growth.c - expansion and growth, by integrating their equations once into a table.
 *
 * With E = H/H0 and derivatives by ln a, the growth D of first order displacements and
 * its momentum F = a^3 E dD/da obey D' = F / (a^2 E),   F' = 3/2 omega_m D / (a E); the
 * second order has the source D2 - D^2 in place of D (Bouchet et al. 1995, A&A 296, 575).
 * Both start in the growing mode of an Einstein-de Sitter universe.
 */
#include "examples/universe/growth.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/util.h"

#define STEPS   4096
#define FIRST_A 1e-4

struct growth_table {
    double omega_m;
    double step; /* in ln a */
    growth_t at[STEPS + 1];
};

double expansion_rate(double omega_m, double a)
{
    return sqrt(omega_m / (a * a * a) + 1 - omega_m);
}

/* Closed form for a flat universe, with asinh(x) as a series where omega_lambda is 0. */
double lookback_time(double omega_m, double a)
{
    double lambda = 1 - omega_m;
    if (lambda < 1e-12) return 2.0 / 3 * (1 - pow(a, 1.5));
    double root = sqrt(lambda / omega_m);
    return 2 / (3 * sqrt(lambda)) * (asinh(root) - asinh(root * pow(a, 1.5)));
}

static growth_t derivative(double omega_m, double a, growth_t g)
{
    double rate = expansion_rate(omega_m, a);
    double drift = 1 / (a * a * rate), pull = 1.5 * omega_m / (a * rate);
    return (growth_t){
        .first = drift * g.first_momentum,
        .first_momentum = pull * g.first,
        .second = drift * g.second_momentum,
        .second_momentum = pull * (g.second - g.first * g.first),
    };
}

static growth_t advanced(growth_t g, growth_t slope, double step)
{
    return (growth_t){
        .first = g.first + step * slope.first,
        .first_momentum = g.first_momentum + step * slope.first_momentum,
        .second = g.second + step * slope.second,
        .second_momentum = g.second_momentum + step * slope.second_momentum,
    };
}

/* One step of the classical Runge-Kutta method. */
static growth_t stepped(double omega_m, double a, growth_t g, double step)
{
    double middle = a * exp(step / 2), end = a * exp(step);
    growth_t k1 = derivative(omega_m, a, g);
    growth_t k2 = derivative(omega_m, middle, advanced(g, k1, step / 2));
    growth_t k3 = derivative(omega_m, middle, advanced(g, k2, step / 2));
    growth_t k4 = derivative(omega_m, end, advanced(g, k3, step));
    g = advanced(g, k1, step / 6);
    g = advanced(g, k2, step / 3);
    g = advanced(g, k3, step / 3);
    return advanced(g, k4, step / 6);
}

static void normalise(growth_table_t *t)
{
    double one = t->at[STEPS].first;
    for (int i = 0; i <= STEPS; i++) {
        t->at[i].first /= one;
        t->at[i].first_momentum /= one;
        t->at[i].second /= one * one;
        t->at[i].second_momentum /= one * one;
    }
}

growth_table_t *growth_new(double omega_m)
{
    growth_table_t *t = peri_xmalloc(sizeof(*t));
    double a = FIRST_A, volume_rate = a * a * a * expansion_rate(omega_m, a);
    t->omega_m = omega_m;
    t->step = -log(FIRST_A) / STEPS;
    t->at[0] = (growth_t){a, volume_rate, -3.0 / 7 * a * a, -6.0 / 7 * a * volume_rate};
    for (int i = 0; i < STEPS; i++)
        t->at[i + 1] = stepped(omega_m, FIRST_A * exp(i * t->step), t->at[i], t->step);
    normalise(t);
    return t;
}

void growth_free(growth_table_t *t)
{
    free(t);
}

/* A Runge-Kutta step from the nearest entry below: as exact as the table itself. */
growth_t growth_at(const growth_table_t *t, double a)
{
    double place = log(a / FIRST_A) / t->step;
    int i = place < 0 ? 0 : place > STEPS ? STEPS : (int)place;
    return stepped(t->omega_m, FIRST_A * exp(i * t->step), t->at[i],
                   (place - i) * t->step);
}
