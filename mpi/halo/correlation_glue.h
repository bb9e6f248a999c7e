/* correlation_glue.h - what the files of the kernel correlation share: from parameters to
 * bins, from counts to rows.
 */
#ifndef MPI_HALO_CORRELATION_GLUE_H
#define MPI_HALO_CORRELATION_GLUE_H

#include "mpi/halo/correlation.h"
#include "perigee/kernel.h"

/* The inputs are the sets of correlation.h. */

typedef struct {
    const char *name, *first, *second; /* columns; second: of each row */
    peri_pairs_kind_t kind;
    const char *values[3]; /* xi, or sums of it */
    int sum[3];            /* l or PERI_CORRELATION_WP, of sums */
} correlation_mode_t;

typedef struct {
    peri_pairs_bins_t bins;
    double first[PERI_PAIRS_MAX_EDGES + 1], second[PERI_PAIRS_MAX_EDGES + 1];
} correlation_edges_t;

enum { CORRELATION_COLUMNS = 20 };

typedef struct {
    size_t n;
    int quantity[CORRELATION_COLUMNS];
    peri_coldef_t columns[CORRELATION_COLUMNS];
    char names[CORRELATION_COLUMNS][24], helps[CORRELATION_COLUMNS][96];
} correlation_layout_t;

const correlation_mode_t *correlation_mode(const peri_run_t *run);
/* Of redshift space: 0, 1, 2; -1: none. */
int correlation_rsd(const peri_run_t *run);
int correlation_edges(const peri_run_t *run, correlation_edges_t *e, peri_err_t *err);

void correlation_lay_out(const peri_run_t *run, correlation_layout_t *l);
/* For the rank that gives the rows. */
int correlation_put_rows(peri_run_t *run, const correlation_edges_t *e,
                         const peri_correlation_t *c, peri_err_t *err);

#endif
