/* scanfile.c - one file of a relation, opened for the columns that a scan projects. */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/engine/scan.h"

static int find_field(peri_h5set_t *set, const char *name, size_t *field)
{
    size_t n;
    const peri_h5field_t *fields = peri_h5set_fields(set, &n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            *field = i;
            return 0;
        }
    }
    return -1;
}

static size_t find_set(const peri_scanfile_t *f, const peri_table_t *t, size_t upto,
                       const char *dataset)
{
    for (size_t i = 0; i < upto; i++)
        if (f->cols[i].set != SIZE_MAX &&
            strcmp(t->columns[f->cols[i].column].dataset, dataset) == 0)
            return f->cols[i].set;
    return SIZE_MAX;
}

/* Open the dataset of a column and give it its chunk map where the index has one. */
static int open_set(const peri_scanrel_t *rel, const peri_file_t *pf, peri_h5file_t *h5,
                    const char *dataset, peri_scanfile_t *f, peri_err_t *err)
{
    peri_h5set_t *set = peri_h5set_open(h5, dataset, err);
    if (!set) return -1;
    f->sets[f->nsets++] = set;
    if (peri_h5set_rows(set) < pf->rows)
        return peri_err_set(err, PERI_EFORMAT,
                            "%s: %s has %llu rows where %llu are expected; the file has "
                            "changed or is damaged",
                            pf->path, dataset, (unsigned long long)peri_h5set_rows(set),
                            (unsigned long long)pf->rows);
    uint64_t chunk = peri_h5set_chunk_rows(set);
    if (chunk > f->align) f->align = chunk;
    if (rel->index && peri_h5set_layout(set) == PERI_LAYOUT_CHUNKED) {
        uint64_t n;
        const peri_chunkloc_t *map = peri_index_chunks(
            rel->index, pf->path, pf->size, pf->mtime_ns, pf->inode, dataset, &n);
        /* A map that does not fit is only a lost short cut. */
        if (map) peri_h5set_use_chunk_map(set, map, n, NULL);
    }
    return 0;
}

/* The flags that the column's dataset names, if this file has some: one for each value.
 */
static int open_mask(const peri_scanrel_t *rel, const peri_file_t *pf, peri_h5file_t *h5,
                     const peri_column_t *c, peri_scancol_t *sc, peri_scanfile_t *f,
                     peri_err_t *err)
{
    char *path = NULL;
    int rc = peri_h5attr_string(h5, c->dataset, "null_mask", &path, err);
    if (rc == 0) rc = open_set(rel, pf, h5, path, f, err);
    if (rc == 0) {
        size_t n;
        peri_h5set_t *set = f->sets[f->nsets - 1];
        const peri_h5field_t *field = peri_h5set_fields(set, &n);
        sc->mask = f->nsets - 1;
        sc->mask_field = 0;
        bool is_flag = n == 1 && field->width == sc->width &&
                       (field->type == PERI_T_BOOL || field->type == PERI_T_I8 ||
                        field->type == PERI_T_U8);
        if (!is_flag)
            rc = peri_err_set(
                err, PERI_EFORMAT,
                "%s: %s, the null_mask of %s, does not have %u flag%s a row", pf->path,
                path, c->dataset, sc->width, sc->width == 1 ? "" : "s");
    }
    free(path);
    return rc < 0 ? -1 : 0;
}

