/* kernel_tree_table.c - the kernel tree_table: merger trees that another program made,
 * as a depth-first table. Its input has the columns of GADGET-4's TreeHalos.
 */
#include <math.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "mpi/tree/kernel_common.h"
#include "mpi/tree/rows.h"

/* In the order of `halo_columns`. */
enum {
    TREE,
    KEY,
    DESCENDANT,
    FIRST_PROGENITOR,
    NEXT_PROGENITOR,
    MAIN_PROGENITOR,
    FIRST_IN_GROUP,
    NEXT_IN_GROUP,
    SNAPNUM,
    SUBHALO,
    GROUP,
    NP,
    MOST_BOUND,
    POSITION,
    VELOCITY,
    MASS,
    M_CRIT200,
    VEL_DISP,
    V_MAX,
    HALF_MASS_RADIUS,
    NCOLUMNS
};

static const peri_coldef_t halo_columns[NCOLUMNS] = {
    {"TreeID", PERI_COL_I64, 1, "", "number of the tree"},
    {"TreeIndex", PERI_COL_I64, 1, "", "number of the halo in its tree"},
    {"TreeDescendant", PERI_COL_I64, 1, "", "TreeIndex of the descendant, or -1"},
    {"TreeFirstProgenitor", PERI_COL_I64, 1, "", "TreeIndex of a progenitor, or -1"},
    {"TreeNextProgenitor", PERI_COL_I64, 1, "",
     "TreeIndex of the next progenitor of the descendant, or -1"},
    {"TreeMainProgenitor", PERI_COL_I64, 1, "",
     "TreeIndex of the main progenitor; -1: the first one is"},
    {"TreeFirstHaloInFOFgroup", PERI_COL_I64, 1, "",
     "TreeIndex of the main halo of the group"},
    {"TreeNextHaloInFOFgroup", PERI_COL_I64, 1, "",
     "TreeIndex of the next halo of the group, or -1"},
    {"SnapNum", PERI_COL_I32, 1, "", "the snapshot"},
    {"SubhaloNr", PERI_COL_I64, 1, "", "number of the halo in the snapshot's catalogue"},
    {"GroupNr", PERI_COL_I64, 1, "", "number of its group there"},
    {"SubhaloLen", PERI_COL_I64, 1, "", "particles"},
    {"SubhaloIDMostbound", PERI_COL_I64, 1, "", "id of the most bound particle"},
    {"SubhaloPos", PERI_COL_F64, 3, "", "position"},
    {"SubhaloVel", PERI_COL_F32, 3, "", "velocity"},
    {"SubhaloMass", PERI_COL_F32, 1, "", "mass"},
    {"Group_M_Crit200", PERI_COL_F32, 1, "",
     "mass within 200 times the critical density"},
    {"SubhaloVelDisp", PERI_COL_F32, 1, "", "velocity dispersion"},
    {"SubhaloVmax", PERI_COL_F32, 1, "", "largest circular velocity"},
    {"SubhaloHalfmassRad", PERI_COL_F32, 1, "", "radius of half the mass"}};

static const peri_coldef_t time_columns[] = {
    {"snapnum", PERI_COL_I32, 1, "", "the snapshot"},
    {"redshift", PERI_COL_F64, 1, "", "its redshift"}};

static const peri_input_t inputs[] = {
    {.name = "halos",
     .many_snapshots = true,
     .columns = halo_columns,
     .ncolumns = NCOLUMNS,
     .help = "Halos of all snapshots with their links, as GADGET-4 writes them in "
             "TreeHalos."},
    {.name = "times",
     .optional = true,
     .many_snapshots = true,
     .columns = time_columns,
     .ncolumns = 2,
     .help = "The redshift of each snapshot; without it the column redshift is NaN."}};

static const peri_param_t params[] = {
    {.name = "main",
     .type = PERI_PARAM_TEXT,
     .unit = "",
     .preset = "given",
     .choices = "given|history|np",
     .help = "Which progenitor is the main one: the one that the links say, the one with "
             "the most particles summed along its main branch, or the one with the most "
             "particles."},
    TREE_PARAMS};

#define MAX_SNAPNUM 1000000

