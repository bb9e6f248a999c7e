/* test_field_image.c - column densities, neighbours, colours, picture files; on 1 to 4
 * ranks.
 */
#include <fitsio.h>
#include <png.h>
#include <unistd.h>

#include "mpi/field/colour.h"
#include "mpi/field/neighbours.h"
#include "mpi/field/picture.h"
#include "test_field_fixture.h"

static const double box[3] = {10, 8, 12};

/* Clustered ones, some on borders. */
static points_t some_points(size_t n)
{
    points_t p = points_new(n);
    seed = 9;
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 3; k++) {
            double u = i % 3 ? uniform() : 0.98 + 0.04 * uniform();
            u -= floor(u);
            if (i % 40 == 7) u = 0;
            if (i % 40 == 8) u = 0.5;
            p.x[k][i] = u * box[k];
        }
        p.w[i] = 0.5 + uniform();
    }
    return p;
}

/* This rank's part of them, or all. */
static peri_particles_t *particles(const points_t *p, bool all)
{
    peri_points_t s = all ? whole(p) : part(p);
    peri_particles_t *out = peri_particles_new(PERI_HAS_MASS, box);
    CHECK(out && peri_particles_resize(out, s.n, &err) == 0);
    memcpy(out->x, s.x, s.n * sizeof(double));
    memcpy(out->y, s.y, s.n * sizeof(double));
    memcpy(out->z, s.z, s.n * sizeof(double));
    memcpy(out->mass, s.weight, s.n * sizeof(double));
    return out;
}

static peri_imagespec_t spec(int axis, peri_scheme_t scheme, size_t pixels)
{
    peri_imagespec_t s = {.axis = axis, .scheme = scheme, .neighbour = 8};
    for (int k = 0; k < 3; k++) {
        s.centre[k] = box[k] / 2;
        s.size[k] = box[(axis + 1 + k) % 3];
    }
    s.pixels[0] = pixels;
    s.pixels[1] = pixels * 2 / 3;
    return s;
}

/* On all ranks: the image by all of them, which must be that of one alone. */
static peri_image_t make(const peri_imagespec_t *s, const points_t *p)
{
    peri_particles_t *mine = particles(p, false), *all = particles(p, true);
    peri_image_t image, alone;
    CHECK(peri_image_make(s, mine, COMM, &image, &err) == 0);
    CHECK(peri_image_make(s, all, MPI_COMM_SELF, &alone, &err) == 0);
    CHECK(fabs(image.mass - alone.mass) < 1e-12 * alone.mass);
    CHECK(image.particles == alone.particles);
    for (size_t i = 0; !rank && i < s->pixels[0] * s->pixels[1]; i++)
        CHECK(fabs(image.data[i] - alone.data[i]) < 1e-9 * alone.max);
    peri_image_clear(&image);
    peri_particles_free(mine);
    peri_particles_free(all);
    return alone;
}

static void test_whole_box(void)
{
    points_t p = some_points(2000);
    double total = 0;
    for (size_t i = 0; i < p.n; i++) total += p.w[i];
    for (int axis = 0; axis < 3; axis++)
        for (int scheme = 0; scheme <= PERI_TSC; scheme++) {
            peri_imagespec_t s = spec(axis, (peri_scheme_t)scheme, 30);
            peri_image_t image = make(&s, &p);
            CHECK(fabs(image.mass - total) < 1e-12 * total);
            CHECK(image.particles == p.n && image.min >= 0 && image.max > image.min);
            CHECK(isnan(image.least) || image.least >= image.min);
            if (scheme == PERI_NGP) {
                double *sum = peri_xcalloc(30 * 20, sizeof(double));
                int u = (axis + 1) % 3, v = (axis + 2) % 3;
                for (size_t i = 0; i < p.n; i++)
                    sum[(size_t)(p.x[v][i] / box[v] * 20) * 30 +
                        (size_t)(p.x[u][i] / box[u] * 30)] += p.w[i];
                for (size_t i = 0; i < 600; i++)
                    CHECK(fabs(image.data[i] * box[u] * box[v] / 600 - sum[i]) < 1e-9);
                free(sum);
            }
            peri_image_clear(&image);
        }
    points_free(&p);
}

/* A window in the middle shows what one over the corner shows of the box moved by half.
 */
static void test_corner(void)
{
    points_t p = some_points(1500), q = some_points(1500);
    for (size_t i = 0; i < q.n; i++)
        for (int k = 0; k < 3; k++)
            q.x[k][i] =
                p.x[k][i] >= box[k] / 2 ? p.x[k][i] - box[k] / 2 : p.x[k][i] + box[k] / 2;
    for (int scheme = 0; scheme <= PERI_TSC; scheme++) {
        peri_imagespec_t s = spec(2, (peri_scheme_t)scheme, 24);
        s.size[0] = 6.1;
        s.size[1] = 4.3;
        s.size[2] = 5.7;
        peri_image_t middle = make(&s, &p);
        memset(s.centre, 0, sizeof(s.centre));
        peri_image_t corner = make(&s, &q);
        CHECK(middle.particles == corner.particles && middle.particles > 50);
        for (size_t i = 0; i < 24 * 16; i++)
            CHECK(fabs(middle.data[i] - corner.data[i]) < 1e-9 * middle.max);
        peri_image_clear(&middle);
        peri_image_clear(&corner);
    }
    points_free(&p);
    points_free(&q);
}

