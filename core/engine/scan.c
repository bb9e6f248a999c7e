/* scan.c - the table function peri_scan(id): rows of a relation, straight from HDF5.
 *
 * Flow: bind tells DuckDB the columns; init notes which are projected; each thread then
 * takes blocks of consecutive rows (aligned to chunks, so that no chunk is decoded twice)
 * and fills vectors of at most 2,048 rows from its own cursors until no block is left.
 *
 * Threads: the scan's lock guards the position in the share and the list of open files;
 * everything else belongs to one thread.
 */
#include "core/engine/scan.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

/* Rows of a block where chunks are small or there are none: large enough that taking one
 * costs nothing, small enough that the last ones are spread over all threads. */
#define BLOCK_ROWS 131072u

typedef struct {
    _Atomic int refs; /* DuckDB's global state and each thread's local one */
    peri_session_t *session;
    peri_scanrel_t *rel;
    size_t *columns; /* projected table columns */
    size_t ncolumns;
    struct out {
        enum { OUT_ROW, OUT_FILE, OUT_SNAPNUM, OUT_COLUMN } kind;
        size_t k; /* OUT_COLUMN: index into columns */
    } * outs;
    size_t nouts;
    pthread_mutex_t lock;
    size_t range; /* position in the share: next range, next row in it */
    peri_frow_t row;
    peri_scanfile_t *current; /* kept open for the next taker */
} scan_t;

typedef struct {
    peri_scanfile_t *file;
    uint32_t file_no;
    peri_h5cursor_t **cursors; /* one a set of the file */
    uint64_t counted;          /* bytes of the cursors that progress knows of */
    peri_frow_t row, end;      /* of the current block */
    void *scratch;
    size_t scratch_size;
    peri_str_t strings[2048];
} scanner_t;

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

static void add_column(duckdb_bind_info info, const char *name, duckdb_type type,
                       uint32_t width)
{
    duckdb_logical_type value = duckdb_create_logical_type(type);
    if (width > 1) {
        duckdb_logical_type array = duckdb_create_array_type(value, width);
        duckdb_bind_add_result_column(info, name, array);
        duckdb_destroy_logical_type(&array);
    } else {
        duckdb_bind_add_result_column(info, name, value);
    }
    duckdb_destroy_logical_type(&value);
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
    add_column(info, "c0", DUCKDB_TYPE_BIGINT, 1);
    for (size_t i = 0; i < t->ncolumns; i++) {
        snprintf(name, sizeof(name), "c%zu", i + 1);
        add_column(info, name, duckdb_type_of(t->columns[i].type), t->columns[i].width);
    }
    add_column(info, "file", DUCKDB_TYPE_VARCHAR, 1);
    add_column(info, "snapnum", DUCKDB_TYPE_INTEGER, 1);
    duckdb_bind_set_cardinality(info, rel->share_rows, false);
    duckdb_bind_set_bind_data(info, xdup(&rel, sizeof(rel)), free);
}

/* ---- init ---- */

static void scan_unref(void *p)
{
    scan_t *s = p;
    if (atomic_fetch_sub(&s->refs, 1) > 1) return;
    peri_scanfile_free(s->current);
    pthread_mutex_destroy(&s->lock);
    free(s->columns);
    free(s->outs);
    free(s);
}

static void scan_init(duckdb_init_info info)
{
    peri_scanrel_t *rel = *(peri_scanrel_t **)duckdb_init_get_bind_data(info);
    scan_t *s = peri_xcalloc(1, sizeof(*s));
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
            s->outs[i].kind = OUT_ROW;
        } else if (c <= n) {
            s->outs[i].kind = OUT_COLUMN;
            s->outs[i].k = s->ncolumns;
            s->columns[s->ncolumns++] = c - 1;
        } else {
            s->outs[i].kind = c == n + 1 + PERI_VCOL_FILE ? OUT_FILE : OUT_SNAPNUM;
        }
    }
    uint64_t blocks = rel->share_rows / BLOCK_ROWS + 1;
    uint64_t threads = (uint64_t)rel->session->threads;
    duckdb_init_set_max_threads(info, blocks < threads ? blocks : threads);
    atomic_init(&s->refs, 1);
    duckdb_init_set_init_data(info, s, scan_unref);
}

