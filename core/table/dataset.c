/* dataset.c - see dataset.h: a YAML descriptor becomes table specifications. Opens no
 * data file.
 */
#include "core/table/dataset.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/arena.h"
#include "core/base/util.h"
#include "core/table/adapter.h"
#include "core/table/dataset_priv.h"
#include "core/table/limits.h"
#include "core/base/yaml.h"

typedef struct {
    peri_yaml_t yaml;
    peri_dataset_t *d;
    peri_tablespec_t *tables;
    size_t cap;
} builder_t;

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* ---- names ---- */

static bool is_name(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return s[0] >= 'a' && s[0] <= 'z' && s[n] == 0 && n <= 63;
}

static int check_name(const builder_t *b, peri_node_t *at, const char *what,
                      const char *name, peri_err_t *err)
{
    if (is_name(name)) return 0;
    return peri_yaml_error(
        &b->yaml, at, err,
        "%s \"%.70s\" must start with a small letter and have only small "
        "letters, digits and _, at most 63.",
        what, name);
}

static int check_new_table(builder_t *b, peri_node_t *at, const char *name,
                           peri_err_t *err)
{
    if (check_name(b, at, "the name of a table", name, err) < 0) return -1;
    for (size_t i = 0; i < b->d->ntables; i++)
        if (strcmp(b->tables[i].name, name) == 0)
            return peri_yaml_error(
                &b->yaml, at, err,
                "there is a table %s already; give one of them another "
                "name.",
                name);
    if (b->d->ntables == PERI_MAX_TABLES)
        return peri_yaml_error(&b->yaml, at, err, "more than %d tables.",
                               PERI_MAX_TABLES);
    return 0;
}

static peri_tablespec_t *new_table(builder_t *b, const char *name)
{
    if (b->d->ntables == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 16;
        peri_tablespec_t *v = peri_arena_calloc(b->d->arena, cap, sizeof(*v));
        if (b->cap) memcpy(v, b->tables, b->cap * sizeof(*v));
        b->tables = v;
        b->cap = cap;
    }
    peri_tablespec_t *t = &b->tables[b->d->ntables++];
    *t = (peri_tablespec_t){.name = name, .description = ""};
    if (b->d->nstorages) {
        t->storages = b->d->storages;
        t->nstorages = b->d->nstorages;
    } else {
        t->base = t->root = b->d->root;
    }
    return t;
}

/* ---- files ---- */

static int read_files(builder_t *b, peri_node_t *owner, peri_node_t *node,
                      const char *what, const char *const **files, size_t *n,
                      peri_err_t *err)
{
    if (!node)
        return peri_yaml_error(&b->yaml, owner, err,
                               "%s needs the key \"files\": a path or a pattern such as "
                               "groups_*/fof_subhalo_tab_*.hdf5.",
                               what);
    if (peri_yaml_texts(&b->yaml, node, "\"files\"", b->d->arena, files, n, err) < 0)
        return -1;
    for (size_t i = 0; i < *n; i++)
        if (!*(*files)[i])
            return peri_yaml_error(&b->yaml, node, err, "\"files\" has an empty name.");
    if (*n == 0) return peri_yaml_error(&b->yaml, node, err, "\"files\" is empty.");
    return 0;
}

/* ---- sources ---- */

