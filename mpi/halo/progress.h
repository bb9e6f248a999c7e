/* progress.h - how the analyses of this folder tell how far they are. */
#ifndef MPI_HALO_PROGRESS_H
#define MPI_HALO_PROGRESS_H

#include "perigee/err.h"

/* Called on all ranks between steps: `done` of `total` of `what`. -1 on any rank ends the
 * analysis on all, with that error. */
typedef int (*peri_halo_progress_f)(void *arg, const char *what, double done,
                                    double total, peri_err_t *err);

#endif
