/* rows.c - see rows.h. */
#include "mpi/tree/rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>

#include "core/base/curve.h"

/* In the order of peri_treerows_columns. */
enum {
    HALO_ID,
    DESCENDANT_ID,
    FIRST_PROGENITOR_ID,
    NEXT_PROGENITOR_ID,
    LAST_PROGENITOR_ID,
    MAIN_LEAF_ID,
    TREE_ROOT_ID,
    TREE_ID,
    FIRST_IN_GROUP_ID,
    NEXT_IN_GROUP_ID,
    SUBHALO_NR,
    GROUP_NR,
    SNAPNUM,
    REDSHIFT,
    NP,
    MASS,
    M_CRIT200,
    X,
    Y,
    Z,
    VEL_X,
    VEL_Y,
    VEL_Z,
    VEL_DISP,
    V_MAX,
    HALFMASS_RADIUS,
    MOST_BOUND_ID,
    PH_KEY,
    Z_INDEX,
    IX,
    IY,
    IZ,
    RANDOM,
    NCOLUMNS
};

_Static_assert(NCOLUMNS == PERI_TREEROWS_NCOLUMNS, "rows.h says how many");

const peri_coldef_t peri_treerows_columns[NCOLUMNS] = {
    {"haloId", PERI_COL_I64, 1, "",
     "The halo: tree number times tree_size, plus its rank "
     "in depth-first order."},
    {"descendantId", PERI_COL_I64, 1, "", "What it becomes; -1: nothing that was found."},
    {"firstProgenitorId", PERI_COL_I64, 1, "",
     "Its main progenitor: haloId + 1, or -1 if it has none."},
    {"nextProgenitorId", PERI_COL_I64, 1, "",
     "The next progenitor of its descendant, or -1."},
    {"lastProgenitorId", PERI_COL_I64, 1, "",
     "haloId to lastProgenitorId are all its progenitors, of all times."},
    {"mainLeafId", PERI_COL_I64, 1, "", "haloId to mainLeafId are its main branch."},
    {"treeRootId", PERI_COL_I64, 1, "", "The last of its descendants."},
    {"treeId", PERI_COL_I64, 1, "", "The number of its tree."},
    {"firstHaloInFOFgroupId", PERI_COL_I64, 1, "", "The main halo of its group."},
    {"nextHaloInFOFgroupId", PERI_COL_I64, 1, "", "The next halo of its group, or -1."},
    {"subhaloNr", PERI_COL_I64, 1, "",
     "Its number in the catalogue of the snapshot, or -1."},
    {"groupNr", PERI_COL_I64, 1, "", "The number of its group in that catalogue, or -1."},
    {"snapnum", PERI_COL_I32, 1, "", "The snapshot."},
    {"redshift", PERI_COL_F32, 1, "", "Of the snapshot."},
    {"np", PERI_COL_I64, 1, "", "Particles."},
    {"mass", PERI_COL_F32, 1, "{mass}", "Mass of the particles."},
    {"m_Crit200", PERI_COL_F32, 1, "{mass}",
     "Mass within 200 times the critical density, for the main halo of a group."},
    {"x", PERI_COL_F64, 1, "{length}", "Position."},
    {"y", PERI_COL_F64, 1, "{length}", "Position."},
    {"z", PERI_COL_F64, 1, "{length}", "Position."},
    {"velX", PERI_COL_F32, 1, "{velocity}", "Peculiar velocity."},
    {"velY", PERI_COL_F32, 1, "{velocity}", "Peculiar velocity."},
    {"velZ", PERI_COL_F32, 1, "{velocity}", "Peculiar velocity."},
    {"velDisp", PERI_COL_F32, 1, "{velocity}", "Velocity dispersion, one-dimensional."},
    {"vMax", PERI_COL_F32, 1, "{velocity}", "Largest circular velocity."},
    {"halfmassRadius", PERI_COL_F32, 1, "{length}", "Radius of half its mass."},
    {"mostBoundId", PERI_COL_I64, 1, "", "Id of its most bound particle, or -1."},
    {"phKey", PERI_COL_I64, 1, "", "Peano-Hilbert key of its cell; -1: no box is known."},
    {"zIndex", PERI_COL_I64, 1, "", "Morton index of the same cell."},
    {"ix", PERI_COL_I32, 1, "", "Zone of the box along x, from 0; -1: no box is known."},
    {"iy", PERI_COL_I32, 1, "", "Zone along y."},
    {"iz", PERI_COL_I32, 1, "", "Zone along z."},
    {"random", PERI_COL_I32, 1, "",
     "0 to 999999, uniform, always the same for a haloId: for samples."}};

#define I64(column) ((int64_t *)peri_rowset_data(rows, column))
#define I32(column) ((int32_t *)peri_rowset_data(rows, column))
#define F32(column) ((float *)peri_rowset_data(rows, column))
#define F64(column) ((double *)peri_rowset_data(rows, column))

/* The finalizer of SplitMix64 mixes all bits. */
static int32_t random_of(int64_t id)
{
    uint64_t z = (uint64_t)id + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (int32_t)((z ^ (z >> 31)) % 1000000);
}

/* Cell of n along a side of the periodic box. */
static uint32_t cell_of(double x, double box, uint32_t n)
{
    double f = x / box;
    f -= floor(f);
    const uint32_t cell = (uint32_t)(f * n);
    return cell < n ? cell : n - 1;
}

