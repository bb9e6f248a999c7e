/* catalog.c - the descriptors that this user has: NAME.yaml in a list of folders, the
 * first folder that has a name wins. An entry that ends in .yaml is one descriptor: so a
 * job gets one out of a folder of somebody else's, and not what else lies there. Adding
 * and removing is done in the state folder only.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/table/dataset.h"
#include "core/table/limits.h"
#include "core/base/yaml.h"

#define SYSTEM_FOLDER "/etc/perigee/datasets"
#define ENDING        ".yaml"
#define MAX_NAMES     10000

/* ---- folders ---- */

typedef struct {
    char **v;
    size_t n;
} list_t;

static void list_add(list_t *l, char *owned)
{
    l->v = peri_xrealloc(l->v, l->n + 1, sizeof(*l->v));
    l->v[l->n++] = owned;
}

static void list_free(list_t *l)
{
    for (size_t i = 0; i < l->n; i++) free(l->v[i]);
    free(l->v);
    *l = (list_t){0};
}

static char *own_folder(void)
{
    char *state = peri_state_dir();
    char *folder = peri_xasprintf("%s/datasets", state);
    free(state);
    return folder;
}

static list_t folders(void)
{
    list_t l = {0};
    const char *env = getenv("PERIGEE_DATASETS");
    char *copy = peri_xstrdup(env ? env : ""), *rest = NULL;
    for (char *p = strtok_r(copy, ":", &rest); p; p = strtok_r(NULL, ":", &rest))
        list_add(&l, peri_xstrdup(p));
    free(copy);
    list_add(&l, own_folder());
    list_add(&l, peri_xstrdup(SYSTEM_FOLDER));
    return l;
}

static char *path_in(const char *folder, const char *name)
{
    return peri_xasprintf("%s/%s" ENDING, folder, name);
}

/* Of a descriptor that stands for itself: the name, else NULL. */
static const char *own_name(const char *entry, size_t *len)
{
    const char *slash = strrchr(entry, '/'), *name = slash ? slash + 1 : entry;
    const size_t n = strlen(name), end = strlen(ENDING);
    if (n <= end || strcmp(name + n - end, ENDING) != 0) return NULL;
    *len = n - end;
    return name;
}

static bool is_called(const char *entry, const char *name)
{
    size_t n;
    const char *own = own_name(entry, &n);
    return !own || (strlen(name) == n && !strncmp(own, name, n));
}

/* The path of the descriptor of this name, or NULL. */
static char *find_path(const char *name)
{
    if (!*name || strchr(name, '/') || name[0] == '.') return NULL;
    list_t l = folders();
    char *found = NULL;
    for (size_t i = 0; i < l.n && !found; i++) {
        if (!is_called(l.v[i], name)) continue;
        size_t n;
        found = own_name(l.v[i], &n) ? peri_xstrdup(l.v[i]) : path_in(l.v[i], name);
        if (access(found, F_OK) == 0) break;
        free(found);
        found = NULL;
    }
    list_free(&l);
    return found;
}

/* ---- listing ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_folder(const char *folder, list_t *names)
{
    size_t len;
    const char *own = own_name(folder, &len);
    if (own && access(folder, F_OK) == 0)
        list_add(names, peri_xasprintf("%.*s", (int)len, own));
    DIR *dir = own ? NULL : opendir(folder);
    if (!dir) return;
    for (struct dirent *e; names->n < MAX_NAMES && (e = readdir(dir));) {
        size_t n = strlen(e->d_name), end = strlen(ENDING);
        if (e->d_name[0] != '.' && n > end && strcmp(e->d_name + n - end, ENDING) == 0)
            list_add(names, peri_xasprintf("%.*s", (int)(n - end), e->d_name));
    }
    closedir(dir);
}

int peri_catalog_list(char ***names, size_t *n, peri_err_t *err)
{
    (void)err; /* folders that cannot be opened have no datasets */
    list_t l = folders(), found = {0};
    for (size_t i = 0; i < l.n; i++) list_folder(l.v[i], &found);
    list_free(&l);
    if (found.n) qsort(found.v, found.n, sizeof(*found.v), compare_names);
    size_t kept = 0;
    for (size_t i = 0; i < found.n; i++) {
        if (kept && strcmp(found.v[kept - 1], found.v[i]) == 0)
            free(found.v[i]);
        else
            found.v[kept++] = found.v[i];
    }
    *names = found.v;
    *n = kept;
    return 0;
}

void peri_catalog_free_names(char **names, size_t n)
{
    list_t l = {names, n};
    list_free(&l);
}

/* ---- finding ---- */

static int no_such_dataset(const char *name, peri_err_t *err)
{
    char **names;
    size_t n;
    (void)peri_catalog_list(&names, &n, NULL);
    const char *near = peri_did_you_mean(name, (const char *const *)names, n);
    if (near)
        peri_err_set(err, PERI_ENOTFOUND,
                     "there is no dataset called %s; did you mean %s?", name, near);
    else
        peri_err_set(err, PERI_ENOTFOUND,
                     "there is no dataset called %s. \"perigee dataset ls\" shows all, "
                     "\"perigee dataset add FILE.yaml\" adds one",
                     name);
    peri_catalog_free_names(names, n);
    return -1;
}

