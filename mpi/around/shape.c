/* shape.c - spheres, boxes, cones and cylinders; see finder.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "mpi/around/finder.h"

static const char *const names[] = {"sphere", "box", "cone", "cylinder"};

static double radius_of(const peri_shape_t *s, const peri_centre_t *c)
{
    return isnan(c->radius) ? s->radius : c->radius;
}

static double half_side(const peri_shape_t *s, const peri_centre_t *c, int k)
{
    return isnan(c->radius) ? s->size[k] / 2 : c->radius;
}

void peri_shape_extent(const peri_shape_t *s, const peri_centre_t *c, double lo[3],
                       double hi[3])
{
    const double r = radius_of(s, c);
    for (int k = 0; k < 3; k++) {
        const double a = s->axis[k], across = sqrt(fmax(1 - a * a, 0));
        switch (s->kind) {
        case PERI_SPHERE:
            hi[k] = r;
            lo[k] = -r;
            break;
        case PERI_BOX:
            hi[k] = half_side(s, c, k);
            lo[k] = -hi[k];
            break;
        case PERI_CYLINDER:
            hi[k] = fabs(a) * s->length / 2 + across * r;
            lo[k] = -hi[k];
            break;
        case PERI_CONE: {
            /* The furthest direction of the cone along the axis k, or the tip. */
            const double sine = sqrt(fmax(1 - s->cosine * s->cosine, 0));
            hi[k] = a >= s->cosine ? r : r * fmax(0, a * s->cosine + across * sine);
            lo[k] = -a >= s->cosine ? -r : -r * fmax(0, -a * s->cosine + across * sine);
            break;
        }
        }
    }
}

int peri_shape_check(const peri_shape_t *s, const peri_centre_t *c, const double *box,
                     peri_err_t *err)
{
    double lo[3], hi[3];
    const double r = radius_of(s, c);
    if (!isfinite(c->x[0]) || !isfinite(c->x[1]) || !isfinite(c->x[2]))
        return peri_err_set(err, PERI_EINVAL, "centre %lld is at (%g, %g, %g)",
                            (long long)c->id, c->x[0], c->x[1], c->x[2]);
    const bool sized = s->kind == PERI_BOX && isnan(c->radius);
    if (!sized && !(r > 0 && isfinite(r)))
        return peri_err_set(err, PERI_EINVAL,
                            "the radius of centre %lld is %g: it must be above 0 (leave "
                            "out others with a condition)",
                            (long long)c->id, r);
    for (int k = 0; sized && k < 3; k++)
        if (!(s->size[k] > 0 && isfinite(s->size[k])))
            return peri_err_set(err, PERI_EINVAL,
                                "a side of the box is %g: it must be above 0",
                                s->size[k]);
    if (s->kind == PERI_CYLINDER && !(s->length > 0 && isfinite(s->length)))
        return peri_err_set(err, PERI_EINVAL,
                            "the length of the cylinder is %g: it must be above 0",
                            s->length);
    peri_shape_extent(s, c, lo, hi);
    for (int k = 0; box && k < 3; k++)
        if (fmax(-lo[k], hi[k]) > box[k] / 2)
            return peri_err_set(
                err, PERI_EINVAL,
                "the %s around centre %lld reaches %g from it, more than half of the "
                "periodic box (%g): make it smaller, or give box => 0 for open space",
                names[s->kind], (long long)c->id, fmax(-lo[k], hi[k]), box[k] / 2);
    return 0;
}

bool peri_shape_has(const peri_shape_t *s, const peri_centre_t *c, const double d[3],
                    double r)
{
    const double radius = radius_of(s, c);
    double along = 0;
    switch (s->kind) {
    case PERI_SPHERE:
        return r <= radius;
    case PERI_BOX:
        for (int k = 0; k < 3; k++) {
            const double half = half_side(s, c, k);
            if (!(d[k] >= -half && d[k] < half)) return false;
        }
        return true;
    case PERI_CONE:
        for (int k = 0; k < 3; k++) along += d[k] * s->axis[k];
        return r <= radius && along >= r * s->cosine;
    case PERI_CYLINDER:
        for (int k = 0; k < 3; k++) along += d[k] * s->axis[k];
        return fabs(along) <= s->length / 2 &&
               fmax(r * r - along * along, 0) <= radius * radius;
    }
    return false;
}

/* [lo, hi] along axis k around all of them, through the border if that is shorter. */
static void span(const peri_shape_t *s, const peri_centre_t *centres, size_t n, int k,
                 double box, double *lo, double *hi)
{
    *lo = INFINITY;
    *hi = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        double below[3], above[3], way = centres[i].x[k] - centres[0].x[k];
        if (box > 0) way = peri_short_way(way, box);
        peri_shape_extent(s, &centres[i], below, above);
        *lo = fmin(*lo, centres[0].x[k] + way + below[k]);
        *hi = fmax(*hi, centres[0].x[k] + way + above[k]);
    }
    /* Positions may be of single precision. */
    const double slack = 1e-6 * fmax(box, fmax(fabs(*lo), fabs(*hi)));
    *lo -= slack;
    *hi += slack;
}

void peri_shape_sql(const peri_shape_t *s, const peri_centre_t *centres, size_t n,
                    const double *box, char *sql, size_t size)
{
    double lo[3], hi[3];
    bool some = false;
    sql[0] = '\0';
    for (int k = 0; n && k < 3; k++) {
        span(s, centres, n, k, box ? box[k] : 0, &lo[k], &hi[k]);
        const bool whole = box && hi[k] - lo[k] > 0.9 * box[k];
        if (whole) lo[k] = 0, hi[k] = box[k];
        some = some || !whole;
    }
    if (some && box)
        snprintf(sql, size,
                 "in_box({pos}, [%.17g, %.17g, %.17g], [%.17g, %.17g, %.17g], [%.17g, "
                 "%.17g, %.17g])",
                 lo[0], lo[1], lo[2], hi[0], hi[1], hi[2], box[0], box[1], box[2]);
    else if (some)
        snprintf(sql, size, "in_box({pos}, [%.17g, %.17g, %.17g], [%.17g, %.17g, %.17g])",
                 lo[0], lo[1], lo[2], hi[0], hi[1], hi[2]);
}
