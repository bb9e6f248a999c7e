/* perigee/kernel.h - write an analysis in C and MPI; Perigee does the rest.
 *
 * A kernel is a constant peri_kernel_t: its name, parameters, inputs and output columns,
 * and one function that all ranks run together. From this one description come the SQL
 * table function (SELECT * FROM NAME('dataset.table', parameter => value)), the command
 * `perigee run NAME`, the job kind, `perigee kernels NAME` and its page in the docs.
 *
 * To make one: include this header, define the struct, say PERI_KERNEL(that struct) once,
 * compile with `mpicc -shared -fPIC`, put the file into a folder that PERIGEE_KERNELS
 * names. Functions of this header are found in the program that loads it: link nothing.
 * examples/kernels/ has a whole one.
 *
 * How a call goes, on every rank of the communicator:
 *   1. parameters are read and checked against their descriptions;
 *   2. plan (if there is one) says what is needed: an impossible call ends here, before
 *      any data is read;
 *   3. the inputs are read: each rank has a part, by the storage that is nearest to it;
 *   4. run computes, and puts its rows into peri_run_rows();
 *   5. the rows of all ranks are the result.
 *
 * Errors: a function of a kernel returns -1 with *err filled, on any rank: all ranks then
 * end with that message. Best is peri_run_agree() before anything collective, so that no
 * rank waits for one that has failed; a rank that fails without it ends the others after
 * some seconds.
 *
 * Threads: everything is called from the thread that initialised MPI
 * (MPI_THREAD_FUNNELED). A kernel may use threads of its own.
 */
#ifndef PERIGEE_KERNEL_H
#define PERIGEE_KERNEL_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"
#include "perigee/particles.h"
#include "perigee/table.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PERI_KERNEL_ABI 1 /* changes when old kernels must be compiled again */

/* ---- parameters ---- */

typedef enum {
    PERI_PARAM_FLOAT = 1, /* double */
    PERI_PARAM_INT,       /* int64_t */
    PERI_PARAM_BOOL,
    PERI_PARAM_TEXT,
    PERI_PARAM_FLOATS, /* list of doubles */
    PERI_PARAM_OUTPUT  /* name of a file to write: see peri_run_output */
} peri_paramtype_t;

typedef struct {
    const char *name; /* [a-z][a-z0-9_]* */
    peri_paramtype_t type;
    const char *unit;    /* "" for none; {length}, {mass}, {velocity} as in table.h */
    const char *preset;  /* default, as in SQL ("0.2", "[1, 2]", "cic"); NULL: must be
                            given; "": may be left out (peri_run_given tells) */
    double min, max;     /* range of numbers; both 0: any */
    bool above_min;      /* min itself is not allowed */
    const char *choices; /* of a text: "ngp|cic|tsc|pcs"; NULL: any */
    const char *help;    /* one sentence */
} peri_param_t;

/* Every kernel also has these, so it must not declare them: snapnum, filter, box,
 * redshift, pos, vel, mass, id, weight, and the names of its inputs but the
 * first. */

/* ---- inputs ---- */

typedef struct {
    const char *name;    /* of the parameter; the first input is the first argument */
    unsigned particles;  /* PERI_HAS_...: what each must have; position always */
    bool optional;       /* may be left out; never the first */
    bool many_snapshots; /* rows of all snapshots are wanted, else of one */
    bool path;           /* no rows: the name of files that the kernel reads itself */
    /* Not NULL: no particles, but a table with these columns, by their names. Columns of
     * width 0 take any width. */
    const peri_coldef_t *columns;
    size_t ncolumns;
    /* Of particles: more columns, of width 1, by their names, where the input has them;
     * else NAN or -1 in each row. They come as peri_run_table, in the order in which
     * particles are read, and do not move with these. */
    const peri_coldef_t *extra;
    size_t nextra;
    const char *help;
} peri_input_t;

/* What is known of the simulation that an input is from. Unknown numbers are NAN, unknown
 * texts "". */
typedef struct {
    double box[3];                        /* side lengths; NAN: unknown, or open space */
    double redshift, a;                   /* of the snapshot */
    double omega_m, omega_lambda, hubble; /* at z = 0; hubble in 100 km/s/Mpc */
    double particle_mass; /* of each, where the header says that all have the same */
    double time;          /* of the header, as it stands there */
    int64_t snapnum;      /* -1: unknown */
    const char *length, *mass, *velocity; /* units, as "cMpc/h", "1e10 Msun/h", "km/s" */
} peri_simulation_t;

/* ---- the kernel ---- */

typedef struct peri_run peri_run_t; /* one call, on one rank */

/* What plan says. Filled with the kernel's own columns and zeros before. */
typedef struct {
    const peri_coldef_t *columns; /* of the result, if they depend on parameters */
    size_t ncolumns;
    unsigned particles[4]; /* more PERI_HAS_... for input i */
    uint64_t rank_bytes;   /* memory of each rank, whatever its rows */
    uint64_t row_bytes;    /* memory for each row of the first input that a rank has,
                              besides the particles themselves */
} peri_need_t;

