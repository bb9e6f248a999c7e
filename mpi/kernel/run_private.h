/* run_private.h - what the files of a running call share. */
#ifndef MPI_KERNEL_RUN_PRIVATE_H
#define MPI_KERNEL_RUN_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "mpi/kernel/load.h"
#include "mpi/kernel/run.h"

#define PERI_MAX_INPUTS  4
#define PERI_MAX_OUTPUTS 8

/* A file that the kernel writes: its name, and the one it has until all is well. */
typedef struct {
    const char *param, *path;
    char *temporary;
} peri_output_t;

/* Of an input that is read one snapshot at a time. */
typedef struct {
    int32_t *numbers; /* rank 0; lives in the arena */
    size_t n, next;
    int32_t current;
} peri_snapshots_t;

struct peri_run {
    MPI_Comm comm; /* the call's own */
    int rank, nranks;
    peri_arena_t *arena;
    const peri_kernel_t *kernel;
    const peri_runopts_t *o;
    const peri_queryspec_t *spec; /* rank 0 */
    peri_args_t args;
    uint64_t memory; /* bytes of each rank */

    peri_look_t looks[PERI_MAX_INPUTS]; /* rank 0 */
    peri_inputinfo_t infos[PERI_MAX_INPUTS];
    peri_need_t need;
    peri_loader_t loaders[PERI_MAX_INPUTS];
    uint64_t rows_read[PERI_MAX_INPUTS];
    peri_snapshots_t snapshots[PERI_MAX_INPUTS];
    peri_rowset_t *rows;
    peri_output_t outputs[PERI_MAX_OUTPUTS];
    size_t noutputs;
    char *checkpoint;  /* this rank's file, or NULL */
    uint64_t identity; /* of the call, for checkpoints */

    pthread_mutex_t lock; /* guards what the watcher reads */
    char what[64];
    double done, total;
    bool news;
    double started, time_limit; /* seconds; 0: none. Rank 0 */
    double time_said;           /* what it is the rest of */
    _Atomic bool cancelled, due, out_of_time;
    bool computing;
    peri_runstats_t *stats;
};

/* run.c; collective. While the kernel computes, they hear of a cancellation through the
 * watcher. */
int peri_run_look_at(peri_run_t *run, size_t input, peri_err_t *err);
int peri_run_read(peri_run_t *run, size_t input, peri_err_t *err);

/* context.c: why the call ends; -1. */
int peri_run_cancelled(const peri_run_t *run, peri_err_t *err);

/* outputs.c */
int peri_outputs_open(peri_run_t *run, peri_err_t *err);
/* Give files their names (rc 0), or remove them. Collective. */
int peri_outputs_close(peri_run_t *run, int rc, peri_err_t *err);

/* checkpoint.c */
void peri_checkpoint_open(peri_run_t *run);
/* The call has ended well: what was saved is of no use any more. */
void peri_checkpoint_remove(peri_run_t *run);

/* save.c: the rows as group /rows of a new HDF5 file. */
int peri_rowset_save(const peri_rowset_t *r, const char *path, peri_err_t *err);

/* watch.c */
typedef struct {
    peri_run_t *run;
    pthread_t thread;
    bool running, end;
    pthread_mutex_t lock;
    pthread_cond_t wake;
} peri_watcher_t;
void peri_watcher_start(peri_watcher_t *w, peri_run_t *run);
void peri_watcher_stop(peri_watcher_t *w);

#endif
