/* launch.h - start perigee-task on many ranks and stand between it and the user: its rows
 * go straight to our stdout or into the file, its progress becomes our bar, its error
 * ours, our Ctrl-C its cancellation. Nothing of it is left behind, however it ends.
 */
#ifndef CLI_LAUNCH_H
#define CLI_LAUNCH_H

#include "core/query/query.h"

typedef struct {
    bool quiet;  /* no progress, no closing line */
    bool silent; /* no closing line */
    /* Asked about ten times a second: non-zero, with the reason, ends the query. */
    int (*check)(void *arg, peri_err_t *err);
    void *arg;
    uint64_t *rows, *marked, *bytes; /* of the result; read from files. Or NULL */
} peri_launchopts_t;

/* With srun inside a Slurm allocation, else with mpirun. 0, or -1 with *err; needs
 * peri_cli_catch_interrupts(). */
int peri_launch_query(const peri_queryspec_t *spec, int nranks,
                      const peri_launchopts_t *o, peri_err_t *err);
/* The same, without another start where a table was replaced meanwhile. */
int peri_launch_once(const peri_queryspec_t *spec, int nranks, const peri_launchopts_t *o,
                     peri_err_t *err);

#endif