typedef struct {
    uint32_t abi;        /* PERI_KERNEL_ABI */
    uint32_t size;       /* sizeof(peri_kernel_t) */
    const char *name;    /* [a-z][a-z0-9_]* */
    const char *summary; /* one line */
    const char *help;    /* paragraphs: what is computed, by which formula, from where */
    const char *example; /* arguments of `perigee run`, or "" */
    const peri_param_t *params;
    size_t nparams;
    const peri_input_t *inputs;
    size_t ninputs; /* 1 to 4 */
    const peri_coldef_t *columns;
    size_t ncolumns;
    /* Before data is read: parameters, number of rows, simulation are known. Not
     * collective; gives the same on all ranks. May be NULL. */
    int (*plan)(const peri_run_t *run, peri_need_t *need, peri_err_t *err);
    /* After all other inputs are read, and before the first one is: an SQL condition that
     * holds for all its rows that matter, so that others need not be read; left "" if all
     * do. {pos} in it stands for the position. Collective; that of rank 0 counts. May be
     * NULL, as for all kernels with snapshots one by one. */
    int (*filter)(peri_run_t *run, char *sql, size_t size, peri_err_t *err);
    /* Collective. */
    int (*run)(peri_run_t *run, peri_err_t *err);
} peri_kernel_t;

/* The one symbol that a file with a kernel exports. */
typedef const peri_kernel_t *(*peri_kernel_f)(void);
#define PERI_KERNEL(kernel)                                                              \
    __attribute__((visibility("default"))) const peri_kernel_t *peri_kernel_entry(void); \
    const peri_kernel_t *peri_kernel_entry(void)                                         \
    {                                                                                    \
        return &(kernel);                                                                \
    }

/* ---- what a running kernel asks ---- */

MPI_Comm peri_run_comm(const peri_run_t *run); /* for this call alone */

/* Values of parameters: given, or preset. The name and type must be as declared. */
bool peri_run_given(const peri_run_t *run, const char *param);
double peri_run_float(const peri_run_t *run, const char *param);
int64_t peri_run_int(const peri_run_t *run, const char *param);
bool peri_run_bool(const peri_run_t *run, const char *param);
const char *peri_run_text(const peri_run_t *run, const char *param);
/* n may be 0. */
const double *peri_run_floats(const peri_run_t *run, const char *param, size_t *n);

/* Inputs, by their number. */
bool peri_run_has_input(const peri_run_t *run, size_t input);
/* In plan: an upper bound. In run: the exact number, over all ranks. */
uint64_t peri_run_input_rows(const peri_run_t *run, size_t input);
/* PERI_HAS_... that the input can give; ids and weights it always can. */
unsigned peri_run_found(const peri_run_t *run, size_t input);
const peri_simulation_t *peri_run_simulation(const peri_run_t *run, size_t input);
/* The particles of this rank as they were read, checked (see _check); owned by the run:
 * decompose them as you like. */
peri_particles_t *peri_run_particles(peri_run_t *run, size_t input);
/* Particles of an input with many_snapshots are read while the kernel runs, one snapshot
 * at a time by rising number, so that memory need not hold them all: 1 and the next one,
 * 0 after the last one, -1. Both are the run's, until the next call; the simulation is
 * that of the snapshot. Ids are those of the files: without them it fails. Collective. */
int peri_run_snapshot(peri_run_t *run, size_t input, peri_particles_t **particles,
                      const peri_simulation_t **simulation, peri_err_t *err);
/* How many there are. */
size_t peri_run_snapshots(const peri_run_t *run, size_t input);
/* What is known of number i of them; reads no particles. Collective. */
int peri_run_snapshot_look(peri_run_t *run, size_t input, size_t i,
                           const peri_simulation_t **simulation, peri_err_t *err);
/* Let the next one be number i. On all ranks. */
void peri_run_snapshot_seek(peri_run_t *run, size_t input, size_t i);
/* For inputs that are a path: as the user gave it, the same on all ranks. */
const char *peri_run_path(const peri_run_t *run, size_t input);
/* For inputs with (extra) columns: in the order of the declaration. Owned by the run. */
peri_rowset_t *peri_run_table(peri_run_t *run, size_t input);

/* Where the result's rows go: the columns of the plan. Owned by the run. */
peri_rowset_t *peri_run_rows(peri_run_t *run);

/* The temporary name of the file that an OUTPUT parameter names, for the rank or ranks
 * that write it; NULL if the parameter was not given. If the call succeeds on all ranks,
 * it gets its name; else it is removed. All ranks see the same folder only if it is on
 * shared storage: write from rank 0. Exists already: PERI_EINVAL before anything runs. */
const char *peri_run_output(peri_run_t *run, const char *param);

/* ---- progress, cancellation, limits ---- */

/* This rank has done `done` of `total` of what `what` names ("linking"). Cheap; call it a
 * few thousand times at most. -1 if the call was cancelled: return -1 then. */
int peri_run_progress(peri_run_t *run, const char *what, double done, double total,
                      peri_err_t *err);
/* Collective, before a part that needs all ranks: rc is what this rank has come to (0 or
 * -1 with *err). -1 on all ranks if any failed or the call was cancelled. */
int peri_run_agree(peri_run_t *run, int rc, peri_err_t *err);

/* A warning for the user, kept with the result; from any one rank. */
void peri_run_note(peri_run_t *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Checkpoints, where the call has a folder for them. Collective. _due: the job's time is
 * nearly over (or somebody asked): save, then return peri_run_stopped(). The next call
 * with the same parameters, inputs and number of ranks finds what was saved. */
bool peri_run_checkpoint_due(peri_run_t *run);
int peri_run_save(peri_run_t *run, const void *state, size_t size, peri_err_t *err);
/* 1 and *state (malloc'd, the caller's) if there is one, 0 if not. */
int peri_run_load(peri_run_t *run, void **state, size_t *size, peri_err_t *err);
int peri_run_stopped(peri_run_t *run, peri_err_t *err); /* -1, "stopped; goes on ..." */

#ifdef __cplusplus
}
#endif
#endif
