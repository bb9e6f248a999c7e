/* kernel_fof.c - friends-of-friends as a kernel: parameters in, rows out. */
#include <math.h>
#include <string.h>

#include "mpi/halo/fof.h"
#include "perigee/kernel.h"

static const peri_param_t params[] = {
    {.name = "b",
     .type = PERI_PARAM_FLOAT,
     .unit = "",
     .preset = "0.2",
     .min = 0,
     .max = 10,
     .above_min = true,
     .help = "Linking length in units of the mean distance of particles, (V / N)^(1/3)."},
    {.name = "linking_length",
     .type = PERI_PARAM_FLOAT,
     .unit = "{length}",
     .preset = "",
     .min = 0,
     .max = INFINITY,
     .above_min = true,
     .help = "Linking length itself; instead of b."},
    {.name = "min_particles",
     .type = PERI_PARAM_INT,
     .unit = "",
     .preset = "32",
     .min = 1,
     .max = 1e15,
     .help = "Groups with fewer particles are left out."},
    {.name = "members",
     .type = PERI_PARAM_BOOL,
     .unit = "",
     .preset = "false",
     .help = "Give a row for each particle in a group instead of one for each group."}};

static const peri_input_t inputs[] = {
    {.name = "particles",
     .particles = PERI_HAS_ID,
     .help = "Particles with masses and velocities, in a periodic box or in open space. "
             "Without ids they are numbered in the order of the input."}};

static const peri_coldef_t group_columns[] = {
    {"fofid", PERI_COL_I64, 1, "",
     "Number of the group: 0 has most particles; of equally many, the one with the "
     "smallest id comes first."},
    {"np", PERI_COL_I64, 1, "", "Number of particles."},
    {"mass", PERI_COL_F64, 1, "{mass}", "Mass of all its particles."},
    {"pos", PERI_COL_F64, 3, "{length}",
     "Where it is densest: the end of a sphere that shrinks around the centre of mass of "
     "the members in it, down to 10 of them."},
    {"centre_of_mass", PERI_COL_F64, 3, "{length}", "Centre of mass, in the box."},
    {"vel", PERI_COL_F64, 3, "{velocity}",
     "Velocity of the centre of mass; NaN if the input has no velocities."},
    {"radius", PERI_COL_F64, 1, "{length}",
     "Root mean square distance of the particles from the centre of mass, by mass."},
    {"vel_disp", PERI_COL_F64, 1, "{velocity}",
     "Along one axis: the root of a third of the mean square velocity about that of the "
     "centre of mass, by mass."},
    {"first_id", PERI_COL_I64, 1, "", "Smallest id of its particles."}};

static const peri_coldef_t member_columns[] = {
    {"fofid", PERI_COL_I64, 1, "", "Number of the group, as without members."},
    {"id", PERI_COL_I64, 1, "", "Id of the particle."}};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int plan(const peri_run_t *run, peri_need_t *need, peri_err_t *err)
{
    const peri_simulation_t *sim = peri_run_simulation(run, 0);
    const bool members = peri_run_bool(run, "members");
    if (peri_run_given(run, "linking_length")) {
        if (peri_run_given(run, "b"))
            return peri_err_set(err, PERI_EINVAL,
                                "b and linking_length say the same: give one of them");
    } else if (isnan(sim->box[0])) {
        return peri_err_set(err, PERI_EINVAL,
                            "the mean distance of particles needs the box, which the "
                            "input does not tell: give box, or linking_length");
    }
    if (members) {
        need->columns = member_columns;
        need->ncolumns = COUNT(member_columns);
    } else {
        need->particles[0] |=
            PERI_HAS_MASS | (peri_run_found(run, 0) & PERI_HAS_VELOCITY);
    }
    /* Cells and their particles; sorting before that is done when these are made. */
    need->row_bytes = 80 + (members ? 2 * sizeof(peri_fof_member_t) : 0);
    need->rank_bytes = 4 << 20;
    return 0;
}

static int progress(void *arg, const char *what, double done, double total,
                    peri_err_t *err)
{
    return peri_run_progress(arg, what, done, total, err);
}

