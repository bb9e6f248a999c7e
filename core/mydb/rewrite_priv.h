/* rewrite_priv.h - what rewrite.c and rewrite_insert.c share. */
#ifndef CORE_MYDB_REWRITE_PRIV_H
#define CORE_MYDB_REWRITE_PRIV_H

#include "core/base/buf.h"
#include "core/mydb/rewrite.h"

#define PERI_REWRITTEN_MAX ((size_t)1 << 20) /* as much as a statement may have */

typedef struct {
    const peri_statement_t *st;
    const peri_oldtable_t *old;
    peri_arena_t *arena;
    peri_buf_t sql;
    peri_err_t *err;
} peri_rewriter_t;

void peri_rw_name(peri_rewriter_t *r, const char *name);
void peri_rw_text(peri_rewriter_t *r, const char *text); /* in brackets */
void peri_rw_table(peri_rewriter_t *r);
void peri_rw_columns(peri_rewriter_t *r); /* all names, with commas */
/* The column of that name; or PERI_ENOTFOUND with the nearest. */
int peri_rw_column(peri_rewriter_t *r, const char *name, size_t *out);
int peri_rw_twice(peri_rewriter_t *r, const char *name); /* the error */
const char *peri_rw_take(peri_rewriter_t *r);

int peri_rw_insert(peri_rewriter_t *r, const char *const *names, size_t n);

#endif
