/* kernels.h - what kernels there are, as perigee-task tells it: this program is not
 * linked to MPI and loads none of them.
 */
#ifndef CLI_KERNELS_H
#define CLI_KERNELS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "perigee/err.h"

/* The object of `perigee-task --kernels`; new. */
json_t *peri_kernels_load(peri_err_t *err);
/* The description of one of them, borrowed; PERI_EKERNEL with the nearest name. */
const json_t *peri_kernels_find(const json_t *all, const char *name, peri_err_t *err);

/* A parameter of it, of all kernels, or an input (type "input"); NULL: none. */
const json_t *peri_kernels_param(const json_t *all, const json_t *kernel,
                                 const char *name);
bool peri_kernels_is_input(const json_t *kernel, const char *name);

/* Its help: for a terminal, or as a section of a page. */
void peri_kernel_print(FILE *f, const json_t *all, const json_t *kernel);
void peri_kernel_print_markdown(FILE *f, const json_t *kernel);
void peri_kernels_print_standard_markdown(FILE *f, const json_t *all);

#endif