static int give_groups(peri_run_t *run, const peri_fof_t *f, peri_err_t *err)
{
    peri_rowset_t *rows = peri_run_rows(run);
    if (peri_rowset_extend(rows, f->ngroups, err) < 0) return -1;
    int64_t *number = peri_rowset_data(rows, 0), *np = peri_rowset_data(rows, 1);
    double *mass = peri_rowset_data(rows, 2), *position = peri_rowset_data(rows, 3);
    double *centre = peri_rowset_data(rows, 4), *velocity = peri_rowset_data(rows, 5);
    double *radius = peri_rowset_data(rows, 6), *dispersion = peri_rowset_data(rows, 7);
    int64_t *first_id = peri_rowset_data(rows, 8);
    for (size_t i = 0; i < f->ngroups; i++) {
        const peri_fof_group_t *g = &f->groups[i];
        number[i] = g->number;
        np[i] = g->np;
        mass[i] = g->mass;
        memcpy(position + 3 * i, g->position, sizeof(g->position));
        memcpy(centre + 3 * i, g->centre, sizeof(g->centre));
        memcpy(velocity + 3 * i, g->velocity, sizeof(g->velocity));
        radius[i] = g->radius;
        dispersion[i] = g->dispersion;
        first_id[i] = g->first_id;
    }
    return 0;
}

static int give_members(peri_run_t *run, const peri_fof_t *f, peri_err_t *err)
{
    peri_rowset_t *rows = peri_run_rows(run);
    if (peri_rowset_extend(rows, f->nmembers, err) < 0) return -1;
    int64_t *group = peri_rowset_data(rows, 0), *id = peri_rowset_data(rows, 1);
    for (size_t i = 0; i < f->nmembers; i++) {
        group[i] = f->members[i].group;
        id[i] = f->members[i].id;
    }
    return 0;
}

static int run_fof(peri_run_t *run, peri_err_t *err)
{
    const uint64_t n = peri_run_input_rows(run, 0);
    if (n == 0)
        return peri_err_set(err, PERI_EINVAL,
                            "there are no particles to look for groups among: check "
                            "snapnum and filter");
    peri_particles_t *p = peri_run_particles(run, 0);
    const peri_fof_options_t options = {
        .linking_length = peri_run_given(run, "linking_length")
                              ? peri_run_float(run, "linking_length")
                              : peri_fof_length(peri_run_float(run, "b"), p->box, n),
        .min_particles = (uint64_t)peri_run_int(run, "min_particles"),
        .members = peri_run_bool(run, "members")};
    peri_fof_t *f = peri_fof_find(p, &options, progress, run, peri_run_comm(run), err);
    if (!f) return -1;
    int rc = options.members ? give_members(run, f, err) : give_groups(run, f, err);
    peri_fof_free(f);
    return rc;
}

const peri_kernel_t peri_kernel_fof = {
    .abi = PERI_KERNEL_ABI,
    .size = sizeof(peri_kernel_t),
    .name = "fof",
    .summary = "friends-of-friends groups of particles",
    .help =
        "Two particles are friends if their distance is at most the linking length "
        "(Davis "
        "et al. 1985, ApJ 292, 371); a group is what friends connect, directly or "
        "through others. The usual linking length is b = 0.2 times the mean distance of "
        "particles, (V / N)^(1/3) with the volume V of the box and the number N of "
        "particles of the input. It finds halos of about 180 times the mean density.\n"
        "\n"
        "All particles of the input link, whatever their kind: for the groups of the "
        "dark "
        "matter give the table of the dark matter. Distances go through the borders of a "
        "periodic box; a group must be smaller than half of it for its centre to mean "
        "anything. Groups, their order and all numbers are the same bits for any number "
        "of ranks. GADGET-4 finds the same groups. The position is found as by Power et "
        "al. "
        "(2003, MNRAS 338, 14); nine of ten lie within a fifth of the radius from "
        "GADGET-4's, "
        "that of the particle with the lowest potential.\n"
        "\n"
        "For points without masses say mass => 1.",
    .example = "fof gadget4_run64.dm --snapnum 23 --b 0.2 --min_particles 32",
    .params = params,
    .nparams = COUNT(params),
    .inputs = inputs,
    .ninputs = COUNT(inputs),
    .columns = group_columns,
    .ncolumns = COUNT(group_columns),
    .plan = plan,
    .run = run_fof};
