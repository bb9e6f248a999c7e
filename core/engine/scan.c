/* scan.c - the table function peri_scan(id): rows of a relation, straight from HDF5.
 *
 * Flow: bind tells DuckDB the columns; init notes which are projected; each thread then
 * takes blocks of consecutive rows (aligned to chunks, so that no chunk is decoded twice)
 * and fills vectors of at most 2,048 rows from its own cursors until no block is left
 * (fill.c).
 *
 * Threads: the scan's lock guards the position in the share and the list of open files;
 * everything else belongs to one thread.
 */
#include "core/engine/scanblock.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/engine/wide.h"
#include "core/table/sqltype.h"

static void *xdup(const void *p, size_t size)
{
    return memcpy(peri_xmalloc(size), p, size);
}

/* Keep the first error with its code; DuckDB carries only text. */
static void note_error(peri_session_t *s, const peri_err_t *err)
{
    pthread_mutex_lock(&s->lock);
    if (s->scan_err.code == PERI_OK) s->scan_err = *err;
    pthread_mutex_unlock(&s->lock);
}

/* ---- bind ---- */

static duckdb_type duckdb_type_of(peri_type_t t)
{
    static const duckdb_type types[] = {
        [PERI_T_BOOL] = DUCKDB_TYPE_BOOLEAN,  [PERI_T_I8] = DUCKDB_TYPE_TINYINT,
        [PERI_T_I16] = DUCKDB_TYPE_SMALLINT,  [PERI_T_I32] = DUCKDB_TYPE_INTEGER,
        [PERI_T_I64] = DUCKDB_TYPE_BIGINT,    [PERI_T_U8] = DUCKDB_TYPE_UTINYINT,
        [PERI_T_U16] = DUCKDB_TYPE_USMALLINT, [PERI_T_U32] = DUCKDB_TYPE_UINTEGER,
        [PERI_T_U64] = DUCKDB_TYPE_UBIGINT,   [PERI_T_F32] = DUCKDB_TYPE_FLOAT,
        [PERI_T_F64] = DUCKDB_TYPE_DOUBLE,    [PERI_T_STR] = DUCKDB_TYPE_VARCHAR,
        [PERI_T_BLOB] = DUCKDB_TYPE_BLOB};
    return types[t];
}

/* Dates and times are bound as such: their stored integers are DuckDB's own. */
static duckdb_type type_of_moment(const peri_column_t *c)
{
    static const struct {
        const char *name;
        duckdb_type type;
    } moments[] = {{"DATE", DUCKDB_TYPE_DATE},
                   {"TIME", DUCKDB_TYPE_TIME},
                   {"TIME_NS", DUCKDB_TYPE_TIME_NS},
                   {"TIMESTAMP", DUCKDB_TYPE_TIMESTAMP},
                   {"TIMESTAMP_S", DUCKDB_TYPE_TIMESTAMP_S},
                   {"TIMESTAMP_MS", DUCKDB_TYPE_TIMESTAMP_MS},
                   {"TIMESTAMP_NS", DUCKDB_TYPE_TIMESTAMP_NS},
                   {"TIMESTAMP WITH TIME ZONE", DUCKDB_TYPE_TIMESTAMP_TZ}};
    peri_sqlform_t form = peri_sqltype_form(c->sql_type, c->type, c->width);
    if (form == PERI_SQLFORM_BITS || form == PERI_SQLFORM_ONE) {
        size_t n = strcspn(c->sql_type, "[");
        for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++)
            if (strlen(moments[i].name) == n &&
                strncmp(moments[i].name, c->sql_type, n) == 0)
                return moments[i].type;
    }
    return duckdb_type_of(c->type);
}

static duckdb_logical_type type_of_column(const peri_column_t *c)
{
    peri_wide_t w;
    if (!peri_wide_type(c, &w)) return duckdb_create_logical_type(type_of_moment(c));
    if (w.width) return duckdb_create_decimal_type((uint8_t)w.width, (uint8_t)w.scale);
    return duckdb_create_logical_type(w.is_unsigned ? DUCKDB_TYPE_UHUGEINT
                                                    : DUCKDB_TYPE_HUGEINT);
}

/* Of what is bound as the exact type already, the cast makes nothing. */
void peri_scan_put_value(const peri_column_t *c, const char *name, peri_buf_t *b)
{
    switch (peri_sqltype_form(c->sql_type, c->type, c->width)) {
    case PERI_SQLFORM_CAST:
    case PERI_SQLFORM_ONE:
        peri_buf_printf(b, "CAST(%s AS %s)", name, c->sql_type);
        return;
    case PERI_SQLFORM_JSON:
        peri_sqltype_put_json(name, c->sql_type, b);
        return;
    default:
        peri_buf_puts(b, name);
    }
}

