/* test_field.c - grids against brute force and analytic answers, on 1 to 4 ranks. */
#include <hdf5.h>
#include <unistd.h>

#include "test_field_fixture.h"

static const struct {
    size_t n[3];
    double box[3];
} grids[] = {{{8, 8, 8}, {10, 10, 10}},      {{16, 5, 9}, {4, 7, 3}},
             {{2, 3, 4}, {1, 2, 3}},         {{1, 1, 1}, {5, 5, 5}},
             {{3, 40, 33}, {100, 50, 0.25}}, {{7, 1, 2}, {1, 1, 1}}};
enum { NGRIDS = sizeof(grids) / sizeof(grids[0]) };

/* below: how near to the upper border some are. */
static points_t some_points(size_t n, const double box[3], double below)
{
    points_t p = points_new(n);
    seed = 5;
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 3; k++) {
            double u = i % 3 ? uniform() : 0.3 + 0.01 * uniform();
            if (i % 50 == 7) u = 0; /* on the border */
            if (i % 50 == 8) u = 1 - below;
            if (i % 50 == 9) u = uniform() * 4 - 2; /* a periodic image */
            p.x[k][i] = u * box[k];
        }
        p.w[i] = 0.5 + uniform();
    }
    return p;
}

/* The shape of a cloud at distance s (in cells) from its centre: B-splines of order
 * scheme, in their usual form. */
static double shape(int scheme, double s)
{
    s = fabs(s);
    switch (scheme) {
    case 2:
        return s < 1 ? 1 - s : 0;
    case 3:
        return s < 0.5 ? 0.75 - s * s : s < 1.5 ? 0.5 * (1.5 - s) * (1.5 - s) : 0;
    case 4:
        return s < 1   ? (4 - 6 * s * s + 3 * s * s * s) / 6
               : s < 2 ? (2 - s) * (2 - s) * (2 - s) / 6
                       : 0;
    }
    return 0;
}

/* Weight of a point in the cell, with all images of the cell. */
static double along(int scheme, double x, size_t cell, size_t n, double box)
{
    double t = x / box * (double)n, sum = 0;
    if (scheme == PERI_NGP)
        return (long)floor(t - (double)n * floor(t / (double)n)) == (long)cell;
    for (int image = -8; image <= 8; image++) {
        double s = t - ((double)cell + 0.5 + image * (double)n);
        sum += shape(scheme, s);
    }
    return sum;
}

static double brute_cell(const points_t *p, int scheme, size_t g, const size_t cell[3],
                         double shift)
{
    double sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        double w = p->w[i];
        for (int k = 0; k < 3 && w > 0; k++) {
            double length = grids[g].box[k] / (double)grids[g].n[k];
            w *= along(scheme, p->x[k][i] + shift * length, cell[k], grids[g].n[k],
                       grids[g].box[k]);
        }
        sum += w;
    }
    return sum;
}

static void test_deposit(size_t g, peri_scheme_t scheme, double shift)
{
    /* A point on the border of two cells may round to either with NGP. */
    points_t p = some_points(300, grids[g].box, scheme == PERI_NGP ? 1e-9 : 0x1p-53);
    double total = 0;
    for (size_t i = 0; i < p.n; i++) total += p.w[i];
    peri_field_t *f = peri_field_new(grids[g].n, grids[g].box, COMM, &err);
    CHECK(f);
    peri_points_t mine = part(&p);
    CHECK(peri_field_deposit(f, &mine, scheme, shift, &err) == 0);
    CHECK(fabs(peri_field_stats(f).sum - total) < 1e-13 * total);
    double worst = 0;
    for (size_t x = f->x0; x < f->x0 + f->nx; x++)
        for (size_t y = 0; y < f->n[1]; y++)
            for (size_t z = 0; z < f->n[2]; z++) {
                double right = brute_cell(&p, scheme, g, (size_t[]){x, y, z}, shift);
                worst = fmax(worst, fabs(peri_field_row(f, x, y)[z] - right));
            }
    CHECK(worst < 1e-12 * total);
    peri_field_free(f);
    points_free(&p);
}

