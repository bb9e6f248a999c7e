/* lightcone.c - see lightcone.h.
 *
 * Copies of the box that no shell or cone reaches are passed over, then blocks of the box
 * in those that are left, then single particles.
 */
#include "mpi/around/lightcone.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/around/order.h"

#define DEGREE      (M_PI / 180)
#define MOST_BLOCKS 16 /* along an axis */

typedef struct {
    const peri_sky_t *sky;
    const peri_particles_t *p;
    const peri_shell_t *shell;
    peri_sightings_t *out;
    double margin; /* how far particles may move */
    /* Particles by block. */
    int blocks;
    uint32_t *order;
    size_t *start;
} cone_t;

/* ---- blocks ---- */

static size_t block_of(const cone_t *c, size_t i)
{
    const double x[3] = {c->p->x[i], c->p->y[i], c->p->z[i]};
    size_t block = 0;
    for (int k = 0; k < 3; k++) {
        const double b = x[k] / c->p->box[k] * c->blocks;
        block = block * (size_t)c->blocks + (size_t)fmin(fmax(b, 0), c->blocks - 1);
    }
    return block;
}

static int make_blocks(cone_t *c, peri_err_t *err)
{
    const size_t n = c->p->n;
    c->blocks = (int)fmin(fmax(cbrt((double)n / 64), 1), MOST_BLOCKS);
    const size_t count = (size_t)(c->blocks * c->blocks * c->blocks);
    c->order = malloc((n + 1) * sizeof(*c->order));
    c->start = calloc(count + 2, sizeof(*c->start));
    if (!c->order || !c->start || n > UINT32_MAX)
        return peri_err_set(err, PERI_ELIMIT,
                            "there is no memory for %zu particles on one rank: use more "
                            "ranks",
                            n);
    /* Counted two places on, so that filling leaves the starts where they belong. */
    for (size_t i = 0; i < n; i++) c->start[block_of(c, i) + 2]++;
    for (size_t b = 2; b < count + 2; b++) c->start[b] += c->start[b - 1];
    for (size_t i = 0; i < n; i++) c->order[c->start[block_of(c, i) + 1]++] = (uint32_t)i;
    return 0;
}

/* ---- what may be seen ---- */

/* A ball around `x` from the observer may hold directions that are looked at. */
static bool ball_in_sight(const peri_sky_t *s, const double x[3], double radius)
{
    const double d = sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]);
    if (d <= radius) return true;
    const double wide = asin(radius / d) + 1e-9;
    if (s->cosine > -1) {
        const double along = x[0] * s->axis[0] + x[1] * s->axis[1] + x[2] * s->axis[2];
        if (acos(fmin(fmax(along / d, -1), 1)) > acos(s->cosine) + wide) return false;
    }
    const double dec = asin(fmin(fmax(x[2] / d, -1), 1));
    if (dec + wide < s->dec[0] * DEGREE || dec - wide > s->dec[1] * DEGREE) return false;
    const double width = s->ra[1] - s->ra[0] + (s->ra[0] > s->ra[1] ? 360 : 0);
    if (width > 180) return true;
    /* Between two half planes through the poles. */
    const double a = s->ra[0] * DEGREE, b = s->ra[1] * DEGREE;
    return x[1] * cos(a) - x[0] * sin(a) >= -radius * (1 + 1e-9) &&
           x[0] * sin(b) - x[1] * cos(b) >= -radius * (1 + 1e-9);
}

/* A box with this lower corner from the observer may hold something that is seen. */
static bool box_in_sight(const cone_t *c, const double lo[3], const double side[3])
{
    double near2 = 0, far2 = 0, middle[3], diagonal = 0;
    for (int k = 0; k < 3; k++) {
        const double a = lo[k] - c->margin, b = lo[k] + side[k] + c->margin;
        const double near = a > 0 ? a : b < 0 ? -b : 0, far = fmax(fabs(a), fabs(b));
        near2 += near * near;
        far2 += far * far;
        middle[k] = (a + b) / 2;
        diagonal += (b - a) * (b - a);
    }
    const double slack = 1e-9 * sqrt(far2);
    if (sqrt(near2) - slack > c->shell->outer || sqrt(far2) + slack < c->shell->inner)
        return false;
    return ball_in_sight(c->sky, middle, sqrt(diagonal) / 2 + slack);
}

static bool in_sight(const peri_sky_t *s, const peri_sighting_t *o)
{
    if (s->cosine > -1) {
        double along = 0;
        for (int k = 0; k < 3; k++) along += o->x[k] * s->axis[k];
        if (along < o->distance * s->cosine) return false;
    }
    const bool above = o->ra >= s->ra[0], below = o->ra < s->ra[1];
    if (s->ra[0] <= s->ra[1] ? !(above && below) : !(above || below)) return false;
    return o->dec >= s->dec[0] && (o->dec < s->dec[1] || s->dec[1] >= 90);
}

