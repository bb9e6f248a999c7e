/* h5attrs.c - see h5attrs.h. */
#include "core/out/h5attrs.h"

#include <string.h>

#include "core/out/h5names.h"

/* An attribute lies in the object's header, which holds 64 KiB: more columns than this
 * have only their links' creation order. */
#define LISTED_MAX 3500

hid_t peri_h5_string_type(void)
{
    hid_t t = H5Tcopy(H5T_C_S1);
    H5Tset_size(t, H5T_VARIABLE);
    H5Tset_cset(t, H5T_CSET_UTF8);
    return t;
}

static int put_texts(hid_t object, const char *name, hid_t space, const void *values)
{
    hid_t type = peri_h5_string_type();
    hid_t a = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t rc = a < 0 ? -1 : H5Awrite(a, type, values);
    hid_t why = H5Eget_current_stack(); /* the calls below would forget it */
    if (a >= 0) H5Aclose(a);
    H5Sclose(space);
    H5Tclose(type);
    H5Eset_current_stack(why);
    return rc < 0 ? -1 : 0;
}

int peri_h5_put_text(hid_t object, const char *name, const char *value)
{
    if (H5Aexists(object, name) > 0 && H5Adelete(object, name) < 0) return -1;
    if (!*value) return 0;
    return put_texts(object, name, H5Screate(H5S_SCALAR), &value);
}

static int put_order(hid_t file, const char *const *links, size_t n)
{
    if (n == 0 || n > LISTED_MAX) return 0;
    hsize_t dims = n;
    return put_texts(file, PERI_H5_COLUMNS, H5Screate_simple(1, &dims, NULL), links);
}

static int put_sources(hid_t file, const peri_provenance_t *prov)
{
    if (!prov->nsources) return 0;
    hsize_t n = prov->nsources;
    hid_t group =
        H5Gcreate2(file, PERI_H5_PROVENANCE, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hid_t text = peri_h5_string_type(), space = H5Screate_simple(1, &n, NULL);
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(peri_outsource_t));
    H5Tinsert(type, "path", HOFFSET(peri_outsource_t, path), text);
    H5Tinsert(type, "size", HOFFSET(peri_outsource_t, size), H5T_NATIVE_UINT64);
    H5Tinsert(type, "mtime_ns", HOFFSET(peri_outsource_t, mtime_ns), H5T_NATIVE_INT64);
    hid_t set =
        H5Dcreate2(group, "sources", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    herr_t rc =
        set < 0 ? -1 : H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, prov->sources);
    if (set >= 0 && H5Dclose(set) < 0) rc = -1;
    H5Tclose(type);
    H5Tclose(text);
    H5Sclose(space);
    if (group < 0 || H5Gclose(group) < 0) rc = -1;
    return rc < 0 ? -1 : 0;
}

static int put_origin(hid_t file, const peri_writer_t *w)
{
    return peri_h5_put_text(file, "query", w->prov.query) ||
                   peri_h5_put_text(file, "version", w->prov.version) ||
                   peri_h5_put_text(file, "created", w->created) ||
                   put_sources(file, &w->prov)
               ? -1
               : 0;
}

int peri_h5_put_head(hid_t file, const peri_writer_t *w, const char *const *links)
{
    return peri_h5_put_text(file, "description", w->prov.description) ||
                   put_order(file, links, w->ncols) || put_origin(file, w)
               ? -1
               : 0;
}

int peri_h5_renew_head(hid_t file, const peri_writer_t *w)
{
    const char *text = w->prov.description;
    if (*text && peri_h5_put_text(file, "description", text)) return -1;
    if (H5Lexists(file, PERI_H5_PROVENANCE, H5P_DEFAULT) > 0 &&
        H5Ldelete(file, PERI_H5_PROVENANCE, H5P_DEFAULT) < 0)
        return -1;
    return put_origin(file, w);
}

int peri_h5_put_column(hid_t set, const peri_writer_t *w, size_t c, const char *link,
                       peri_buf_t *text)
{
    const peri_outcol_t *out = &w->cols[c];
    peri_buf_clear(text);
    peri_field_sql_type(&w->fields[c], text);
    const char *unit = *out->unit ? out->unit : peri_h5_moment_unit(w->fields[c].type);
    return peri_h5_put_text(set, "unit", unit) ||
           peri_h5_put_text(set, "description", out->description) ||
           peri_h5_put_text(set, "ucd", out->ucd) ||
           peri_h5_put_text(set, PERI_H5_SQL_TYPE, text->failed ? "" : text->data) ||
           peri_h5_put_text(set, PERI_H5_SQL_NAME, peri_h5_sql_name(out->name, link));
}
