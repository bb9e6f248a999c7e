/* kernel_merger_tree.c - the kernel merger_tree: from the particles of all snapshots to
 * merger trees of friends-of-friends groups.
 */
#include <math.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "mpi/halo/fof.h"
#include "mpi/tree/kernel_common.h"
#include "mpi/tree/link.h"
#include "mpi/tree/rows.h"

static const peri_input_t inputs[] = {
    {.name = "particles",
     .particles = PERI_HAS_VELOCITY | PERI_HAS_MASS | PERI_HAS_ID,
     .many_snapshots = true,
     .help = "Particles of all snapshots, with ids that stay the same."}};

static const peri_param_t params[] = {
    {.name = "b",
     .type = PERI_PARAM_FLOAT,
     .unit = "",
     .preset = "0.2",
     .min = 0,
     .max = 10,
     .above_min = true,
     .help = "Linking length of groups, in mean distances between particles."},
    {.name = "linking_length",
     .type = PERI_PARAM_FLOAT,
     .unit = "{length}",
     .preset = "",
     .min = 0,
     .max = INFINITY,
     .above_min = true,
     .help = "The linking length itself, instead of b."},
    {.name = "min_particles",
     .type = PERI_PARAM_INT,
     .unit = "",
     .preset = "32",
     .min = 1,
     .max = 1e12,
     .help = "Groups with fewer particles are left out."},
    TREE_MAIN_PARAM,
    TREE_PARAMS};

/* Redshifts by snapshot number, as snapshots come. */
typedef struct {
    double *redshift;
    size_t n;
} times_t;

static void note_time(times_t *t, const peri_simulation_t *sim)
{
    const size_t snapnum = (size_t)sim->snapnum;
    if (snapnum >= t->n) {
        t->redshift = peri_xrealloc(t->redshift, snapnum + 1, sizeof(*t->redshift));
        for (; t->n <= snapnum; t->n++) t->redshift[t->n] = NAN;
    }
    t->redshift[snapnum] = sim->redshift;
}

static int linking_length(peri_run_t *run, const peri_particles_t *p, double *length,
                          peri_err_t *err)
{
    if (peri_run_given(run, "linking_length")) {
        *length = peri_run_float(run, "linking_length");
        return 0;
    }
    if (!p->periodic)
        return peri_err_set(err, PERI_EINVAL,
                            "the mean distance of particles needs the size of the box: "
                            "give box => SIDE, or linking_length");
    const uint64_t n = peri_particles_total(p, peri_run_comm(run));
    *length = peri_fof_length(peri_run_float(run, "b"), p->box, n);
    return 0;
}

static int link_groups(peri_linker_t *linker, int snapnum, const peri_fof_t *f,
                       peri_err_t *err)
{
    peri_treehalo_t *halos = peri_xcalloc(f->ngroups + 1, sizeof(*halos));
    peri_member_t *members = peri_xmalloc((f->nmembers + 1) * sizeof(*members));
    for (size_t i = 0; i < f->ngroups; i++) {
        const peri_fof_group_t *g = &f->groups[i];
        halos[i] = (peri_treehalo_t){.subhalo = g->number,
                                     .group = g->number,
                                     .np = g->np,
                                     .most_bound = -1,
                                     .mass = (float)g->mass,
                                     .m_crit200 = NAN,
                                     .vel_disp = (float)g->dispersion,
                                     .v_max = NAN,
                                     .half_mass_radius = NAN};
        for (int k = 0; k < 3; k++) {
            halos[i].position[k] = g->position[k];
            halos[i].velocity[k] = (float)g->velocity[k];
        }
    }
    for (size_t i = 0; i < f->nmembers; i++)
        members[i] = (peri_member_t){f->members[i].id, f->members[i].group, 1};
    int rc =
        peri_linker_add(linker, snapnum, halos, f->ngroups, members, f->nmembers, err);
    free(halos);
    free(members);
    return rc;
}

static int fof_progress(void *arg, const char *what, double done, double total,
                        peri_err_t *err)
{
    (void)what, (void)done, (void)total;
    peri_run_t *run = arg;
    /* The call's own progress counts snapshots; this only hears of a cancellation. */
    return peri_run_agree(run, 0, err);
}

