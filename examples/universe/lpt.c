/* lpt.c - initial conditions by Lagrangian perturbation theory.
 *
 *     x = q - D1 grad phi1 + D2 grad phi2
 *     nabla^2 phi1 = delta
 *     nabla^2 phi2 = sum over i > j of (phi1,ii phi1,jj - phi1,ij^2)
 *
 * (Bouchet et al. 1995; Crocce, Pueblas & Scoccimarro 2006, MNRAS 373, 369). Momenta have
 * the same displacements with the momentum's growth. Displacements are added to the
 * particles axis by axis, so that no vector field is ever kept.
 */
#include "examples/universe/lpt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "examples/universe/random.h"
#include "examples/universe/units.h"

/* Waves of half the grid's frequency have no direction: they are left out. */
static bool is_kept(const grid_t *g, const int w[3])
{
    for (int d = 0; d < 3; d++)
        if (2 * abs(w[d]) == g->n) return false;
    return w[0] || w[1] || w[2];
}

/* A function of a wave: of its whole numbers, and of a value it has already. */
typedef wave_t wave_function_t(const grid_t *g, const int w[3], wave_t value, void *arg);

static void map_waves(const grid_t *g, const double *from, double *to, wave_function_t *f,
                      void *arg)
{
    const wave_t *in = (const wave_t *)from;
    wave_t *out = (wave_t *)to;
    for (int y = g->kfirst; y < g->kfirst + g->krows; y++) {
        for (int x = 0; x < g->n; x++) {
            for (int z = 0; z <= g->n / 2; z++, in++, out++) {
                const int w[3] = {grid_waves(g, x), grid_waves(g, y), z};
                *out = is_kept(g, w) ? f(g, w, *in, arg) : 0;
            }
        }
    }
}

static double square_of(const int w[3])
{
    return (double)w[0] * w[0] + (double)w[1] * w[1] + (double)w[2] * w[2];
}

/* ---- the random field ---- */

typedef struct {
    const lpt_params_t *params;
    const power_t *power;
} spectrum_t;

static wave_t random_value(const grid_t *g, const int w[3], wave_t value, void *arg)
{
    (void)g, (void)value;
    const spectrum_t *s = arg;
    double k = 2 * M_PI / s->params->box * sqrt(square_of(w));
    double scale = sqrt(power_at(s->power, k) / pow(s->params->box, 3));
    pair_t r = random_wave(s->params->seed, w[0], w[1], w[2], s->params->fixed_amplitude);
    return scale * (r.re + r.im * I);
}

void lpt_random_field(const grid_t *g, const lpt_params_t *params, const power_t *power,
                      double *delta)
{
    spectrum_t s = {params, power};
    map_waves(g, delta, delta, random_value, &s);
}

/* ---- second order ---- */

typedef struct {
    int i, j;
} axes_t;

/* phi,ij of a field whose Laplacian is given. */
static wave_t second_derivative(const grid_t *g, const int w[3], wave_t value, void *arg)
{
    (void)g;
    const axes_t *axes = arg;
    return value * w[axes->i] * w[axes->j] / square_of(w);
}

/* The source of phi2, back in wave space. */
static void second_source(const grid_t *g, const double *delta, double *source)
{
    const size_t n = (size_t)g->planes * g->plane;
    double *sum = grid_alloc(g), *work = grid_alloc(g);
    for (int i = 0; i < 3; i++) {
        map_waves(g, delta, work, second_derivative, &(axes_t){i, i});
        grid_backward(g, work);
        for (size_t c = 0; c < n; c++) {
            source[c] = (i ? source[c] : 0) + sum[c] * work[c];
            sum[c] += work[c];
        }
    }
    for (int i = 0; i < 3; i++) {
        map_waves(g, delta, work, second_derivative, &(axes_t){i, (i + 1) % 3});
        grid_backward(g, work);
        for (size_t c = 0; c < n; c++) source[c] -= work[c] * work[c];
    }
    grid_forward(g, source);
    const double cells = pow(g->n, 3);
    for (size_t c = 0; c < g->size; c++) source[c] /= cells;
    free(sum);
    free(work);
}

/* ---- displacements ---- */

typedef struct {
    double box;
    int axis;
} gradient_t;

/* -grad of the field whose Laplacian is given. */
static wave_t displacement(const grid_t *g, const int w[3], wave_t value, void *arg)
{
    (void)g;
    const gradient_t *a = arg;
    return value * (a->box / (2 * M_PI) * w[a->axis] / square_of(w)) * I;
}

static void add_displacements(const grid_t *g, const double *source, double box,
                              double move, double momentum, particles_t *out)
{
    double *work = grid_alloc(g);
    for (int axis = 0; axis < 3; axis++) {
        map_waves(g, source, work, displacement, &(gradient_t){box, axis});
        grid_backward(g, work);
        particle_t *p = out->at;
        for (size_t row = 0; row < (size_t)g->planes * (size_t)g->n; row++) {
            for (int z = 0; z < g->n; z++, p++) {
                p->x[axis] += move * work[row * g->row + (size_t)z];
                p->p[axis] += momentum * work[row * g->row + (size_t)z];
            }
        }
    }
    free(work);
}

static void make_lattice(const grid_t *g, double box, particles_t *out)
{
    const size_t n = (size_t)g->n;
    const double cell = box / g->n;
    out->count = out->room = (size_t)g->planes * n * n;
    out->at = peri_xcalloc(out->count, sizeof(*out->at));
    for (size_t i = 0; i < out->count; i++) {
        size_t place = (size_t)g->first * n * n + i;
        particle_t *p = &out->at[i];
        p->id = 1 + place;
        p->x[0] = (double)(place / (n * n)) * cell;
        p->x[1] = (double)(place / n % n) * cell;
        p->x[2] = (double)(place % n) * cell;
    }
}

void lpt_displace(const grid_t *g, const lpt_params_t *params, const double *delta,
                  growth_t growth, particles_t *out)
{
    make_lattice(g, params->box, out);
    add_displacements(g, delta, params->box, growth.first, HUBBLE * growth.first_momentum,
                      out);
    double *source = grid_alloc(g);
    second_source(g, delta, source);
    /* D2 stands with +grad phi2, and `displacement` is -grad. */
    add_displacements(g, source, params->box, -growth.second,
                      -HUBBLE * growth.second_momentum, out);
    free(source);
    particles_wrap(out, params->box);
}
