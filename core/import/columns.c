/* columns.c - the columns of an import: names, types and units that were asked for, the
 * shape of a table that is appended to, and the statement that makes them of what a
 * reader has.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "core/import/cast.h"
#include "core/import/import_priv.h"

/* ---- for readers ---- */

static peri_forced_t *find_forced(const peri_import_t *i, const char *name)
{
    for (size_t k = 0; k < i->nforced; k++)
        if (!strcasecmp(i->forced[k].name, name)) return &i->forced[k];
    return NULL;
}

static bool as_they_are(const peri_reader_t *r)
{
    return r->ops->names_as_they_are || r->own_names;
}

/* A column may be meant by its name in the file or by the one it gets. */
static peri_forced_t *forced_of(const peri_reader_t *r, const char *source)
{
    const peri_import_t *i = (const peri_import_t *)r; /* its first member */
    const char *name =
        peri_read_legal_name(r->arena, source, as_they_are(r), r->cols, r->ncols);
    peri_forced_t *f = find_forced(i, name);
    return f ? f : find_forced(i, source);
}

duckdb_logical_type peri_reader_forced(const peri_reader_t *r, const char *source)
{
    const peri_forced_t *f = forced_of(r, source);
    return f ? f->type : NULL;
}

static const char *unit_of(const peri_reader_t *r, const char *name, const char *source,
                           const char *unit)
{
    for (size_t i = 0; i < r->opts->nunits; i++) {
        const char *said = r->opts->units[i], *equals = strchr(said, '=');
        size_t n = (size_t)(equals - said);
        if ((strlen(name) == n && !strncasecmp(said, name, n)) ||
            (strlen(source) == n && !strncasecmp(said, source, n)))
            return equals + 1;
    }
    return unit ? unit : "";
}

int peri_reader_column(peri_reader_t *r, const char *source, const char *unit,
                       const char *ucd, const char *description,
                       duckdb_logical_type given, duckdb_logical_type type,
                       peri_err_t *err)
{
    if (r->ncols == PERI_IMPORT_COLUMNS_MAX) {
        duckdb_destroy_logical_type(&given);
        if (type) duckdb_destroy_logical_type(&type);
        return peri_err_set(err, PERI_ELIMIT, "%s has more than %d columns", r->name,
                            PERI_IMPORT_COLUMNS_MAX);
    }
    if (r->ncols == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 16;
        r->cols = peri_xrealloc(r->cols, r->cap, sizeof(*r->cols));
    }
    peri_arena_t *a = r->arena;
    peri_forced_t *forced = forced_of(r, source);
    peri_readcol_t *c = &r->cols[r->ncols];
    memset(c, 0, sizeof(*c));
    c->source = peri_arena_strdup(a, source);
    c->name = peri_read_legal_name(a, source, as_they_are(r), r->cols, r->ncols);
    c->unit = peri_arena_strdup(a, unit_of(r, c->name, source, unit));
    c->ucd = peri_arena_strdup(a, ucd ? ucd : "");
    bool renamed = strcmp(c->name, source) && *source;
    c->description = peri_arena_strdup(a, description && *description ? description
                                          : renamed                   ? source
                                                                      : "");
    c->given = given;
    if (forced) {
        if (type) duckdb_destroy_logical_type(&type);
        forced->used = true;
        type = peri_cast_copy_type(forced->type);
    }
    c->type = type ? type : peri_cast_copy_type(given);
    r->ncols++;
    return 0;
}

/* ---- the statement ---- */

void peri_import_put_source(const peri_import_t *i, size_t c, peri_buf_t *b)
{
    if (i->r.sql)
        peri_buf_put_quoted(b, i->r.cols[c].source, '"');
    else
        peri_buf_printf(b, "c%zu", c);
}