/* Which of the format's tables, and under which names: all, a list, or a mapping. */
static int wanted_tables(builder_t *b, peri_node_t *node, const peri_adapter_t *a,
                         size_t n, const char **names, peri_node_t **at, peri_err_t *err)
{
    peri_pair_t *pairs = NULL;
    peri_node_t **items = NULL;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) names[i] = node ? NULL : a[i].table;
    if (!node) return 0;
    bool is_mapping = peri_yaml_is_mapping(node);
    if (is_mapping && peri_yaml_pairs(&b->yaml, node, "\"tables\"", b->d->arena, &pairs,
                                      &count, err) < 0)
        return -1;
    if (!is_mapping && peri_yaml_items(&b->yaml, node, "\"tables\"", b->d->arena, &items,
                                       &count, err) < 0)
        return -1;
    for (size_t k = 0; k < count; k++) {
        const char *table, *name;
        peri_node_t *key = is_mapping ? pairs[k].at : items[k];
        peri_node_t *value = is_mapping ? pairs[k].value : items[k];
        const char *what = "the name of a table";
        if (!value) return peri_yaml_error(&b->yaml, key, err, "this table has no name.");
        if (peri_yaml_text(&b->yaml, key, what, b->d->arena, &table, err) < 0 ||
            peri_yaml_text(&b->yaml, value, what, b->d->arena, &name, err) < 0)
            return -1;
        const char *known[16];
        size_t i = n;
        for (size_t j = 0; j < n; j++) {
            known[j] = a[j].table;
            if (strcmp(a[j].table, table) == 0) i = j;
        }
        const char *near = peri_did_you_mean(table, known, n);
        if (i == n)
            return peri_yaml_error(&b->yaml, key, err, "%s has no table \"%.60s\"%s%s%s",
                                   a->format, table, near ? "; did you mean \"" : ".",
                                   near ? near : "", near ? "\"?" : "");
        names[i] = name;
        at[i] = value;
    }
    return 0;
}

static int read_source(builder_t *b, peri_node_t *node, peri_err_t *err)
{
    static const char *const keys[] = {"format", "files", "tables", "allow_missing"};
    enum { FORMAT, FILES, TABLES, ALLOW_MISSING };
    peri_node_t *v[COUNT(keys)];
    const peri_yaml_t *y = &b->yaml;
    if (peri_yaml_fields(y, node, "a source", keys, COUNT(keys), v, err) < 0) return -1;

    size_t nformats, n, nfiles;
    const char *const *formats = peri_adapter_formats(&nformats);
    const char *format;
    if (!v[FORMAT])
        return peri_yaml_error(
            y, node, err, "a source needs the key \"format\", such as %s.", formats[0]);
    if (peri_yaml_text(y, v[FORMAT], "\"format\"", b->d->arena, &format, err) < 0)
        return -1;
    const peri_adapter_t *a = peri_adapter_tables(format, &n);
    if (n == 0) {
        const char *near = peri_did_you_mean(format, formats, nformats);
        return peri_yaml_error(y, v[FORMAT], err,
                               "no format is called \"%.60s\"; did you mean \"%s\"?",
                               format, near ? near : formats[0]);
    }
    const char *const *files;
    bool allow_missing = false;
    if (read_files(b, node, v[FILES], "a source", &files, &nfiles, err) < 0) return -1;
    if (v[ALLOW_MISSING] &&
        peri_yaml_bool(y, v[ALLOW_MISSING], "\"allow_missing\"", &allow_missing, err) < 0)
        return -1;

    const char *names[16];
    peri_node_t *at[16] = {NULL};
    if (wanted_tables(b, v[TABLES], a, n, names, at, err) < 0) return -1;
    for (size_t i = 0; i < n; i++) {
        if (!names[i]) continue;
        if (check_new_table(b, at[i] ? at[i] : node, names[i], err) < 0) return -1;
        peri_tablespec_t *t = new_table(b, names[i]);
        t->files = files;
        t->nfiles = nfiles;
        t->path = a[i].path;
        t->adapter = a[i].format;
        t->allow_missing = allow_missing;
    }
    return 0;
}

/* ---- tables ---- */

static int optional_text(builder_t *b, peri_node_t *node, const char *what,
                         const char **out, peri_err_t *err)
{
    return node ? peri_yaml_text(&b->yaml, node, what, b->d->arena, out, err) : 0;
}

