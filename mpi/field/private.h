/* private.h - what the files of mpi/field share. */
#ifndef MPI_FIELD_PRIVATE_H
#define MPI_FIELD_PRIVATE_H

#include <fftw3-mpi.h>

#include "perigee/field.h"

struct peri_field_private {
    int rank, nranks;
    size_t *start; /* [nranks + 1]: first plane of each rank */
    size_t room;   /* doubles that data has */
    size_t y0, ny; /* modes: the rows of ky that this rank has, all kx of each */
    fftw_plan forward, backward; /* made when first used */
};

/* Memory in huge pages, where it is large: walks with large strides miss the TLB less,
 * and its first use costs a tenth. NULL if there is none; free() it. */
void *peri_large_alloc(size_t bytes);

/* The rank that has plane x. */
int peri_field_owner(const peri_field_t *f, size_t x);

/* Ghost planes: what follows this rank's last plane, periodically; n[1] * row doubles
 * each. A rank without planes has none. _add gives them to their owners, who add them in
 * the order of ranks; _fetch fills them. */
void peri_ghostplanes_add(peri_field_t *f, const double *ghosts, size_t nghosts);
void peri_ghostplanes_fetch(const peri_field_t *f, double *ghosts, size_t nghosts);

#endif