static int check_sizes(const peri_forest_t *f, int64_t tree_size, peri_err_t *err)
{
    for (size_t i = 0; i < f->n; i++) {
        const int64_t rank = (int64_t)i - f->tree_start[i];
        if (rank >= tree_size)
            return peri_err_set(err, PERI_ELIMIT,
                                "Tree %" PRId64 " has more halos than the %" PRId64
                                " that ids have room for: give a larger tree_size.",
                                f->halos[i].tree, tree_size);
        if (f->halos[i].tree > INT64_MAX / tree_size - 1)
            return peri_err_set(err, PERI_ELIMIT,
                                "Tree number %" PRId64 " is too large for ids with "
                                "tree_size %" PRId64 ".",
                                f->halos[i].tree, tree_size);
    }
    return 0;
}

static void fill_ids(const peri_forest_t *f, int64_t tree_size, peri_rowset_t *rows)
{
    int64_t *id = I64(HALO_ID), *descendant = I64(DESCENDANT_ID);
    int64_t *first = I64(FIRST_PROGENITOR_ID), *next = I64(NEXT_PROGENITOR_ID);
    int64_t *last = I64(LAST_PROGENITOR_ID), *leaf = I64(MAIN_LEAF_ID);
    int64_t *root = I64(TREE_ROOT_ID), *tree = I64(TREE_ID);
    int64_t *central = I64(FIRST_IN_GROUP_ID), *other = I64(NEXT_IN_GROUP_ID);
    int32_t *random = I32(RANDOM);
    for (size_t at = 0; at < f->n; at++) {
        const size_t i = (size_t)f->df.order[at];
        const int64_t d = f->descendant[i], after = f->df.last[i] + 1;
        /* What to add to a position in this tree to have an id. */
        const int64_t base = tree_size * f->halos[i].tree - f->tree_start[i];
        tree[at] = f->halos[i].tree;
        id[at] = base + (int64_t)at;
        descendant[at] = d < 0 ? -1 : base + f->df.position[d];
        last[at] = base + f->df.last[i];
        leaf[at] = base + f->df.leaf[i];
        root[at] = base + f->df.root[i];
        first[at] = last[at] > id[at] ? id[at] + 1 : -1;
        next[at] = d >= 0 && f->df.last[d] >= after ? base + after : -1;
        central[at] = base + f->df.position[f->first_in_group[i]];
        other[at] =
            f->next_in_group[i] < 0 ? -1 : base + f->df.position[f->next_in_group[i]];
        random[at] = random_of(id[at]);
    }
}

static void fill_properties(const peri_forest_t *f, const peri_treescheme_t *s,
                            peri_rowset_t *rows)
{
    int64_t *subhalo = I64(SUBHALO_NR), *group = I64(GROUP_NR), *np = I64(NP);
    int64_t *most_bound = I64(MOST_BOUND_ID);
    int32_t *snapnum = I32(SNAPNUM);
    float *redshift = F32(REDSHIFT), *mass = F32(MASS), *m_crit200 = F32(M_CRIT200);
    float *vel_disp = F32(VEL_DISP), *v_max = F32(V_MAX), *radius = F32(HALFMASS_RADIUS);
    float *velocity[3] = {F32(VEL_X), F32(VEL_Y), F32(VEL_Z)};
    double *position[3] = {F64(X), F64(Y), F64(Z)};
    for (size_t at = 0; at < f->n; at++) {
        const peri_treehalo_t *h = &f->halos[f->df.order[at]];
        subhalo[at] = h->subhalo;
        group[at] = h->group;
        np[at] = h->np;
        most_bound[at] = h->most_bound;
        snapnum[at] = h->snapnum;
        const bool known =
            s->redshift && h->snapnum >= 0 && (size_t)h->snapnum < s->nredshifts;
        redshift[at] = known ? (float)s->redshift[h->snapnum] : NAN;
        mass[at] = h->mass;
        m_crit200[at] = h->m_crit200;
        vel_disp[at] = h->vel_disp;
        v_max[at] = h->v_max;
        radius[at] = h->half_mass_radius;
        for (int k = 0; k < 3; k++) {
            velocity[k][at] = h->velocity[k];
            position[k][at] = h->position[k];
        }
    }
}

static void fill_keys(const peri_treescheme_t *s, size_t n, peri_rowset_t *rows)
{
    const double *position[3] = {F64(X), F64(Y), F64(Z)};
    int64_t *ph_key = I64(PH_KEY), *z_index = I64(Z_INDEX);
    int32_t *zone[3] = {I32(IX), I32(IY), I32(IZ)};
    for (size_t at = 0; at < n; at++) {
        uint32_t cell[3];
        bool inside = true;
        for (int k = 0; k < 3; k++) {
            const double x = position[k][at];
            const bool known = s->box[k] > 0 && isfinite(x);
            cell[k] = known ? cell_of(x, s->box[k], 1u << s->key_bits) : 0;
            zone[k][at] = known ? (int32_t)cell_of(x, s->box[k], (uint32_t)s->zones) : -1;
            inside = inside && known;
        }
        const int bits = s->key_bits;
        ph_key[at] = inside ? (int64_t)peri_ph_key(cell[0], cell[1], cell[2], bits) : -1;
        z_index[at] =
            inside ? (int64_t)peri_z_index(cell[0], cell[1], cell[2], bits) : -1;
    }
}

int peri_treerows_fill(const peri_forest_t *forest, const peri_treescheme_t *scheme,
                       peri_rowset_t *rows, peri_err_t *err)
{
    if (check_sizes(forest, scheme->tree_size, err) != 0) return -1;
    if (peri_rowset_extend(rows, forest->n, err) < 0) return -1;
    fill_ids(forest, scheme->tree_size, rows);
    fill_properties(forest, scheme, rows);
    fill_keys(scheme, forest->n, rows);
    return 0;
}
