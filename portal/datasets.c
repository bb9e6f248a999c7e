/* datasets.c - the datasets that a job of an account sees: their descriptors, each by
 * itself, and the folders of their data, at the same place as outside.
 *
 * Only `root` and `storage` of a descriptor are read here; whether the rest is right the
 * job will say.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/base/yaml.h"
#include "portal/access/access.h"
#include "portal/binds.h"

#define ENDING         ".yaml"
#define DESCRIPTOR_MAX (4u << 20)

enum { USE = PERI_RIGHT_READ | PERI_RIGHT_RUN };

typedef struct {
    const peri_portal_t *portal;
    peri_arena_t *arena;
    PGresult *known; /* name, rights, folder */
    const char **read;
    size_t n;
} sets_t;

static void put(sets_t *s, const char *path)
{
    if (!path || *path != '/' || s->n == PERI_SANDBOX_PATHS) return;
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') len--;
    if (len < 2 || strstr(path, "/../") || strstr(path, "/./") || strstr(path, "//"))
        return;
    for (size_t i = 0; i < s->n; i++)
        if (!strncmp(s->read[i], path, len) && !s->read[i][len]) return;
    s->read[s->n++] = peri_arena_strndup(s->arena, path, len);
}

/* ---- what an account may use ---- */

/* -1: the database does not know it. */
static int rights_of(const sets_t *s, const char *name, size_t n)
{
    for (int i = 0; i < PQntuples(s->known); i++) {
        const char *k = PQgetvalue(s->known, i, 0);
        if (!strncasecmp(k, name, n) && !k[n]) return atoi(PQgetvalue(s->known, i, 1));
    }
    return -1;
}

/* ---- descriptors ---- */

static const char *text_of(const peri_yaml_t *y, peri_node_t *node, peri_arena_t *a)
{
    const char *s = NULL;
    return node && peri_yaml_text(y, node, "a folder", a, &s, NULL) == 0 ? s : NULL;
}

static peri_node_t *value_of(const peri_pair_t *pairs, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(pairs[i].key, key)) return pairs[i].value;
    return NULL;
}

static void put_storages(sets_t *s, const peri_yaml_t *y, peri_node_t *list)
{
    peri_node_t **items;
    size_t n = 0;
    if (!list || peri_yaml_items(y, list, "storage", s->arena, &items, &n, NULL)) return;
    for (size_t i = 0; i < n; i++) {
        peri_pair_t *pairs;
        size_t npairs = 0;
        if (peri_yaml_is_mapping(items[i]) &&
            peri_yaml_pairs(y, items[i], "a storage", s->arena, &pairs, &npairs, NULL) ==
                0)
            put(s, text_of(y, value_of(pairs, npairs, "folder"), s->arena));
    }
}

/* A relative root lies beside the descriptor. */
static void put_root(sets_t *s, const char *root, const char *path)
{
    if (!root) return;
    if (*root == '/') {
        put(s, root);
        return;
    }
    char whole[4096];
    char *joined =
        peri_xasprintf("%.*s/%s", (int)(strrchr(path, '/') - path), path, root);
    if (strlen(joined) < sizeof(whole) && realpath(joined, whole)) put(s, whole);
    free(joined);
}

static void put_descriptor(sets_t *s, const char *path)
{
    peri_yaml_t y = {0};
    peri_pair_t *pairs;
    size_t len, n = 0;
    char *text = NULL;
    put(s, path);
    if (peri_file_slurp(path, DESCRIPTOR_MAX, &text, &len, NULL)) return;
    if (peri_yaml_open(&y, text, len, path, NULL) == 0 &&
        peri_yaml_pairs(&y, peri_yaml_root(&y), "a dataset", s->arena, &pairs, &n,
                        NULL) == 0) {
        put_root(s, text_of(&y, value_of(pairs, n, "root"), s->arena), path);
        put_storages(s, &y, value_of(pairs, n, "storage"));
    }
    peri_yaml_close(&y);
    free(text);
}

static void put_catalog(sets_t *s, const char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        const size_t n = strlen(e->d_name), end = sizeof(ENDING) - 1;
        if (n <= end || e->d_name[0] == '.' || strcmp(e->d_name + n - end, ENDING))
            continue;
        const int rights = rights_of(s, e->d_name, n - end);
        if (rights >= 0 && !(rights & USE)) continue;
        put_descriptor(s, peri_arena_printf(s->arena, "%s/%s", folder, e->d_name));
    }
    if (d) closedir(d);
}

/* ---- */

static PGresult *load(peri_db_t *db, int64_t account, peri_err_t *err)
{
    char who[24];
    snprintf(who, sizeof(who), "%lld", (long long)account);
    return peri_db_query(
        db, err,
        "SELECT name, perigee_rights($1::bigint, 'dataset', id, ''), folder "
        "FROM dataset ORDER BY id",
        1, (const char *const[]){who});
}

/* The folders of descriptors, as the command looks for them. */
static const char *catalogs(const peri_portal_t *p, peri_arena_t *a)
{
    const char *env = getenv("PERIGEE_DATASETS");
    return peri_arena_printf(a, "%s%s%s/datasets:/etc/perigee/datasets", env ? env : "",
                             env && *env ? ":" : "", p->config->state);
}

int peri_binds_datasets(const peri_portal_t *p, peri_db_t *db, int64_t account,
                        peri_arena_t *a, peri_binds_t *out, peri_err_t *err)
{
    sets_t s = {.portal = p, .arena = a, .known = load(db, account, err)};
    if (!s.known) return -1;
    s.read = peri_arena_calloc(a, PERI_SANDBOX_PATHS, sizeof(*s.read));
    for (int i = 0; i < PQntuples(s.known); i++)
        if ((atoi(PQgetvalue(s.known, i, 1)) & USE) && !PQgetisnull(s.known, i, 2))
            put(&s, PQgetvalue(s.known, i, 2));
    out->datasets = catalogs(p, a);
    char *list = peri_xstrdup(out->datasets), *rest = NULL;
    for (char *f = strtok_r(list, ":", &rest); f; f = strtok_r(NULL, ":", &rest))
        put_catalog(&s, f);
    free(list);
    const char *kernels = peri_arena_printf(a, "%s/kernels", p->config->state);
    if (access(kernels, R_OK) == 0) {
        put(&s, kernels);
        out->kernels = kernels;
    }
    PQclear(s.known);
    out->sandbox.read = s.read;
    out->sandbox.nread = s.n;
    return 0;
}