static peri_treehalo_t *take_halos(peri_rowset_t *t)
{
    const size_t n = peri_rowset_rows(t);
    peri_treehalo_t *halos = peri_xcalloc(n + 1, sizeof(*halos));
    const int64_t *number[NCOLUMNS] = {0};
    for (size_t c = 0; c < NCOLUMNS; c++)
        if (halo_columns[c].type == PERI_COL_I64) number[c] = peri_rowset_data(t, c);
    const int32_t *snapnum = peri_rowset_data(t, SNAPNUM);
    const double *position = peri_rowset_data(t, POSITION);
    const float *velocity = peri_rowset_data(t, VELOCITY);
    const float *mass = peri_rowset_data(t, MASS);
    const float *m_crit200 = peri_rowset_data(t, M_CRIT200);
    const float *vel_disp = peri_rowset_data(t, VEL_DISP);
    const float *v_max = peri_rowset_data(t, V_MAX);
    const float *radius = peri_rowset_data(t, HALF_MASS_RADIUS);
    for (size_t i = 0; i < n; i++) {
        peri_treehalo_t *h = &halos[i];
        *h = (peri_treehalo_t){.tree = number[TREE][i],
                               .key = number[KEY][i],
                               .descendant = number[DESCENDANT][i],
                               .first_progenitor = number[FIRST_PROGENITOR][i],
                               .next_progenitor = number[NEXT_PROGENITOR][i],
                               .main_progenitor = number[MAIN_PROGENITOR][i],
                               .first_in_group = number[FIRST_IN_GROUP][i],
                               .next_in_group = number[NEXT_IN_GROUP][i],
                               .subhalo = number[SUBHALO][i],
                               .group = number[GROUP][i],
                               .np = number[NP][i],
                               .most_bound = number[MOST_BOUND][i],
                               .mass = mass[i],
                               .m_crit200 = m_crit200[i],
                               .vel_disp = vel_disp[i],
                               .v_max = v_max[i],
                               .half_mass_radius = radius[i],
                               .snapnum = snapnum[i]};
        for (int k = 0; k < 3; k++) {
            h->position[k] = position[3 * i + (size_t)k];
            h->velocity[k] = velocity[3 * i + (size_t)k];
        }
    }
    return halos;
}

/* Rows of all ranks into a table by snapshot number, on all of them. */
static int take_times(peri_run_t *run, double **redshift, size_t *n, peri_err_t *err)
{
    *redshift = NULL;
    *n = 0;
    if (!peri_run_has_input(run, 1)) return 0;
    peri_rowset_t *t = peri_run_table(run, 1);
    const size_t rows = peri_rowset_rows(t);
    const int32_t *snapnum = peri_rowset_data(t, 0);
    const double *z = peri_rowset_data(t, 1);
    int32_t last = -1;
    int rc = 0;
    for (size_t i = 0; i < rows && rc == 0; i++) {
        if (snapnum[i] < 0 || snapnum[i] > MAX_SNAPNUM)
            rc = peri_err_set(err, PERI_EINVAL, "times has snapshot number %d",
                              (int)snapnum[i]);
        if (snapnum[i] > last) last = snapnum[i];
    }
    if (peri_run_agree(run, rc, err)) return -1;
    const MPI_Comm comm = peri_run_comm(run);
    MPI_Allreduce(MPI_IN_PLACE, &last, 1, MPI_INT32_T, MPI_MAX, comm);
    *n = (size_t)(last + 1);
    *redshift = peri_xmalloc((*n + 1) * sizeof(**redshift));
    for (size_t i = 0; i < *n; i++) (*redshift)[i] = -INFINITY;
    for (size_t i = 0; i < rows; i++) (*redshift)[snapnum[i]] = z[i];
    MPI_Allreduce(MPI_IN_PLACE, *redshift, (int)*n, MPI_DOUBLE, MPI_MAX, comm);
    for (size_t i = 0; i < *n; i++)
        if (isinf((*redshift)[i])) (*redshift)[i] = NAN;
    return 0;
}

static int plan(const peri_run_t *run, peri_need_t *need, peri_err_t *err)
{
    (void)run, (void)err;
    /* The record here and on its way, links and order, and the row of the result. */
    need->row_bytes = 3 * sizeof(peri_treehalo_t) + 16 * sizeof(int64_t) + 200;
    return 0;
}

static int run_it(peri_run_t *run, peri_err_t *err)
{
    const peri_mainrule_t rule = peri_tree_mainrule(run);
    double *redshift;
    size_t nredshifts;
    if (take_times(run, &redshift, &nredshifts, err)) return -1;
    peri_rowset_t *t = peri_run_table(run, 0);
    peri_treehalo_t *halos = take_halos(t);
    int rc = peri_tree_result(run, halos, peri_rowset_rows(t), rule, redshift, nredshifts,
                              err);
    free(halos);
    free(redshift);
    return rc;
}

const peri_kernel_t peri_kernel_tree_table = {
    .abi = PERI_KERNEL_ABI,
    .size = sizeof(peri_kernel_t),
    .name = "tree_table",
    .summary = "merger trees of GADGET-4 or others as a depth-first table",
    .help =
        "Halos with links to descendants and progenitors become the table that the "
        "Millennium database has: each tree in depth-first order, main progenitors "
        "first, "
        "so that the progenitors of a halo are the rows from haloId to lastProgenitorId, "
        "and its main branch those from haloId to mainLeafId.\n\n"
        "haloId is tree_size times the number of the tree, plus the rank in the tree. "
        "Every link is checked: one that leads nowhere, into another tree, to an earlier "
        "snapshot or in a circle ends the call. Trees of other programs come in through "
        "a SELECT that names their columns like those of TreeHalos; where only "
        "descendants are known, give -1 for progenitors and main => 'history'.",
    .example = "tree_table gadget4_run64.treehalos --times \"SELECT row AS snapnum, "
               "redshift FROM "
               "gadget4_run64.treetimes\"",
    .params = params,
    .nparams = sizeof(params) / sizeof(*params),
    .inputs = inputs,
    .ninputs = 2,
    .columns = peri_treerows_columns,
    .ncolumns = PERI_TREEROWS_NCOLUMNS,
    .plan = plan,
    .run = run_it};
