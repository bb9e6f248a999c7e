/* read.c - see read.h. */
#include "core/mydb/read.h"

#include <limits.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "core/mydb/private.h"

/* Nothing in the file may lead out of the schema's folder. */
static peri_table_t *resolve(const peri_schema_t *s, const char *path, const char *shown,
                             peri_h5file_t **held, peri_err_t *err)
{
    char root[PATH_MAX];
    const peri_tablespec_t spec = {.name = shown,
                                   .description = "",
                                   .files = &path,
                                   .nfiles = 1,
                                   .base = s->folder,
                                   .root = realpath(s->folder, root),
                                   .path = "/",
                                   .replaced = true};
    if (!spec.root) {
        peri_err_set(err, PERI_EIO, "the folder %s cannot be opened: %m", s->folder);
        return NULL;
    }
    peri_h5file_t *f = peri_h5file_open(path, spec.root, err);
    if (!f) return NULL;
    peri_h5file_hold(f);
    peri_table_t *t = peri_table_resolve(&spec, err);
    if (t)
        *held = f;
    else
        peri_h5file_release(f);
    peri_h5file_unref(f);
    return t;
}

peri_table_t *peri_mydb_table(const peri_schema_t *s, const char *given,
                              peri_h5file_t **held, peri_err_t *err)
{
    char name[PERI_MYDB_NAME];
    peri_mydbkind_t kind =
        peri_mydb_name(given, name, NULL) ? PERI_MYDB_NONE : peri_mydb_kind(s, name);
    if (kind == PERI_MYDB_NONE) {
        (void)peri_mydb_nowhere(s, given, err);
        return NULL;
    }
    if (kind == PERI_MYDB_VIEW) {
        peri_err_set(err, PERI_EUNSUPP,
                     "%s.%s is a view: it has no rows of its own to be read here",
                     s->name, name);
        return NULL;
    }
    char *path = peri_mydb_path(s, name), *shown = peri_xasprintf("%s.%s", s->name, name);
    peri_table_t *t = resolve(s, path, shown, held, err);
    free(path);
    free(shown);
    return t;
}

static peri_h5file_t *gone(const peri_table_t *t, const peri_file_t *f, peri_err_t *err)
{
    const char *root = peri_file_root(t, f);
    peri_err_set(err, PERI_ECONFLICT,
                 "%s is gone: it was dropped while it was read, or this machine does not "
                 "see the same folder %s as that which began the query",
                 t->name, root ? root : f->path);
    return NULL;
}

static peri_h5file_t *changed(const peri_table_t *t, peri_err_t *err)
{
    peri_err_set(err, PERI_ECONFLICT,
                 "%s was changed while it was read; run the query again", t->name);
    return NULL;
}

peri_h5file_t *peri_mydb_hold(const peri_table_t *t, peri_err_t *err)
{
    peri_err_t why = {0};
    uint64_t size, inode;
    int64_t mtime_ns;
    const peri_file_t *is = &t->files[0];
    peri_h5file_t *f = peri_h5file_open(is->path, peri_file_root(t, is), &why);
    if (!f && why.code == PERI_ENOTFOUND) return gone(t, is, err);
    if (!f) {
        if (err) *err = why;
        return NULL;
    }
    peri_h5file_stat(f, &size, &mtime_ns, &inode);
    bool same = size == is->size && mtime_ns == is->mtime_ns && inode == is->inode;
    if (same) peri_h5file_hold(f);
    peri_h5file_unref(f);
    return same ? f : changed(t, err);
}
