/* kernel_common.c - see kernel_common.h. */
#include "mpi/tree/kernel_common.h"

#include <math.h>
#include <string.h>

#include "mpi/tree/rows.h"

peri_mainrule_t peri_tree_mainrule(const peri_run_t *run)
{
    const char *word = peri_run_text(run, "main");
    if (strcmp(word, "given") == 0) return PERI_MAIN_GIVEN;
    return strcmp(word, "np") == 0 ? PERI_MAIN_NP : PERI_MAIN_HISTORY;
}

int peri_tree_result(peri_run_t *run, const peri_treehalo_t *halos, size_t n,
                     peri_mainrule_t rule, const double *redshift, size_t nredshifts,
                     peri_err_t *err)
{
    const MPI_Comm comm = peri_run_comm(run);
    const peri_simulation_t *sim = peri_run_simulation(run, 0);
    peri_treescheme_t scheme = {.tree_size = peri_run_int(run, "tree_size"),
                                .key_bits = (int)peri_run_int(run, "key_bits"),
                                .zones = (int)peri_run_int(run, "zones"),
                                .redshift = redshift,
                                .nredshifts = nredshifts};
    memcpy(scheme.box, sim->box, sizeof(scheme.box));
    int rank;
    MPI_Comm_rank(comm, &rank);
    if (rank == 0 && isnan(sim->box[0]))
        peri_run_note(run,
                      "the size of the box is not known, so phKey, zIndex, ix, iy and "
                      "iz are -1; give box => SIDE");
    peri_forest_t forest;
    if (peri_run_progress(run, "numbering", 0, 1, err)) return -1;
    if (peri_forest_make(halos, n, rule, comm, &forest, err)) return -1;
    int rc = peri_treerows_fill(&forest, &scheme, peri_run_rows(run), err);
    peri_forest_drop(&forest);
    return peri_run_agree(run, rc, err);
}
