/* main.c - perigee-universe: from options to snapshots.
 *
 * A rank has the particles in its planes of the mesh. The potential is solved once a
 * step; the kick that ends a step and that which begins the next use the same potential
 * and are one, except where a snapshot wants momenta at the time of positions.
 */
#include <mpi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "examples/universe/agree.h"
#include "examples/universe/dataset.h"
#include "examples/universe/drift.h"
#include "examples/universe/lpt.h"
#include "examples/universe/memory.h"
#include "examples/universe/mesh.h"
#include "examples/universe/options.h"
#include "examples/universe/snapshot.h"

typedef struct {
    MPI_Comm comm;
    int rank, nranks;
    options_t o;
    growth_table_t *growth;
    power_t *power;
    mesh_t *mesh;
    particles_t particles;
    schedule_t schedule;
    /* Seconds, of this rank. */
    double started, told, kicks, moves, writing;
} run_t;

static void tell(const run_t *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void tell(const run_t *r, const char *format, ...)
{
    if (r->rank || r->o.quiet) return;
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
}

/* ---- the parts of a run ---- */

static int prepare(run_t *r, peri_err_t *err)
{
    const options_t *o = &r->o;
    r->growth = growth_new(o->cosmology.omega_m);
    r->power = power_new(&o->cosmology, err);
    if (agree(r->comm, r->power ? 0 : -1, err)) return -1;
    if (memory_check(r->comm, o->particles, o->mesh, err)) return -1;
    r->mesh = mesh_new(r->comm, o->mesh, o->box, err);
    if (!r->mesh) return -1;
    double *outputs = peri_xcalloc((size_t)o->nredshifts, sizeof(double));
    for (int i = 0; i < o->nredshifts; i++) outputs[i] = 1 / (1 + o->redshifts[i]);
    r->schedule =
        schedule_new(1 / (1 + o->start_redshift), outputs, o->nredshifts, o->steps);
    free(outputs);
    return snapshot_prepare(r->comm, o, err);
}

static void make_particles(run_t *r)
{
    const options_t *o = &r->o;
    const lpt_params_t params = {o->particles, o->box, o->seed, o->fixed_amplitude};
    grid_t *lattice = grid_new(r->comm, o->particles);
    double *delta = grid_alloc(lattice);
    lpt_random_field(lattice, &params, r->power, delta);
    lpt_displace(lattice, &params, delta, growth_at(r->growth, r->schedule.a[0]),
                 &r->particles);
    free(delta);
    grid_free(lattice);
    particles_exchange(&r->particles, mesh_grid(r->mesh), o->box);
}

static void kick(run_t *r, double from, double to, double at)
{
    double start = peri_now();
    mesh_kick(r->mesh, &r->particles, kick_factor(r->growth, from, to, at));
    r->kicks += peri_now() - start;
}

static void drift(run_t *r, double from, double to, double at)
{
    double start = peri_now();
    drift_particles(&r->particles, drift_factor(r->growth, from, to, at), r->o.box);
    particles_exchange(&r->particles, mesh_grid(r->mesh), r->o.box);
    r->moves += peri_now() - start;
}

/* Cells of the curve with about one particle each on average. */
static int curve_bits(int particles)
{
    int bits = 1;
    while (1 << bits < particles) bits++;
    return bits;
}

static int write_snapshot(run_t *r, int step, peri_err_t *err)
{
    double start = peri_now();
    int number = r->schedule.snapshot[step];
    uint64_t bytes;
    particles_sort(&r->particles, r->o.box, curve_bits(r->o.particles));
    if (snapshot_write(r->comm, &r->o, number, &r->particles, &bytes, err)) return -1;
    r->writing += peri_now() - start;
    char size[16];
    tell(r, "snapshot %d of %d, z = %.4g, step %d of %d, %s, %.1f s\n", number + 1,
         r->o.nredshifts, r->o.redshifts[number], step, r->schedule.steps,
         peri_human_bytes(bytes, size), peri_now() - r->started);
    r->told = peri_now();
    return 0;
}

/* The potential at the end of step i, and all that is done with it. */
static int pull(run_t *r, int i, peri_err_t *err)
{
    const schedule_t *s = &r->schedule;
    const double now = s->a[i];
    double from = i ? schedule_middle(s, i - 1) : now;
    double to = i < s->steps ? schedule_middle(s, i) : now;
    mesh_solve(r->mesh, &r->particles);
    if (s->snapshot[i] >= 0) {
        if (from < now) kick(r, from, now, now);
        if (write_snapshot(r, i, err)) return -1;
        from = now;
    }
    if (from < to) kick(r, from, to, now);
    return 0;
}

static int evolve(run_t *r, peri_err_t *err)
{
    const schedule_t *s = &r->schedule;
    if (pull(r, 0, err)) return -1;
    for (int i = 1; i <= s->steps; i++) {
        drift(r, s->a[i - 1], s->a[i], schedule_middle(s, i - 1));
        if (pull(r, i, err)) return -1;
        if (peri_now() - r->told < 5) continue;
        tell(r, "step %d of %d, z = %.3g, %.1f s\n", i, s->steps, 1 / s->a[i] - 1,
             peri_now() - r->started);
        r->told = peri_now();
    }
    return 0;
}

/* ---- the whole ---- */

/* Where the time went, of the mean of all ranks. */
static void tell_times(const run_t *r)
{
    mesh_times_t mesh = mesh_times(r->mesh);
    double all = peri_now() - r->started;
    double part[6] = {mesh.transform, mesh.deposit, r->kicks, r->moves, r->writing, 0};
    part[5] = all - part[0] - part[1] - part[2] - part[3] - part[4];
    MPI_Allreduce(MPI_IN_PLACE, part, 6, MPI_DOUBLE, MPI_SUM, r->comm);
    for (int i = 0; i < 6; i++) part[i] *= 100 / (all * r->nranks);
    double moved = (double)r->o.particles * r->o.particles * r->o.particles;
    tell(r,
         "%.1f s on %d rank%s, %.3g particle steps a second: %.0f %% transforms, %.0f %% "
         "deposit, %.0f %% kick, %.0f %% drift and exchange, %.0f %% output, %.0f %% "
         "start\n",
         all, r->nranks, r->nranks > 1 ? "s" : "", moved * r->schedule.steps / all,
         part[0], part[1], part[2], part[3], part[4], part[5]);
}

static int simulate(run_t *r, peri_err_t *err)
{
    const options_t *o = &r->o;
    r->started = r->told = peri_now();
    if (prepare(r, err)) return -1;
    char count[32];
    uint64_t side = (uint64_t)o->particles;
    tell(r, "%s particles in a box of %.4g Mpc/h, a mesh of %d^3 cells, %d steps\n",
         peri_human_count(side * side * side, count), o->box, o->mesh, r->schedule.steps);
    make_particles(r);
    if (evolve(r, err)) return -1;
    if (agree(r->comm, r->rank == 0 ? dataset_write(o, err) : 0, err)) return -1;
    tell_times(r);
    return 0;
}

static void clean_up(run_t *r)
{
    particles_free(&r->particles);
    schedule_free(&r->schedule);
    mesh_free(r->mesh);
    power_free(r->power);
    growth_free(r->growth);
}

int main(int argc, char **argv)
{
    snapshot_block_signals();
    MPI_Init(&argc, &argv);
    fftw_mpi_init();
    snapshot_catch_signals();
    static run_t run;
    peri_err_t err = {0};
    run.comm = MPI_COMM_WORLD;
    MPI_Comm_rank(run.comm, &run.rank);
    MPI_Comm_size(run.comm, &run.nranks);
    int rc = options_parse(argc, argv, &run.o, &err);
    if (!rc && (run.o.help || run.o.version)) {
        if (run.rank == 0 && run.o.help) options_help();
        if (run.rank == 0 && !run.o.help) puts("perigee-universe " PERIGEE_VERSION);
    } else if (!rc) {
        rc = simulate(&run, &err);
    }
    if (rc && run.rank == 0) fprintf(stderr, "perigee-universe: %s\n", err.text);
    clean_up(&run);
    fftw_mpi_cleanup();
    MPI_Finalize();
    return peri_err_exit_status(&err);
}
