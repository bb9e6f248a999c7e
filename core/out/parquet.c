/* parquet.c - parquet, by DuckDB's own COPY in a private database and a thread of its
 * own.
 *
 * Chunks are copied into a short queue; a table function in the other thread takes them
 * out again. The queue holds the thread's end, the writer's wish to stop and the error,
 * all under its mutex. Types that Parquet has not, or not exactly, go as text.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/out/binary.h"
#include "core/out/format.h"
#include "core/out/text.h"

#define QUEUE_LEN 16

typedef struct {
    peri_writer_t *w;
    char *sql; /* COPY ... */
    duckdb_logical_type *types, text;
    duckdb_selection_vector all; /* 0, 1, 2, ... */
    peri_buf_t value;            /* as text */
    pthread_t thread;
    bool started;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    duckdb_data_chunk queue[QUEUE_LEN];
    size_t first, n;
    bool no_more; /* all rows are in the queue */
    bool give_up; /* the result is not wanted any more */
    bool ended;   /* the thread has nothing more to do */
    char *error;  /* DuckDB's, once ended */
} parquet_t;

/* ---- the thread that writes ---- */

static duckdb_data_chunk take_chunk(parquet_t *q, bool *give_up)
{
    duckdb_data_chunk chunk = NULL;
    pthread_mutex_lock(&q->lock);
    while (!q->n && !q->no_more && !q->give_up) pthread_cond_wait(&q->changed, &q->lock);
    *give_up = q->give_up;
    if (q->n && !q->give_up) {
        chunk = q->queue[q->first];
        q->first = (q->first + 1) % QUEUE_LEN;
        q->n--;
        pthread_cond_signal(&q->changed);
    }
    pthread_mutex_unlock(&q->lock);
    return chunk;
}

static void rows_bind(duckdb_bind_info info)
{
    const parquet_t *q = duckdb_bind_get_extra_info(info);
    for (size_t c = 0; c < q->w->ncols; c++)
        duckdb_bind_add_result_column(info, q->w->cols[c].name, q->types[c]);
}

static void rows_init(duckdb_init_info info)
{
    duckdb_init_set_max_threads(info, 1);
}

static void rows_next(duckdb_function_info info, duckdb_data_chunk out)
{
    parquet_t *q = duckdb_function_get_extra_info(info);
    bool give_up;
    duckdb_data_chunk chunk = take_chunk(q, &give_up);
    if (give_up) duckdb_function_set_error(info, "given up");
    idx_t n = 0;
    for (size_t c = 0; chunk && c < q->w->ncols; c++)
        duckdb_vector_reference_vector(duckdb_data_chunk_get_vector(out, c),
                                       duckdb_data_chunk_get_vector(chunk, c));
    if (chunk) {
        n = duckdb_data_chunk_get_size(chunk);
        duckdb_destroy_data_chunk(&chunk); /* `out` shares its buffers */
    }
    duckdb_data_chunk_set_size(out, n);
}

static duckdb_state add_function(duckdb_connection con, parquet_t *q)
{
    duckdb_table_function f = duckdb_create_table_function();
    duckdb_table_function_set_name(f, "perigee_rows");
    duckdb_table_function_set_extra_info(f, q, NULL);
    duckdb_table_function_set_bind(f, rows_bind);
    duckdb_table_function_set_init(f, rows_init);
    duckdb_table_function_set_function(f, rows_next);
    duckdb_state rc = duckdb_register_table_function(con, f);
    duckdb_destroy_table_function(&f);
    return rc;
}

