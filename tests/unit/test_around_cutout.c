/* test_around_cutout.c - particles in spheres, boxes, cones and cylinders against brute
 * force, with and without a periodic box; rows in order. Run on 1 to 4 ranks.
 */
#include "mpi/around/cutout.h"
#include "mpi/around/order.h"
#include "tests/unit/test_around_fixture.h"

static peri_cutout_row_t *cutout(const set_t *s, int parts, const peri_shape_t *shape,
                                 const peri_centre_t *centres, size_t n, size_t *nrows)
{
    peri_particles_t *p = deal(s, ALL, parts);
    peri_cutout_row_t *own;
    size_t count;
    CHECK(peri_cutout(p, shape, centres, n, NULL, COMM, &own, &count, &err) == 0);
    peri_cutout_row_t *rows = gather(own, sizeof(*own), count, nrows);
    free(own);
    peri_particles_free(p);
    return rows;
}

/* The way to the nearest of all images. */
static double nearest(const set_t *s, const double *x, const peri_centre_t *c,
                      double way[3])
{
    double r2 = 0;
    for (int k = 0; k < 3; k++) {
        way[k] = x[k] - c->x[k];
        for (int shift = -1; shift <= 1 && s->periodic; shift++) {
            const double d = x[k] - c->x[k] + shift * s->box[k];
            if (fabs(d) < fabs(way[k])) way[k] = d;
        }
        r2 += way[k] * way[k];
    }
    return sqrt(r2);
}

/* Written differently from the code under test: by angles and cross products. */
static bool inside(const peri_shape_t *s, const peri_centre_t *c, const double d[3],
                   double r)
{
    const double radius = isnan(c->radius) ? s->radius : c->radius, *a = s->axis;
    const double dot = d[0] * a[0] + d[1] * a[1] + d[2] * a[2];
    const double cross[3] = {d[1] * a[2] - d[2] * a[1], d[2] * a[0] - d[0] * a[2],
                             d[0] * a[1] - d[1] * a[0]};
    const double off =
        sqrt(cross[0] * cross[0] + cross[1] * cross[1] + cross[2] * cross[2]);
    switch (s->kind) {
    case PERI_SPHERE:
        return r <= radius;
    case PERI_BOX:
        for (int k = 0; k < 3; k++) {
            const double half = isnan(c->radius) ? s->size[k] / 2 : radius;
            if (d[k] < -half || d[k] >= half) return false;
        }
        return true;
    case PERI_CONE:
        return r <= radius && atan2(off, dot) <= acos(s->cosine);
    default:
        return off <= radius && fabs(dot) <= s->length / 2;
    }
}

static int by_number(const void *a, const void *b)
{
    const peri_cutout_row_t *p = a, *q = b;
    if (p->number != q->number) return p->number < q->number ? -1 : 1;
    return p->id < q->id ? -1 : p->id > q->id;
}

static void compare(const set_t *s, const peri_shape_t *shape,
                    const peri_centre_t *centres, size_t n, peri_cutout_row_t *rows,
                    size_t nrows)
{
    for (size_t i = 1; i < nrows; i++)
        CHECK(rows[i - 1].number < rows[i].number ||
              (rows[i - 1].number == rows[i].number &&
               rows[i - 1].distance <= rows[i].distance));
    qsort(rows, nrows, sizeof(*rows), by_number);
    size_t at = 0;
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < s->n; i++) {
            double d[3];
            const double r = nearest(s, s->x[i], &centres[c], d);
            if (!inside(shape, &centres[c], d, r)) continue;
            CHECK(at < nrows);
            const peri_cutout_row_t *row = &rows[at++];
            CHECK(row->number == c && row->centre == centres[c].id);
            CHECK(row->id == (int64_t)i && row->mass == s->mass[i]);
            CHECK(fabs(row->distance - r) < 1e-12);
            for (int k = 0; k < 3; k++) {
                CHECK(fabs(row->x[k] - centres[c].x[k] - d[k]) < 1e-12);
                CHECK(row->v[k] == s->v[i][k]);
            }
        }
    CHECK(at == nrows);
}

static void test_shape(peri_shape_t shape, size_t n, bool periodic, bool own_radius)
{
    seed = 17 + n;
    set_t s = set_new(1500, 10, periodic);
    for (size_t i = 0; i < s.n; i++) s.mass[i] = s.v[i][1] = (double)i;
    peri_centre_t *centres = calloc(n, sizeof(*centres));
    for (size_t i = 0; i < n; i++) {
        centres[i] = (peri_centre_t){.radius = own_radius ? 0.3 + uniform() : NAN,
                                     .id = 100 + (int64_t)i};
        for (int k = 0; k < 3; k++) centres[i].x[k] = uniform() * 10;
    }
    memset(centres[0].x, 0, sizeof(centres[0].x));
    size_t nrows, again;
    peri_cutout_row_t *rows = cutout(&s, nranks, &shape, centres, n, &nrows);
    peri_cutout_row_t *same = cutout(&s, 1, &shape, centres, n, &again);
    CHECK(nrows == again && (rank || nrows > 0));
    CHECK(nrows == 0 || memcmp(rows, same, nrows * sizeof(*rows)) == 0);
    if (rank == 0) compare(&s, &shape, centres, n, rows, nrows);
    free(rows);
    free(same);
    free(centres);
    set_free(&s);
}