static void scanner_leave_file(scan_t *s, scanner_t *me)
{
    if (!me->file) return;
    for (size_t i = 0; i < me->file->nsets; i++) peri_h5cursor_free(me->cursors[i]);
    free(me->cursors);
    me->cursors = NULL;
    pthread_mutex_lock(&s->lock);
    bool last = --me->file->users == 0 && me->file != s->current;
    pthread_mutex_unlock(&s->lock);
    if (last) peri_scanfile_free(me->file);
    me->file = NULL;
}

typedef struct {
    scan_t *scan;
    scanner_t me;
} local_t;

static void local_free(void *p)
{
    local_t *l = p;
    if (l->scan) {
        scanner_leave_file(l->scan, &l->me);
        scan_unref(l->scan);
    }
    free(l->me.scratch);
    free(l);
}

static void scan_local_init(duckdb_init_info info)
{
    /* The scan itself is not known here; the first call of scan_function fills it in. */
    duckdb_init_set_init_data(info, peri_xcalloc(1, sizeof(local_t)), local_free);
}

/* ---- blocks ---- */

/* The next block for this thread: 1 = got one, 0 = none left, -1 = error. */
static int take_block(scan_t *s, scanner_t *me, peri_err_t *err)
{
    const peri_ranges_t *share = &s->rel->share;
    int rc = 0;
    peri_scanfile_t *dead = NULL;
    pthread_mutex_lock(&s->lock);
    if (s->range >= share->n) goto out;
    const peri_range_t *r = &share->v[s->range];
    if (s->row < r->row0) s->row = r->row0;
    if (!s->current || s->current->file != r->file) {
        if (s->current && s->current->users == 0) dead = s->current;
        s->current = peri_scanfile_new(s->rel, r->file, s->columns, s->ncolumns, err);
        if (!s->current) {
            s->range = share->n;
            rc = -1;
            goto out;
        }
    }
    uint64_t align = s->current->align;
    uint64_t step = align >= BLOCK_ROWS ? align : BLOCK_ROWS / align * align;
    peri_frow_t end = (s->row / step + 1) * step;
    if (end > r->row1) end = r->row1;
    me->row = s->row;
    me->end = end;
    me->file_no = r->file;
    if (me->file != s->current) s->current->users++;
    s->row = end;
    if (end == r->row1) {
        s->range++;
        s->row = 0;
    }
    rc = 1;
out:;
    peri_scanfile_t *now = s->current;
    pthread_mutex_unlock(&s->lock);
    peri_scanfile_free(dead);
    if (rc != 1 || me->file == now) return rc;

    scanner_leave_file(s, me);
    me->file = now;
    me->cursors = peri_xcalloc(now->nsets, sizeof(*me->cursors));
    me->counted = 0;
    for (size_t i = 0; i < now->nsets; i++) {
        me->cursors[i] = peri_h5cursor_new(now->sets[i], err);
        if (!me->cursors[i]) return -1;
    }
    return 1;
}

static void count_bytes(peri_session_t *s, scanner_t *me)
{
    uint64_t bytes = 0;
    for (size_t i = 0; me->file && i < me->file->nsets; i++)
        bytes += peri_h5cursor_bytes(me->cursors[i]);
    atomic_fetch_add_explicit(&s->bytes, bytes - me->counted, memory_order_relaxed);
    me->counted = bytes;
}

/* ---- values ---- */

static void *scratch(scanner_t *me, size_t size)
{
    if (size > me->scratch_size) {
        free(me->scratch);
        me->scratch = peri_xmalloc(size);
        me->scratch_size = size;
    }
    return me->scratch;
}

static void take_component(const char *in, size_t size, uint32_t width, int component,
                           uint32_t n, char *out)
{
    in += (size_t)component * size;
    for (uint32_t i = 0; i < n; i++) memcpy(out + i * size, in + i * size * width, size);
}

static int fill_strings(scanner_t *me, const peri_scancol_t *sc, const peri_column_t *c,
                        uint32_t n, duckdb_vector vec, peri_err_t *err)
{
    uint64_t total = (uint64_t)n * sc->width;
    peri_str_t *v = total <= 2048 ? me->strings : scratch(me, total * sizeof(*v));
    if (peri_h5cursor_read(me->cursors[sc->set], sc->field, me->row, n, v, err))
        return -1;
    if (c->component >= 0) {
        for (uint32_t i = 0; i < n; i++) {
            const peri_str_t *s = &v[(uint64_t)i * sc->width + (uint32_t)c->component];
            duckdb_vector_assign_string_element_len(vec, i, s->ptr, s->len);
        }
        return 0;
    }
    duckdb_vector child = c->width > 1 ? duckdb_array_vector_get_child(vec) : vec;
    for (uint64_t i = 0; i < total; i++)
        duckdb_vector_assign_string_element_len(child, i, v[i].ptr, v[i].len);
    return 0;
}