peri_scanfile_t *peri_scanfile_new(const peri_scanrel_t *rel, uint32_t file,
                                   const size_t *columns, size_t ncols, peri_err_t *err)
{
    const peri_table_t *t = rel->table;
    const peri_file_t *pf = &t->files[file];
    peri_scanfile_t *f = peri_xcalloc(1, sizeof(*f));
    peri_h5file_t *h5 = NULL;
    f->file = file;
    f->align = 1;
    f->cols = peri_xcalloc(ncols, sizeof(*f->cols));
    f->sets = peri_xcalloc(2 * ncols, sizeof(*f->sets)); /* with masks */
    f->ncols = ncols;
    if (ncols == 0) return f;

    h5 = peri_h5file_open(pf->path, peri_file_root(t, pf), err);
    if (!h5) goto fail;
    uint64_t size, inode;
    int64_t mtime_ns;
    peri_h5file_stat(h5, &size, &mtime_ns, &inode);
    if (size != pf->size || mtime_ns != pf->mtime_ns || inode != pf->inode) {
        peri_err_set(err, PERI_EIO,
                     "%s was changed while the query ran; run the query again", pf->path);
        goto fail;
    }
    for (size_t i = 0; i < ncols; i++) {
        const peri_column_t *c = &t->columns[columns[i]];
        peri_scancol_t *sc = &f->cols[i];
        sc->column = columns[i];
        sc->set = sc->mask = SIZE_MAX;
        if (pf->has && !pf->has[columns[i]]) continue;
        size_t set = find_set(f, t, i, c->dataset);
        if (set == SIZE_MAX) {
            if (open_set(rel, pf, h5, c->dataset, f, err)) goto fail;
            set = f->nsets - 1;
        }
        size_t nfields;
        if (find_field(f->sets[set], c->field, &sc->field)) {
            peri_err_set(err, PERI_EFORMAT, "%s: %s has no member \"%s\"", pf->path,
                         c->dataset, c->field);
            goto fail;
        }
        const peri_h5field_t *field =
            &peri_h5set_fields(f->sets[set], &nfields)[sc->field];
        uint32_t width = c->component >= 0 ? field->width : c->width;
        if (field->type == 0 || field->width != width ||
            (uint32_t)(c->component + 1) > field->width ||
            (field->type != c->type &&
             !peri_widen(field->type, c->type, NULL, NULL, 0))) {
            peri_err_set(err, PERI_EFORMAT,
                         "%s: %s is of type %s there, which does not fit column \"%s\" "
                         "(%s) of the other files",
                         pf->path, c->dataset, field->stored_as, c->name,
                         peri_type_name(c->type));
            goto fail;
        }
        sc->set = set;
        sc->type = field->type;
        sc->width = field->width;
        if (c->nullable && open_mask(rel, pf, h5, c, sc, f, err)) goto fail;
    }
    peri_h5file_unref(h5);
    return f;
fail:
    peri_h5file_unref(h5);
    peri_scanfile_free(f);
    return NULL;
}

void peri_scanfile_free(peri_scanfile_t *f)
{
    if (!f) return;
    for (size_t i = 0; i < f->nsets; i++) peri_h5set_unref(f->sets[i]);
    free(f->sets);
    free(f->cols);
    free(f);
}

#define WIDEN(FROM, TO)                                                                  \
    do {                                                                                 \
        const FROM *a = in;                                                              \
        TO *b = out;                                                                     \
        for (size_t i = 0; i < n; i++) b[i] = (TO)a[i];                                  \
        return true;                                                                     \
    } while (0)

bool peri_widen(peri_type_t from, peri_type_t to, const void *in, void *out, size_t n)
{
    switch (to) {
    case PERI_T_I16:
        if (from == PERI_T_I8) WIDEN(int8_t, int16_t);
        return false;
    case PERI_T_I32:
        if (from == PERI_T_I8) WIDEN(int8_t, int32_t);
        if (from == PERI_T_I16) WIDEN(int16_t, int32_t);
        return false;
    case PERI_T_I64:
        if (from == PERI_T_I8) WIDEN(int8_t, int64_t);
        if (from == PERI_T_I16) WIDEN(int16_t, int64_t);
        if (from == PERI_T_I32) WIDEN(int32_t, int64_t);
        return false;
    case PERI_T_U16:
        if (from == PERI_T_U8) WIDEN(uint8_t, uint16_t);
        return false;
    case PERI_T_U32:
        if (from == PERI_T_U8) WIDEN(uint8_t, uint32_t);
        if (from == PERI_T_U16) WIDEN(uint16_t, uint32_t);
        return false;
    case PERI_T_U64:
        if (from == PERI_T_U8) WIDEN(uint8_t, uint64_t);
        if (from == PERI_T_U16) WIDEN(uint16_t, uint64_t);
        if (from == PERI_T_U32) WIDEN(uint32_t, uint64_t);
        return false;
    case PERI_T_F64:
        if (from == PERI_T_F32) WIDEN(float, double);
        return false;
    default:
        return false;
    }
}