/* Returns DuckDB's error, or NULL. */
static char *copy_rows(parquet_t *q)
{
    static const char *const settings[][2] = {{"threads", "1"},
                                              {"temp_directory", ""},
                                              {"autoload_known_extensions", "false"},
                                              {"autoinstall_known_extensions", "false"}};
    duckdb_database db = NULL;
    duckdb_connection con = NULL;
    duckdb_config config = NULL;
    duckdb_result result = {0};
    char *error = NULL;
    duckdb_create_config(&config);
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        duckdb_set_config(config, settings[i][0], settings[i][1]);
    char *why = NULL;
    if (duckdb_open_ext(NULL, &db, config, &why) || duckdb_connect(db, &con) ||
        add_function(con, q)) {
        error = peri_xasprintf("DuckDB cannot start: %s", why ? why : "no reason given");
        duckdb_free(why);
    } else if (duckdb_query(con, q->sql, &result)) {
        const char *e = duckdb_result_error(&result);
        error = peri_xstrdup(e ? e : "no reason given");
    }
    duckdb_destroy_result(&result);
    duckdb_destroy_config(&config);
    duckdb_disconnect(&con);
    duckdb_close(&db);
    return error;
}

static void *run(void *arg)
{
    parquet_t *q = arg;
    char *error = copy_rows(q);
    pthread_mutex_lock(&q->lock);
    q->error = error;
    q->ended = true;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

/* ---- the statement ---- */

/* Would Parquet lose something of such a value? HUGEINT becomes a double there, intervals
 * are cut to milliseconds, time zones are dropped, infinity in seconds and milliseconds
 * fails; the others it does not know. */
static bool is_lossy(const peri_field_t *f)
{
    static const duckdb_type lossy[] = {
        DUCKDB_TYPE_TIMESTAMP_S, DUCKDB_TYPE_TIMESTAMP_MS, DUCKDB_TYPE_HUGEINT,
        DUCKDB_TYPE_UHUGEINT,    DUCKDB_TYPE_INTERVAL,     DUCKDB_TYPE_TIME_TZ,
        DUCKDB_TYPE_TIME_NS,     DUCKDB_TYPE_BIT,          DUCKDB_TYPE_BIGNUM,
        DUCKDB_TYPE_SQLNULL,     DUCKDB_TYPE_UNION};
    for (size_t i = 0; i < sizeof(lossy) / sizeof(lossy[0]); i++)
        if (f->type == lossy[i]) return true;
    for (size_t i = 0; i < f->nkids; i++)
        if (is_lossy(&f->kids[i])) return true;
    return false;
}

/* The type for DuckDB's cast, if all values fit it. */
static const char *target_type(const peri_field_t *f)
{
    if (f->as_text) return NULL;
    return f->type == DUCKDB_TYPE_HUGEINT        ? "BIGINT"
           : f->type == DUCKDB_TYPE_UHUGEINT     ? "UBIGINT"
           : f->type == DUCKDB_TYPE_TIMESTAMP_S  ? "TIMESTAMP"
           : f->type == DUCKDB_TYPE_TIMESTAMP_MS ? "TIMESTAMP_MS"
                                                 : NULL;
}

static bool is_text(const peri_field_t *f)
{
    return !target_type(f) && is_lossy(f);
}

static void put_json_pair(peri_buf_t *b, const char *key, const char *value, bool first)
{
    if (!first) peri_buf_putc(b, ',');
    peri_text_json(b, key, strlen(key));
    peri_buf_putc(b, ':');
    peri_text_json(b, value, strlen(value));
}

/* [{"name":"mass","unit":"Msun","description":"","ucd":"","type":"DOUBLE"}, ...] */
static void put_columns_json(const peri_writer_t *w, peri_buf_t *b)
{
    peri_buf_t type;
    peri_buf_init(&type, b->max);
    for (size_t c = 0; c < w->ncols; c++) {
        peri_buf_puts(b, c ? ",{" : "[{");
        put_json_pair(b, "name", w->cols[c].name, true);
        put_json_pair(b, "unit", w->cols[c].unit, false);
        put_json_pair(b, "description", w->cols[c].description, false);
        put_json_pair(b, "ucd", w->cols[c].ucd, false);
        peri_buf_clear(&type);
        peri_field_sql_type(&w->fields[c], &type);
        put_json_pair(b, "type", type.data ? type.data : "", false);
        peri_buf_putc(b, '}');
    }
    peri_buf_putc(b, ']');
    peri_buf_free(&type);
}

static void put_sources_json(const peri_writer_t *w, peri_buf_t *b)
{
    peri_buf_putc(b, '[');
    for (size_t i = 0; i < w->prov.nsources; i++) {
        const peri_outsource_t *s = &w->prov.sources[i];
        peri_buf_puts(b, i ? ",{" : "{");
        put_json_pair(b, "path", s->path, true);
        peri_buf_printf(b, ",\"size\":%llu,\"mtime_ns\":%lld}",
                        (unsigned long long)s->size, (long long)s->mtime_ns);
    }
    peri_buf_putc(b, ']');
}

static int make_sql(peri_writer_t *w, parquet_t *q, peri_err_t *err)
{
    peri_buf_t sql, json;
    peri_buf_init(&sql, w->text.max);
    peri_buf_init(&json, w->text.max);
    peri_buf_puts(&sql, "COPY (SELECT ");
    for (size_t c = 0; c < w->ncols; c++) {
        const char *type = target_type(&w->fields[c]);
        peri_buf_puts(&sql, c ? ", " : "");
        if (type) peri_buf_puts(&sql, "CAST(");
        peri_buf_put_quoted(&sql, w->cols[c].name, '"');
        if (!type) continue;
        peri_buf_printf(&sql, " AS %s) AS ", type);
        peri_buf_put_quoted(&sql, w->cols[c].name, '"');
    }
    peri_buf_puts(&sql, " FROM perigee_rows()) TO ");
    peri_buf_put_quoted(&sql, peri_target_temp(w->target), '\'');
    peri_buf_puts(&sql, " (FORMAT parquet, COMPRESSION zstd, KV_METADATA {query: ");
    peri_buf_put_quoted(&sql, w->prov.query, '\'');
    peri_buf_puts(&sql, ", version: ");
    peri_buf_put_quoted(&sql, w->prov.version, '\'');
    if (*w->prov.description) {
        peri_buf_puts(&sql, ", description: ");
        peri_buf_put_quoted(&sql, w->prov.description, '\'');
    }
    peri_buf_printf(&sql, ", created: '%s', columns: ", w->created);
    put_columns_json(w, &json);
    peri_buf_put_quoted(&sql, json.data, '\'');
    peri_buf_clear(&json);
    put_sources_json(w, &json);
    peri_buf_puts(&sql, ", sources: ");
    peri_buf_put_quoted(&sql, json.data, '\'');
    peri_buf_puts(&sql, "})");
    int rc = peri_buf_check(&sql, "the parquet file's description", err);
    peri_buf_free(&json);
    q->sql = rc ? NULL : peri_buf_take(&sql, NULL);
    peri_buf_free(&sql);
    return rc;
}

/* ---- the writer's side ---- */

static int parquet_open(peri_writer_t *w, peri_err_t *err)
{
    parquet_t *q = peri_xcalloc(1, sizeof(*q));
    w->state = q;
    q->w = w;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    q->types = peri_xcalloc(w->ncols, sizeof(*q->types));
    q->text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    peri_buf_init(&q->value, w->text.max);
    for (size_t c = 0; c < w->ncols; c++)
        q->types[c] = is_text(&w->fields[c]) ? q->text : w->cols[c].type;
    q->all = duckdb_create_selection_vector(duckdb_vector_size());
    sel_t *index = duckdb_selection_vector_get_data_ptr(q->all);
    for (idx_t i = 0; i < duckdb_vector_size(); i++) index[i] = (sel_t)i;
    if (make_sql(w, q, err)) return -1;
    int rc = pthread_create(&q->thread, NULL, run, q);
    if (rc)
        return peri_err_set(err, PERI_EINTERNAL, "cannot start a thread: %s",
                            strerror(rc));
    q->started = true;
    return 0;
}

static int fail_copy(const parquet_t *q, peri_err_t *err)
{
    const char *path = peri_target_path(q->w->target);
    if (q->error && strstr(q->error, "No space left"))
        return peri_err_set(
            err, PERI_EIO,
            "cannot write %s: there is no space left on the disk; nothing "
            "of it is kept",
            path);
    return peri_err_set(err, PERI_EIO, "cannot write %s: %s", path,
                        q->error ? q->error : "DuckDB stopped early");
}

static int copy_texts(parquet_t *q, const peri_field_t *f, idx_t n, duckdb_vector to,
                      peri_err_t *err)
{
    duckdb_vector_ensure_validity_writable(to);
    uint64_t *valid = duckdb_vector_get_validity(to);
    for (idx_t i = 0; i < n; i++) {
        if (peri_field_is_null(f, i)) {
            duckdb_validity_set_row_invalid(valid, i);
            continue;
        }
        peri_buf_clear(&q->value);
        peri_field_text(f, i, PERI_STYLE_SQL, &q->value);
        if (peri_buf_check(&q->value, "one value", err)) return -1;
        const char *s = q->value.data ? q->value.data : "";
        duckdb_vector_assign_string_element_len(to, i, s, q->value.len);
    }
    return 0;
}

static int copy_columns(parquet_t *q, duckdb_data_chunk chunk, idx_t n,
                        duckdb_data_chunk copy, peri_err_t *err)
{
    for (size_t c = 0; c < q->w->ncols; c++) {
        const peri_field_t *f = &q->w->fields[c];
        duckdb_vector to = duckdb_data_chunk_get_vector(copy, c);
        if (!is_text(f))
            duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(chunk, c), to, q->all, n,
                                   0, 0);
        else if (copy_texts(q, f, n, to, err))
            return -1;
    }
    return 0;
}