/* ---- one particle ---- */

/* Its velocity moves it until the light meets it: |x| = d, x = x0 - v / c (d - D) to
 * first order in v / c, D being where the snapshot is exact. */
static void move(const cone_t *c, peri_sighting_t *o)
{
    double d = o->distance, beta = 0;
    for (int k = 0; k < 3 && d > 0; k++) beta += o->v[k] / PERI_LIGHT * o->x[k] / d;
    d = (d + beta * c->shell->distance) / (1 + beta);
    for (int k = 0; k < 3; k++)
        o->x[k] -= o->v[k] / PERI_LIGHT * (d - c->shell->distance);
    o->distance = sqrt(o->x[0] * o->x[0] + o->x[1] * o->x[1] + o->x[2] * o->x[2]);
}

static void put_angles(peri_sighting_t *o)
{
    o->ra = atan2(o->x[1], o->x[0]) / DEGREE;
    if (o->ra < 0) o->ra += 360;
    if (o->ra >= 360) o->ra = 0;
    const double sine = o->distance > 0 ? o->x[2] / o->distance : 0;
    o->dec = asin(fmin(fmax(sine, -1), 1)) / DEGREE;
}

static void put_redshifts(const peri_sky_t *s, peri_sighting_t *o)
{
    o->redshift = peri_redshift_of(s->distances, o->distance);
    o->v_los = 0;
    for (int k = 0; k < 3 && o->distance > 0; k++)
        o->v_los += o->v[k] * o->x[k] / o->distance;
    o->observed = (1 + o->redshift) * (1 + o->v_los / PERI_LIGHT) - 1;
}

static int keep(peri_sightings_t *out, const peri_sighting_t *o, peri_err_t *err)
{
    if (out->n == out->cap) {
        const size_t cap = out->cap ? out->cap + out->cap / 2 : 1024;
        void *more = realloc(out->rows, cap * sizeof(*out->rows));
        if (!more)
            return peri_err_set(err, PERI_ELIMIT,
                                "there is no memory for more than %zu objects on one "
                                "rank: use more ranks or a smaller light cone",
                                out->n);
        out->rows = more;
        out->cap = cap;
    }
    out->rows[out->n++] = *o;
    return 0;
}

static int look(const cone_t *c, size_t i, const double origin[3],
                const int32_t replica[3], peri_err_t *err)
{
    const peri_particles_t *p = c->p;
    peri_sighting_t o = {
        .x = {p->x[i] + origin[0], p->y[i] + origin[1], p->z[i] + origin[2]}};
    const double r2 = o.x[0] * o.x[0] + o.x[1] * o.x[1] + o.x[2] * o.x[2];
    o.distance = sqrt(r2);
    if (o.distance < c->shell->inner - c->margin ||
        o.distance >= c->shell->outer + c->margin)
        return 0;
    for (int k = 0; k < 3; k++)
        o.v[k] = p->vx ? (k ? k > 1 ? p->vz : p->vy : p->vx)[i] : NAN;
    if (c->sky->motion && p->vx) move(c, &o);
    if (o.distance < c->shell->inner || o.distance >= c->shell->outer) return 0;
    put_angles(&o);
    if (!in_sight(c->sky, &o)) return 0;
    put_redshifts(c->sky, &o);
    o.mass = p->mass ? p->mass[i] : NAN;
    o.id = p->id[i];
    o.snapnum = c->shell->snapnum;
    memcpy(o.replica, replica, sizeof(o.replica));
    return keep(c->out, &o, err);
}

/* ---- one copy of the box ---- */

static int look_at_copy(const cone_t *c, const int32_t replica[3], peri_err_t *err)
{
    const double *box = c->p->box;
    double origin[3], side[3];
    for (int k = 0; k < 3; k++) {
        origin[k] = replica[k] * box[k] - c->sky->observer[k];
        side[k] = box[k] / c->blocks;
    }
    if (!box_in_sight(c, origin, box)) return 0;
    size_t block = 0;
    for (int a = 0; a < c->blocks; a++)
        for (int b = 0; b < c->blocks; b++)
            for (int d = 0; d < c->blocks; d++, block++) {
                const size_t end = c->start[block + 1];
                const double lo[3] = {origin[0] + a * side[0], origin[1] + b * side[1],
                                      origin[2] + d * side[2]};
                if (c->start[block] == end || !box_in_sight(c, lo, side)) continue;
                for (size_t i = c->start[block]; i < end; i++)
                    if (look(c, c->order[i], origin, replica, err)) return -1;
            }
    return 0;
}

