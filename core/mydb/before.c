/* before.c - see before.h. */
#include "core/mydb/before.h"

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/out/h5attrs.h"
#include "core/table/sqltype.h"

#define MAX_TYPE (1u << 20)

/* ---- reading ---- */

static const char *type_text(const char *name, duckdb_logical_type type,
                             peri_arena_t *arena, peri_err_t *err)
{
    peri_field_t f;
    peri_buf_t b;
    const char *out = NULL;
    peri_buf_init(&b, MAX_TYPE);
    if (peri_field_init(&f, name, type, err) == 0) {
        peri_field_sql_type(&f, &b);
        if (peri_buf_check(&b, "the type of a column", err) == 0)
            out = peri_arena_strdup(arena, b.data);
    }
    peri_field_clear(&f);
    peri_buf_free(&b);
    return out;
}

static int read_types(peri_before_t *b, peri_session_t *session, bool more,
                      peri_arena_t *arena, peri_err_t *err)
{
    duckdb_logical_type *types = NULL;
    char **names = NULL;
    size_t n = 0;
    if (peri_session_add_relation(session, 0, b->table, NULL, 0, err) ||
        peri_session_describe(session, "SELECT * FROM peri_r0", &types, &names, &n, err))
        return -1;
    peri_oldcolumn_t *v = peri_arena_calloc(arena, n + 1, sizeof(*v));
    peri_outcol_t *cols = peri_arena_calloc(arena, n + 1, sizeof(*cols));
    int rc = 0;
    for (size_t i = 0; i < n; i++) {
        v[i].name = peri_arena_strdup(arena, names[i]);
        v[i].type = rc ? "" : type_text(names[i], types[i], arena, err);
        if (!v[i].type) rc = -1;
        cols[i] = (peri_outcol_t){.name = v[i].name, .type = types[i]};
    }
    const bool extends =
        more && rc == 0 &&
        peri_writer_can_extend(PERI_FMT_HDF5, b->table->files[0].path, cols, n);
    for (size_t i = 0; i < n; i++) {
        duckdb_destroy_logical_type(&types[i]);
        free(names[i]);
    }
    free(types);
    free(names);
    b->shape = (peri_oldtable_t){v, n, b->table->rows, extends};
    return rc;
}

static void read_description(peri_before_t *b)
{
    const peri_file_t *is = &b->table->files[0];
    peri_h5file_t *f = peri_h5file_open(is->path, peri_file_root(b->table, is), NULL);
    if (!f) return;
    if (peri_h5attr_string(f, "/", "description", &b->description, NULL) != 0)
        b->description = NULL;
    peri_h5file_unref(f);
}

int peri_before_read(peri_before_t *b, peri_session_t *session, const peri_schema_t *s,
                     const char *name, bool more, peri_arena_t *arena, peri_err_t *err)
{
    memset(b, 0, sizeof(*b));
    b->table = peri_mydb_table(s, name, &b->held, err);
    if (!b->table) return -1;
    if (read_types(b, session, more, arena, err)) {
        peri_before_clear(b);
        return -1;
    }
    read_description(b);
    return 0;
}

void peri_before_clear(peri_before_t *b)
{
    peri_table_unref(b->table);
    if (b->held) peri_h5file_release(b->held);
    free(b->description);
    memset(b, 0, sizeof(*b));
}

/* ---- carrying ---- */

static const peri_column_t *origin(const peri_before_t *b, const char *name,
                                   const char *from, const char *to)
{
    return peri_table_column(b->table, to && strcasecmp(name, to) == 0 ? from : name);
}

static int carry_text(hid_t object, const char *name, const char *is, const char *was)
{
    return *is || !*was ? 0 : peri_h5_put_text(object, name, was);
}

/* The unit of a date or time says what its integers count: it is its type's. */
static bool is_moment(const peri_column_t *c)
{
    return peri_sqltype_form(c->sql_type, c->type, c->width) == PERI_SQLFORM_BITS;
}

static int carry_column(hid_t file, const peri_column_t *c, const peri_column_t *was)
{
    if ((*c->unit || !*was->unit || is_moment(was)) &&
        (*c->description || !*was->description) && (*c->ucd || !*was->ucd))
        return 0;
    hid_t set = H5Dopen2(file, c->dataset, H5P_DEFAULT);
    if (set < 0) return -1;
    int rc = (is_moment(was) ? 0 : carry_text(set, "unit", c->unit, was->unit)) ||
             carry_text(set, "description", c->description, was->description) ||
             carry_text(set, "ucd", c->ucd, was->ucd);
    return H5Dclose(set) < 0 || rc ? -1 : 0;
}

static int carry_all(const peri_before_t *b, const peri_table_t *t, const char *path,
                     const char *from, const char *to)
{
    int rc = 0;
    peri_h5_lock();
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    for (size_t i = 0; file >= 0 && rc == 0 && i < t->ncolumns; i++) {
        const peri_column_t *was = origin(b, t->columns[i].name, from, to);
        if (was) rc = carry_column(file, &t->columns[i], was);
    }
    if (file >= 0 && rc == 0 && b->description)
        rc = peri_h5_put_text(file, "description", b->description);
    if (file < 0 || H5Fclose(file) < 0) rc = -1;
    peri_h5_unlock();
    return rc;
}

int peri_before_carry(const peri_before_t *b, const char *path, const char *from,
                      const char *to, peri_err_t *err)
{
    const peri_tablespec_t spec = {.name = b->table->name,
                                   .description = "",
                                   .files = &path,
                                   .nfiles = 1,
                                   .path = "/"};
    peri_table_t *t = peri_table_resolve(&spec, err);
    if (!t) return -1;
    int rc = carry_all(b, t, path, from, to);
    peri_table_unref(t);
    if (rc)
        (void)peri_err_set(err, PERI_EIO,
                           "what is said of the columns of %s could not be written anew",
                           b->table->name);
    return rc;
}
