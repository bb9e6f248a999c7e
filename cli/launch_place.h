/* launch_place.h - the programs, folders and files of one launched task, and the removal
 * of what was made.
 */
#ifndef CLI_LAUNCH_PLACE_H
#define CLI_LAUNCH_PLACE_H

#include <sys/types.h>

#include "core/query/query.h"

typedef struct {
    char *dir;    /* private: task file, socket, mpirun's session */
    char *spill;  /* for what does not fit into memory; NULL: the ranks choose */
    char *shm;    /* where ranks share memory; NULL: MPI chooses */
    char *task;   /* the task file */
    char *socket; /* name of the control socket */
} peri_launchplace_t;

/* Make the folders, write the task file. here: all ranks run on this machine, so what
 * they would leave behind can be put where we remove it. */
int peri_launchplace_make(peri_launchplace_t *p, const peri_queryspec_t *spec, bool here,
                          peri_err_t *err);
/* Remove all of it; frees. */
void peri_launchplace_remove(peri_launchplace_t *p);
/* Remove what a killed process `pid` has begun to write for `into`. */
void peri_launchplace_remove_output(const char *into, pid_t pid);

/* srun inside a Slurm allocation, else mpirun. The caller frees. */
char *peri_launchplace_starter(bool *slurm, peri_err_t *err);
/* All ranks that mpirun starts are on this machine: nobody has said otherwise. */
bool peri_launchplace_is_one(void);
/* A process here may read the memory of another one. */
bool peri_launchplace_may_read_memory(void);
/* perigee-task, which lies beside this program. The caller frees. */
char *peri_launchplace_of_task(peri_err_t *err);

#endif