static int add_snapshot(peri_run_t *run, peri_linker_t *linker, peri_particles_t *p,
                        const peri_simulation_t *sim, peri_err_t *err)
{
    peri_fof_options_t o = {.min_particles = (uint64_t)peri_run_int(run, "min_particles"),
                            .members = true};
    if (peri_particles_total(p, peri_run_comm(run)) == 0)
        return peri_linker_add(linker, (int)sim->snapnum, NULL, 0, NULL, 0, err);
    if (linking_length(run, p, &o.linking_length, err)) return -1;
    peri_fof_t *f = peri_fof_find(p, &o, fof_progress, run, peri_run_comm(run), err);
    if (!f) return -1;
    /* Groups and members are all that is needed of the particles. */
    int rc = peri_particles_resize(p, 0, err);
    if (rc == 0) rc = link_groups(linker, (int)sim->snapnum, f, err);
    peri_fof_free(f);
    return rc;
}

static int link_all(peri_run_t *run, peri_linker_t *linker, times_t *times,
                    peri_err_t *err)
{
    peri_particles_t *p;
    const peri_simulation_t *sim;
    const double total = (double)peri_run_snapshots(run, 0);
    for (double done = 0;; done++) {
        if (peri_run_progress(run, "snapshots", done, total, err)) return -1;
        const int got = peri_run_snapshot(run, 0, &p, &sim, err);
        if (got <= 0) return got;
        note_time(times, sim);
        if (add_snapshot(run, linker, p, sim, err))
            return err->code == PERI_ECANCEL
                       ? -1
                       : peri_err_prefix(err, "snapshot %d", (int)sim->snapnum);
    }
}

static int plan(const peri_run_t *run, peri_need_t *need, peri_err_t *err)
{
    (void)run, (void)err;
    /* Of two earlier snapshots and this one, 24 bytes a particle in a group, and as much
     * again while they are sent and sorted; groups are found in about 60. */
    need->row_bytes = 5 * sizeof(peri_member_t) + 60;
    return 0;
}

static int run_it(peri_run_t *run, peri_err_t *err)
{
    peri_linker_t *linker = peri_linker_new(peri_run_comm(run));
    times_t times = {0};
    peri_treehalo_t *halos = NULL;
    size_t n = 0;
    int rc = link_all(run, linker, &times, err);
    if (rc == 0) rc = peri_linker_finish(linker, &halos, &n, err);
    peri_linker_free(linker);
    if (rc == 0)
        rc = peri_tree_result(run, halos, n, peri_tree_mainrule(run), times.redshift,
                              times.n, err);
    free(halos);
    free(times.redshift);
    return rc;
}

const peri_kernel_t peri_kernel_merger_tree = {
    .abi = PERI_KERNEL_ABI,
    .size = sizeof(peri_kernel_t),
    .name = "merger_tree",
    .summary = "merger trees of friends-of-friends groups over all snapshots",
    .help =
        "Finds the groups of each snapshot, and links them by the particles that they "
        "share: the descendant of a group is the group of the next snapshot that has "
        "most "
        "of its particles. If the next one has none of them, the snapshot after that is "
        "asked, so that a group may be lost for one snapshot; its descendant is then two "
        "snapshots later. Each group is a tree's root, or has a descendant; trees are "
        "numbered by their roots, those of the last snapshot first, the largest group "
        "first.\n\n"
        "The main progenitor is the one whose main branch has the most particles in sum "
        "over all snapshots (De Lucia and Blaizot 2007). groupNr is the number that fof "
        "gives to the group with the same b and min_particles. What a group does not "
        "have "
        "(vMax, halfmassRadius, m_Crit200) is NaN.\n\n"
        "Snapshots are read one by one: memory is needed for one of them, and for the "
        "ids "
        "of two more.",
    .example = "merger_tree minibox.dm --into trees.h5",
    .params = params,
    .nparams = sizeof(params) / sizeof(*params),
    .inputs = inputs,
    .ninputs = 1,
    .columns = peri_treerows_columns,
    .ncolumns = PERI_TREEROWS_NCOLUMNS,
    .plan = plan,
    .run = run_it};