static int fill_column(scanner_t *me, const peri_scancol_t *sc, const peri_column_t *c,
                       uint32_t n, duckdb_vector vec, peri_err_t *err)
{
    if (sc->set == SIZE_MAX) {
        duckdb_vector_ensure_validity_writable(vec);
        memset(duckdb_vector_get_validity(vec), 0, (n + 63) / 64 * 8);
        return 0;
    }
    if (c->type == PERI_T_STR || c->type == PERI_T_BLOB)
        return fill_strings(me, sc, c, n, vec, err);

    duckdb_vector values = c->width > 1 ? duckdb_array_vector_get_child(vec) : vec;
    void *out = duckdb_vector_get_data(values);
    peri_h5cursor_t *cur = me->cursors[sc->set];
    bool part = c->component >= 0, wide = sc->type != c->type;
    if (!part && !wide) return peri_h5cursor_read(cur, sc->field, me->row, n, out, err);

    size_t size = peri_type_size(sc->type), all = (size_t)n * sc->width;
    char *tmp = scratch(me, all * size + (size_t)n * size);
    if (peri_h5cursor_read(cur, sc->field, me->row, n, tmp, err)) return -1;
    if (part) {
        char *one = wide ? tmp + all * size : out;
        take_component(tmp, size, sc->width, c->component, n, one);
        tmp = one;
        all = n;
    }
    if (wide) peri_widen(sc->type, c->type, tmp, out, all);
    return 0;
}

static void fill_virtual(const scan_t *s, const scanner_t *me, int kind, uint32_t n,
                         duckdb_vector vec)
{
    const peri_file_t *f = &s->rel->table->files[me->file_no];
    if (kind == OUT_ROW) {
        int64_t *out = duckdb_vector_get_data(vec);
        for (uint32_t i = 0; i < n; i++) out[i] = (int64_t)(me->row + i);
    } else if (kind == OUT_SNAPNUM) {
        int32_t *out = duckdb_vector_get_data(vec);
        for (uint32_t i = 0; i < n; i++) out[i] = f->snapnum;
    } else {
        size_t len = strlen(f->name);
        for (uint32_t i = 0; i < n; i++)
            duckdb_vector_assign_string_element_len(vec, i, f->name, len);
    }
}

static int next_rows(scan_t *s, scanner_t *me, duckdb_data_chunk out, peri_err_t *err)
{
    peri_session_t *session = s->session;
    if (atomic_load_explicit(&session->interrupted, memory_order_relaxed))
        return peri_err_set(err, PERI_ECANCEL, "cancelled");
    if (me->row == me->end) {
        count_bytes(session, me);
        int got = take_block(s, me, err);
        if (got <= 0) {
            duckdb_data_chunk_set_size(out, 0);
            return got;
        }
    }
    uint64_t left = me->end - me->row;
    uint32_t n = left < 2048 ? (uint32_t)left : 2048;
    const peri_table_t *t = s->rel->table;
    for (size_t i = 0; i < s->nouts; i++) {
        duckdb_vector vec = duckdb_data_chunk_get_vector(out, i);
        if (s->outs[i].kind != OUT_COLUMN) {
            fill_virtual(s, me, s->outs[i].kind, n, vec);
            continue;
        }
        const peri_scancol_t *sc = &me->file->cols[s->outs[i].k];
        if (fill_column(me, sc, &t->columns[sc->column], n, vec, err)) return -1;
    }
    me->row += n;
    duckdb_data_chunk_set_size(out, n);
    atomic_fetch_add_explicit(&session->rows, n, memory_order_relaxed);
    return 0;
}

static void scan_function(duckdb_function_info info, duckdb_data_chunk out)
{
    scan_t *s = duckdb_function_get_init_data(info);
    local_t *l = duckdb_function_get_local_init_data(info);
    peri_err_t err = {0};
    if (!l->scan) {
        atomic_fetch_add(&s->refs, 1);
        l->scan = s;
    }
    if (next_rows(s, &l->me, out, &err)) {
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
