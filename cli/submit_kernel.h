/* submit_kernel.h - kernels in `perigee submit`: the words of `submit run NAME INPUT`,
 * and whether the kernel steps of a spec name kernels and parameters that there are.
 */
#ifndef CLI_SUBMIT_KERNEL_H
#define CLI_SUBMIT_KERNEL_H

#include <jansson.h>
#include <stdbool.h>

#include "core/base/buf.h"
#include "jobs/spec/spec.h"

/* All zero: nothing was said of a kernel. */
typedef struct {
    bool wanted;          /* `run` was said */
    json_t *all;          /* what there is; NULL: not asked yet */
    const json_t *kernel; /* of it; NULL: not named yet */
    const char *input;
    peri_kernelarg_t *args;
    size_t nargs;
} peri_submitkernel_t;

/* Of the words behind `run`: the name, the input, parameters. only: what comes is nothing
 * else. The number of words used; 0: an option of `perigee submit`; -1. */
int peri_submit_kernel_take(peri_submitkernel_t *k, char **argv, int left, bool only,
                            peri_err_t *err);
int peri_submit_kernel_spec(const peri_submitkernel_t *k, const peri_specopts_t *o,
                            peri_buf_t *out, peri_err_t *err);
/* Text of a spec. Where no kernels can be asked for nothing is said against it. */
int peri_submit_kernel_check(peri_submitkernel_t *k, const char *spec, size_t len,
                             peri_err_t *err);
void peri_submit_kernel_clear(peri_submitkernel_t *k);

#endif