/* width 0: no array. Destroys `value`. */
static void add_column(duckdb_bind_info info, const char *name, duckdb_logical_type value,
                       uint32_t width)
{
    if (width) {
        duckdb_logical_type array = duckdb_create_array_type(value, width);
        duckdb_bind_add_result_column(info, name, array);
        duckdb_destroy_logical_type(&array);
    } else {
        duckdb_bind_add_result_column(info, name, value);
    }
    duckdb_destroy_logical_type(&value);
}

static void add_plain(duckdb_bind_info info, const char *name, duckdb_type type)
{
    add_column(info, name, duckdb_create_logical_type(type), 0);
}

static void scan_bind(duckdb_bind_info info)
{
    peri_session_t *s = duckdb_bind_get_extra_info(info);
    duckdb_value v = duckdb_bind_get_parameter(info, 0);
    int64_t id = duckdb_get_int64(v);
    duckdb_destroy_value(&v);
    if (id < 0 || id >= PERI_MAX_RELATIONS || !s->relations[id]) {
        duckdb_bind_set_error(info, "peri_scan: no such relation");
        return;
    }
    const peri_scanrel_t *rel = s->relations[id];
    const peri_table_t *t = rel->table;
    char name[32];
    add_plain(info, "c0", DUCKDB_TYPE_BIGINT);
    for (size_t i = 0; i < t->ncolumns; i++) {
        snprintf(name, sizeof(name), "c%zu", i + 1);
        const peri_column_t *c = &t->columns[i];
        add_column(info, name, type_of_column(c), peri_scan_is_array(c) ? c->width : 0);
    }
    add_plain(info, "file", DUCKDB_TYPE_VARCHAR);
    add_plain(info, "snapnum", DUCKDB_TYPE_INTEGER);
    add_plain(info, "idx", DUCKDB_TYPE_BIGINT);
    duckdb_bind_set_cardinality(info, rel->share_rows, false);
    duckdb_bind_set_bind_data(info, xdup(&rel, sizeof(rel)), free);
}

/* ---- init ---- */

static void scan_unref(void *p)
{
    peri_scan_t *s = p;
    if (atomic_fetch_sub(&s->refs, 1) > 1) return;
    peri_readahead_free(atomic_load(&s->ahead));
    peri_scanfile_free(s->current);
    pthread_mutex_destroy(&s->lock);
    free(s->columns);
    free(s->outs);
    free(s);
}

static void scan_init(duckdb_init_info info)
{
    static const int kinds[PERI_NVCOLS] = {[PERI_VCOL_FILE] = PERI_OUT_FILE,
                                           [PERI_VCOL_SNAPNUM] = PERI_OUT_SNAPNUM,
                                           [PERI_VCOL_IDX] = PERI_OUT_IDX};
    peri_scanrel_t *rel = *(peri_scanrel_t **)duckdb_init_get_bind_data(info);
    peri_scan_t *s = peri_xcalloc(1, sizeof(*s));
    s->session = rel->session;
    s->rel = rel;
    pthread_mutex_init(&s->lock, NULL);
    s->nouts = duckdb_init_get_column_count(info);
    s->outs = peri_xcalloc(s->nouts, sizeof(*s->outs));
    s->columns = peri_xcalloc(s->nouts, sizeof(*s->columns));
    for (size_t i = 0; i < s->nouts; i++) {
        idx_t c = duckdb_init_get_column_index(info, i);
        size_t n = rel->table->ncolumns;
        if (c == 0 || c > n + PERI_NVCOLS) {
            s->outs[i].kind = PERI_OUT_ROW;
        } else if (c <= n) {
            s->outs[i].kind = PERI_OUT_COLUMN;
            s->outs[i].k = s->ncolumns;
            s->columns[s->ncolumns++] = c - 1;
        } else {
            s->outs[i].kind = kinds[c - n - 1];
        }
    }
    peri_rowtests_make(rel->table, s->columns, s->ncolumns, rel->preds, rel->npreds,
                       &s->tests);
    uint64_t blocks = rel->share_rows / PERI_BLOCK_ROWS + 1;
    uint64_t threads = (uint64_t)rel->session->threads;
    duckdb_init_set_max_threads(info, blocks < threads ? blocks : threads);
    atomic_init(&s->refs, 1);
    duckdb_init_set_init_data(info, s, scan_unref);
}

static void local_free(void *p)
{
    peri_scanlocal_t *l = p;
    if (l->scan) {
        if (l->block) peri_readahead_done(atomic_load(&l->scan->ahead), l->block);
        peri_scanner_clear(l->scan, &l->me);
        scan_unref(l->scan);
    }
    free(l->flags);
    free(l->values);
    free(l->tested);
    free(l);
}

