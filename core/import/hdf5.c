/* hdf5.c - a group of columns, or one compound dataset, of an HDF5 file, through
 * core/table and core/engine as every query reads it: what core/out wrote comes back as
 * it was. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/import/reader.h"
#include "core/table/table.h"

/* The file by its own path where that is still its name and no pattern: if HDF5 crashes,
 * the last words name it. */
static void take_real_path(peri_reader_t *r)
{
    char real[PATH_MAX];
    struct stat named, held;
    ssize_t n = readlink(r->path, real, sizeof(real) - 1);
    if (n <= 0) return;
    real[n] = '\0';
    if (stat(real, &named) || fstat(r->fd, &held) || named.st_ino != held.st_ino ||
        named.st_dev != held.st_dev || strpbrk(real, "*?[]{}\\:"))
        return;
    r->path = peri_arena_strdup(r->arena, real);
}

static peri_table_t *resolve(peri_reader_t *r, peri_err_t *err)
{
    const char *path = r->opts->path_in_file;
    char *text = peri_xasprintf("%s%s%s", r->path,
                                !path          ? ""
                                : *path == '/' ? ":"
                                               : ":/",
                                path ? path : "");
    peri_table_t *t = peri_table_resolve_text(text, NULL, NULL, true, err);
    free(text);
    if (t) return t;
    peri_reader_reword(r, NULL, err);
    if (err && err->code == PERI_EINVAL && !path)
        peri_err_prefix(err, "say which table, as \"path\" /GROUP");
    return NULL;
}

static int add_columns(peri_reader_t *r, const peri_table_t *t, peri_err_t *err)
{
    duckdb_logical_type *types = NULL;
    char **names = NULL;
    size_t n = 0;
    int rc = peri_session_describe(r->session, "SELECT * FROM peri_r0", &types, &names,
                                   &n, err);
    for (size_t i = 0; i < n; i++) {
        const peri_column_t *c = i < t->ncolumns ? &t->columns[i] : NULL;
        if (rc == 0)
            rc = peri_reader_column(r, names[i], c ? c->unit : "", c ? c->ucd : "",
                                    c ? c->description : "", types[i], NULL, err);
        else
            duckdb_destroy_logical_type(&types[i]);
        free(names[i]);
    }
    free(names);
    free(types);
    return rc;
}

/* The description of the group that the columns lie in. */
static void take_description(peri_reader_t *r)
{
    const char *path = r->opts->path_in_file;
    char *text = NULL;
    peri_h5file_t *f = peri_h5file_open(r->path, NULL, NULL);
    if (!f) return;
    if (!peri_h5attr_string(f, path ? path : "/", "description", &text, NULL) && text &&
        peri_utf8_valid(text, strlen(text)))
        r->description = peri_arena_strdup(r->arena, text);
    free(text);
    peri_h5file_unref(f);
}

static int hdf5_open(peri_reader_t *r, peri_err_t *err)
{
    peri_ranges_t all = {0};
    take_real_path(r);
    peri_table_t *t = resolve(r, err);
    if (!t) return -1;
    peri_ranges_all(&all, t);
    int rc = peri_session_add_relation(r->session, 0, t, NULL, 0, err);
    if (rc == 0) rc = peri_session_set_share(r->session, 0, &all, err);
    if (rc == 0) rc = add_columns(r, t, err);
    for (size_t i = 0; i < t->nnotes; i++) peri_reader_note(r, "%s", t->notes[i]);
    atomic_store(&r->all, t->rows);
    r->sql = "peri_r0";
    peri_ranges_free(&all);
    peri_table_unref(t); /* the session has its own reference */
    take_description(r);
    return rc ? peri_reader_reword(r, NULL, err) : 0;
}

static bool hdf5_sniff(const unsigned char *head, size_t n)
{
    return n >= 8 && !memcmp(head, "\x89HDF\r\n\x1a\n", 8);
}

const peri_readops_t peri_read_hdf5 = {.name = "hdf5",
                                       .endings = " .hdf5 .h5 .hdf .he5 .nc ",
                                       .sniff = hdf5_sniff,
                                       .sure = true,
                                       .names_as_they_are = true,
                                       .open = hdf5_open};