peri_dataset_t *peri_catalog_find(const char *name, peri_err_t *err)
{
    char *path = find_path(name);
    if (!path) {
        (void)no_such_dataset(name, err);
        return NULL;
    }
    peri_dataset_t *d = peri_dataset_load(path, err);
    if (d && strcmp(d->name, name) != 0) {
        peri_err_set(err, PERI_EINVAL,
                     "%s describes a dataset called %s: rename the file to %s" ENDING ".",
                     path, d->name, d->name);
        peri_dataset_free(d);
        d = NULL;
    }
    free(path);
    return d;
}

/* ---- adding and removing ---- */

/* In double quotes, as YAML and JSON read it. */
static void put_quoted(peri_buf_t *b, const char *s)
{
    peri_buf_putc(b, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            peri_buf_printf(b, "\\%c", c);
        else if (c < 0x20)
            peri_buf_printf(b, "\\x%02x", c);
        else
            peri_buf_putc(b, *s);
    }
    peri_buf_putc(b, '"');
}

/* The descriptor with its root made absolute; all else, comments too, stays as it is. */
static int with_root(const char *text, size_t len, const peri_dataset_t *d,
                     peri_buf_t *out, peri_err_t *err)
{
    peri_yaml_t y;
    if (d->nstorages) { /* their folders are absolute */
        peri_buf_append(out, text, len);
        return peri_buf_check(out, "the descriptor", err);
    }
    if (peri_yaml_open(&y, text, len, d->source, err) < 0) return -1;
    peri_node_t *top = peri_yaml_root(&y),
                *root = fy_node_mapping_lookup_by_string(top, "root", FY_NT);
    size_t from, to;
    if (root && !fy_node_is_null(root)) {
        peri_yaml_span(root, text, &from, &to);
        peri_buf_append(out, text, from);
        put_quoted(out, d->root);
    } else {
        from = to = peri_yaml_first_key(top);
        peri_buf_append(out, text, from);
        peri_buf_puts(out, "root: ");
        put_quoted(out, d->root);
        peri_buf_puts(out, fy_node_get_style(top) == FYNS_FLOW ? ", " : "\n");
    }
    peri_buf_append(out, text + to, len - to);
    peri_yaml_close(&y);
    return peri_buf_check(out, "the descriptor", err);
}

/* The rewritten text must describe the same tables at the same root. */
static int check_copy(const peri_buf_t *copy, const peri_dataset_t *d, peri_err_t *err)
{
    peri_err_t why = {0};
    peri_dataset_t *again =
        peri_dataset_parse(copy->data, copy->len, d->source, "/", &why);
    bool same =
        again && strcmp(again->root, d->root) == 0 && again->ntables == d->ntables;
    peri_dataset_free(again);
    if (same) return 0;
    return peri_err_set(
        err, PERI_EINVAL,
        "%s cannot be registered as it is written; write its folder as one "
        "line, such as \"root: %s\"",
        d->source, d->root);
}

int peri_catalog_add(const char *yaml_path, bool replace, char **name, peri_err_t *err)
{
    int rc = -1;
    char *text = NULL, *folder = NULL, *path = NULL;
    size_t len;
    peri_buf_t copy;
    peri_buf_init(&copy, 2 * PERI_MAX_DESCRIPTOR);
    peri_dataset_t *d = peri_dataset_load(yaml_path, err);
    if (!d) goto out;
    folder = own_folder();
    path = path_in(folder, d->name);
    if (!replace && access(path, F_OK) == 0) {
        peri_err_set(err, PERI_EINVAL,
                     "there is a dataset called %s already; give --replace to replace it",
                     d->name);
        goto out;
    }
    if (peri_file_slurp(yaml_path, PERI_MAX_DESCRIPTOR, &text, &len, err) < 0 ||
        with_root(text, len, d, &copy, err) < 0 || check_copy(&copy, d, err) < 0 ||
        peri_mkdirs(folder, err) < 0 ||
        peri_file_write_atomic(path, copy.data, copy.len, err) < 0)
        goto out;
    if (name) *name = peri_xstrdup(d->name);
    rc = 0;
out:
    free(text);
    free(folder);
    free(path);
    peri_buf_free(&copy);
    peri_dataset_free(d);
    return rc;
}

int peri_catalog_remove(const char *name, peri_err_t *err)
{
    char *found = find_path(name);
    if (!found) return no_such_dataset(name, err);
    char *folder = own_folder(), *own = path_in(folder, name);
    int rc = 0;
    if (access(own, F_OK) != 0)
        rc = peri_err_set(err, PERI_EDENIED,
                          "dataset %s was not added with \"perigee dataset add\": its "
                          "descriptor is %s",
                          name, found);
    else if (unlink(own) != 0)
        rc =
            peri_err_set(err, PERI_EIO, "%s cannot be removed: %s", own, strerror(errno));
    free(found);
    free(folder);
    free(own);
    return rc;
}