/* The value of the reader's column c as `type`. */
int peri_import_put_value(const peri_import_t *i, size_t c, duckdb_logical_type type,
                          bool wrong_is_null, peri_buf_t *b, peri_err_t *err)
{
    peri_buf_t source;
    peri_buf_init(&source, PERI_IMPORT_SQL_MAX);
    peri_import_put_source(i, c, &source);
    int rc = peri_cast_put(source.data, i->r.cols[c].given, type, wrong_is_null, b, err);
    peri_buf_free(&source);
    return rc;
}

static size_t find_column(const peri_reader_t *r, const char *name)
{
    for (size_t c = 0; c < r->ncols; c++)
        if (!strcasecmp(r->cols[c].name, name)) return c;
    for (size_t c = 0; c < r->ncols; c++)
        if (!strcasecmp(r->cols[c].source, name)) return c;
    return SIZE_MAX;
}

size_t peri_import_source(const peri_import_t *i, size_t k)
{
    return i->opts.shape ? find_column(&i->r, i->cols[k].name) : k;
}

const char *peri_import_rows_sql(const peri_import_t *i)
{
    return i->r.sql ? i->r.sql : "peri_import_rows()";
}

/* SELECT of what comes out, in its order. */
static int make_statement(peri_import_t *i, peri_err_t *err)
{
    peri_buf_t b;
    peri_buf_init(&b, PERI_IMPORT_SQL_MAX);
    peri_buf_puts(&b, "SELECT ");
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < i->ncols; k++) {
        size_t c = peri_import_source(i, k);
        if (k) peri_buf_puts(&b, ", ");
        rc = c == SIZE_MAX ? peri_cast_put("NULL", NULL, i->cols[k].type, false, &b, err)
                           : peri_import_put_value(i, c, i->cols[k].type, false, &b, err);
        peri_buf_printf(&b, " AS o%zu", k);
    }
    peri_buf_printf(&b, " FROM %s", peri_import_rows_sql(i));
    if (rc == 0) rc = peri_buf_check(&b, "the list of columns", err);
    i->relation = rc ? NULL : peri_buf_take(&b, NULL);
    peri_buf_free(&b);
    return rc;
}

/* ---- columns ---- */

static void list_names(const char *const *names, size_t n, peri_buf_t *b)
{
    for (size_t k = 0; k < n && b->len < 300; k++)
        peri_buf_printf(b, "%s%s", k ? ", " : "", names[k]);
    if (b->len >= 300) peri_buf_puts(b, ", ...");
}

/* What the file has and the shape has not; both sides listed. */
static int check_shape(const peri_import_t *i, peri_err_t *err)
{
    const peri_importopts_t *o = &i->opts;
    const char **names = peri_xcalloc(i->r.ncols + o->nshape, sizeof(*names));
    bool *wanted = peri_xcalloc(i->r.ncols, sizeof(*wanted));
    peri_buf_t theirs, ours;
    peri_buf_init(&theirs, 4096);
    peri_buf_init(&ours, 4096);
    size_t n = 0, found = 0;
    for (size_t k = 0; k < o->nshape; k++) {
        size_t c = find_column(&i->r, o->shape[k].name);
        if (c != SIZE_MAX) wanted[c] = true;
        found += c != SIZE_MAX;
        names[k] = o->shape[k].name;
    }
    list_names(names, o->nshape, &ours);
    for (size_t c = 0; c < i->r.ncols; c++)
        if (!wanted[c]) names[n++] = i->r.cols[c].name;
    list_names(names, n, &theirs);
    int rc = 0;
    if (n || !found)
        rc = peri_err_set(err, PERI_EINVAL,
                          "%s has columns that the table has not: %s; the table has %s: "
                          "rename or leave out the columns in the file",
                          i->r.name, theirs.data ? theirs.data : "",
                          ours.data ? ours.data : "");
    peri_buf_free(&theirs);
    peri_buf_free(&ours);
    free(names);
    free(wanted);
    return rc;
}

