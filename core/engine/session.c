/* session.c - a locked-down DuckDB: settings, relations as views, running statements. */
#include "core/engine/session.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "core/engine/keys.h"
#include "core/engine/scan.h"
#include "core/engine/space.h"

static int cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set)) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

/* Run a statement of our own that has no rows to read. */
static int run_plain(duckdb_connection con, const char *sql, peri_err_t *err)
{
    duckdb_result r;
    int rc = 0;
    if (duckdb_query(con, sql, &r) == DuckDBError)
        rc = peri_err_set(err, PERI_EINTERNAL, "DuckDB refused \"%s\": %s", sql,
                          duckdb_result_error(&r));
    duckdb_destroy_result(&r);
    return rc;
}

static int columns_register(peri_session_t *s, peri_err_t *err);

/* A small buffer for what is streamed: rows are handed over when they are found, not when
 * there are many. The order matters: the spill folder and the file must be known before
 * external access is switched off, and the lock comes last. */
static int lock_down(duckdb_connection con, const peri_limits_t *l, int threads,
                     peri_err_t *err)
{
    uint64_t memory = l->memory;
    if (!memory)
        memory =
            (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 10 * 7;
    uint64_t temp = l->temp_size ? l->temp_size : 10000000000u;
    peri_buf_t b;
    peri_buf_init(&b, 65536);
    peri_buf_puts(&b, "SET temp_directory=");
    peri_buf_put_quoted(&b, l->temp_dir ? l->temp_dir : "", '\'');
    peri_buf_printf(&b,
                    ";SET max_temp_directory_size='%lluB';"
                    "SET memory_limit='%lluB';"
                    "SET threads=%d;"
                    "SET preserve_insertion_order=true;"
                    "SET autoload_known_extensions=false;"
                    "SET autoinstall_known_extensions=false;"
                    "SET allow_community_extensions=false;"
                    "SET TimeZone='UTC';"
                    "SET streaming_buffer_size='16KB';",
                    (unsigned long long)temp, (unsigned long long)memory, threads);
    if (l->file) {
        peri_buf_puts(&b, "SET allowed_paths=[");
        peri_buf_put_quoted(&b, l->file, '\'');
        peri_buf_puts(&b, "];");
    }
    peri_buf_puts(&b, "SET enable_external_access=false;SET lock_configuration=true;");
    int rc = peri_buf_check(&b, "the settings", err);
    if (rc == 0) rc = run_plain(con, b.data, err);
    peri_buf_free(&b);
    return rc;
}

peri_session_t *peri_session_new(const peri_limits_t *limits, peri_err_t *err)
{
    peri_session_t *s = peri_xcalloc(1, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    s->threads = limits->threads > 0 ? limits->threads : cores();
    if (duckdb_open(NULL, &s->db) == DuckDBError ||
        duckdb_connect(s->db, &s->con) == DuckDBError) {
        peri_err_set(err, PERI_EINTERNAL, "DuckDB could not be started");
        goto fail;
    }
    if (peri_scan_register(s, err) || columns_register(s, err) ||
        peri_space_register(s->con, err) || peri_cells_register(s->con, err) ||
        lock_down(s->con, limits, s->threads, err))
        goto fail;
    return s;
fail:
    peri_session_free(s);
    return NULL;
}

void peri_session_free(peri_session_t *s)
{
    if (!s) return;
    duckdb_disconnect(&s->con);
    duckdb_close(&s->db);
    for (int i = 0; i < PERI_MAX_RELATIONS; i++) {
        peri_scanrel_t *r = s->relations[i];
        if (!r) continue;
        peri_table_unref(r->table);
        peri_index_unref(r->index);
        peri_ranges_free(&r->share);
        free(r);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

duckdb_connection peri_session_connection(peri_session_t *s)
{
    return s->con;
}

int peri_session_connect(peri_session_t *s, duckdb_connection *out, peri_err_t *err)
{
    if (duckdb_connect(s->db, out) == DuckDBError)
        return peri_err_set(err, PERI_EINTERNAL, "DuckDB gave no second connection");
    return 0;
}

/* ---- relations ---- */

int peri_session_add_relation(peri_session_t *s, int id, peri_table_t *table,
                              peri_index_t *index, unsigned virtuals, peri_err_t *err)
{
    if (id < 0 || id >= PERI_MAX_RELATIONS)
        return peri_err_set(err, PERI_ELIMIT,
                            "the statement names more than %d tables; split it",
                            PERI_MAX_RELATIONS);
    if (s->relations[id])
        return peri_err_set(err, PERI_EINTERNAL, "relation %d exists already", id);
    peri_scanrel_t *r = peri_xcalloc(1, sizeof(*r));
    r->table = peri_table_ref(table);
    r->index = index ? peri_index_ref(index) : NULL;
    r->session = s;
    s->relations[id] = r;

    peri_buf_t b;
    bool exact = false;
    for (size_t i = 0; i < table->ncolumns; i++)
        exact |= table->columns[i].sql_type && *table->columns[i].sql_type;
    peri_buf_init(&b, 64u << 20);
    peri_buf_printf(&b, "CREATE VIEW peri_r%d AS SELECT ", id);
    for (size_t i = 0; i < table->ncolumns; i++) {
        char name[32];
        snprintf(name, sizeof(name), "c%zu", i + 1);
        peri_buf_puts(&b, i ? ", " : "");
        peri_scan_put_value(&table->columns[i], name, &b);
        peri_buf_puts(&b, " AS ");
        peri_buf_put_quoted(&b, table->columns[i].name, '"');
    }
    if (virtuals & PERI_VIRT_FILE) peri_buf_puts(&b, ", file");
    if (virtuals & PERI_VIRT_ROW) peri_buf_puts(&b, ", c0 AS row");
    if (virtuals & PERI_VIRT_SNAPNUM) peri_buf_puts(&b, ", snapnum");
    if (virtuals & PERI_VIRT_IDX) peri_buf_puts(&b, ", idx");
    peri_buf_printf(&b, " FROM peri_scan(%d)", id);
    int rc = peri_buf_check(&b, "the list of columns", err);
    if (rc == 0) rc = run_plain(s->con, b.data, err);
    if (rc && exact)
        peri_err_set(
            err, PERI_EFORMAT,
            "a column of %s has an attribute sql_type that is no type of DuckDB; "
            "correct or delete it in the file",
            table->name);
    peri_buf_free(&b);
    return rc;
}

int peri_session_set_share(peri_session_t *s, int id, const peri_ranges_t *share,
                           peri_err_t *err)
{
    if (id < 0 || id >= PERI_MAX_RELATIONS || !s->relations[id])
        return peri_err_set(err, PERI_EINTERNAL, "there is no relation %d", id);
    peri_scanrel_t *r = s->relations[id];
    peri_ranges_free(&r->share);
    for (size_t i = 0; i < share->n; i++)
        peri_ranges_push(&r->share, share->v[i].file, share->v[i].row0, share->v[i].row1);
    r->share_rows = peri_ranges_rows(&r->share);
    return 0;
}

int peri_session_set_filter(peri_session_t *s, int id, const peri_pred_t *preds, size_t n,
                            peri_err_t *err)
{
    if (id < 0 || id >= PERI_MAX_RELATIONS || !s->relations[id])
        return peri_err_set(err, PERI_EINTERNAL, "there is no relation %d", id);
    s->relations[id]->preds = preds;
    s->relations[id]->npreds = n;
    return 0;
}

void peri_session_progress(const peri_session_t *s, peri_progress_t *out)
{
    out->rows = atomic_load_explicit(&s->rows, memory_order_relaxed);
    out->local = atomic_load_explicit(&s->bytes[PERI_AT_NODE], memory_order_relaxed);
    out->shared = atomic_load_explicit(&s->bytes[PERI_AT_SHARED], memory_order_relaxed);
    out->remote = atomic_load_explicit(&s->bytes[PERI_AT_AWAY], memory_order_relaxed);
    out->bytes = out->local + out->shared + out->remote;
    out->rows_all = 0;
    for (int i = 0; i < PERI_MAX_RELATIONS && s->relations[i]; i++)
        out->rows_all += s->relations[i]->share_rows;
}

void peri_session_interrupt(peri_session_t *s)
{
    atomic_store(&s->interrupted, true);
    duckdb_interrupt(s->con);
}

/* ---- statements ---- */

/* DuckDB's text and type of error into ours. Our scan's own error, if there is one, is
 * the cause and keeps its code. */
static int translate(peri_session_t *s, const char *text, duckdb_error_type type,
                     peri_err_t *err)
{
    pthread_mutex_lock(&s->lock);
    peri_err_t scan = s->scan_err;
    pthread_mutex_unlock(&s->lock);
    if (scan.code != PERI_OK) {
        if (err) *err = scan;
        return -1;
    }
    if (atomic_load(&s->interrupted) || type == DUCKDB_ERROR_INTERRUPT)
        return peri_err_set(err, PERI_ECANCEL, "cancelled");
    if (!text) text = "DuckDB failed without saying why";
    /* Where in the statement: but that is ours, not the author's. */
    const char *place = strstr(text, "\n\nLINE ");
    const int n = place ? (int)(place - text) : (int)strlen(text);
    if (type == DUCKDB_ERROR_OUT_OF_MEMORY || strstr(text, "Out of Memory"))
        return peri_err_set(err, PERI_ELIMIT,
                            "the query needs more memory or temporary space than it may "
                            "use (see --memory, --temp-dir and --temp-size): %.*s",
                            n, text);
    static const struct {
        duckdb_error_type type;
        peri_code_t code;
    } codes[] = {{DUCKDB_ERROR_PERMISSION, PERI_EDENIED},
                 {DUCKDB_ERROR_IO, PERI_EIO},
                 {DUCKDB_ERROR_INTERNAL, PERI_EINTERNAL},
                 {DUCKDB_ERROR_FATAL, PERI_EINTERNAL}};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (type == codes[i].type)
            return peri_err_set(err, codes[i].code, "%.*s", n, text);
    return peri_err_set(err, PERI_EINVAL, "%.*s", n, text);
}

int peri_session_add_key(peri_session_t *s, unsigned bits, peri_err_t *err)
{
    if (bits < PERI_KEY_MIN_BITS || bits > PERI_KEY_MAX_BITS || s->keys >> bits & 1)
        return 0;
    if (peri_keys_register(s->con, bits, err)) return -1;
    s->keys |= 1u << bits;
    return 0;
}

/* On workers nobody has planned the statement. */
static int add_keys(peri_session_t *s, const char *sql, peri_err_t *err)
{
    while ((sql = strstr(sql, PERI_KEY_NAME)) != NULL) {
        sql += strlen(PERI_KEY_NAME);
        if (peri_session_add_key(s, (unsigned)strtoul(sql, NULL, 10), err)) return -1;
    }
    return 0;
}

int peri_session_run(peri_session_t *s, const char *sql,
                     int (*chunk)(duckdb_data_chunk chunk, void *arg, peri_err_t *err),
                     void *arg, peri_err_t *err)
{
    duckdb_prepared_statement st = NULL;
    duckdb_pending_result pending = NULL;
    duckdb_result result;
    bool have_result = false;
    int rc = -1;
    if (atomic_load(&s->interrupted)) return peri_err_set(err, PERI_ECANCEL, "cancelled");
    if (add_keys(s, sql, err)) return -1;
    if (duckdb_prepare(s->con, sql, &st) == DuckDBError) {
        translate(s, duckdb_prepare_error(st), DUCKDB_ERROR_BINDER, err);
        goto out;
    }
    duckdb_state state = duckdb_pending_prepared_streaming(st, &pending);
    if (state == DuckDBError) {
        translate(s, duckdb_pending_error(pending), DUCKDB_ERROR_INVALID, err);
        goto out;
    }
    have_result = true;
    if (duckdb_execute_pending(pending, &result) == DuckDBError) {
        translate(s, duckdb_result_error(&result), duckdb_result_error_type(&result),
                  err);
        goto out;
    }
    for (;;) {
        duckdb_data_chunk c = duckdb_fetch_chunk(result);
        if (!c) break;
        int stop = duckdb_data_chunk_get_size(c) ? chunk(c, arg, err) : 0;
        duckdb_destroy_data_chunk(&c);
        if (stop) goto out;
    }
    const char *text = duckdb_result_error(&result);
    if (text && *text) {
        translate(s, text, duckdb_result_error_type(&result), err);
        goto out;
    }
    if (atomic_load(&s->interrupted)) {
        peri_err_set(err, PERI_ECANCEL, "cancelled");
        goto out;
    }
    rc = 0;
out:
    if (have_result) duckdb_destroy_result(&result);
    duckdb_destroy_pending(&pending);
    duckdb_destroy_prepare(&st);
    return rc;
}

int peri_session_describe(peri_session_t *s, const char *sql, duckdb_logical_type **types,
                          char ***names, size_t *n, peri_err_t *err)
{
    duckdb_prepared_statement st = NULL;
    int rc = -1;
    if (add_keys(s, sql, err)) return -1;
    if (duckdb_prepare(s->con, sql, &st) == DuckDBError) {
        translate(s, duckdb_prepare_error(st), DUCKDB_ERROR_BINDER, err);
        goto out;
    }
    *n = duckdb_prepared_statement_column_count(st);
    *types = peri_xcalloc(*n, sizeof(**types));
    *names = peri_xcalloc(*n, sizeof(**names));
    for (size_t i = 0; i < *n; i++) {
        (*types)[i] = duckdb_prepared_statement_column_logical_type(st, i);
        const char *name = duckdb_prepared_statement_column_name(st, i);
        (*names)[i] = peri_xstrdup(name);
        duckdb_free((void *)name);
    }
    rc = 0;
out:
    duckdb_destroy_prepare(&st);
    return rc;
}

/* ---- tables of earlier stages ---- */

typedef struct {
    const duckdb_logical_type *types;
    const char *const *names;
    size_t n;
} columns_t;

static void columns_bind(duckdb_bind_info info)
{
    const peri_session_t *s = duckdb_bind_get_extra_info(info);
    const columns_t *c = s->creating;
    if (!c) {
        duckdb_bind_set_error(info, "peri_columns is not for statements");
        return;
    }
    for (size_t i = 0; i < c->n; i++)
        duckdb_bind_add_result_column(info, c->names[i], c->types[i]);
}

static void columns_init(duckdb_init_info info)
{
    (void)info;
}

static void columns_function(duckdb_function_info info, duckdb_data_chunk out)
{
    (void)info;
    duckdb_data_chunk_set_size(out, 0);
}

static int columns_register(peri_session_t *s, peri_err_t *err)
{
    duckdb_table_function f = duckdb_create_table_function();
    duckdb_table_function_set_name(f, "peri_columns");
    duckdb_table_function_set_extra_info(f, s, NULL);
    duckdb_table_function_set_bind(f, columns_bind);
    duckdb_table_function_set_init(f, columns_init);
    duckdb_table_function_set_function(f, columns_function);
    duckdb_state st = duckdb_register_table_function(s->con, f);
    duckdb_destroy_table_function(&f);
    if (st == DuckDBError)
        return peri_err_set(err, PERI_EINTERNAL, "DuckDB did not take a table function");
    return 0;
}

int peri_session_create_table(peri_session_t *s, const char *name,
                              const duckdb_logical_type *types, const char *const *names,
                              size_t n, peri_err_t *err)
{
    /* A table function with these columns spares us writing every type as SQL text. */
    columns_t columns = {types, names, n};
    char *sql = peri_xasprintf("CREATE TABLE %s AS SELECT * FROM peri_columns()", name);
    s->creating = &columns;
    int rc = run_plain(s->con, sql, err);
    s->creating = NULL;
    free(sql);
    return rc;
}