static int read_column(builder_t *b, const peri_pair_t *pair, peri_colspec_t *c,
                       peri_err_t *err)
{
    static const char *const keys[] = {"name", "parts", "unit", "description", "ucd"};
    enum { NAME, PARTS, UNIT, DESCRIPTION, UCD };
    peri_node_t *v[COUNT(keys)];
    c->source = pair->key;
    if (!pair->value) return 0;
    if (peri_yaml_fields(&b->yaml, pair->value, "a column", keys, COUNT(keys), v, err) <
            0 ||
        optional_text(b, v[NAME], "\"name\"", &c->name, err) < 0 ||
        optional_text(b, v[UNIT], "\"unit\"", &c->unit, err) < 0 ||
        optional_text(b, v[DESCRIPTION], "\"description\"", &c->description, err) < 0 ||
        optional_text(b, v[UCD], "\"ucd\"", &c->ucd, err) < 0)
        return -1;
    if (c->name && !*c->name)
        return peri_yaml_error(&b->yaml, v[NAME], err, "the name of a column is empty.");
    if (!v[PARTS]) return 0;
    if (c->name)
        return peri_yaml_error(&b->yaml, v[PARTS], err,
                               "a column has \"name\" or \"parts\", not both.");
    if (peri_yaml_texts(&b->yaml, v[PARTS], "\"parts\"", b->d->arena, &c->parts,
                        &c->nparts, err) < 0)
        return -1;
    for (size_t i = 0; i < c->nparts; i++)
        if (!*c->parts[i])
            return peri_yaml_error(&b->yaml, v[PARTS], err,
                                   "the name of a part is empty.");
    return 0;
}

static int read_columns(builder_t *b, peri_node_t *node, peri_tablespec_t *t,
                        peri_err_t *err)
{
    peri_pair_t *pairs;
    size_t n;
    if (peri_yaml_pairs(&b->yaml, node, "\"columns\"", b->d->arena, &pairs, &n, err) < 0)
        return -1;
    peri_colspec_t *columns = peri_arena_calloc(b->d->arena, n, sizeof(*columns));
    for (size_t i = 0; i < n; i++)
        if (read_column(b, &pairs[i], &columns[i], err) < 0) return -1;
    t->columns = columns;
    t->ncolumns = n;
    return 0;
}

static int read_table(builder_t *b, const peri_pair_t *pair, peri_err_t *err)
{
    static const char *const keys[] = {"files", "path", "description", "columns",
                                       "allow_missing"};
    enum { FILES, PATH, DESCRIPTION, COLUMNS, ALLOW_MISSING };
    peri_node_t *v[COUNT(keys)];
    const peri_yaml_t *y = &b->yaml;
    if (check_new_table(b, pair->at, pair->key, err) < 0) return -1;
    if (!pair->value)
        return peri_yaml_error(y, pair->at, err,
                               "table %s needs the keys \"files\" and "
                               "\"path\".",
                               pair->key);
    if (peri_yaml_fields(y, pair->value, "a table", keys, COUNT(keys), v, err) < 0)
        return -1;
    peri_tablespec_t *t = new_table(b, pair->key);
    if (read_files(b, pair->value, v[FILES], "a table", &t->files, &t->nfiles, err) < 0)
        return -1;
    if (!v[PATH])
        return peri_yaml_error(
            y, pair->value, err,
            "a table needs the key \"path\": the HDF5 group or dataset, "
            "such as /Subhalo.");
    if (peri_yaml_text(y, v[PATH], "\"path\"", b->d->arena, &t->path, err) < 0 ||
        optional_text(b, v[DESCRIPTION], "\"description\"", &t->description, err) < 0)
        return -1;
    if (t->path[0] != '/')
        return peri_yaml_error(y, v[PATH], err, "\"path\" must start with /.");
    if (v[ALLOW_MISSING] && peri_yaml_bool(y, v[ALLOW_MISSING], "\"allow_missing\"",
                                           &t->allow_missing, err) < 0)
        return -1;
    return v[COLUMNS] ? read_columns(b, v[COLUMNS], t, err) : 0;
}

/* ---- the whole ---- */

static const char *absolute(peri_arena_t *arena, const char *base, const char *root)
{
    return root[0] == '/' ? root : peri_arena_printf(arena, "%s/%s", base, root);
}

/* Absolute, links resolved where the folder exists. */
static const char *absolute_root(peri_arena_t *arena, const char *base, const char *root)
{
    const char *path = absolute(arena, base, root);
    char real[PATH_MAX];
    return peri_arena_strdup(arena, realpath(path, real) ? real : path);
}