/* sum_i w_i g(x_i) is the same as the sum over cells of g times the deposited w. */
static void test_interpolate(size_t g, peri_scheme_t scheme)
{
    points_t p = some_points(500, grids[g].box, 0x1p-53);
    peri_field_t *f = peri_field_new(grids[g].n, grids[g].box, COMM, &err);
    peri_field_t *d = peri_field_new(grids[g].n, grids[g].box, COMM, &err);
    CHECK(f && d);
    peri_points_t mine = part(&p);
    CHECK(peri_field_deposit(d, &mine, scheme, 0, &err) == 0);
    double sums[2] = {0}, *values = peri_xmalloc((mine.n + 1) * sizeof(double));
    for (size_t x = f->x0; x < f->x0 + f->nx; x++)
        for (size_t y = 0; y < f->n[1]; y++)
            for (size_t z = 0; z < f->n[2]; z++) {
                double v = sin((double)(x * 7 + y * 13 + z * 29));
                peri_field_row(f, x, y)[z] = v;
                sums[0] += v * peri_field_row(d, x, y)[z];
            }
    CHECK(peri_field_interpolate(f, &mine, scheme, values, &err) == 0);
    for (size_t i = 0; i < mine.n; i++) sums[1] += values[i] * mine.weight[i];
    MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, COMM);
    CHECK(fabs(sums[0] - sums[1]) < 1e-11 * (double)p.n);
    free(values);
    peri_field_free(f);
    peri_field_free(d);
    points_free(&p);
}

/* Many points, so that tiles, batches and blocks of rows are used. */
static void test_many(void)
{
    const size_t n[3] = {40, 300, 64};
    const double box[3] = {1, 2, 3};
    points_t p = points_new(1200000);
    seed = 3;
    for (size_t i = 0; i < p.n; i++) {
        for (int k = 0; k < 3; k++) p.x[k][i] = uniform() * box[k];
        p.w[i] = 1;
    }
    peri_field_t *f = peri_field_new(n, box, COMM, &err);
    peri_field_t *alone = peri_field_new(n, box, MPI_COMM_SELF, &err);
    CHECK(f && alone);
    peri_points_t mine = part(&p), all = whole(&p);
    mine.weight = all.weight = NULL;
    CHECK(peri_field_deposit(f, &mine, PERI_PCS, 0, &err) == 0);
    CHECK(peri_field_deposit(alone, &all, PERI_PCS, 0, &err) == 0);
    double worst = 0;
    for (size_t x = f->x0; x < f->x0 + f->nx; x++)
        for (size_t y = 0; y < n[1]; y++)
            for (size_t z = 0; z < n[2]; z++)
                worst = fmax(worst, fabs(peri_field_row(f, x, y)[z] -
                                         peri_field_row(alone, x, y)[z]));
    CHECK(worst < 1e-12);
    CHECK(fabs(peri_field_stats(f).sum - 1.2e6) < 1e-6);
    peri_field_free(f);
    peri_field_free(alone);
    points_free(&p);
}

/* ---- modes ---- */

static const long wave[3] = {2, -1, 3};

static double wave_at(const peri_field_t *f, size_t x, size_t y, size_t z)
{
    return cos(2 * M_PI *
               ((double)wave[0] * (double)x / (double)f->n[0] +
                (double)wave[1] * (double)y / (double)f->n[1] +
                (double)wave[2] * (double)z / (double)f->n[2]));
}

static double far_from_wave(const peri_field_t *f, double amplitude, double plus)
{
    double worst = 0;
    for (size_t x = f->x0; x < f->x0 + f->nx; x++)
        for (size_t y = 0; y < f->n[1]; y++)
            for (size_t z = 0; z < f->n[2]; z++)
                worst = fmax(worst, fabs(peri_field_row(f, x, y)[z] - plus -
                                         amplitude * wave_at(f, x, y, z)));
    return worst;
}

