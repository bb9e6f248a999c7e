/* scan.c - the table function peri_scan(id): rows of a relation, straight from HDF5.
 *
 * Flow: bind tells DuckDB the columns; init notes which are projected; each thread then
 * takes blocks of consecutive rows (aligned to chunks, so that no chunk is decoded twice)
 * and fills vectors of at most 2,048 rows from its own cursors until no block is left.
 *
 * Threads: the scan's lock guards the position in the share and the list of open files;
 * everything else belongs to one thread.
 */
#include "core/engine/scanblock.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/nullnan.h"
#include "core/base/util.h"
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
static duckdb_type type_of_column(const peri_column_t *c)
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

static bool is_array(const peri_column_t *c)
{
    return c->width > 1 ||
           peri_sqltype_form(c->sql_type, c->type, c->width) == PERI_SQLFORM_ONE;
}

/* width 0: no array. */
static void add_column(duckdb_bind_info info, const char *name, duckdb_type type,
                       uint32_t width)
{
    duckdb_logical_type value = duckdb_create_logical_type(type);
    if (width) {
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
    add_column(info, "c0", DUCKDB_TYPE_BIGINT, 0);
    for (size_t i = 0; i < t->ncolumns; i++) {
        snprintf(name, sizeof(name), "c%zu", i + 1);
        const peri_column_t *c = &t->columns[i];
        add_column(info, name, type_of_column(c), is_array(c) ? c->width : 0);
    }
    add_column(info, "file", DUCKDB_TYPE_VARCHAR, 0);
    add_column(info, "snapnum", DUCKDB_TYPE_INTEGER, 0);
    add_column(info, "idx", DUCKDB_TYPE_BIGINT, 0);
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
    uint64_t blocks = rel->share_rows / PERI_BLOCK_ROWS + 1;
    uint64_t threads = (uint64_t)rel->session->threads;
    duckdb_init_set_max_threads(info, blocks < threads ? blocks : threads);
    atomic_init(&s->refs, 1);
    duckdb_init_set_init_data(info, s, scan_unref);
}

/* What one DuckDB thread keeps between calls. */
typedef struct {
    peri_scan_t *scan; /* NULL until the first call */
    peri_scanner_t me;
    peri_aheadblock_t *block; /* decoded ahead; NULL = this thread decodes itself */
    uint64_t blocks;          /* taken so far */
    uint8_t *flags;           /* of masks */
    uint64_t flags_size;
} local_t;

static void local_free(void *p)
{
    local_t *l = p;
    if (l->scan) {
        if (l->block) peri_readahead_done(atomic_load(&l->scan->ahead), l->block);
        peri_scanner_clear(l->scan, &l->me);
        scan_unref(l->scan);
    }
    free(l->flags);
    free(l);
}

static void scan_local_init(duckdb_init_info info)
{
    /* The scan itself is not known here; the first call of scan_function fills it in. */
    duckdb_init_set_init_data(info, peri_xcalloc(1, sizeof(local_t)), local_free);
}

/* ---- rows ---- */

static const peri_column_t *column_of(const peri_scan_t *s, size_t k)
{
    return &s->rel->table->columns[s->columns[k]];
}

static void fill_nulls(uint32_t n, duckdb_vector vec)
{
    duckdb_vector_ensure_validity_writable(vec);
    memset(duckdb_vector_get_validity(vec), 0, (n + 63) / 64 * 8);
}

/* One value for all rows: DuckDB looks up its group once a vector, and makes no copies.
 */
static void fill_constant(duckdb_value value, duckdb_vector vec)
{
    duckdb_vector_reference_value(vec, value);
    duckdb_destroy_value(&value);
}

static void fill_virtual(const peri_scan_t *s, int kind, uint32_t file_no,
                         peri_frow_t row, uint32_t n, duckdb_vector vec)
{
    const peri_file_t *f = &s->rel->table->files[file_no];
    if (kind == PERI_OUT_IDX && f->set_row0 == PERI_ROW_UNKNOWN) {
        fill_nulls(n, vec);
    } else if (kind == PERI_OUT_ROW || kind == PERI_OUT_IDX) {
        int64_t first = (int64_t)(row + (kind == PERI_OUT_IDX ? f->set_row0 : 0));
        int64_t *out = duckdb_vector_get_data(vec);
        for (uint32_t i = 0; i < n; i++) out[i] = first + i;
    } else if (kind == PERI_OUT_SNAPNUM) {
        fill_constant(duckdb_create_int32(f->snapnum), vec);
    } else {
        fill_constant(duckdb_create_varchar(f->name), vec);
    }
}

static duckdb_vector values_of(const peri_column_t *c, duckdb_vector vec)
{
    return is_array(c) ? duckdb_array_vector_get_child(vec) : vec;
}

/* Of a vector column whose every value in the row is NULL: is the row? If not, its first
 * value, which nobody sees, is neither 0 nor NULL's NaN (core/out/binary.c). */
static bool is_null_row(peri_type_t type, const char *first)
{
    if (type == PERI_T_F32) return memcmp(first, &(uint32_t){PERI_NULL_F32 + 1}, 4) != 0;
    if (type == PERI_T_F64) return memcmp(first, &(uint64_t){PERI_NULL_F64 + 1}, 8) != 0;
    size_t size = type == PERI_T_STR || type == PERI_T_BLOB ? 0 : peri_type_size(type);
    for (size_t i = 0; i < size; i++)
        if (first[i]) return false;
    return true;
}

static void set_nulls(const uint8_t *flags, uint32_t n, const peri_column_t *c,
                      duckdb_vector vec)
{
    uint32_t width = c->width;
    size_t total = (size_t)n * width;
    uint8_t any = 0;
    for (size_t i = 0; i < total; i++) any |= flags[i];
    if (!any) return;
    duckdb_vector values = values_of(c, vec);
    duckdb_vector_ensure_validity_writable(values);
    uint64_t *valid = duckdb_vector_get_validity(values);
    for (size_t i = 0; i < total; i++)
        if (flags[i]) valid[i >> 6] &= ~(UINT64_C(1) << (i & 63));
    if (!is_array(c)) return;
    const char *data = duckdb_vector_get_data(values);
    size_t step = peri_type_size(c->type) * width;
    duckdb_vector_ensure_validity_writable(vec);
    valid = duckdb_vector_get_validity(vec);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *row = flags + (size_t)i * width;
        uint32_t k = 0;
        while (k < width && row[k]) k++;
        if (k == width && is_null_row(c->type, data + i * step))
            valid[i >> 6] &= ~(UINT64_C(1) << (i & 63));
    }
}