/* ---- storages ---- */

static int read_storage(builder_t *b, peri_node_t *node, const peri_storage_t *before,
                        size_t n, peri_storage_t *out, peri_err_t *err)
{
    static const char *const keys[] = {"folder", "on"};
    enum { FOLDER, ON };
    peri_node_t *v[COUNT(keys)];
    const peri_yaml_t *y = &b->yaml;
    const char *folder, *on;
    if (peri_yaml_fields(y, node, "a storage", keys, COUNT(keys), v, err) < 0) return -1;
    for (size_t i = 0; i < COUNT(keys); i++)
        if (!v[i])
            return peri_yaml_error(y, node, err,
                                   "a storage needs the key \"%s\": write {folder: "
                                   "/path, on: nodes} or {folder: /path, on: shared}.",
                                   keys[i]);
    if (peri_yaml_text(y, v[FOLDER], "\"folder\"", b->d->arena, &folder, err) < 0 ||
        peri_yaml_text(y, v[ON], "\"on\"", b->d->arena, &on, err) < 0)
        return -1;
    if (folder[0] != '/' || !folder[1])
        return peri_yaml_error(
            y, v[FOLDER], err,
            "the folder of a storage must be an absolute path below /, "
            "the same on every node.");
    size_t len = strlen(folder);
    while (folder[len - 1] == '/') len--;
    out->folder = peri_arena_strndup(b->d->arena, folder, len);
    for (size_t i = 0; i < n; i++)
        if (strcmp(before[i].folder, out->folder) == 0)
            return peri_yaml_error(y, v[FOLDER], err, "%s is a storage already.",
                                   out->folder);
    out->on_nodes = strcmp(on, "nodes") == 0;
    if (out->on_nodes || strcmp(on, "shared") == 0) return 0;
    return peri_yaml_error(y, v[ON], err,
                           "\"on\" is \"nodes\" (each node has files of its own in the "
                           "folder) or \"shared\" (every node sees the same), not "
                           "\"%.40s\".",
                           on);
}

static int read_storages(builder_t *b, peri_node_t *root, peri_node_t *node,
                         peri_err_t *err)
{
    peri_node_t **items;
    size_t n;
    peri_dataset_t *d = b->d;
    if (root)
        return peri_yaml_error(&b->yaml, root, err,
                               "give \"root\" or \"storage\", not both: a root is "
                               "the same as a storage {folder: ..., on: shared}.");
    if (peri_yaml_items(&b->yaml, node, "\"storage\"", d->arena, &items, &n, err) < 0)
        return -1;
    if (n == 0 || n > PERI_MAX_STORAGES)
        return peri_yaml_error(&b->yaml, node, err, "\"storage\" lists 1 to %d folders.",
                               PERI_MAX_STORAGES);
    peri_storage_t *v = peri_arena_calloc(d->arena, n, sizeof(*v));
    for (size_t i = 0; i < n; i++)
        if (read_storage(b, items[i], v, i, &v[i], err) < 0) return -1;
    d->storages = v;
    d->nstorages = n;
    d->root = "";
    return 0;
}

