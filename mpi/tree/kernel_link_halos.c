/* kernel_link_halos.c - the kernel link_halos: merger trees of halos that another program
 * found, by the particles that are in them.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "mpi/tree/kernel_common.h"
#include "mpi/tree/link.h"
#include "mpi/tree/rows.h"

/* In the order of `halo_columns`. */
enum { SNAPNUM, HALO, GROUP, NP, MASS, POSITION, VELOCITY, NHALOCOLUMNS };
static const peri_coldef_t halo_columns[NHALOCOLUMNS] = {
    {"snapnum", PERI_COL_I32, 1, "", "the snapshot"},
    {"halo", PERI_COL_I64, 1, "", "number of the halo in its snapshot"},
    {"fof", PERI_COL_I64, 1, "", "number of its group, for groupNr; -1 if not known"},
    {"np", PERI_COL_I64, 1, "", "particles"},
    {"mass", PERI_COL_F32, 1, "", "mass"},
    {"pos", PERI_COL_F64, 3, "", "position"},
    {"vel", PERI_COL_F32, 3, "", "velocity"}};

enum { MEMBER_SNAPNUM, MEMBER_ID, MEMBER_HALO, MEMBER_RANK, NMEMBERCOLUMNS };
static const peri_coldef_t member_columns[NMEMBERCOLUMNS] = {
    {"snapnum", PERI_COL_I32, 1, "", "the snapshot"},
    {"id", PERI_COL_I64, 1, "", "id of a particle"},
    {"halo", PERI_COL_I64, 1, "", "number of its halo"},
    {"rank", PERI_COL_I64, 1, "",
     "its place in the halo by binding energy, from 0; any number if not known"}};

static const peri_input_t inputs[] = {
    {.name = "halos",
     .many_snapshots = true,
     .columns = halo_columns,
     .ncolumns = NHALOCOLUMNS,
     .help = "Halos of all snapshots."},
    {.name = "members",
     .many_snapshots = true,
     .columns = member_columns,
     .ncolumns = NMEMBERCOLUMNS,
     .help = "Particles of these halos, in all snapshots."}};

static const peri_param_t params[] = {
    {.name = "tracers",
     .type = PERI_PARAM_INT,
     .unit = "",
     .preset = "16",
     .min = 0,
     .max = 1e12,
     .help =
         "Only so many of the most bound particles of a halo decide what becomes of "
         "it, with weights 1 / (1 + sqrt(rank)); 0: all of them, with equal weights."},
    TREE_MAIN_PARAM,
    TREE_PARAMS};

/* Places of rows by their snapshot: those of snapshot s are order[start[s]] to
 * order[start[s + 1] - 1]. */
typedef struct {
    size_t *start, *order;
} bysnap_t;

#define MAX_SNAPNUM 1000000

/* The number after the last snapshot of all ranks in either table; -1. */
static int count_snapshots(peri_run_t *run, const int32_t *a, size_t na, const int32_t *b,
                           size_t nb, int32_t *n, peri_err_t *err)
{
    int32_t last = -1, least = 0;
    for (size_t i = 0; i < na + nb; i++) {
        const int32_t s = i < na ? a[i] : b[i - na];
        if (s > last) last = s;
        if (s < least) least = s;
    }
    int rc = 0;
    if (least < 0 || last > MAX_SNAPNUM)
        rc = peri_err_set(err, PERI_EINVAL,
                          "there is a snapshot number %d: it must be 0 "
                          "to %d",
                          (int)(least < 0 ? least : last), MAX_SNAPNUM);
    if (peri_run_agree(run, rc, err)) return -1;
    MPI_Allreduce(MPI_IN_PLACE, &last, 1, MPI_INT32_T, MPI_MAX, peri_run_comm(run));
    *n = last + 1;
    return 0;
}

static bysnap_t by_snapshot(const int32_t *snapnum, size_t rows, size_t n)
{
    bysnap_t b = {peri_xcalloc(n + 2, sizeof(size_t)),
                  peri_xmalloc((rows + 1) * sizeof(size_t))};
    size_t *end = b.start + 1; /* first counts, then where the next row goes */
    for (size_t i = 0; i < rows; i++) end[snapnum[i] + 1]++;
    for (size_t s = 0; s < n; s++) end[s + 1] += end[s];
    for (size_t i = 0; i < rows; i++) b.order[end[snapnum[i]]++] = i;
    return b;
}

static void bysnap_drop(bysnap_t *b)
{
    free(b->start);
    free(b->order);
}

static size_t take_halos(peri_rowset_t *t, const bysnap_t *b, int32_t s,
                         peri_treehalo_t *halos)
{
    const int64_t *halo = peri_rowset_data(t, HALO), *np = peri_rowset_data(t, NP);
    const int64_t *group = peri_rowset_data(t, GROUP);
    const float *mass = peri_rowset_data(t, MASS);
    const float *velocity = peri_rowset_data(t, VELOCITY);
    const double *position = peri_rowset_data(t, POSITION);
    size_t n = 0;
    for (size_t k = b->start[s]; k < b->start[s + 1]; k++) {
        const size_t i = b->order[k];
        peri_treehalo_t *h = &halos[n++];
        *h = (peri_treehalo_t){.subhalo = halo[i],
                               .group = group[i],
                               .np = np[i],
                               .most_bound = -1,
                               .mass = mass[i],
                               .m_crit200 = NAN,
                               .vel_disp = NAN,
                               .v_max = NAN,
                               .half_mass_radius = NAN};
        for (int d = 0; d < 3; d++) {
            h->position[d] = position[3 * i + (size_t)d];
            h->velocity[d] = velocity[3 * i + (size_t)d];
        }
    }
    return n;
}

