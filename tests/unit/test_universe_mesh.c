/* test_universe_mesh.c - gravity of examples/universe against solutions that are known.
 * Run with mpirun; any number of ranks up to 10. Exit status 1 and a line on stderr if it
 * fails.
 */
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#include "examples/universe/drift.h"
#include "examples/universe/lpt.h"
#include "examples/universe/mesh.h"
#include "examples/universe/units.h"

#define OMEGA_M 0.308
#define SIDE    32
#define MESH    64
#define BOX     80.0
#define CELL    (BOX / MESH)
#define WAVE    (2 * M_PI / BOX) /* wave number of the largest wave */

static int rank, nranks;

#define CHECK(cond, ...)                                                                 \
    do {                                                                                 \
        if (!(cond)) {                                                                   \
            fprintf(stderr, "rank %d: line %d: %s: ", rank, __LINE__, #cond);            \
            fprintf(stderr, __VA_ARGS__);                                                \
            fputc('\n', stderr);                                                         \
            MPI_Abort(MPI_COMM_WORLD, 1);                                                \
        }                                                                                \
    } while (0)

static void lattice_point(const particle_t *p, double q[3])
{
    uint64_t i = p->id - 1;
    q[0] = (double)(i / SIDE / SIDE) * BOX / SIDE;
    q[1] = (double)(i / SIDE % SIDE) * BOX / SIDE;
    q[2] = (double)(i % SIDE) * BOX / SIDE;
}

/* The shortest way from b to a in the periodic box. */
static double apart(double a, double b)
{
    return remainder(a - b, BOX);
}

static double largest(double x)
{
    MPI_Allreduce(MPI_IN_PLACE, &x, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return x;
}

/* delta = x cos(kx) + y cos(ky), on the largest waves of the box. */
static void two_waves(const grid_t *g, double x, double y, double *delta)
{
    double complex *wave = (double complex *)delta;
    const size_t half = SIDE / 2 + 1;
    for (int ky = g->kfirst; ky < g->kfirst + g->krows; ky++) {
        for (int kx = 0; kx < SIDE; kx++) {
            size_t at = ((size_t)(ky - g->kfirst) * SIDE + (size_t)kx) * half;
            int wx = grid_waves(g, kx), wy = grid_waves(g, ky);
            if (abs(wx) == 1 && wy == 0) wave[at] = x / 2;
            if (abs(wy) == 1 && wx == 0) wave[at] = y / 2;
        }
    }
}

static particles_t start(double x, double y, growth_t growth)
{
    grid_t *g = grid_new(MPI_COMM_WORLD, SIDE);
    double *delta = grid_alloc(g);
    two_waves(g, x, y, delta);
    const lpt_params_t params = {SIDE, BOX, 0, false};
    particles_t s = {0};
    lpt_displace(g, &params, delta, growth, &s);
    free(delta);
    grid_free(g);
    return s;
}

static void evolve(mesh_t *m, particles_t *s, const growth_table_t *t, double from,
                   double to, int steps)
{
    schedule_t plan = schedule_new(from, &to, 1, steps);
    particles_exchange(s, mesh_grid(m), BOX);
    mesh_solve(m, s);
    for (int i = 0; i < plan.steps; i++) {
        double a = plan.a[i], b = plan.a[i + 1], middle = schedule_middle(&plan, i);
        mesh_kick(m, s, kick_factor(t, a, middle, a));
        drift_particles(s, drift_factor(t, a, b, middle), BOX);
        particles_exchange(s, mesh_grid(m), BOX);
        mesh_solve(m, s);
        mesh_kick(m, s, kick_factor(t, middle, b, b));
    }
    schedule_free(&plan);
}

/* Two crossed waves have a closed second order: phi2 = -x y cos(kx) cos(ky) / (2 k^2). */
static void closed_form(const double q[3], double x, double y, growth_t g, double at[3],
                        double p[3])
{
    const double sx = sin(WAVE * q[0]), cx = cos(WAVE * q[0]);
    const double sy = sin(WAVE * q[1]), cy = cos(WAVE * q[1]);
    const double second[2] = {x * y * sx * cy / (2 * WAVE), x * y * cx * sy / (2 * WAVE)};
    const double first[2] = {-x * sx / WAVE, -y * sy / WAVE};
    for (int d = 0; d < 2; d++) {
        at[d] = q[d] + g.first * first[d] + g.second * second[d];
        p[d] = HUBBLE * (g.first_momentum * first[d] + g.second_momentum * second[d]);
    }
    at[2] = q[2];
    p[2] = 0;
}

static double error_of(const particles_t *s, double x, double y, growth_t g,
                       double *momentum)
{
    double worst = 0;
    *momentum = 0;
    for (size_t i = 0; i < s->count; i++) {
        double q[3], at[3], p[3];
        lattice_point(&s->at[i], q);
        closed_form(q, x, y, g, at, p);
        for (int d = 0; d < 3; d++) {
            worst = fmax(worst, fabs(apart(s->at[i].x[d], at[d])));
            *momentum = fmax(*momentum, fabs(s->at[i].p[d] - p[d]));
        }
    }
    *momentum = largest(*momentum);
    return largest(worst);
}

static void test_second_order(mesh_t *m, const growth_table_t *t)
{
    const double from = 0.02, to = 0.1, x = 0.1 / growth_at(t, to).first, y = 0.7 * x;
    growth_t g = growth_at(t, from);
    particles_t s = start(x, y, g);
    double momentum, way = error_of(&s, x, y, g, &momentum);
    CHECK(way < 1e-10 * BOX && momentum < 1e-9, "%g, %g", way, momentum);
    /* Gravity brings them where the second order says, which the first alone misses by
     * three times as much. */
    evolve(m, &s, t, from, to, 20);
    g = growth_at(t, to);
    way = error_of(&s, x, y, g, &momentum);
    double without = error_of(&s, x, y, (growth_t){.first = g.first}, &momentum);
    if (rank == 0)
        printf("second order: off by %g cells, the first by %g\n", way / CELL,
               without / CELL);
    CHECK(way < 0.005 * CELL && without > 3 * way, "%g, %g cells", way / CELL,
          without / CELL);
    particles_free(&s);
}

/* A single wave moves by linear theory until its crests fall in (Zel'dovich 1970). */
static void test_pancake(mesh_t *m, const growth_table_t *t)
{
    const double from = 0.02, to = 0.5, x = 0.8 / growth_at(t, to).first;
    particles_t s = start(x, 0, growth_at(t, from));
    evolve(m, &s, t, from, to, 20);
    double momentum, way = error_of(&s, x, 0, growth_at(t, to), &momentum);
    double fastest = HUBBLE * growth_at(t, to).first_momentum * x / WAVE;
    if (rank == 0)
        printf("pancake: off by %g cells of %g, momentum by %g\n", way / CELL,
               0.8 / WAVE / CELL, momentum / fastest);
    CHECK(way < 0.07 * CELL, "%g cells", way / CELL);
    CHECK(momentum < 0.02 * fastest, "%g of %g", momentum, fastest);
    particles_free(&s);
}

/* Wherever particles are, they pull each other as much as they are pulled; none pulls
 * itself; and each stays in the planes of its rank, none is lost. */
static void test_momentum(mesh_t *m)
{
    const grid_t *g = mesh_grid(m);
    particles_t s = {calloc(1000, sizeof(particle_t)), 1000, 1000};
    srand((unsigned)rank + 1);
    for (size_t i = 0; i < s.count; i++) {
        for (int d = 0; d < 3; d++)
            s.at[i].x[d] = BOX * pow(rand() / (RAND_MAX + 1.0), i % 2 ? 1 : 8);
        s.at[i].id = (uint64_t)rank * 1000 + i;
    }
    particles_exchange(&s, g, BOX);
    double sums[5] = {(double)s.count, 0, 0, 0, 0};
    mesh_solve(m, &s);
    mesh_kick(m, &s, 1);
    for (size_t i = 0; i < s.count; i++) {
        double part;
        int plane = grid_cell(MESH, MESH / BOX, s.at[i].x[0], &part);
        CHECK(plane >= g->first && plane < g->first + g->planes, "plane %d", plane);
        for (int d = 0; d < 3; d++) {
            sums[1 + d] += s.at[i].p[d];
            sums[4] += fabs(s.at[i].p[d]);
        }
    }
    MPI_Allreduce(MPI_IN_PLACE, sums, 5, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    CHECK(sums[0] == 1000.0 * nranks, "%g particles", sums[0]);
    for (int d = 0; d < 3; d++)
        CHECK(fabs(sums[1 + d]) < 1e-11 * sums[4], "%g of %g", sums[1 + d], sums[4]);
    particles_free(&s);

    particles_t one = {calloc(1, sizeof(particle_t)), rank == 0, 1};
    one.at[0] = (particle_t){{33.3, 0.1, 79.9}, {0}, 1};
    particles_exchange(&one, g, BOX);
    mesh_solve(m, &one);
    mesh_kick(m, &one, 1);
    for (size_t i = 0; i < one.count; i++)
        for (int d = 0; d < 3; d++)
            CHECK(fabs(one.at[i].p[d]) < 1e-8, "a particle pulls itself: %g",
                  one.at[i].p[d]);
    particles_free(&one);
}

/* Far from a particle and its images, the pull is that of a point in a uniform
 * background: nabla^2 phi = box^3 / 2 (two particles) of each. */
static void test_far_pull(mesh_t *m)
{
    const double r = 10 * CELL;
    particles_t s = {calloc(2, sizeof(particle_t)), rank == 0 ? 2 : 0, 2};
    s.at[0] = (particle_t){{20.2, 30.1, 40.7}, {0}, 1};
    s.at[1] = (particle_t){{20.2, 30.1, 40.7 + r}, {0}, 2};
    particles_exchange(&s, mesh_grid(m), BOX);
    mesh_solve(m, &s);
    mesh_kick(m, &s, 1);
    /* To the order r^3 / box^3 the images add a background, -r / 3 of the mean density.
     */
    double mean = BOX * BOX * BOX / 2;
    double want = mean / (4 * M_PI * r * r) - r / 3 / 2;
    for (size_t i = 0; i < s.count; i++) {
        double pull = s.at[i].id == 1 ? s.at[i].p[2] : -s.at[i].p[2];
        CHECK(fabs(pull / want - 1) < 0.02, "%g, not %g", pull, want);
        CHECK(fabs(s.at[i].p[0]) < 0.01 * want, "sideways %g", s.at[i].p[0]);
    }
    particles_free(&s);
}

static void test_too_many_ranks(void)
{
    peri_err_t err = {0};
    mesh_t *m = mesh_new(MPI_COMM_WORLD, 3 * nranks - 1, BOX, &err);
    CHECK(!m == (3 * nranks - 1 < 3 || nranks > 1), "a mesh of too few planes");
    mesh_free(m);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    fftw_mpi_init();
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &nranks);
    peri_err_t err = {0};
    growth_table_t *t = growth_new(OMEGA_M);
    mesh_t *m = mesh_new(MPI_COMM_WORLD, MESH, BOX, &err);
    CHECK(m, "%s", err.text);
    test_second_order(m, t);
    test_pancake(m, t);
    test_momentum(m);
    test_far_pull(m);
    test_too_many_ranks();
    mesh_free(m);
    growth_free(t);
    fftw_mpi_cleanup();
    MPI_Finalize();
    return 0;
}