/* A single particle becomes a disc of half the shortest side, (1 - r^2/R^2)^2. */
static void test_disc(void)
{
    points_t p = points_new(1);
    p.x[0][0] = 5, p.x[1][0] = 4, p.x[2][0] = 6;
    p.w[0] = 3;
    peri_imagespec_t s = spec(2, 0, 300);
    s.pixels[1] = 240;
    peri_image_t image = make(&s, &p);
    double norm = 3 * p.w[0] / (M_PI * 16);
    for (size_t j = 0; j < 240; j++)
        for (size_t i = 0; i < 300; i++) {
            double x = ((double)i + 0.5) / 30 - 5, y = ((double)j + 0.5) / 30 - 4;
            double t = fmax(0, 1 - (x * x + y * y) / 16);
            CHECK(fabs(image.data[j * 300 + i] - norm * t * t) < 1e-4 * norm);
        }
    peri_image_clear(&image);
    /* Cut by the border, larger than 64 pixels: the analytic sum. */
    s.size[0] = s.size[1] = 2;
    s.pixels[0] = s.pixels[1] = 60;
    image = make(&s, &p);
    CHECK(fabs(image.max / norm - 1) < 1e-3 && fabs(image.min / norm - 0.766) < 0.01);
    peri_image_clear(&image);
    points_free(&p);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void test_neighbours(void)
{
    static const size_t sizes[] = {0, 1, 2, 13, 300, 2000};
    for (int kind = 0; kind < 3; kind++)
        for (size_t s = 0; s < 6; s++) {
            size_t n = sizes[s];
            points_t p = some_points(n);
            double *d2 = peri_xmalloc((n + 1) * sizeof(double));
            for (size_t i = 0; i < n; i++)
                for (int k = 0; k < 3; k++) {
                    if (kind == 1) p.x[k][i] = 1;                /* all in one place */
                    if (kind == 2) p.x[k][i] = floor(p.x[k][i]); /* on a lattice */
                }
            peri_neighbours_t *t = peri_neighbours_new(p.x[0], p.x[1], p.x[2], n, &err);
            CHECK(t);
            for (int asked = 0; asked < 40; asked++) {
                double at[3];
                for (int k = 0; k < 3; k++)
                    at[k] = asked % 2 && n ? p.x[k][(size_t)asked * 7 % n]
                                           : uniform() * 14 - 2;
                for (size_t i = 0; i < n; i++) {
                    d2[i] = 0;
                    for (int k = 0; k < 3; k++)
                        d2[i] += (p.x[k][i] - at[k]) * (p.x[k][i] - at[k]);
                }
                qsort(d2, n, sizeof(double), by_value);
                size_t k = 1 + (size_t)asked % 32;
                double right = k <= n && d2[k - 1] < 25 ? sqrt(d2[k - 1]) : 5;
                CHECK(fabs(peri_neighbours_distance(t, at, k, 5) - right) < 1e-12);
            }
            peri_neighbours_free(t);
            free(d2);
            points_free(&p);
        }
    peri_neighbours_free(NULL);
}

/* ---- files ---- */

static double luminance(const uint8_t c[3])
{
    double v[3];
    for (int k = 0; k < 3; k++) {
        double s = c[k] / 255.0;
        v[k] = s <= 0.04045 ? s / 12.92 : pow((s + 0.055) / 1.055, 2.4);
    }
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2];
}

/* CIE lightness grows evenly. */
static void test_colours(void)
{
    static const char *const names[] = {"ember", "ice", "grey"};
    for (int m = 0; m < 3; m++) {
        uint8_t rgb[PERI_COLOURS][3];
        CHECK(peri_colours_fill(names[m], rgb, &err) == 0);
        double before = -1;
        for (int i = 0; i < PERI_COLOURS; i += 33) {
            double y = luminance(rgb[i]);
            double l = y > 0.008856 ? 116 * cbrt(y) - 16 : 903.3 * y;
            CHECK(before < 0 || (l - before > 2 && l - before < 4.5));
            before = l;
        }
        CHECK(before > 95);
    }
    uint8_t rgb[PERI_COLOURS][3];
    CHECK(peri_colours_fill("jet", rgb, &err) == -1 && strstr(err.text, "ember"));
}

