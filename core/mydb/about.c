/* about.c - see about.h: what single files hold. Lists of them: list.c; changes:
 * describe.c. */
#include "core/mydb/about.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/util.h"
#include "core/mydb/private.h"
#include "core/mydb/read.h"
#include "core/mydb/viewnote.h"
#include "core/table/describe.h"

/* ---- JSON ---- */

/* Texts out of files may be any bytes. */
static void put_text(json_t *o, const char *key, const char *text)
{
    json_t *s = json_string(text ? text : "");
    json_object_set_new(o, key, s ? s : json_string(""));
}

static void put_bytes(json_t *o, const char *key, int64_t n)
{
    json_object_set_new(o, key, n < 0 ? json_null() : json_integer(n));
}

static json_t *entry_json(const peri_schema_t *s, const char *name, peri_mydbkind_t kind,
                          const struct stat *st)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:f, s:s}", "schema", s->name, "name", name,
                     "kind", kind == PERI_MYDB_VIEW ? "view" : "table", "bytes",
                     (json_int_t)st->st_size, "modified",
                     (double)st->st_mtim.tv_sec + 1e-9 * (double)st->st_mtim.tv_nsec,
                     "description", "");
}

/* ---- one file ---- */

static void put_attr(json_t *o, const char *key, peri_h5file_t *f, const char *name)
{
    char *text = NULL;
    if (peri_h5attr_string(f, "/", name, &text, NULL) == 0) put_text(o, key, text);
    free(text);
}

/* Columns and rows, where the file lists its columns: two look-ups. 1 if it does not. */
static int count_listed(peri_h5file_t *f, json_t *o)
{
    char **names = NULL;
    size_t n = 0;
    if (peri_h5attr_strings(f, "/", "columns", &names, &n, NULL) != 0) return 1;
    char *path = n ? peri_xasprintf("/%s", names[0]) : NULL;
    peri_h5set_t *set = path ? peri_h5set_open(f, path, NULL) : NULL;
    if (set) {
        put_bytes(o, "rows", (int64_t)peri_h5set_rows(set));
        put_bytes(o, "columns", (int64_t)n);
    }
    for (size_t i = 0; i < n; i++) free(names[i]);
    free(names);
    free(path);
    peri_h5set_unref(set);
    return set ? 0 : 1;
}

static int count_resolved(const peri_schema_t *s, const char *name, json_t *o,
                          peri_err_t *err)
{
    peri_h5file_t *held;
    peri_table_t *t = peri_mydb_table(s, name, &held, err);
    if (!t) return -1;
    put_bytes(o, "rows", (int64_t)t->rows);
    put_bytes(o, "columns", (int64_t)t->ncolumns);
    peri_table_unref(t);
    peri_h5file_release(held);
    return 0;
}

static int count_table(const peri_schema_t *s, const char *name, json_t *o,
                       peri_err_t *err)
{
    char root[PATH_MAX], *path = peri_mydb_path(s, name);
    peri_h5file_t *f =
        realpath(s->folder, root) ? peri_h5file_open(path, root, err) : NULL;
    if (!f && !err->code)
        peri_err_set(err, PERI_EIO, "the folder %s cannot be opened: %m", s->folder);
    free(path);
    if (!f) return -1;
    put_attr(o, "description", f, "description");
    int rc = count_listed(f, o);
    peri_h5file_unref(f);
    return rc ? count_resolved(s, name, o, err) : 0;
}

/* The description in a view's text; the rest of it is the SELECT. */
static const char *put_note(json_t *o, const char *text)
{
    const char *select;
    char *note = peri_viewnote_read(text, &select);
    put_text(o, "description", note);
    free(note);
    return select;
}

/* ---- one of a list ---- */

