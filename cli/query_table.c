/* query_table.c - statements that change tables, each by a query that writes the new
 * version beside the old one (core/mydb/store.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/query_script_priv.h"
#include "core/base/util.h"
#include "core/mydb/about.h"
#include "core/mydb/before.h"
#include "core/mydb/check.h"
#include "core/mydb/view.h"
#include "core/table/dataset.h"

/* ---- which table ---- */

static int no_schema(const peri_scriptrun_t *r, const peri_statement_t *st,
                     peri_err_t *err)
{
    const size_t n = peri_schemas_count(r->schemas);
    const char **names = peri_arena_calloc(r->arena, n + 1, sizeof(*names));
    for (size_t i = 0; i < n; i++) names[i] = peri_schemas_at(r->schemas, i)->name;
    const char *near = peri_did_you_mean(st->schema, names, n);
    return peri_err_set(
        err, PERI_ENOTFOUND, "there is no schema called %s%s%s%s; your own is mydb",
        st->schema, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* The schema of the statement's table, if it may be written; the name as it is stored. */
static const peri_schema_t *find_table(peri_scriptrun_t *r, const peri_statement_t *st,
                                       char name[PERI_MYDB_NAME], peri_err_t *err)
{
    const peri_schema_t *s = peri_schema_meant(r->schemas, st->schema);
    peri_dataset_t *d = s ? NULL : peri_catalog_find(st->schema, NULL);
    if (d)
        peri_err_set(err, PERI_EDENIED,
                     "%s is a dataset, and datasets are not changed: write into mydb",
                     st->schema);
    else if (!s)
        no_schema(r, st, err);
    peri_dataset_free(d);
    if (!s || peri_mydb_name(st->table, name, err)) return NULL;
    if (s->write) return s;
    peri_err_set(err, PERI_EDENIED,
                 "%s.%s belongs to %s, and you may read it only: write into mydb",
                 s->name, name, *s->owner ? s->owner : s->name);
    return NULL;
}

/* ---- what was done ---- */

static void note(peri_scriptrun_t *r, const peri_schema_t *s, const char *name,
                 const char *what, int64_t rows, const char *text)
{
    peri_scriptend_t *end = r->end;
    json_t *o =
        json_pack("{s:s, s:s, s:s}", "schema", s->name, "name", name, "what", what);
    if (rows >= 0) json_object_set_new(o, "rows", json_integer(rows));
    json_array_append_new(end->changed, o);
    snprintf(end->text, sizeof(end->text), "%s", text);
    if (!r->o->quiet) fprintf(stderr, "%s\n", text);
}

static void note_rows(peri_scriptrun_t *r, const peri_schema_t *s, const char *name,
                      const char *what, uint64_t changed, uint64_t all)
{
    char some[32], whole[32], of[64] = "", text[256];
    peri_human_count(changed, some);
    if (changed != all || strcmp(what, "updated") == 0)
        snprintf(of, sizeof(of), "; it has %s", peri_human_count(all, whole));
    snprintf(text, sizeof(text), "%s.%s: %s row%s %s%s", s->name, name, some,
             changed == 1 ? "" : "s", what, of);
    note(r, s, name, what, (int64_t)changed, text);
}

static void note_done(peri_scriptrun_t *r, const peri_schema_t *s, const char *name,
                      const char *what)
{
    char text[256];
    snprintf(text, sizeof(text), "%s.%s %s", s->name, name, what);
    note(r, s, name, what, -1, text);
}

static void note_nothing(const peri_scriptrun_t *r, const peri_schema_t *s,
                         const char *name, const char *why)
{
    snprintf(r->end->text, sizeof(r->end->text), "%s.%s %s: nothing was done", s->name,
             name, why);
    if (!r->o->quiet) fprintf(stderr, "%s\n", r->end->text);
}

/* ---- a new version ---- */

static int check_quota(void *arg, peri_err_t *err)
{
    return peri_mydbchange_check(arg, err);
}

/* The rows of w->sql into the change's file, or the plan. extends: the file that they are
 * added to a copy of; or NULL. */
static int write_rows(peri_scriptrun_t *r, const peri_statement_t *st,
                      const peri_rewritten_t *w, const char *extends,
                      peri_mydbchange_t *c, peri_queryran_t *ran, peri_err_t *err)
{
    peri_queryspec_t spec = *r->o->spec;
    spec.sql = peri_scriptrun_expand(r, w->sql, err);
    if (!spec.sql) return -1;
    spec.shown_sql = st->text;
    spec.limit = -1;
    spec.cut = false; /* a table is whole; its quota is its limit */
    spec.max_rows = spec.max_bytes = 0;
    spec.format = PERI_FMT_HDF5;
    spec.overwrite = spec.draft = true;
    spec.into = c ? peri_mydbchange_path(c) : NULL;
    spec.extends = extends;
    spec.marks = w->marks;
    const peri_queryrun_t how = {.ranks = r->o->ranks,
                                 .quiet = r->o->quiet,
                                 .silent = true,
                                 .check = c ? check_quota : NULL,
                                 .arg = c};
    return peri_scriptrun_query(r, &spec, &how, ran, err);
}

static bool explains(const peri_scriptrun_t *r)
{
    return r->o->spec->explain;
}

static int create(peri_scriptrun_t *r, const peri_statement_t *st, const char *sql,
                  peri_err_t *err)
{
    char name[PERI_MYDB_NAME];
    peri_queryran_t ran;
    const peri_rewritten_t w = {.sql = sql};
    const peri_schema_t *s = find_table(r, st, name, err);
    if (!s) return -1;
    if (explains(r)) return write_rows(r, st, &w, NULL, NULL, &ran, err);
    if (st->flags & PERI_ST_IF_NOT_EXISTS && peri_mydb_kind(s, name)) {
        note_nothing(r, s, name, "is there already");
        return 0;
    }
    const unsigned flags = st->flags & PERI_ST_OR_REPLACE ? 0 : PERI_MYDB_MUST_BE_NEW;
    peri_mydbchange_t *c = peri_mydbchange_new(s, name, flags, err);
    if (!c) return -1;
    const bool replaces = peri_mydbchange_replaces(c);
    int rc = write_rows(r, st, &w, NULL, c, &ran, err);
    if (rc == 0) rc = peri_mydbchange_commit(c, err);
    peri_mydbchange_free(c);
    if (rc == 0)
        note_rows(r, s, name, replaces ? "replaced" : "created", ran.rows, ran.rows);
    return rc;
}

static int create_as(peri_scriptrun_t *r, const peri_statement_t *st, peri_err_t *err)
{
    return create(r, st, st->sql, err);
}

/* ---- types ---- */

/* A type stands alone in a cast: DuckDB knows it, and it is nothing but a type. */
static int check_type(peri_scriptrun_t *r, const peri_statement_t *st,
                      const peri_stcolumn_t *c, peri_err_t *err)
{
    const char *const *names;
    size_t n;
    peri_err_t why = {0};
    const char *sql = peri_arena_printf(r->arena, "SELECT CAST(NULL AS %s\n)", c->text);
    if (peri_scriptrun_names(r, sql, &names, &n, &why) == 0) return 0;
    return peri_err_set(err, PERI_EINVAL, "%s.%s: the type of \"%s\" is not possible: %s",
                        st->schema, st->table, c->name, why.text);
}

static int check_types(peri_scriptrun_t *r, const peri_statement_t *st, peri_err_t *err)
{
    for (size_t i = 0; i < st->ncolumns; i++)
        if (st->columns[i].text && check_type(r, st, &st->columns[i], err)) return -1;
    return 0;
}

static int create_columns(peri_scriptrun_t *r, const peri_statement_t *st,
                          peri_err_t *err)
{
    peri_rewritten_t w;
    if (check_types(r, st, err) || peri_rewrite(st, NULL, NULL, 0, r->arena, &w, err))
        return -1;
    return create(r, st, w.sql, err);
}

/* ---- rows changed ---- */

static int rewrite(peri_scriptrun_t *r, const peri_statement_t *st,
                   const peri_before_t *before, peri_rewritten_t *w, peri_err_t *err)
{
    const char *const *names = NULL;
    size_t n = 0;
    peri_err_t why = {0};
    if (peri_rewrite_wants_names(st, r->arena)) {
        const char *sql =
            st->with ? peri_arena_printf(r->arena, "%s\n(%s\n)", st->with, st->sql)
                     : st->sql;
        sql = peri_scriptrun_expand(r, sql, err);
        if (!sql) return -1;
        if (peri_scriptrun_names(r, sql, &names, &n, &why)) {
            /* Kernels tell their columns when they run. */
            if (why.code != PERI_EKERNEL || st->flags & PERI_ST_BY_NAME) {
                *err = why;
                return -1;
            }
            n = 0;
        }
    }
    return peri_rewrite(st, &before->shape, names, n, r->arena, w, err);
}

static int replace(peri_scriptrun_t *r, const peri_statement_t *st,
                   const peri_schema_t *s, const char *name, peri_mydbchange_t *c,
                   const peri_before_t *before, peri_err_t *err)
{
    peri_rewritten_t w;
    peri_queryran_t ran;
    const uint64_t old = before->shape.rows;
    const bool extends = before->shape.extends;
    if (rewrite(r, st, before, &w, err)) return -1;
    if (!w.sql) {
        note_nothing(r, s, name, "is so already");
        return 0;
    }
    if (write_rows(r, st, &w, extends ? before->table->files[0].path : NULL, c, &ran,
                   err))
        return -1;
    if (explains(r)) return 0;
    const uint64_t rows = extends ? old + ran.rows : ran.rows;
    const bool keeps = st->kind == PERI_ST_UPDATE || st->kind == PERI_ST_ALTER;
    if (keeps && rows != old)
        return peri_err_set(err, PERI_EINVAL,
                            "%s.%s stays as it was: its %llu rows would have become %llu",
                            s->name, name, (unsigned long long)old,
                            (unsigned long long)rows);
    if (!extends && peri_before_carry(before, peri_mydbchange_path(c),
                                      st->to ? st->columns[0].name : NULL, st->to, err))
        return -1;
    if (peri_mydbchange_commit(c, err)) return -1;
    static const char *const what[] = {[PERI_ST_INSERT] = "inserted",
                                       [PERI_ST_UPDATE] = "updated",
                                       [PERI_ST_DELETE] = "deleted",
                                       [PERI_ST_TRUNCATE] = "deleted",
                                       [PERI_ST_ALTER] = "altered"};
    const uint64_t changed = w.marks ? ran.marked : rows > old ? rows - old : old - rows;
    if (st->kind == PERI_ST_ALTER)
        note_done(r, s, name, what[st->kind]);
    else
        note_rows(r, s, name, what[st->kind], changed, rows);
    return 0;
}

static int change(peri_scriptrun_t *r, const peri_statement_t *st, peri_err_t *err)
{
    char name[PERI_MYDB_NAME];
    peri_before_t before = {0};
    const peri_limits_t limits = {.threads = 1};
    const peri_schema_t *s = find_table(r, st, name, err);
    if (!s || (st->kind == PERI_ST_ALTER && check_types(r, st, err))) return -1;
    peri_mydbchange_t *c =
        explains(r) ? NULL : peri_mydbchange_new(s, name, PERI_MYDB_MUST_EXIST, err);
    if (!c && !explains(r)) return -1;
    peri_session_t *session = peri_session_new(&limits, err);
    int rc = session ? peri_before_read(&before, session, s, name,
                                        st->kind == PERI_ST_INSERT, r->arena, err)
                     : -1;
    peri_session_free(session);
    if (rc == 0 && (rc = replace(r, st, s, name, c, &before, err)) != 0)
        peri_statement_blame(st, &before.shape, r->arena, err);
    peri_before_clear(&before);
    peri_mydbchange_free(c);
    return rc;
}

/* ---- tables and views as a whole ---- */

static int create_view(peri_scriptrun_t *r, const peri_statement_t *st, peri_err_t *err)
{
    char name[PERI_MYDB_NAME];
    const char *const *names, *text, *expanded;
    size_t n;
    const peri_schema_t *s = find_table(r, st, name, err);
    duckdb_connection con = s ? peri_scriptrun_parser(r, err) : NULL;
    if (!con) return -1;
    if (st->flags & PERI_ST_IF_NOT_EXISTS && peri_mydb_kind(s, name)) {
        note_nothing(r, s, name, "is there already");
        return 0;
    }
    const char *sql = st->sql + strspn(st->sql, " \n\t\r");
    text = peri_view_text_new(con, r->schemas, s, name, sql, r->o->spec->context,
                              r->o->spec->base, r->arena, &expanded, err);
    if (!text) return -1;
    if (peri_scriptrun_names(r, expanded, &names, &n, err)) {
        if (err->code == PERI_EKERNEL)
            (void)peri_err_prefix(err,
                                  "a view calls no kernels: make a table of its rows");
        return -1;
    }
    if (explains(r)) return 0;
    const unsigned flags =
        PERI_MYDB_IS_VIEW | (st->flags & PERI_ST_OR_REPLACE ? 0 : PERI_MYDB_MUST_BE_NEW);
    peri_mydbchange_t *c = peri_mydbchange_new(s, name, flags, err);
    if (!c) return -1;
    const bool replaces = peri_mydbchange_replaces(c);
    int rc = peri_file_write_atomic(peri_mydbchange_path(c), text, strlen(text), err);
    if (rc == 0) rc = peri_mydbchange_commit(c, err);
    peri_mydbchange_free(c);
    if (rc == 0) note_done(r, s, name, replaces ? "replaced" : "created");
    return rc;
}

static int drop(peri_scriptrun_t *r, const peri_statement_t *st, peri_err_t *err)
{
    char name[PERI_MYDB_NAME];
    const peri_schema_t *s = find_table(r, st, name, err);
    if (!s) return -1;
    const bool if_exists = st->flags & PERI_ST_IF_EXISTS;
    if (explains(r)) return 0;
    if (if_exists && !peri_mydb_kind(s, name)) {
        note_nothing(r, s, name, "is not there");
        return 0;
    }
    if (peri_mydb_drop(s, name,
                       st->flags & PERI_ST_VIEW ? PERI_MYDB_VIEW : PERI_MYDB_TABLE,
                       if_exists, err))
        return -1;
    note_done(r, s, name, "dropped");
    return 0;
}

/* What `verb` is said of, a table or a view, is what lies there. */
static int check_kind(const peri_statement_t *st, const peri_schema_t *s,
                      const char *name, const char *verb, peri_err_t *err)
{
    const peri_mydbkind_t is = peri_mydb_kind(s, name);
    const bool view = is == PERI_MYDB_VIEW;
    if (!is || view == !!(st->flags & PERI_ST_VIEW)) return 0;
    return peri_err_set(err, PERI_ECONFLICT, "%s.%s is a %s: write %s %s", s->name, name,
                        view ? "view" : "table", verb, view ? "VIEW" : "TABLE");
}

static int rename_table(peri_scriptrun_t *r, const peri_statement_t *st, peri_err_t *err)
{
    char name[PERI_MYDB_NAME], text[256];
    const peri_schema_t *s = find_table(r, st, name, err);
    if (!s || check_kind(st, s, name, "ALTER", err)) return -1;
    if (explains(r)) return 0;
    if (peri_mydb_rename(s, name, st->to, err)) return -1;
    snprintf(text, sizeof(text), "%s.%s is called %s now", s->name, name, st->to);
    note(r, s, name, "renamed", -1, text);
    return 0;
}

static int comment(peri_scriptrun_t *r, const peri_statement_t *st, peri_err_t *err)
{
    char name[PERI_MYDB_NAME];
    const peri_schema_t *s = find_table(r, st, name, err);
    if (!s || (!st->ncolumns && check_kind(st, s, name, "COMMENT ON", err))) return -1;
    if (explains(r)) return 0;
    json_t *o = st->ncolumns ? json_pack("{s:{s:{s:s}}}", "columns", st->columns[0].name,
                                         "description", st->comment)
                             : json_pack("{s:s}", "description", st->comment);
    int rc = peri_mydb_describe(s, name, o, err);
    json_decref(o);
    if (rc == 0) note_done(r, s, name, "described");
    return rc;
}

/* ---- all of them ---- */

int peri_scriptrun_table(peri_scriptrun_t *r, const peri_statement_t *st, peri_err_t *err)
{
    static int (*const ways[])(peri_scriptrun_t *, const peri_statement_t *,
                               peri_err_t *) = {
        [PERI_ST_CREATE_AS] = create_as,     [PERI_ST_CREATE_COLUMNS] = create_columns,
        [PERI_ST_CREATE_VIEW] = create_view, [PERI_ST_INSERT] = change,
        [PERI_ST_UPDATE] = change,           [PERI_ST_DELETE] = change,
        [PERI_ST_TRUNCATE] = change,         [PERI_ST_DROP] = drop,
        [PERI_ST_RENAME] = rename_table,     [PERI_ST_ALTER] = change,
        [PERI_ST_COMMENT] = comment,
    };
    const int rc = ways[st->kind](r, st, err);
    if (rc && st->kind == PERI_ST_CREATE_AS)
        peri_statement_blame(st, NULL, r->arena, err);
    return rc;
}