static void test_whole_box(void)
{
    const peri_shape_t box = {.kind = PERI_BOX, .size = {10, 10, 10}, .radius = NAN};
    const peri_centre_t centre = {.x = {1, 9, 5}, .radius = NAN};
    size_t n;
    seed = 2;
    set_t s = set_new(999, 10, true);
    /* On the far border exactly. */
    s.x[0][0] = 6;
    free(cutout(&s, nranks, &box, &centre, 1, &n));
    CHECK(rank || n == 999);
    s.n = 0;
    free(cutout(&s, nranks, &box, &centre, 1, &n));
    CHECK(n == 0);
    set_free(&s);
}

static void refused(peri_shape_t shape, double x, const char *word)
{
    const peri_centre_t centre = {.x = {x, 9, 5}, .radius = NAN};
    peri_cutout_row_t *rows;
    size_t n;
    seed = 2;
    set_t s = set_new(10, 10, true);
    peri_particles_t *p = deal(&s, ALL, nranks);
    CHECK(peri_cutout(p, &shape, &centre, 1, NULL, COMM, &rows, &n, &err) == -1);
    CHECK(err.code == PERI_EINVAL && strstr(err.text, word));
    peri_particles_free(p);
    set_free(&s);
}

static void test_refusals(void)
{
    refused((peri_shape_t){.radius = 0}, 1, "must be above 0");
    refused((peri_shape_t){.radius = 5.01}, 1, "half of the periodic box");
    refused((peri_shape_t){.radius = 1}, NAN, "nan");
    refused((peri_shape_t){.kind = PERI_BOX, .radius = NAN, .size = {1, 11, 1}}, 1,
            "half of the periodic box");
    refused((peri_shape_t){.kind = PERI_CYLINDER, .radius = 1, .axis = {0, 0, 1}}, 1,
            "length");
}

/* ---- the order of items ---- */

static int by_value(const void *a, const void *b)
{
    const uint64_t p = *(const uint64_t *)a, q = *(const uint64_t *)b;
    return p < q ? -1 : p > q;
}

static void test_order(size_t each, uint64_t values)
{
    uint64_t *own = malloc((each + 1) * sizeof(*own));
    size_t n = rank == nranks - 1 ? each : each / 10, all;
    uint64_t sum[2] = {0};
    seed = (uint64_t)rank + each;
    for (size_t i = 0; i < n; i++)
        sum[0] += own[i] = (uint64_t)(uniform() * (double)values);
    void *items = own;
    CHECK(peri_items_order(&items, sizeof(*own), &n, by_value, COMM, &err) == 0);
    uint64_t *sorted = gather(items, sizeof(*own), n, &all);
    for (size_t i = 0; i < all; i++) sum[1] += sorted[i];
    for (size_t i = 1; i < all; i++) CHECK(sorted[i - 1] <= sorted[i]);
    MPI_Allreduce(MPI_IN_PLACE, sum, 2, MPI_UINT64_T, MPI_SUM, COMM);
    CHECK(sum[0] == sum[1]);
    const uint64_t mine = n;
    uint64_t most;
    MPI_Allreduce(&mine, &most, 1, MPI_UINT64_T, MPI_MAX, COMM);
    const size_t total = each + each / 10 * (size_t)(nranks - 1);
    CHECK(values < 1000 || total < 1000 || most < total * 3 / (2 * (size_t)nranks) + 10);
    free(items);
    free(sorted);
}

int main(int argc, char **argv)
{
    fixture_begin(&argc, &argv);
    const double c = 1 / sqrt(3);
    for (int i = 0; i < 4; i++) {
        const bool periodic = i & 1, own = i & 2;
        const size_t n = own ? 300 : 3;
        test_shape((peri_shape_t){.radius = 3}, n, periodic, own);
        test_shape((peri_shape_t){.kind = PERI_BOX, .radius = NAN, .size = {9, 2, 4}}, n,
                   periodic, own);
        test_shape(
            (peri_shape_t){
                .kind = PERI_CONE, .radius = 4.5, .axis = {-c, c, c}, .cosine = cos(0.7)},
            n, periodic, own);
        test_shape(
            (peri_shape_t){
                .kind = PERI_CONE, .radius = 4.5, .axis = {0, 0, -1}, .cosine = cos(2.0)},
            n, periodic, own);
        test_shape(
            (peri_shape_t){
                .kind = PERI_CYLINDER, .radius = 1.5, .axis = {c, -c, c}, .length = 6},
            n, periodic, own);
    }
    test_whole_box();
    test_refusals();
    test_order(0, 1);
    test_order(7, 100);
    test_order(5000, 1u << 30);
    test_order(5000, 3);
    MPI_Finalize();
    return 0;
}
