/* rowset.c - rows of one rank, column by column; see perigee/table.h. */
#include "perigee/table.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "mpi/kernel/rowset.h"

struct peri_rowset {
    peri_coldef_t *columns; /* strings are owned */
    size_t ncolumns;
    size_t rows, cap;
    char **data; /* one block a column */
};

size_t peri_coltype_size(peri_coltype_t type)
{
    return type == PERI_COL_I32 || type == PERI_COL_F32 ? 4 : 8;
}

static size_t row_bytes(const peri_coldef_t *c)
{
    return c->width * peri_coltype_size(c->type);
}

peri_rowset_t *peri_rowset_new(const peri_coldef_t *columns, size_t ncolumns)
{
    peri_rowset_t *r = peri_xcalloc(1, sizeof(*r));
    r->columns = peri_xcalloc(ncolumns + 1, sizeof(*r->columns));
    r->data = peri_xcalloc(ncolumns + 1, sizeof(*r->data));
    r->ncolumns = ncolumns;
    for (size_t i = 0; i < ncolumns; i++) {
        const peri_coldef_t *c = &columns[i];
        r->columns[i] = (peri_coldef_t){.name = peri_xstrdup(c->name),
                                        .type = c->type,
                                        .width = c->width,
                                        .unit = peri_xstrdup(c->unit),
                                        .help = peri_xstrdup(c->help)};
    }
    return r;
}

void peri_rowset_free(peri_rowset_t *r)
{
    if (!r) return;
    for (size_t i = 0; i < r->ncolumns; i++) {
        free((char *)r->columns[i].name);
        free((char *)r->columns[i].unit);
        free((char *)r->columns[i].help);
        free(r->data[i]);
    }
    free(r->columns);
    free(r->data);
    free(r);
}

size_t peri_rowset_ncolumns(const peri_rowset_t *r)
{
    return r->ncolumns;
}

const peri_coldef_t *peri_rowset_column(const peri_rowset_t *r, size_t column)
{
    return &r->columns[column];
}

int peri_rowset_find(const peri_rowset_t *r, const char *name)
{
    for (size_t i = 0; i < r->ncolumns; i++)
        if (strcasecmp(r->columns[i].name, name) == 0) return (int)i;
    return -1;
}

size_t peri_rowset_rows(const peri_rowset_t *r)
{
    return r->rows;
}

void *peri_rowset_data(const peri_rowset_t *r, size_t column)
{
    return r->data[column];
}

static int grow(peri_rowset_t *r, size_t cap, peri_err_t *err)
{
    /* A block that has grown already when another one cannot is only larger than it need
     * be: cap tells what all have. */
    for (size_t i = 0; i < r->ncolumns; i++) {
        char *p = realloc(r->data[i], cap * row_bytes(&r->columns[i]));
        if (!p) {
            char rows[32];
            return peri_err_set(err, PERI_ELIMIT,
                                "there is no memory for %s rows on one rank; use more "
                                "ranks or nodes",
                                peri_human_count(cap, rows));
        }
        r->data[i] = p;
    }
    r->cap = cap;
    return 0;
}

int64_t peri_rowset_extend(peri_rowset_t *r, size_t rows, peri_err_t *err)
{
    const size_t first = r->rows;
    if (rows > (SIZE_MAX >> 12) - first)
        return peri_err_set(err, PERI_ELIMIT, "a rank cannot have so many rows");
    const size_t want = first + rows;
    if (want > r->cap) {
        size_t cap = r->cap + r->cap / 2;
        if (grow(r, cap > want ? cap : want, err)) return -1;
    }
    for (size_t i = 0; rows && i < r->ncolumns; i++) {
        const size_t size = row_bytes(&r->columns[i]);
        memset(r->data[i] + first * size, 0, rows * size);
    }
    r->rows = want;
    return (int64_t)first;
}