static int settle_columns(peri_import_t *i, peri_err_t *err)
{
    const peri_importopts_t *o = &i->opts;
    if (!i->r.ncols)
        return peri_err_set(err, PERI_EFORMAT, "%s has no columns", i->r.name);
    if (o->shape && check_shape(i, err)) return -1;
    i->ncols = o->shape ? o->nshape : i->r.ncols;
    i->cols = peri_arena_calloc(i->r.arena, i->ncols, sizeof(*i->cols));
    for (size_t k = 0; k < i->ncols; k++) {
        if (o->shape) {
            i->cols[k] = o->shape[k];
            continue;
        }
        const peri_readcol_t *c = &i->r.cols[k];
        i->cols[k] = (peri_outcol_t){.name = c->name,
                                     .unit = c->unit,
                                     .description = c->description,
                                     .ucd = c->ucd,
                                     .type = c->type};
    }
    return 0;
}

static int fail_column(const peri_import_t *i, const char *what, const char *name,
                       peri_err_t *err)
{
    const char **names = peri_xcalloc(i->r.ncols + 1, sizeof(*names));
    peri_buf_t list;
    peri_buf_init(&list, 4096);
    for (size_t c = 0; c < i->r.ncols; c++) names[c] = i->r.cols[c].name;
    list_names(names, i->r.ncols, &list);
    const char *near = peri_did_you_mean(name, names, i->r.ncols);
    peri_err_set(err, PERI_EINVAL,
                 "the %s of a column: %s has no column \"%s\"%s%s%s; it has %s", what,
                 i->r.name, name, near ? "; did you mean \"" : "", near ? near : "",
                 near ? "\"" : "", list.data ? list.data : "none");
    peri_buf_free(&list);
    free(names);
    return -1;
}

static int check_said(const peri_import_t *i, peri_err_t *err)
{
    for (size_t k = 0; k < i->nforced; k++)
        if (!i->forced[k].used && !i->opts.shape)
            return fail_column(i, "type", i->forced[k].name, err);
    for (size_t k = 0; k < i->opts.nunits; k++) {
        const char *said = i->opts.units[k];
        char *name = peri_xasprintf("%.*s", (int)strcspn(said, "="), said);
        int rc =
            find_column(&i->r, name) == SIZE_MAX ? fail_column(i, "unit", name, err) : 0;
        free(name);
        if (rc) return rc;
    }
    return 0;
}

/* ---- what was asked for ---- */

int peri_import_take_forced(peri_import_t *i, peri_err_t *err)
{
    const peri_importopts_t *o = &i->opts;
    i->forced = peri_xcalloc(o->ntypes + o->nshape + 1, sizeof(*i->forced));
    for (size_t k = 0; k < o->nunits; k++)
        if (!strchr(o->units[k], '='))
            return peri_err_set(err, PERI_EINVAL,
                                "a unit is said as COLUMN=UNIT, not \"%s\"", o->units[k]);
    for (size_t k = 0; k < o->nshape; k++)
        i->forced[i->nforced++] = (peri_forced_t){
            o->shape[k].name, peri_cast_copy_type(o->shape[k].type), true};
    for (size_t k = 0; k < o->ntypes && !o->shape; k++) {
        const char *said = o->types[k], *equals = strchr(said, '=');
        if (!equals || equals == said || !equals[1])
            return peri_err_set(err, PERI_EINVAL,
                                "a type is said as COLUMN=TYPE, such as ra=DOUBLE, not "
                                "\"%s\"",
                                said);
        peri_forced_t *f = &i->forced[i->nforced];
        f->name = peri_arena_strndup(i->r.arena, said, (size_t)(equals - said));
        if (find_forced(i, f->name))
            return peri_err_set(err, PERI_EINVAL, "two types are said for column %s",
                                f->name);
        f->type = peri_cast_parse_type(i->r.session, equals + 1, err);
        if (!f->type) return -1;
        i->nforced++;
    }
    return 0;
}

int peri_import_settle(peri_import_t *i, peri_err_t *err)
{
    return settle_columns(i, err) || check_said(i, err) || make_statement(i, err) ? -1
                                                                                  : 0;
}
