/* describe.c - what a table and its columns are said to be: attributes of its file,
 * changed in a copy of it that takes its place. Values, NULLs, chunks and all other
 * attributes stay, byte for byte.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/copyfile.h"
#include "core/base/util.h"
#include "core/mydb/about.h"
#include "core/mydb/private.h"
#include "core/mydb/read.h"
#include "core/mydb/viewnote.h"
#include "core/out/h5attrs.h"

/* What may be said, and how long it may be. */
static const struct {
    const char *key;
    size_t max;
} texts[] = {{"description", 65536}, {"unit", 256}, {"ucd", 256}};
#define NTEXTS (sizeof(texts) / sizeof(*texts))

/* ---- the request ---- */

static int check_text(const char *of, const char *key, const json_t *v, size_t kinds,
                      peri_err_t *err)
{
    for (size_t i = 0; i < kinds; i++) {
        if (strcmp(key, texts[i].key) != 0) continue;
        if (json_is_string(v) && json_string_length(v) <= texts[i].max) return 0;
        return peri_err_set(err, PERI_EINVAL,
                            "the %s of %s is to be a text of at most %zu bytes", key, of,
                            texts[i].max);
    }
    return peri_err_set(err, PERI_EINVAL,
                        "%s has no \"%s\" to be changed: a table has a description, a "
                        "column a description, unit and ucd",
                        of, key);
}

static int check_request(const json_t *o, peri_err_t *err)
{
    const char *key, *name;
    json_t *v, *c;
    const json_t *columns = json_object_get(o, "columns");
    if (!json_is_object(o) || (columns && !json_is_object(columns)))
        return peri_err_set(err, PERI_EINVAL,
                            "a description is an object of \"description\" and "
                            "\"columns\", an object of columns by name");
    json_object_foreach((json_t *)o, key, v)
    {
        if (strcmp(key, "columns") != 0 && check_text("a table", key, v, 1, err))
            return -1;
    }
    json_object_foreach((json_t *)columns, name, c)
    {
        if (!json_is_object(c))
            return peri_err_set(err, PERI_EINVAL,
                                "what is said of column %s is to be an object", name);
        json_object_foreach(c, key, v)
        {
            if (check_text(name, key, v, NTEXTS, err)) return -1;
        }
    }
    return 0;
}

/* ---- attributes ---- */

static int put_all(hid_t object, const json_t *o)
{
    for (size_t i = 0; i < NTEXTS; i++) {
        const char *text = json_string_value(json_object_get(o, texts[i].key));
        if (text && peri_h5_put_text(object, texts[i].key, text)) return -1;
    }
    return 0;
}

/* The dataset that is the column and nothing else. A link to another file would have that
 * changed. */
static hid_t open_column(hid_t file, const peri_table_t *t, const char *name,
                         peri_err_t *err)
{
    const peri_column_t *c = peri_table_column(t, name);
    if (!c) {
        const char **names = peri_xcalloc(t->ncolumns + 1, sizeof(*names));
        for (size_t i = 0; i < t->ncolumns; i++) names[i] = t->columns[i].name;
        const char *near = peri_did_you_mean(name, names, t->ncolumns);
        free(names);
        return peri_err_set(err, PERI_ENOTFOUND, "%s has no column \"%s\"%s%s%s", t->name,
                            name, near ? "; did you mean " : "", near ? near : "",
                            near ? "?" : "");
    }
    H5L_info_t link;
    if (*c->field || c->component >= 0 || strchr(c->dataset + 1, '/') ||
        H5Lget_info(file, c->dataset, &link, H5P_DEFAULT) < 0 ||
        link.type != H5L_TYPE_HARD)
        return peri_err_set(err, PERI_EUNSUPP,
                            "column %s of %s is no dataset of its own in the file, and "
                            "cannot be described; CREATE TABLE ... AS SELECT makes one "
                            "that can",
                            c->name, t->name);
    return H5Dopen2(file, c->dataset, H5P_DEFAULT);
}

