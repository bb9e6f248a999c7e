/* votablerow.h - how columns are stored in a VOTable, and their rows; private to the
 * votable writer's files. */
#ifndef CORE_OUT_VOTABLEROW_H
#define CORE_OUT_VOTABLEROW_H

#include "core/out/format.h"

typedef struct {
    const char *datatype;
    size_t size;    /* bytes of a number; 0: text */
    bool vector;    /* ARRAY or LIST of numbers; other nested values are JSON text */
    bool timestamp; /* xtype */
    int64_t mark;   /* NULL in a vector of integers; 0: none */
} peri_votype_t;

peri_votype_t peri_votable_type(const peri_field_t *f);

/* What w->state is. */
typedef struct peri_vorows peri_vorows_t;
peri_vorows_t *peri_votable_rows_new(const peri_writer_t *w);
/* The row as base64 to w->text; bytes that do not fill a line yet wait for the next. */
int peri_votable_row(peri_writer_t *w, idx_t row, peri_err_t *err);
void peri_votable_rows_end(peri_writer_t *w); /* those that wait */
void peri_votable_rows_free(peri_writer_t *w);

#endif
