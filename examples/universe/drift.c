/* drift.c - see drift.h.
 *
 * In linear theory dx = dD psi, p = H0 F psi and grad phi = -D psi, where F is the
 * momentum's growth. So the factor that turns p into dx is dD / (H0 F), and that which
 * turns -grad phi into dp is H0 dF / D.
 */
#include "examples/universe/drift.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "examples/universe/units.h"

schedule_t schedule_new(double start, const double *outputs, int n, int steps)
{
    const double longest = (sqrt(outputs[n - 1]) - sqrt(start)) / steps;
    const size_t room = (size_t)steps + (size_t)n + 2;
    schedule_t s = {.a = peri_xcalloc(room, sizeof(*s.a)),
                    .snapshot = peri_xcalloc(room, sizeof(*s.snapshot))};
    s.a[0] = start;
    s.snapshot[0] = -1;
    for (int i = 0; i < n; i++) {
        double from = sqrt(s.a[s.steps]), way = sqrt(outputs[i]) - from;
        /* The tolerance keeps a way of 3 + 1e-15 steps from becoming 4. */
        int parts = way > 0 ? (int)ceil(way / longest - 1e-9) : 0;
        for (int k = 1; k <= parts; k++) {
            double root = from + way * k / parts;
            s.a[++s.steps] = k < parts ? root * root : outputs[i];
            s.snapshot[s.steps] = -1;
        }
        s.snapshot[s.steps] = i;
    }
    return s;
}

void schedule_free(schedule_t *s)
{
    free(s->a);
    free(s->snapshot);
    *s = (schedule_t){0};
}

double schedule_middle(const schedule_t *s, int i)
{
    double root = (sqrt(s->a[i]) + sqrt(s->a[i + 1])) / 2;
    return root * root;
}

double kick_factor(const growth_table_t *t, double from, double to, double at)
{
    return HUBBLE *
           (growth_at(t, to).first_momentum - growth_at(t, from).first_momentum) /
           growth_at(t, at).first;
}

double drift_factor(const growth_table_t *t, double from, double to, double at)
{
    return (growth_at(t, to).first - growth_at(t, from).first) /
           (HUBBLE * growth_at(t, at).first_momentum);
}

void drift_particles(particles_t *s, double factor, double box)
{
    for (size_t i = 0; i < s->count; i++)
        for (int d = 0; d < 3; d++) s->at[i].x[d] += factor * s->at[i].p[d];
    particles_wrap(s, box);
}