static int change_columns(hid_t file, const peri_table_t *t, const json_t *columns,
                          peri_err_t *err)
{
    const char *name;
    json_t *c;
    json_object_foreach((json_t *)columns, name, c)
    {
        hid_t set = open_column(file, t, name, err);
        int rc = set < 0 ? -1 : put_all(set, c);
        if (set >= 0 && H5Dclose(set) < 0) rc = -1;
        if (rc) return -1;
    }
    return 0;
}

static int change_file(const char *path, const peri_table_t *t, const json_t *o,
                       peri_err_t *err)
{
    peri_err_t why = {0};
    const char *text = json_string_value(json_object_get(o, "description"));
    peri_h5_lock();
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, fapl);
    hid_t root = file < 0 ? -1 : H5Gopen2(file, "/", H5P_DEFAULT);
    int rc = root < 0 || (text && peri_h5_put_text(root, "description", text)) ? -1 : 0;
    if (rc == 0) rc = change_columns(file, t, json_object_get(o, "columns"), &why);
    if (root >= 0) H5Gclose(root);
    if (file >= 0 && H5Fclose(file) < 0) rc = -1;
    H5Pclose(fapl);
    peri_h5_unlock();
    if (rc && !why.code)
        peri_err_set(
            &why, PERI_EIO,
            "the description could not be written into a copy of %s; it is as it "
            "was",
            t->name);
    if (rc && err) *err = why;
    return rc;
}

/* ---- views ---- */

/* A view's description stands in its text; its columns are those of the tables that it
 * reads. */
static int describe_view(const peri_schema_t *s, const char *name, const json_t *o,
                         peri_err_t *err)
{
    const char *note = json_string_value(json_object_get(o, "description")), *select;
    char *old = NULL, *text = NULL;
    if (json_object_size(json_object_get(o, "columns")))
        return peri_err_set(err, PERI_EUNSUPP,
                            "%s.%s is a view: its columns are described where they come "
                            "from, in the tables that it reads",
                            s->name, name);
    peri_mydbchange_t *c =
        peri_mydbchange_new(s, name, PERI_MYDB_IS_VIEW | PERI_MYDB_MUST_EXIST, err);
    if (!c) return -1;
    int rc = peri_mydb_view_text(s, name, &old, err);
    if (rc == 0 && note) {
        free(peri_viewnote_read(old, &select));
        text = peri_viewnote_write(note, select);
        if (strlen(text) > PERI_MYDB_VIEW_MAX)
            rc =
                peri_err_set(err, PERI_ELIMIT,
                             "the view %s.%s and its description have more than %u bytes "
                             "together",
                             s->name, name, PERI_MYDB_VIEW_MAX);
        if (rc == 0)
            rc = peri_file_write_atomic(peri_mydbchange_path(c), text, strlen(text), err);
        if (rc == 0) rc = peri_mydbchange_commit(c, err);
    }
    peri_mydbchange_free(c);
    free(text);
    free(old);
    return rc;
}

int peri_mydb_describe(const peri_schema_t *s, const char *given, const json_t *o,
                       peri_err_t *err)
{
    char name[PERI_MYDB_NAME], *path = NULL;
    peri_h5file_t *held = NULL;
    peri_table_t *t = NULL;
    int rc = -1;
    peri_h5_init(NULL);
    if (check_request(o, err) || peri_mydb_name(given, name, err)) return -1;
    if (peri_mydb_kind(s, name) == PERI_MYDB_VIEW) return describe_view(s, name, o, err);
    peri_mydbchange_t *c = peri_mydbchange_new(s, name, PERI_MYDB_MUST_EXIST, err);
    if (!c) return -1;
    path = peri_mydb_path(s, name);
    t = peri_mydb_table(s, name, &held, err);
    if (t && peri_file_copy(path, peri_mydbchange_path(c), NULL, NULL, err) == 0 &&
        change_file(peri_mydbchange_path(c), t, o, err) == 0)
        rc = peri_mydbchange_commit(c, err);
    if (t) {
        peri_table_unref(t);
        peri_h5file_release(held);
    }
    peri_mydbchange_free(c);
    free(path);
    return rc;
}