static void test_modes(void)
{
    const size_t n[3] = {10, 7, 9};
    const double box[3] = {3, 4, 5};
    peri_field_t *f = peri_field_new(n, box, COMM, &err);
    CHECK(f);
    for (size_t x = f->x0; x < f->x0 + f->nx; x++)
        for (size_t y = 0; y < n[1]; y++)
            for (size_t z = 0; z < n[2]; z++)
                peri_field_row(f, x, y)[z] = 4 + wave_at(f, x, y, z);
    peri_fieldstats_t s = peri_field_stats(f);
    CHECK(fabs(s.mean - 4) < 1e-13 && fabs(s.variance - 0.5) < 1e-13);
    CHECK(s.max <= 5 && s.max > 4.9 && s.min >= 3 && s.min < 3.1);
    CHECK(peri_field_backward(f, &err) == -1 && err.code == PERI_EINTERNAL);
    CHECK(peri_field_gauss(f, 1, &err) == -1);
    CHECK(peri_field_forward(f, &err) == 0);
    CHECK(peri_field_forward(f, &err) == -1);
    const double count = 630;
    double seen[2] = {0}, worst = 0;
    for (size_t r = 0; r < peri_field_moderows(f); r++) {
        long k[2];
        const double complex *row = peri_field_moderow(f, r, k);
        for (long z = 0; z <= 4; z++) {
            bool mean = !k[0] && !k[1] && !z;
            bool here = k[0] == wave[0] && k[1] == wave[1] && z == wave[2];
            double right = mean ? 4 * count : here ? count / 2 : 0;
            worst = fmax(worst, cabs(row[z] - right));
            seen[0] += mean;
            seen[1] += here;
        }
    }
    MPI_Allreduce(MPI_IN_PLACE, seen, 2, MPI_DOUBLE, MPI_SUM, COMM);
    CHECK(seen[0] == 1 && seen[1] == 1 && worst < 1e-10);
    peri_field_t *same = peri_field_copy(f, &err);
    CHECK(same && same->modes);
    CHECK(peri_field_backward(same, &err) == 0);
    CHECK(far_from_wave(same, 1, 4) < 1e-13);
    double k2 = 0;
    for (int k = 0; k < 3; k++) {
        double one = 2 * M_PI * (double)wave[k] / box[k];
        k2 += one * one;
    }
    CHECK(peri_field_gauss(f, -1, &err) == -1 && peri_field_gauss(f, NAN, &err) == -1);
    CHECK(peri_field_gauss(f, 0.3, &err) == 0);
    CHECK(peri_field_backward(f, &err) == 0);
    CHECK(far_from_wave(f, exp(-k2 * 0.09 / 2), 4) < 1e-13);
    peri_field_free(f);
    peri_field_free(same);
}

/* ---- files ---- */

