/* early.c - what planning may have of a table: few rows, the bounds of a column. */
#include <strings.h>

#include "core/index/bounds.h"
#include "core/query/private.h"

/* Reading more on the root alone would keep the other ranks waiting. */
#define READY_ROWS (1u << 20)

int64_t peri_query_ready(void *query, int id, void *handle, const peri_pred_t *preds,
                         size_t n)
{
    const peri_query_t *q = query;
    const known_t *k = handle;
    peri_ranges_t kept = {0};
    int64_t rows = -1;
    if (k->table->nhosts > 1) return -1;
    if (q->spec.use_index)
        peri_index_prune(k->index, k->table, preds, n, &kept);
    else
        peri_ranges_all(&kept, k->table);
    if (peri_ranges_rows(&kept) <= READY_ROWS &&
        peri_session_set_share(q->session, id, &kept, NULL) == 0)
        rows = (int64_t)peri_ranges_rows(&kept);
    peri_ranges_free(&kept);
    return rows;
}

/* Not worth it for many small files: the index is read at each of them. */
#define MIN_ROWS_A_FILE 8192

static bool range_of_snapnum(const peri_table_t *t, int64_t *min, int64_t *max)
{
    if (!t->has_snapnum || t->nfiles == 0) return false;
    *min = *max = t->files[0].snapnum;
    for (size_t i = 1; i < t->nfiles; i++) {
        const int64_t n = t->files[i].snapnum;
        if (n < *min) *min = n;
        if (n > *max) *max = n;
    }
    return true;
}

bool peri_query_range(void *query, void *handle, const char *column, int64_t *min,
                      int64_t *max)
{
    const peri_query_t *q = query;
    const known_t *k = handle;
    const peri_column_t *c = peri_table_column(k->table, column);
    peri_bounds_t b;
    if (!c)
        return strcasecmp(column, "snapnum") == 0 && range_of_snapnum(k->table, min, max);
    if (!q->spec.use_index || !k->index || (c->sql_type && *c->sql_type) ||
        k->table->rows / MIN_ROWS_A_FILE < k->table->nfiles ||
        !peri_index_bounds(k->index, k->table, (size_t)(c - k->table->columns), &b))
        return false;
    *min = b.min.i;
    *max = b.max.i;
    return b.kind == PERI_BOUNDS_INT ||
           (b.kind == PERI_BOUNDS_UINT && b.max.u <= INT64_MAX);
}

int peri_query_key(void *query, unsigned bits)
{
    const peri_query_t *q = query;
    return peri_session_add_key(q->session, bits, NULL);
}