static void scan_local_init(duckdb_init_info info)
{
    /* The scan itself is not known here; the first call of scan_function fills it in. */
    duckdb_init_set_init_data(info, peri_xcalloc(1, sizeof(peri_scanlocal_t)),
                              local_free);
}

/* ---- rows ---- */

/* Find this thread its next block: 1 = got one, 0 = the end, -1 = error. */
static int next_block(peri_scanlocal_t *l, peri_err_t *err)
{
    peri_scan_t *s = l->scan;
    peri_scanner_t *me = &l->me;
    peri_readahead_t *ahead = atomic_load(&s->ahead);
    peri_scanner_count(s, me);
    peri_rowpay_block(&l->pay);
    if (!ahead && l->blocks > 0 && atomic_load(&s->readers) == 1 &&
        !atomic_exchange(&s->ahead_tried, true)) {
        /* A second block, and nobody else came to read: this plan runs on one thread. */
        ahead = peri_readahead_new(s);
        atomic_store(&s->ahead, ahead);
    }
    l->blocks++;
    if (!ahead) return peri_scanner_take(s, me, err);

    int rc;
    if (l->block) peri_readahead_done(ahead, l->block);
    l->block = peri_readahead_next(ahead, &rc, err);
    if (!l->block) return rc;
    me->file_no = peri_aheadblock_file(l->block);
    me->row = peri_aheadblock_row(l->block);
    me->end = peri_aheadblock_end(l->block);
    if (peri_aheadblock_none(l->block)) {
        atomic_fetch_add_explicit(&s->session->rows, me->end - me->row,
                                  memory_order_relaxed);
        me->row = me->end;
    }
    return 1;
}

/* Where this thread is; 1: there are rows, 0: the end. */
static int find_rows(peri_scanlocal_t *l, peri_rows_t *r, peri_err_t *err)
{
    peri_scanner_t *me = &l->me;
    if (atomic_load_explicit(&l->scan->session->interrupted, memory_order_relaxed))
        return peri_err_set(err, PERI_ECANCEL, "cancelled");
    const int got = me->row == me->end ? next_block(l, err) : 1;
    if (got <= 0) return got;
    const uint64_t left = me->end - me->row;
    r->n = r->count = left < PERI_VECTOR_ROWS ? (uint32_t)left : PERI_VECTOR_ROWS;
    r->some = NULL;
    return peri_scan_choose(l, r, err) ? -1 : 1;
}

static int next_rows(peri_scanlocal_t *l, duckdb_data_chunk out, peri_err_t *err)
{
    peri_rows_t r = {0};
    while (r.count == 0) {
        const int got = find_rows(l, &r, err);
        if (got <= 0) {
            duckdb_data_chunk_set_size(out, 0);
            return got;
        }
        if (r.count && peri_scan_fill(l, &r, out, err)) return -1;
        l->me.row += r.n;
        atomic_fetch_add_explicit(&l->scan->session->rows, r.n, memory_order_relaxed);
    }
    duckdb_data_chunk_set_size(out, r.count);
    return 0;
}

static void scan_function(duckdb_function_info info, duckdb_data_chunk out)
{
    peri_scan_t *s = duckdb_function_get_init_data(info);
    peri_scanlocal_t *l = duckdb_function_get_local_init_data(info);
    peri_err_t err = {0};
    if (!l->scan) {
        atomic_fetch_add(&s->refs, 1);
        atomic_fetch_add(&s->readers, 1);
        l->scan = s;
    }
    if (next_rows(l, out, &err)) {
        note_error(s->session, &err);
        duckdb_data_chunk_set_size(out, 0);
        duckdb_function_set_error(info, err.text);
    }
}

int peri_scan_register(peri_session_t *s, peri_err_t *err)
{
    duckdb_table_function f = duckdb_create_table_function();
    duckdb_logical_type bigint = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    duckdb_table_function_set_name(f, "peri_scan");
    duckdb_table_function_add_parameter(f, bigint);
    duckdb_table_function_set_extra_info(f, s, NULL);
    duckdb_table_function_set_bind(f, scan_bind);
    duckdb_table_function_set_init(f, scan_init);
    duckdb_table_function_set_local_init(f, scan_local_init);
    duckdb_table_function_set_function(f, scan_function);
    duckdb_table_function_supports_projection_pushdown(f, true);
    duckdb_state st = duckdb_register_table_function(s->con, f);
    duckdb_destroy_logical_type(&bigint);
    duckdb_destroy_table_function(&f);
    if (st == DuckDBError)
        return peri_err_set(err, PERI_EINTERNAL, "DuckDB did not take the scan function");
    return 0;
}