static size_t take_members(peri_rowset_t *t, const bysnap_t *b, int32_t s,
                           int64_t tracers, peri_member_t *members)
{
    const int64_t *id = peri_rowset_data(t, MEMBER_ID);
    const int64_t *halo = peri_rowset_data(t, MEMBER_HALO);
    const int64_t *rank = peri_rowset_data(t, MEMBER_RANK);
    size_t n = 0;
    for (size_t k = b->start[s]; k < b->start[s + 1]; k++) {
        const size_t i = b->order[k];
        members[n++] = (peri_member_t){id[i], halo[i],
                                       tracers ? peri_bound_weight(rank[i], tracers) : 1};
    }
    return n;
}

static int check_ranks(const int64_t *rank, size_t n, peri_err_t *err)
{
    for (size_t i = 0; i < n; i++)
        if (rank[i] < 0)
            return peri_err_set(err, PERI_EINVAL,
                                "a member has rank %" PRId64 ": ranks count from 0, or "
                                "give tracers => 0",
                                rank[i]);
    return 0;
}

static int link_all(peri_run_t *run, peri_linker_t *linker, peri_err_t *err)
{
    peri_rowset_t *th = peri_run_table(run, 0), *tm = peri_run_table(run, 1);
    const size_t nh = peri_rowset_rows(th), nm = peri_rowset_rows(tm);
    const int64_t tracers = peri_run_int(run, "tracers");
    int32_t n;
    int rc = tracers ? check_ranks(peri_rowset_data(tm, MEMBER_RANK), nm, err) : 0;
    if (peri_run_agree(run, rc, err)) return -1;
    if (count_snapshots(run, peri_rowset_data(th, SNAPNUM), nh,
                        peri_rowset_data(tm, MEMBER_SNAPNUM), nm, &n, err))
        return -1;
    bysnap_t bh = by_snapshot(peri_rowset_data(th, SNAPNUM), nh, (size_t)n);
    bysnap_t bm = by_snapshot(peri_rowset_data(tm, MEMBER_SNAPNUM), nm, (size_t)n);
    peri_treehalo_t *halos = peri_xcalloc(nh + 1, sizeof(*halos));
    peri_member_t *members = peri_xmalloc((nm + 1) * sizeof(*members));
    for (int32_t s = 0; s < n && rc == 0; s++) {
        /* A number without halos on any rank is no snapshot. */
        uint64_t any = bh.start[s + 1] - bh.start[s] + bm.start[s + 1] - bm.start[s];
        MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_UINT64_T, MPI_SUM, peri_run_comm(run));
        if (any == 0) continue;
        rc = peri_run_progress(run, "snapshots", s, n, err);
        if (peri_run_agree(run, rc, err)) rc = -1;
        if (rc) break;
        const size_t nhalos = take_halos(th, &bh, s, halos);
        const size_t nmembers = take_members(tm, &bm, s, tracers, members);
        rc = peri_linker_add(linker, s, halos, nhalos, members, nmembers, err);
    }
    free(halos);
    free(members);
    bysnap_drop(&bh);
    bysnap_drop(&bm);
    return rc;
}

static int plan(const peri_run_t *run, peri_need_t *need, peri_err_t *err)
{
    const uint64_t members = peri_run_input_rows(run, 1);
    int nranks;
    (void)err;
    MPI_Comm_size(peri_run_comm(run), &nranks);
    need->row_bytes = 4 * sizeof(peri_treehalo_t) + 16 * sizeof(int64_t) + 200;
    /* All members as they were read, and what linking keeps of three snapshots. */
    need->rank_bytes = (28 + 5 * sizeof(peri_member_t)) * members / (uint64_t)nranks;
    return 0;
}

static int run_it(peri_run_t *run, peri_err_t *err)
{
    peri_linker_t *linker = peri_linker_new(peri_run_comm(run));
    peri_treehalo_t *halos = NULL;
    size_t n = 0;
    int rc = link_all(run, linker, err);
    if (rc == 0) rc = peri_linker_finish(linker, &halos, &n, err);
    peri_linker_free(linker);
    if (rc == 0)
        rc = peri_tree_result(run, halos, n, peri_tree_mainrule(run), NULL, 0, err);
    free(halos);
    return rc;
}

const peri_kernel_t peri_kernel_link_halos = {
    .abi = PERI_KERNEL_ABI,
    .size = sizeof(peri_kernel_t),
    .name = "link_halos",
    .summary = "merger trees of given halos by the ids of their particles",
    .help =
        "As merger_tree, for halos and subhalos of any finder: the descendant of a halo "
        "is the one of the next snapshot, or else of the one after that, that has most "
        "of its particles. Where the particles of a halo are ordered by binding energy, "
        "the most bound ones decide, as in GADGET-4 (Springel et al. 2021): what is "
        "stripped from a subhalo then does not lead astray.\n\n"
        "Snapshots are those numbers that have halos or members. A tree has one root, so "
        "the halos of a group are in several trees: firstHaloInFOFgroupId is the halo "
        "itself, and groupNr tells its group. Redshift and what the input does not have "
        "are NaN; subhaloNr leads to it. All members must fit into the memory of the "
        "ranks.",
    .example = "",
    .params = params,
    .nparams = sizeof(params) / sizeof(*params),
    .inputs = inputs,
    .ninputs = 2,
    .columns = peri_treerows_columns,
    .ncolumns = PERI_TREEROWS_NCOLUMNS,
    .plan = plan,
    .run = run_it};