static int fill_mask(local_t *l, size_t k, uint32_t n, duckdb_vector vec, peri_err_t *err)
{
    const peri_column_t *c = column_of(l->scan, k);
    uint64_t bytes = (uint64_t)n * c->width;
    if (bytes > l->flags_size) {
        free(l->flags);
        l->flags = peri_xmalloc(bytes);
        l->flags_size = bytes;
    }
    if (peri_scanner_read_mask(l->scan, &l->me, k, n, l->flags, err)) return -1;
    set_nulls(l->flags, n, c, vec);
    return 0;
}

static int fill_strings(local_t *l, const peri_scancol_t *sc, const peri_column_t *c,
                        uint32_t n, duckdb_vector vec, peri_err_t *err)
{
    uint64_t total = (uint64_t)n * sc->width;
    peri_str_t *v = peri_scanner_scratch(&l->me, total * sizeof(*v));
    if (peri_h5cursor_read(l->me.cursors[sc->set], sc->field, l->me.row, n, v, err))
        return -1;
    duckdb_vector out = values_of(c, vec);
    size_t step = 1, first = 0;
    if (c->component >= 0) {
        step = sc->width;
        first = (size_t)c->component;
        total = n;
    }
    duckdb_string_t *to = duckdb_vector_get_data(out);
    for (uint64_t i = 0; i < total; i++) {
        const peri_str_t *s = &v[first + i * step];
        if (s->len > sizeof(to->value.inlined.inlined)) {
            duckdb_vector_assign_string_element_len(out, i, s->ptr, s->len);
            continue;
        }
        memset(&to[i], 0, sizeof(to[i])); /* DuckDB compares what is behind the text too */
        to[i].value.inlined.length = s->len;
        memcpy(to[i].value.inlined.inlined, s->ptr, s->len);
    }
    return 0;
}

