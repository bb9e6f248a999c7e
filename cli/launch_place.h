/* launch_place.h - the folders and files of one launched task, and their removal. */
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
} peri_place_t;

/* Make the folders, write the task file. here: all ranks run on this machine, so what
 * they would leave behind can be put where we remove it. */
int peri_place_make(peri_place_t *p, const peri_queryspec_t *spec, bool here,
                    peri_err_t *err);
/* Remove all of it; frees. */
void peri_place_remove(peri_place_t *p);
/* Remove what a killed process `pid` has begun to write for `into`. */
void peri_place_remove_output(const char *into, pid_t pid);

#endif