static int look_at_copies(const cone_t *c, const peri_progressing_t *progress,
                          peri_err_t *err)
{
    int32_t first[3], last[3], n[3];
    for (int k = 0; k < 3; k++) {
        const double reach = c->shell->outer + c->margin;
        const double a = floor((c->sky->observer[k] - reach) / c->p->box[k]);
        const double b = floor((c->sky->observer[k] + reach) / c->p->box[k]);
        if (!(a > -1e6 && b < 1e6))
            return peri_err_set(err, PERI_EINVAL,
                                "the light cone would be over a million boxes wide");
        first[k] = (int32_t)a;
        last[k] = (int32_t)b;
    }
    for (n[0] = first[0]; n[0] <= last[0]; n[0]++) {
        for (n[1] = first[1]; n[1] <= last[1]; n[1]++) {
            const double done =
                n[0] - first[0] + (double)(n[1] - first[1]) / (last[1] - first[1] + 1);
            if (progress &&
                progress->tick(progress->arg, done, last[0] - first[0] + 1, err))
                return -1;
            for (n[2] = first[2]; n[2] <= last[2]; n[2]++)
                if (look_at_copy(c, n, err)) return -1;
        }
    }
    return 0;
}

/* ---- all of it ---- */

static double find_margin(const cone_t *c)
{
    const peri_particles_t *p = c->p;
    double v2 = 0;
    if (!c->sky->motion || !p->vx) return 0;
    for (size_t i = 0; i < p->n; i++)
        v2 = fmax(v2, p->vx[i] * p->vx[i] + p->vy[i] * p->vy[i] + p->vz[i] * p->vz[i]);
    const double away = fmax(fabs(c->shell->inner - c->shell->distance),
                             fabs(c->shell->outer - c->shell->distance));
    /* Twice, as the distance at which it is met moves too. */
    return 2 * sqrt(v2) / PERI_LIGHT * away;
}

int peri_lightcone_add(peri_sightings_t *out, const peri_sky_t *sky,
                       const peri_particles_t *p, const peri_shell_t *shell,
                       const peri_progressing_t *progress, peri_err_t *err)
{
    cone_t c = {.sky = sky, .p = p, .shell = shell, .out = out};
    if (!p->periodic || !isfinite(shell->outer))
        return peri_err_set(err, PERI_EINVAL,
                            "a light cone needs a periodic box and an end");
    for (size_t i = 0; sky->motion && p->vx && i < p->n; i++)
        if (!(fabs(p->vx[i]) + fabs(p->vy[i]) + fabs(p->vz[i]) < PERI_LIGHT))
            return peri_err_set(err, PERI_EINVAL,
                                "particle %lld has a velocity of (%g, %g, %g) km/s: it "
                                "cannot be followed to its light",
                                (long long)p->id[i], p->vx[i], p->vy[i], p->vz[i]);
    if (shell->inner >= shell->outer) return 0;
    c.margin = find_margin(&c);
    int rc = make_blocks(&c, err);
    if (rc == 0) rc = look_at_copies(&c, progress, err);
    free(c.order);
    free(c.start);
    return rc;
}

void peri_shells_cut(peri_shell_t *shells, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        shells[i].inner = 0;
        shells[i].outer = INFINITY;
        bool other = false; /* has the shell: of two at one distance, the last one */
        for (size_t k = 0; k < n; k++) {
            const double d = shells[k].distance, middle = (d + shells[i].distance) / 2;
            if (d < shells[i].distance)
                shells[i].inner = fmax(shells[i].inner, middle);
            else if (d > shells[i].distance)
                shells[i].outer = fmin(shells[i].outer, middle);
            else
                other = other || k > i;
        }
        if (other) shells[i].outer = shells[i].inner;
    }
}

double peri_sky_fraction(const peri_sky_t *s)
{
    const double cone = s->cosine > -1 ? (1 - s->cosine) / 2 : 1;
    const double width = s->ra[1] - s->ra[0] + (s->ra[0] > s->ra[1] ? 360 : 0);
    const double height = sin(s->dec[1] * DEGREE) - sin(s->dec[0] * DEGREE);
    return fmin(cone, width / 360 * height / 2);
}

static int by_distance(const void *a, const void *b)
{
    const peri_sighting_t *p = a, *q = b;
    if (p->distance != q->distance) return p->distance < q->distance ? -1 : 1;
    if (p->id != q->id) return p->id < q->id ? -1 : 1;
    return memcmp(p, q, sizeof(*p));
}

int peri_lightcone_order(peri_sightings_t *s, MPI_Comm comm, peri_err_t *err)
{
    void *rows = s->rows;
    int rc = peri_items_order(&rows, sizeof(*s->rows), &s->n, by_distance, comm, err);
    s->rows = rows;
    return rc;
}
