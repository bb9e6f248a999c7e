/* kernel_arg.h - parameters of a kernel among the words of a command, for `perigee run`
 * and `perigee submit run`: which words they are, and whether their values could be
 * right.
 */
#ifndef CLI_KERNEL_ARG_H
#define CLI_KERNEL_ARG_H

#include <jansson.h>

#include "jobs/spec/spec.h"
#include "perigee/err.h"

/* --name value, --name=value, or --name alone for what is true or false. The number of
 * words used; 0: the first of them is no parameter and no input of this kernel; -1. */
int peri_kernel_arg(const json_t *all, const json_t *kernel, char **argv, int left,
                    peri_kernelarg_t *out, peri_err_t *err);
/* Says that there is no parameter of this name (which may end in =VALUE), and which one
 * may be meant. */
int peri_kernel_arg_unknown(const json_t *all, const json_t *kernel, const char *word,
                            peri_err_t *err);
/* Could that be the value of the parameter (NULL: of a further input)? */
int peri_kernel_arg_check(const json_t *param, const char *name, const char *value,
                          peri_err_t *err);
/* "float", "int", "floats", "bool", "text", ... */
const char *peri_kernel_arg_type(const json_t *param);

#endif
