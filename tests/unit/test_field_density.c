/* test_field_density.c - density contrast, and cells as rows; on 1 to 4 ranks. */
#include "core/base/curve.h"
#include "mpi/field/density.h"
#include "mpi/field/redshift.h"
#include "test_field_fixture.h"

static double value_at(size_t x, size_t y, size_t z)
{
    return (double)(x * 10000 + y * 100 + z);
}

static void test_order(size_t n)
{
    const double box[3] = {1, 1, 1};
    peri_field_t *f = peri_field_new((size_t[]){n, n, n}, box, COMM, &err);
    CHECK(f);
    for (size_t x = f->x0; x < f->x0 + f->nx; x++)
        for (size_t y = 0; y < n; y++)
            for (size_t z = 0; z < n; z++) peri_field_row(f, x, y)[z] = value_at(x, y, z);
    peri_cellorder_t *o = peri_cellorder_new(f, &err);
    CHECK(o);
    size_t rows = peri_cellorder_rows(o);
    int32_t *place[3];
    for (int k = 0; k < 3; k++) place[k] = peri_xmalloc((rows + 1) * sizeof(int32_t));
    int64_t *key = peri_xmalloc((rows + 1) * sizeof(*key));
    float *values = peri_xmalloc((rows + 1) * sizeof(*values));
    CHECK(peri_cellorder_cells(o, place[0], place[1], place[2], key, &err) == 0);
    CHECK(peri_cellorder_values(o, f, values, &err) == 0);
    int bits = 1;
    while (((size_t)1 << bits) < n) bits++;
    double sums[2] = {(double)rows, 0};
    for (size_t i = 0; i < rows; i++) {
        uint32_t c[3] = {(uint32_t)place[0][i], (uint32_t)place[1][i],
                         (uint32_t)place[2][i]};
        CHECK(c[0] < n && c[1] < n && c[2] < n);
        CHECK((uint64_t)key[i] == peri_ph_key(c[0], c[1], c[2], bits));
        CHECK(values[i] == (float)value_at(c[0], c[1], c[2]));
        if (i && (n & (n - 1)) == 0) CHECK(key[i] == key[i - 1] + 1);
        sums[1] += values[i];
    }
    MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, COMM);
    double side = (double)n;
    CHECK(sums[0] == side * side * side);
    CHECK(sums[1] == 10101 * side * side * side * (side - 1) / 2);
    if (!rank && rows && (n & (n - 1)) == 0) CHECK(key[0] == 0);
    for (int k = 0; k < 3; k++) free(place[k]);
    free(key);
    free(values);
    peri_cellorder_free(o);
    peri_field_free(f);
}

static void test_contrast(void)
{
    const double box[3] = {4, 4, 4};
    points_t p = points_new(3);
    for (int k = 0; k < 3; k++) {
        p.x[k][0] = p.x[k][1] = 0.5;
        p.x[k][2] = 2.5;
    }
    p.w[0] = 1, p.w[1] = 2, p.w[2] = 5;
    peri_field_t *f = peri_field_new((size_t[]){4, 4, 4}, box, COMM, &err);
    peri_points_t mine = part(&p), none = {0};
    CHECK(peri_density_contrast(f, &mine, PERI_CIC, &err) == 0);
    peri_fieldstats_t s = peri_field_stats(f);
    CHECK(fabs(s.mean) < 1e-14 && s.min == -1 && fabs(s.max - (5 * 8.0 - 1)) < 1e-12);
    peri_field_zero(f);
    CHECK(peri_density_contrast(f, &none, PERI_CIC, &err) == -1 &&
          err.code == PERI_EINVAL);
    CHECK(!peri_cellorder_new(f = peri_field_new((size_t[]){4, 4, 5}, box, COMM, &err),
                              &err));
    points_free(&p);
}

static void test_redshift(void)
{
    peri_simulation_t sim = {.redshift = 1,
                             .omega_m = 0.3,
                             .omega_lambda = 0.7,
                             .hubble = 0.7,
                             .length = "cMpc/h",
                             .velocity = "km/s"};
    double factor, e = sqrt(0.3 * 8 + 0.7);
    CHECK(!peri_redshift_factor(&sim, &factor, &err) &&
          fabs(factor - 2 / (100 * e)) < 1e-15);
    sim.length = "ckpc/h";
    CHECK(!peri_redshift_factor(&sim, &factor, &err) && fabs(factor - 20 / e) < 1e-12);
    sim.length = "Mpc";
    CHECK(!peri_redshift_factor(&sim, &factor, &err) &&
          fabs(factor - 2 / (70 * e)) < 1e-15);
    sim.hubble = NAN;
    CHECK(peri_redshift_factor(&sim, &factor, &err) == -1 && strstr(err.text, "hubble"));
    sim.length = "parsec";
    CHECK(peri_redshift_factor(&sim, &factor, &err) == -1);
    sim.length = "";
    CHECK(peri_redshift_factor(&sim, &factor, &err) == -1);
    sim.length = "Mpc/h";
    sim.velocity = "cm/s";
    CHECK(peri_redshift_factor(&sim, &factor, &err) == -1);
    sim.velocity = "";
    sim.omega_m = NAN;
    CHECK(peri_redshift_factor(&sim, &factor, &err) == -1 && strstr(err.text, "omega_m"));
}

int main(int argc, char **argv)
{
    static const size_t sides[] = {1, 2, 3, 5, 8, 16, 20};
    begin(&argc, &argv);
    what = "order";
    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) test_order(sides[i]);
    what = "contrast";
    test_contrast();
    what = "redshift";
    test_redshift();
    MPI_Finalize();
    return 0;
}