static int fill_column(local_t *l, size_t k, uint32_t n, duckdb_vector vec,
                       peri_err_t *err)
{
    const peri_column_t *c = column_of(l->scan, k);
    const peri_scancol_t *sc = &l->me.file->cols[k];
    if (sc->set == SIZE_MAX) {
        fill_nulls(n, vec);
        return 0;
    }
    bool text = c->type == PERI_T_STR || c->type == PERI_T_BLOB;
    if (text ? fill_strings(l, sc, c, n, vec, err)
             : peri_scanner_read(l->scan, &l->me, k, n,
                                 duckdb_vector_get_data(values_of(c, vec)), err))
        return -1;
    return sc->mask == SIZE_MAX ? 0 : fill_mask(l, k, n, vec, err);
}

/* Rows from a block that was decoded ahead. */
static void fill_from_block(local_t *l, size_t k, uint32_t n, duckdb_vector vec)
{
    const peri_column_t *c = column_of(l->scan, k);
    const char *values = peri_aheadblock_values(l->block, k);
    size_t size = peri_type_size(c->type) * c->width;
    if (!values) {
        fill_nulls(n, vec);
        return;
    }
    uint64_t first = l->me.row - peri_aheadblock_row(l->block);
    const uint8_t *mask = peri_aheadblock_mask(l->block, k);
    values += first * size;
    memcpy(duckdb_vector_get_data(values_of(c, vec)), values, n * size);
    if (mask) set_nulls(mask + first * c->width, n, c, vec);
}

/* Find this thread its next block: 1 = got one, 0 = the end, -1 = error. */
static int next_block(local_t *l, peri_err_t *err)
{
    peri_scan_t *s = l->scan;
    peri_scanner_t *me = &l->me;
    peri_readahead_t *ahead = atomic_load(&s->ahead);
    peri_scanner_count(s, me);
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
    return 1;
}

static int next_rows(local_t *l, duckdb_data_chunk out, peri_err_t *err)
{
    peri_scan_t *s = l->scan;
    peri_scanner_t *me = &l->me;
    if (atomic_load_explicit(&s->session->interrupted, memory_order_relaxed))
        return peri_err_set(err, PERI_ECANCEL, "cancelled");
    if (me->row == me->end) {
        int got = next_block(l, err);
        if (got <= 0) {
            duckdb_data_chunk_set_size(out, 0);
            return got;
        }
    }
    uint64_t left = me->end - me->row;
    uint32_t n = left < PERI_VECTOR_ROWS ? (uint32_t)left : PERI_VECTOR_ROWS;
    for (size_t i = 0; i < s->nouts; i++) {
        duckdb_vector vec = duckdb_data_chunk_get_vector(out, i);
        if (s->outs[i].kind != PERI_OUT_COLUMN)
            fill_virtual(s, s->outs[i].kind, me->file_no, me->row, n, vec);
        else if (l->block)
            fill_from_block(l, s->outs[i].k, n, vec);
        else if (fill_column(l, s->outs[i].k, n, vec, err))
            return -1;
    }
    me->row += n;
    duckdb_data_chunk_set_size(out, n);
    atomic_fetch_add_explicit(&s->session->rows, n, memory_order_relaxed);
    return 0;
}

static void scan_function(duckdb_function_info info, duckdb_data_chunk out)
{
    peri_scan_t *s = duckdb_function_get_init_data(info);
    local_t *l = duckdb_function_get_local_init_data(info);
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