static void check_png(const peri_image_t *image, const char *path)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    CHECK(png_image_begin_read_from_file(&png, path));
    CHECK(png.width == 30 && png.height == 20);
    png.format = PNG_FORMAT_RGB;
    uint8_t pixels[30 * 20][3];
    CHECK(png_image_finish_read(&png, NULL, pixels, 0, NULL));
    /* The lightest is where most is, the first row the upper one. */
    size_t densest = 0, lightest = 0;
    for (size_t i = 0; i < 600; i++) {
        size_t flipped = (19 - i / 30) * 30 + i % 30;
        if (image->data[i] > image->data[densest]) densest = i;
        if (luminance(pixels[flipped]) >
            luminance(pixels[(19 - lightest / 30) * 30 + lightest % 30]))
            lightest = i;
    }
    CHECK(densest == lightest);
}

static void check_fits(const peri_image_t *image, const char *path)
{
    fitsfile *f;
    int status = 0, naxis = 0, any;
    long sides[2];
    double values[600], number;
    char text[FLEN_VALUE];
    CHECK(!fits_open_diskfile(&f, path, READONLY, &status));
    CHECK(!fits_get_img_param(f, 2, NULL, &naxis, sides, &status));
    CHECK(naxis == 2 && sides[0] == 30 && sides[1] == 20);
    CHECK(!fits_read_img(f, TDOUBLE, 1, 600, NULL, values, &any, &status));
    for (size_t i = 0; i < 600; i++)
        CHECK(fabs(values[i] - image->data[i]) <= 1e-7 * image->data[i]);
    CHECK(!fits_read_key(f, TDOUBLE, "CDELT1", &number, NULL, &status));
    CHECK(fabs(number - 10.0 / 30) < 1e-12);
    CHECK(!fits_read_key(f, TDOUBLE, "REDSHIFT", &number, NULL, &status) && number == 2);
    CHECK(!fits_read_key(f, TSTRING, "CUNIT2", text, NULL, &status));
    CHECK(!strcmp(text, "cMpc/h"));
    CHECK(!fits_read_key(f, TSTRING, "BUNIT", text, NULL, &status));
    CHECK(!strcmp(text, "Msun/(cMpc/h)^2"));
    fits_close_file(f, &status);
}

static void test_files(void)
{
    if (rank) return;
    points_t p = some_points(500);
    peri_particles_t *all = particles(&p, true);
    peri_imagespec_t s = spec(2, PERI_CIC, 30);
    const peri_picturehead_t head = {"cMpc/h", "Msun", 2, 10};
    peri_image_t image;
    char folder[] = "/tmp/test_image_XXXXXX", png[64], fits[64];
    CHECK(mkdtemp(folder));
    snprintf(png, sizeof(png), "%s/a.png", folder);
    snprintf(fits, sizeof(fits), "%s/a.fits", folder);
    CHECK(peri_image_make(&s, all, MPI_COMM_SELF, &image, &err) == 0);
    CHECK(peri_picture_png(&image, "ember", NAN, image.max, png, &err) == 0);
    check_png(&image, png);
    for (int again = 0; again < 2; again++)
        CHECK(peri_picture_fits(&image, &head, fits, &err) == 0);
    check_fits(&image, fits);
    CHECK(peri_picture_png(&image, "jet", NAN, NAN, png, &err) == -1);
    CHECK(peri_picture_png(&image, "ice", NAN, NAN, "/nowhere/a.png", &err) == -1);
    CHECK(peri_picture_fits(&image, &head, "/nowhere/a.fits", &err) == -1);
    /* Nothing at all in it. */
    memset(image.data, 0, 600 * sizeof(double));
    CHECK(peri_picture_png(&image, "ice", NAN, NAN, png, &err) == 0);
    CHECK(!unlink(png) && !unlink(fits) && !rmdir(folder));
    peri_image_clear(&image);
    peri_particles_free(all);
    points_free(&p);
}

static void test_bad(void)
{
    points_t p = some_points(20);
    peri_particles_t *mine = particles(&p, false);
    peri_image_t image;
    peri_imagespec_t s = spec(2, PERI_CIC, 30);
    s.size[2] = 13;
    CHECK(peri_image_make(&s, mine, COMM, &image, &err) == -1 &&
          strstr(err.text, "depth"));
    s.size[2] = NAN;
    CHECK(peri_image_make(&s, mine, COMM, &image, &err) == -1);
    s = spec(2, PERI_PCS, 30);
    CHECK(peri_image_make(&s, mine, COMM, &image, &err) == -1);
    peri_particles_free(mine);
    points_free(&p);
}

int main(int argc, char **argv)
{
    begin(&argc, &argv);
    what = "neighbours";
    test_neighbours();
    what = "whole box";
    test_whole_box();
    what = "corner";
    test_corner();
    what = "disc";
    test_disc();
    what = "colours";
    test_colours();
    what = "files";
    test_files();
    what = "bad input";
    test_bad();
    MPI_Finalize();
    return 0;
}
