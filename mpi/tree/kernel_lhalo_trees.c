/* kernel_lhalo_trees.c - the kernel lhalo_trees: LHaloTree files as a depth-first table.
 */
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/tree/kernel_common.h"
#include "mpi/tree/lhalo.h"
#include "mpi/tree/rows.h"

static const peri_input_t inputs[] = {
    {.name = "files",
     .path = true,
     .help = "Name of the tree files, or a pattern such as 'trees_063.*'."}};

static const peri_param_t params[] = {
    {.name = "particle_mass",
     .type = PERI_PARAM_FLOAT,
     .unit = "1e10 Msun/h",
     .preset = "",
     .min = 0,
     .max = INFINITY,
     .above_min = true,
     .help = "Mass of a particle, for the column mass; some HDF5 files say it."},
    {.name = "scale_factors",
     .type = PERI_PARAM_TEXT,
     .unit = "",
     .preset = "",
     .help = "A text file with the scale factor of each snapshot, one a line, for the "
             "column redshift; HDF5 files say it."},
    TREE_PARAMS};

/* Names on rank 0, sorted, with a 0 byte behind each, for all ranks. */
static char *find_files(const char *pattern, int rank, MPI_Comm comm, size_t *n,
                        peri_err_t *err)
{
    glob_t g = {0};
    uint64_t told[2] = {0, 0}; /* files, bytes */
    char *names = NULL;
    int rc = 0;
    if (rank == 0) {
        const int found = glob(pattern, 0, NULL, &g);
        if (found == GLOB_NOMATCH)
            rc = peri_err_set(err, PERI_ENOTFOUND, "There is no file %s.", pattern);
        else if (found)
            rc = peri_err_set(err, PERI_EIO, "The files %s cannot be listed.", pattern);
        told[0] = rc ? 0 : g.gl_pathc;
        for (size_t i = 0; i < told[0]; i++) told[1] += strlen(g.gl_pathv[i]) + 1;
    }
    if (peri_ranks_agree(rc, comm, err)) {
        globfree(&g);
        return NULL;
    }
    MPI_Bcast(told, 2, MPI_UINT64_T, 0, comm);
    names = peri_xmalloc(told[1] + 1);
    for (size_t i = 0, at = 0; rank == 0 && i < told[0]; i++)
        at += (size_t)sprintf(names + at, "%s", g.gl_pathv[i]) + 1;
    MPI_Bcast(names, (int)told[1], MPI_BYTE, 0, comm);
    *n = told[0];
    globfree(&g);
    return names;
}

/* Scale factors from a text file; every rank reads it. */
static int read_times(const char *path, peri_lhalo_t *l, peri_err_t *err)
{
    char *text;
    size_t len;
    if (peri_file_slurp(path, 1 << 20, &text, &len, err)) return -1;
    free(l->redshift);
    l->redshift = NULL;
    l->nredshifts = 0;
    int rc = 0;
    for (char *at = text, *end; rc == 0; at = end) {
        const double a = strtod(at, &end);
        if (end == at) {
            if (at[strspn(at, " \t\r\n")])
                rc = peri_err_set(err, PERI_EFORMAT,
                                  "%s must have one scale factor on each line.", path);
            break;
        }
        if (!(a > 0))
            rc = peri_err_set(err, PERI_EFORMAT, "%s has a scale factor of %g.", path, a);
        l->redshift = peri_xrealloc(l->redshift, l->nredshifts + 1, sizeof(*l->redshift));
        l->redshift[l->nredshifts++] = 1 / a - 1;
    }
    free(text);
    return rc;
}

static int run_it(peri_run_t *run, peri_err_t *err)
{
    const MPI_Comm comm = peri_run_comm(run);
    int rank;
    size_t n = 0;
    peri_lhalo_t l = {0};
    MPI_Comm_rank(comm, &rank);
    if (peri_run_progress(run, "reading", 0, 1, err)) return -1;
    char *names = find_files(peri_run_path(run, 0), rank, comm, &n, err);
    if (!names) return -1;
    const char **paths = peri_xcalloc(n + 1, sizeof(*paths));
    const char *at = names;
    for (size_t i = 0; i < n; i++, at += strlen(at) + 1) paths[i] = at;
    const double mass =
        peri_run_given(run, "particle_mass") ? peri_run_float(run, "particle_mass") : NAN;
    int rc = peri_lhalo_read(paths, n, mass, comm, &l, err);
    if (rc == 0 && peri_run_given(run, "scale_factors"))
        rc = peri_run_agree(run, read_times(peri_run_text(run, "scale_factors"), &l, err),
                            err);
    if (rc == 0)
        rc = peri_tree_result(run, l.halos, l.n, PERI_MAIN_GIVEN, l.redshift,
                              l.nredshifts, err);
    peri_lhalo_drop(&l);
    free(paths);
    free(names);
    return rc;
}

const peri_kernel_t peri_kernel_lhalo_trees = {
    .abi = PERI_KERNEL_ABI,
    .size = sizeof(peri_kernel_t),
    .name = "lhalo_trees",
    .summary = "LHaloTree files (Millennium, L-Galaxies, SAGE, Illustris) as a table",
    .help =
        "Reads merger trees in the format of LHaloTree: binary files, in either byte "
        "order, or HDF5 files with a group for each tree (names that end in .hdf5), and "
        "gives the depth-first table of tree_table. Values are in the files' units: for "
        "the Millennium run Mpc/h, 1e10 Msun/h and km/s.\n\n"
        "The number of a file is at the end of its name: trees_063.5 is file 5. haloId "
        "is "
        "tree_size times (1000000 times the number of the file, plus the rank of the "
        "tree "
        "in it), plus the depth-first rank: with the preset tree_size, the haloId of the "
        "Millennium database. For binary files subhaloNr is 1e8 FileNr + SubhaloIndex. "
        "Give box for phKey, zIndex, ix, iy and iz.\n\n"
        "Rank 0 looks for the files; all ranks must see them.",
    .example = "lhalo_trees 'trees_063.*' --box 500 --scale_factors millennium.a_list",
    .params = params,
    .nparams = sizeof(params) / sizeof(*params),
    .inputs = inputs,
    .ninputs = 1,
    .columns = peri_treerows_columns,
    .ncolumns = PERI_TREEROWS_NCOLUMNS,
    .run = run_it};
