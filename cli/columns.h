/* columns.h - the columns that `perigee jobs` can show: a table of names and of how each
 * is made from a job's JSON.
 */
#ifndef CLI_COLUMNS_H
#define CLI_COLUMNS_H

#include <jansson.h>
#include <stddef.h>

#include "cli/grid.h"
#include "perigee/err.h"

#define PERI_COLUMNS_MAX 32

typedef struct peri_column peri_column_t;

/* "number,state,name" into columns; the number of them, or -1. */
int peri_columns_parse(const char *list, const peri_column_t *out[PERI_COLUMNS_MAX],
                       peri_err_t *err);
const char *peri_column_title(const peri_column_t *c);
void peri_column_add(const peri_column_t *c, const json_t *job, peri_grid_t *g);
/* Their names, for the help. */
void peri_columns_list(FILE *out);

#endif