static int parquet_chunk(peri_writer_t *w, duckdb_data_chunk chunk, idx_t n,
                         peri_err_t *err)
{
    parquet_t *q = w->state;
    if (n > duckdb_vector_size())
        return peri_err_set(err, PERI_EINTERNAL,
                            "a chunk of more rows than DuckDB makes");
    duckdb_data_chunk copy = duckdb_create_data_chunk(q->types, w->ncols);
    if (copy_columns(q, chunk, n, copy, err)) {
        duckdb_destroy_data_chunk(&copy);
        return -1;
    }
    duckdb_data_chunk_set_size(copy, n);

    pthread_mutex_lock(&q->lock);
    while (q->n == QUEUE_LEN && !q->ended) pthread_cond_wait(&q->changed, &q->lock);
    bool ended = q->ended;
    if (!ended) {
        q->queue[(q->first + q->n++) % QUEUE_LEN] = copy;
        pthread_cond_signal(&q->changed);
    }
    pthread_mutex_unlock(&q->lock);
    if (!ended) return 0;
    duckdb_destroy_data_chunk(&copy);
    return fail_copy(q, err);
}

static void stop(parquet_t *q, bool give_up)
{
    if (!q->started) return;
    pthread_mutex_lock(&q->lock);
    q->no_more = true;
    q->give_up = give_up;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
    pthread_join(q->thread, NULL);
    q->started = false;
}

static int parquet_close(peri_writer_t *w, peri_err_t *err)
{
    parquet_t *q = w->state;
    stop(q, false);
    return q->error ? fail_copy(q, err) : 0;
}

static void parquet_free(peri_writer_t *w)
{
    parquet_t *q = w->state;
    if (!q) return;
    stop(q, true);
    for (; q->n; q->n--) {
        duckdb_destroy_data_chunk(&q->queue[q->first]);
        q->first = (q->first + 1) % QUEUE_LEN;
    }
    if (q->all) duckdb_destroy_selection_vector(q->all);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    if (q->text) duckdb_destroy_logical_type(&q->text);
    peri_buf_free(&q->value);
    free(q->types);
    free(q->sql);
    free(q->error);
    free(q);
}

const peri_ops_t peri_ops_parquet = {.name = "parquet",
                                     .endings = " .parquet .pq ",
                                     .advice = "give a file for it",
                                     .numbers = PERI_NUMBERS_PARQUET,
                                     .open = parquet_open,
                                     .chunk = parquet_chunk,
                                     .close = parquet_close,
                                     .free = parquet_free};