static int read_descriptor(builder_t *b, const char *base, peri_err_t *err)
{
    static const char *const keys[] = {
        "name", "title",   "description", "licence", "citation", "contact", "tags",
        "root", "storage", "sources",     "tables",  "access",   "folder",  "queries"};
    enum {
        NAME,
        TITLE,
        DESCRIPTION,
        LICENCE,
        CITATION,
        CONTACT,
        TAGS,
        ROOT,
        STORAGE,
        SOURCES,
        TABLES,
        ACCESS,
        FOLDER,
        QUERIES
    };
    peri_node_t *v[COUNT(keys)], *top = peri_yaml_root(&b->yaml);
    peri_dataset_t *d = b->d;
    const peri_yaml_t *y = &b->yaml;
    if (peri_yaml_fields(y, top, "a dataset", keys, COUNT(keys), v, err) < 0) return -1;

    const struct {
        int key;
        const char **out;
    } texts[] = {
        {NAME, &d->name},       {TITLE, &d->title},       {DESCRIPTION, &d->description},
        {LICENCE, &d->licence}, {CITATION, &d->citation}, {CONTACT, &d->contact},
        {ROOT, &d->root}};
    for (size_t i = 0; i < COUNT(texts); i++) {
        *texts[i].out = "";
        if (optional_text(b, v[texts[i].key], keys[texts[i].key], texts[i].out, err) < 0)
            return -1;
    }
    if (!v[NAME])
        return peri_yaml_error(y, top, err, "the dataset needs the key \"name\".");
    if (check_name(b, v[NAME], "the name of a dataset", d->name, err) < 0) return -1;
    const char *root_said = *d->root ? absolute(d->arena, base, d->root) : NULL;
    d->root = absolute_root(d->arena, base, d->root);
    d->root_said = root_said ? root_said : d->root;
    if (v[STORAGE] && read_storages(b, v[ROOT], v[STORAGE], err) < 0) return -1;
    if (v[TAGS] &&
        peri_yaml_texts(y, v[TAGS], "\"tags\"", d->arena, &d->tags, &d->ntags, err))
        return -1;

    if (peri_dataset_read_portal(y, v[ACCESS], v[QUERIES], d, err)) return -1;
    if (v[FOLDER]) {
        if (peri_yaml_text(y, v[FOLDER], "\"folder\"", d->arena, &d->folder, err))
            return -1;
        d->folder = absolute_root(d->arena, base, d->folder);
    }

    if (v[SOURCES]) {
        peri_node_t **items;
        size_t n;
        if (peri_yaml_items(y, v[SOURCES], "\"sources\"", d->arena, &items, &n, err) < 0)
            return -1;
        for (size_t i = 0; i < n; i++)
            if (read_source(b, items[i], err) < 0) return -1;
    }
    if (v[TABLES]) {
        peri_pair_t *pairs;
        size_t n;
        if (peri_yaml_pairs(y, v[TABLES], "\"tables\"", d->arena, &pairs, &n, err) < 0)
            return -1;
        for (size_t i = 0; i < n; i++)
            if (read_table(b, &pairs[i], err) < 0) return -1;
    }
    if (d->ntables == 0)
        return peri_yaml_error(
            y, top, err, "the dataset has no tables; add \"sources\" or \"tables\".");
    d->tables = b->tables;
    return 0;
}

peri_dataset_t *peri_dataset_parse(const char *text, size_t len, const char *source,
                                   const char *base, peri_err_t *err)
{
    if (len > PERI_MAX_DESCRIPTOR) {
        peri_err_set(err, PERI_ELIMIT, "%s is larger than a descriptor may be (%d bytes)",
                     source, PERI_MAX_DESCRIPTOR);
        return NULL;
    }
    peri_arena_t *arena = peri_arena_new();
    builder_t b = {.d = peri_arena_calloc(arena, 1, sizeof(*b.d))};
    b.d->arena = arena;
    b.d->source = peri_arena_strdup(arena, source);
    int rc = peri_yaml_open(&b.yaml, text, len, b.d->source, err);
    if (rc == 0) rc = read_descriptor(&b, base ? base : ".", err);
    peri_yaml_close(&b.yaml);
    if (rc == 0) return b.d;
    peri_arena_free(arena);
    return NULL;
}

peri_dataset_t *peri_dataset_load(const char *yaml_path, peri_err_t *err)
{
    char *text = NULL, folder[PATH_MAX];
    size_t len;
    if (peri_file_slurp(yaml_path, PERI_MAX_DESCRIPTOR, &text, &len, err) < 0)
        return NULL;
    if (!realpath(yaml_path, folder)) folder[0] = 0;
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = 0;
    peri_dataset_t *d =
        peri_dataset_parse(text, len, yaml_path, *folder ? folder : NULL, err);
    free(text);
    return d;
}

void peri_dataset_free(peri_dataset_t *d)
{
    if (d) peri_arena_free(d->arena);
}
