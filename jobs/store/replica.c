/* replica.c - which node holds which file of which dataset. */
#include <stdlib.h>

#include "jobs/store/store_priv.h"

/* One statement however many files: they travel as one JSON text. */
static char *as_json(const peri_replica_t *v, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        char *file = peri_sql_clean(v[i].file, 4096),
             *path = peri_sql_clean(v[i].path, 8192);
        json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:I}", "file", file, "path",
                                              path, "size", (json_int_t)v[i].size,
                                              "mtime_ns", (json_int_t)v[i].mtime_ns));
        free(file);
        free(path);
    }
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

static int put(peri_db_t *db, const peri_args_t *a, peri_err_t *err)
{
    /* Two that tell of the same node at once come one after the other. */
    static const char lock[] =
        "SELECT pg_advisory_xact_lock(hashtextextended($1 || chr(1) || $2, 7))";
    static const char gone[] = "DELETE FROM replica WHERE dataset = $1 AND node = $2";
    static const char fill[] = "INSERT INTO replica (dataset, node, file, path, size, "
                               "mtime_ns, seen) SELECT $1, $2, "
                               "f.file, f.path, f.size, f.mtime_ns, " PERI_SQL_NOW
                               " FROM jsonb_to_recordset($3::jsonb) AS f (file text, "
                               "path text, size bigint, mtime_ns "
                               "bigint) ON CONFLICT (dataset, node, file) DO NOTHING";
    peri_args_t key = *a;
    key.n = 2;
    if (peri_args_exec(&key, db, lock, err) || peri_args_exec(&key, db, gone, err))
        return -1;
    return peri_args_exec(a, db, fill, err);
}

int peri_store_replicas_put(peri_db_t *db, const char *dataset, const char *node,
                            const peri_replica_t *v, size_t n, peri_err_t *err)
{
    peri_dbtx_t tx;
    char *files = as_json(v, n);
    peri_args_t a = {0};
    peri_args_text(&a, dataset);
    peri_args_text(&a, node);
    peri_args_text(&a, files ? files : "[]");
    int rc = peri_dbtx_begin(&tx, db, err);
    if (rc == 0) rc = peri_dbtx_end(&tx, put(db, &a, err), err);
    free(files);
    return rc;
}

int peri_store_replicas(peri_db_t *db, const char *dataset,
                        int (*each)(const peri_replica_t *, void *), void *arg,
                        peri_err_t *err)
{
    static const char sql[] = "SELECT dataset, file, node, path, size, mtime_ns, seen "
                              "FROM replica WHERE dataset = "
                              "$1 ORDER BY file, node";
    peri_args_t a = {0};
    peri_args_text(&a, dataset);
    PGresult *r = peri_args_query(&a, db, sql, err);
    if (!r) return -1;
    for (int i = 0; i < PQntuples(r); i++) {
        peri_replica_t row = {.dataset = peri_col_text(r, i, 0),
                              .file = peri_col_text(r, i, 1),
                              .node = peri_col_text(r, i, 2),
                              .path = peri_col_text(r, i, 3),
                              .size = (uint64_t)peri_col_int(r, i, 4),
                              .mtime_ns = peri_col_int(r, i, 5),
                              .seen = peri_col_real(r, i, 6)};
        if (each(&row, arg)) break;
    }
    PQclear(r);
    return 0;
}