static void test_file(void)
{
    const size_t n[3] = {5, 4, 3};
    const double box[3] = {50, 40, 30};
    char folder[] = "/tmp/test_field_XXXXXX", path[64];
    if (!rank) CHECK(mkdtemp(folder));
    MPI_Bcast(folder, sizeof(folder), MPI_CHAR, 0, COMM);
    snprintf(path, sizeof(path), "%s/f.hdf5", folder);
    peri_field_t *f = peri_field_new(n, box, COMM, &err);
    for (size_t x = f->x0; x < f->x0 + f->nx; x++)
        for (size_t y = 0; y < n[1]; y++)
            for (size_t z = 0; z < n[2]; z++)
                peri_field_row(f, x, y)[z] = (double)(x * 100 + y * 10 + z);
    snprintf(f->name, sizeof(f->name), "density");
    snprintf(f->unit, sizeof(f->unit), "Msun");
    snprintf(f->length, sizeof(f->length), "cMpc/h");
    f->redshift = 0.5;
    peri_field_t *g = peri_field_copy(f, &err);
    snprintf(g->name, sizeof(g->name), "g5");
    peri_field_scale(g, -1, 7);
    CHECK(peri_field_write(f, path, &err) == 0 && peri_field_write(g, path, &err) == 0);
    CHECK(peri_field_write(g, path, &err) == -1 && strstr(err.text, "already"));
    CHECK(peri_field_write(f, "/nowhere/f.hdf5", &err) == -1 && err.code == PERI_EIO);
    peri_field_t *back = peri_field_read(path, "g5", COMM, &err);
    CHECK(back && back->n[0] == 5 && back->n[2] == 3 && back->box[1] == 40);
    CHECK(!strcmp(back->length, "cMpc/h") && !strcmp(back->unit, "Msun"));
    CHECK(back->redshift == 0.5 && isnan(back->time) && back->origin == 0.5);
    for (size_t x = back->x0; x < back->x0 + back->nx; x++)
        for (size_t y = 0; y < n[1]; y++)
            for (size_t z = 0; z < n[2]; z++)
                CHECK(peri_field_row(back, x, y)[z] ==
                      7 - (double)(x * 100 + y * 10 + z));
    peri_field_free(back);
    CHECK(!peri_field_read(path, "missing", COMM, &err) && err.code == PERI_ENOTFOUND);
    CHECK(!peri_field_read("/nowhere", "g5", COMM, &err) && err.code == PERI_ENOTFOUND);
    /* A dataset is read by its shape alone, of whatever type. */
    if (!rank) {
        hsize_t dims[3] = {2, 3, 4};
        short values[24];
        for (int i = 0; i < 24; i++) values[i] = (short)i;
        hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
        hid_t space = H5Screate_simple(3, dims, NULL);
        hid_t flat = H5Screate_simple(2, dims, NULL);
        hid_t set = H5Dcreate2(file, "short", H5T_STD_I16BE, space, H5P_DEFAULT,
                               H5P_DEFAULT, H5P_DEFAULT);
        H5Dwrite(set, H5T_NATIVE_SHORT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
        H5Dclose(set);
        H5Dclose(H5Dcreate2(file, "flat", H5T_STD_I16BE, flat, H5P_DEFAULT, H5P_DEFAULT,
                            H5P_DEFAULT));
        H5Sclose(space);
        H5Sclose(flat);
        H5Fclose(file);
    }
    MPI_Barrier(COMM);
    CHECK(!peri_field_read(path, "flat", COMM, &err) && err.code == PERI_EFORMAT);
    back = peri_field_read(path, "short", COMM, &err);
    CHECK(back && back->box[2] == 4);
    CHECK(peri_field_stats(back).sum == 276);
    peri_field_free(back);
    peri_field_free(f);
    peri_field_free(g);
    MPI_Barrier(COMM);
    if (!rank) CHECK(!unlink(path) && !rmdir(folder));
}

/* ---- bad input ---- */

static void test_bad(void)
{
    const double box[3] = {1, 1, 1}, flat[3] = {1, 0, 1}, open[3] = {NAN, NAN, NAN};
    CHECK(!peri_field_new((size_t[]){0, 4, 4}, box, COMM, &err) &&
          err.code == PERI_EINVAL);
    CHECK(!peri_field_new((size_t[]){4, 4, 4}, flat, COMM, &err));
    CHECK(!peri_field_new((size_t[]){4, 4, 4}, open, COMM, &err) &&
          strstr(err.text, "box"));
    CHECK(!peri_field_new((size_t[]){60000, 60000, 60000}, box, COMM, &err) &&
          err.code == PERI_ELIMIT);
    CHECK(peri_scheme_find("TSC") == PERI_TSC && peri_scheme_find("abc") == 0 &&
          peri_scheme_find("") == 0);
    /* One bad value, on one rank only, is an error on all. */
    for (int bad = 0; bad < 5; bad++) {
        points_t p = some_points(100, box, 0x1p-53);
        if (bad < 3) p.x[bad][50] = NAN;
        if (bad == 3) p.w[50] = INFINITY;
        if (bad == 4) p.x[0][50] = -INFINITY;
        peri_points_t mine = part(&p);
        peri_field_t *f = peri_field_new((size_t[]){8, 8, 8}, box, COMM, &err);
        CHECK(peri_field_deposit(f, &mine, PERI_TSC, 0, &err) == -1);
        CHECK(strstr(err.text, "finite"));
        double values[100];
        if (bad != 3) CHECK(peri_field_interpolate(f, &mine, PERI_CIC, values, &err));
        peri_field_free(f);
        points_free(&p);
    }
    /* No points at all is no error here. */
    peri_points_t none = {0};
    peri_field_t *f = peri_field_new((size_t[]){8, 8, 8}, box, COMM, &err);
    CHECK(peri_field_deposit(f, &none, PERI_PCS, 0.5, &err) == 0);
    CHECK(peri_field_stats(f).sum == 0);
    peri_field_free(f);
    peri_field_free(NULL);
}

int main(int argc, char **argv)
{
    begin(&argc, &argv);
    for (size_t g = 0; g < NGRIDS; g++)
        for (int s = PERI_NGP; s <= PERI_PCS; s++) {
            char name[64];
            snprintf(name, sizeof(name), "grid %zu, scheme %d", g, s);
            what = name;
            test_deposit(g, (peri_scheme_t)s, 0);
            test_deposit(g, (peri_scheme_t)s, 0.5);
            test_interpolate(g, (peri_scheme_t)s);
        }
    what = "many";
    test_many();
    what = "modes";
    test_modes();
    what = "files";
    test_file();
    what = "bad input";
    test_bad();
    MPI_Finalize();
    return 0;
}