json_t *peri_mydb_listed(const peri_schema_t *s, const peri_mydbentry_t *e)
{
    struct stat st;
    peri_err_t err = {0};
    if (peri_mydb_look(s, e->name, e->kind, &st, NULL) != 1) return NULL;
    json_t *o = entry_json(s, e->name, e->kind, &st);
    if (e->kind == PERI_MYDB_TABLE && count_table(s, e->name, o, &err)) {
        if (err.code == PERI_ENOTFOUND &&
            peri_mydb_look(s, e->name, e->kind, &st, NULL) == 0) {
            json_decref(o);
            return NULL;
        }
        put_text(o, "error", err.text);
    }
    char *text = NULL;
    if (e->kind == PERI_MYDB_VIEW && !peri_mydb_view_text(s, e->name, &text, NULL))
        (void)put_note(o, text);
    free(text);
    return o;
}

json_t *peri_mydb_unreadable(const peri_schema_t *s, const peri_mydbentry_t *e,
                             const char *why)
{
    struct stat st;
    if (peri_mydb_look(s, e->name, e->kind, &st, NULL) != 1) return NULL;
    json_t *o = entry_json(s, e->name, e->kind, &st);
    put_text(o, "error", why);
    return o;
}

/* ---- one in detail ---- */

static json_t *columns_json(const peri_table_t *t)
{
    json_t *a = json_array();
    peri_arena_t *arena = peri_arena_new();
    for (size_t i = 0; i < t->ncolumns; i++) {
        const peri_column_t *c = &t->columns[i];
        json_t *o = json_object();
        put_text(o, "name", c->name);
        put_text(o, "type", peri_describe_type(c, arena));
        put_text(o, "unit", c->unit);
        put_text(o, "ucd", c->ucd);
        put_text(o, "description", c->description);
        json_object_set_new(o, "nulls", json_boolean(c->nullable));
        json_array_append_new(a, o);
    }
    peri_arena_free(arena);
    return a;
}

static json_t *show_view(const peri_schema_t *s, const char *name, peri_err_t *err)
{
    struct stat st;
    char *sql = NULL;
    if (peri_mydb_view_text(s, name, &sql, err)) return NULL;
    json_t *o = peri_mydb_look(s, name, PERI_MYDB_VIEW, &st, err) == 1
                    ? entry_json(s, name, PERI_MYDB_VIEW, &st)
                    : NULL;
    if (o) {
        json_object_set_new(o, "columns", json_array());
        put_text(o, "sql", put_note(o, sql));
    } else if (!err->code) {
        (void)peri_mydb_nowhere(s, name, err);
    }
    free(sql);
    return o;
}

static json_t *show_table(const peri_schema_t *s, const char *name, peri_err_t *err)
{
    peri_h5file_t *held;
    peri_table_t *t = peri_mydb_table(s, name, &held, err);
    if (!t) return NULL;
    /* All of it is of the version that is held. */
    const peri_file_t *f = &t->files[0];
    struct stat st = {.st_size = (off_t)f->size,
                      .st_mtim = {.tv_sec = f->mtime_ns / 1000000000,
                                  .tv_nsec = f->mtime_ns % 1000000000}};
    json_t *o = entry_json(s, name, PERI_MYDB_TABLE, &st);
    put_bytes(o, "rows", (int64_t)t->rows);
    put_text(o, "query", "");
    put_attr(o, "description", held, "description");
    put_attr(o, "query", held, "query");
    json_object_set_new(o, "columns", columns_json(t));
    peri_table_unref(t);
    peri_h5file_release(held);
    return o;
}

json_t *peri_mydb_show(const peri_schema_t *s, const char *given, peri_err_t *err)
{
    char name[PERI_MYDB_NAME];
    peri_err_t local = {0};
    if (!err) err = &local;
    peri_h5_init(NULL);
    if (peri_mydb_name(given, name, err)) return NULL;
    return peri_mydb_kind(s, name) == PERI_MYDB_VIEW ? show_view(s, name, err)
                                                     : show_table(s, name, err);
}
