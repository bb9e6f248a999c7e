/* load.h - rows of a query into particles or a rowset, chunk by chunk, on each rank.
 *
 * Threads: chunks come from the worker thread of peri_exec_run, one at a time; all else
 * from the main thread when that is over.
 */
#ifndef MPI_KERNEL_LOAD_H
#define MPI_KERNEL_LOAD_H

#include <duckdb.h>

#include "mpi/kernel/input.h"

typedef struct {
    const peri_input_t *input;
    const peri_inputinfo_t *info;
    unsigned wanted;             /* PERI_HAS_... */
    peri_particles_t *particles; /* or: */
    peri_rowset_t *table;
    size_t n, cap; /* particles that are filled in, and that there is room for */
} peri_loader_t;

/* `rows` is a guess of how many will come to this rank. */
int peri_loader_open(peri_loader_t *l, const peri_input_t *input,
                     const peri_inputinfo_t *info, unsigned wanted, uint64_t rows,
                     peri_err_t *err);
/* A `keep` of peri_execopts_t; arg is the loader. */
int peri_loader_chunk(duckdb_data_chunk chunk, void *arg, peri_err_t *err);
/* Collective: fill in what no column has (masses, weights, ids), check what came. */
int peri_loader_finish(peri_loader_t *l, MPI_Comm comm, peri_err_t *err);
void peri_loader_close(peri_loader_t *l); /* frees what was not taken */

#endif
