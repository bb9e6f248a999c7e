/* args.h - the arguments of one call, checked against what the kernel declares.
 *
 * They come as a JSON object (from SQL, from `perigee run`, from a job's spec) and are
 * the same on all ranks.
 */
#ifndef MPI_KERNEL_ARGS_H
#define MPI_KERNEL_ARGS_H

#include <jansson.h>

#include "core/base/arena.h"
#include "perigee/kernel.h"

typedef struct {
    const peri_param_t *param;
    bool given; /* by the caller, not preset */
    bool there; /* has a value: given or preset */
    double number;
    int64_t integer; /* also of BOOL */
    const char *text;
    const double *list;
    size_t n;
} peri_arg_t;

typedef struct {
    const peri_kernel_t *kernel;
    peri_arg_t *own;       /* of the kernel's parameters */
    peri_arg_t *standard;  /* of those that every kernel has */
    const char *inputs[4]; /* table, file or SELECT; NULL: left out */
    const char *narrow;    /* SQL of the kernel's filter of its first input; NULL: none */
    const int32_t *only;   /* of inputs with many snapshots, just this one; NULL: all */
} peri_args_t;

/* Parameters that every kernel has, and how many. */
extern const peri_param_t peri_standard_params[];
extern const size_t peri_nstandard_params;

/* Strings live in the arena. Unknown names get a "did you mean". */
int peri_args_read(const peri_kernel_t *k, const json_t *object, peri_arena_t *arena,
                   peri_args_t *out, peri_err_t *err);
/* By name; a standard parameter or one of the kernel's own; NULL: there is none. */
const peri_arg_t *peri_args_find(const peri_args_t *a, const char *name);

#endif
