/* run.h - one call of a kernel over all ranks: from arguments to rows in files.
 *
 * The thread that initialised MPI drives it. While the kernel computes, that thread is
 * the kernel's; a watcher thread on rank 0 listens to whoever started the task.
 */
#ifndef MPI_KERNEL_RUN_H
#define MPI_KERNEL_RUN_H

#include "mpi/exec.h"
#include "mpi/kernel/args.h"
#include "mpi/kernel/registry.h"

/* How the calls of one task talk to the world. */
typedef struct {
    const peri_execopts_t *exec; /* cancelled and progress are used */
    /* On rank 0, from the watcher: what the kernel does. May be NULL. */
    void (*doing)(const char *kernel, const char *what, double done, double total,
                  void *arg);
    /* On rank 0: a sentence for the user. May be NULL. */
    void (*note)(const char *text, void *arg);
    /* On rank 0, before a rank that failed alone ends all of them: the last words. */
    void (*last_words)(const peri_err_t *err, void *arg);
    /* This process was told that its time is nearly over. May be NULL. */
    bool (*time_is_up)(void *arg);
    void *arg;
} peri_runopts_t;

/* A call that was only planned, in words. */
typedef struct {
    uint64_t rows;     /* of the first input, at most */
    uint64_t memory;   /* that each rank needs, bytes */
    const char *reads; /* SQL of the first input */
} peri_runplan_t;

/* What a call has read and how long its parts took, in seconds of the slowest rank. */
typedef struct {
    uint64_t rows;           /* of the result, all ranks */
    peri_execresult_t reads; /* on rank 0: hosts only; to be cleared by the caller */
    double reading, computing, writing;
    peri_runplan_t plan; /* on rank 0; its text lives in the arena */
} peri_runstats_t;

/* Collective; spec matters on rank 0: its sql is not looked at. Arguments are the same on
 * all ranks. The rows of each rank go into `folder`/rows.RANK.h5, group /rows; only the
 * columns, without rows, if `only_plan`. *result says what they are; its strings live in
 * the arena. */
int peri_kernel_run(MPI_Comm comm, const peri_kernel_t *kernel, const json_t *arguments,
                    const peri_queryspec_t *spec, const char *folder, bool only_plan,
                    const peri_runopts_t *o, peri_arena_t *arena,
                    peri_kernelresult_t *result, peri_runstats_t *stats, peri_err_t *err);

#endif
