/* datasets.c - the datasets that a job of an account sees: their descriptors, each by
 * itself, and the folders of their data, at the same place as outside.
 *
 * What the catalogue (portal/catalogue) knows and the account may use; nothing else, so
 * that a descriptor that nobody has read yet gives nobody anything. A user's dataset is
 * the folder that its descriptor lies in, as long as its owner may read (and, for others
 * than her, share) it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/jobs/binds.h"
#include "portal/helper/client.h"

#define DATASETS_AT PERI_VOLUMES_AT "/.datasets"

typedef struct {
    peri_arena_t *arena;
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

/* What lies in another folder of them is seen with it; and if it is a link, nothing can
 * be put in its place there. */
static void drop_nested(sets_t *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        bool nested = false;
        for (size_t k = 0; k < s->n && !nested; k++)
            nested = k != i && peri_path_is_below(s->read[i], s->read[k]);
        /* Later ones are still compared with it: it has its own folder around it. */
        if (!nested) s->read[kept++] = s->read[i];
    }
    s->n = kept;
}

/* Descriptor, then a folder of it, one a row. */
static const char installed_sql[] =
    "SELECT d.source, r.folder FROM dataset d LEFT JOIN LATERAL unnest(d.reads || "
    "d.folder) AS r (folder) ON true WHERE d.gone IS NULL AND d.volume IS NULL AND "
    "d.source IS NOT NULL AND perigee_rights($1::bigint, 'dataset', d.id, '') & 10 = 10 "
    "ORDER BY d.id";

/* Her own before those of others. 2: read, 8: run, 16: grant. */
static const char users_sql[] =
    "SELECT d.name, d.volume, d.path FROM dataset d WHERE d.gone IS NULL AND d.volume IS "
    "NOT NULL AND perigee_rights($1::bigint, 'dataset', d.id, '') & 10 = 10 AND "
    "perigee_rights(d.account, 'volume', d.volume, d.path) & (CASE WHEN d.account = "
    "$1::bigint THEN 2 ELSE 18 END) = (CASE WHEN d.account = $1::bigint THEN 2 ELSE 18 "
    "END) ORDER BY d.account IS DISTINCT FROM $1::bigint, d.id";

static int put_installed(sets_t *s, peri_db_t *db, const char *who, peri_err_t *err)
{
    PGresult *q = peri_db_query(db, err, installed_sql, 1, &who);
    if (!q) return -1;
    for (int i = 0; i < PQntuples(q); i++) {
        put(s, PQgetvalue(q, i, 0));
        if (!PQgetisnull(q, i, 1)) put(s, PQgetvalue(q, i, 1));
    }
    PQclear(q);
    return 0;
}

/* As a Unix user: what the helper opens for her; once, also if a volume is it already. */
static void open_by_helper(const peri_sandbox_t *s, peri_bind_t *b, int64_t volume,
                           const char *path, peri_arena_t *a, peri_buf_t *list)
{
    char slot[PERI_HELPER_SLOT];
    peri_helper_slot((uint64_t)volume, path, slot);
    b->from = peri_arena_printf(a, PERI_HELPER_AT "/%s", slot);
    b->path = NULL;
    for (size_t i = 0; i < s->nbinds; i++)
        if (&s->binds[i] != b && !strcmp(s->binds[i].from, b->from)) return;
    peri_helper_list_put(list, volume, false, path);
}

static int put_users(const peri_portal_t *p, peri_arena_t *a, peri_db_t *db,
                     const char *who, peri_buf_t *list, peri_sandbox_t *s,
                     const char **datasets, peri_err_t *err)
{
    PGresult *q = peri_db_query(db, err, users_sql, 1, &who);
    if (!q) return -1;
    const int n = PQntuples(q);
    peri_bind_t *binds = peri_arena_calloc(a, PERI_SANDBOX_BINDS, sizeof(*binds));
    if (s->nbinds) memcpy(binds, s->binds, s->nbinds * sizeof(*binds));
    s->binds = binds;
    for (int i = 0; i < n && s->nbinds < PERI_SANDBOX_BINDS; i++) {
        const char *to = peri_arena_printf(a, DATASETS_AT "/%s", PQgetvalue(q, i, 0));
        const char *path = PQgetvalue(q, i, 2);
        binds[s->nbinds++] =
            (peri_bind_t){.from = peri_arena_printf(a, "%s/%s", p->config->storage.folder,
                                                    PQgetvalue(q, i, 1)),
                          .path = *path ? peri_arena_strdup(a, path) : NULL,
                          .to = to,
                          .hide = *path ? NULL : ".perigee",
                          .optional = true};
        if (list)
            open_by_helper(s, &binds[s->nbinds - 1],
                           strtoll(PQgetvalue(q, i, 1), NULL, 10),
                           peri_arena_strdup(a, path), a, list);
        *datasets = peri_arena_printf(a, "%s%s%s/%s.yaml", *datasets,
                                      **datasets ? ":" : "", to, PQgetvalue(q, i, 0));
    }
    PQclear(q);
    return list ? peri_buf_check(list, "the list of the job's folders", err) : 0;
}

/* The folders of descriptors, as the command looks for them. */
static const char *catalogs(const peri_config_t *c, peri_arena_t *a)
{
    const char *all = "";
    for (size_t i = 0; i < c->ndatasets; i++)
        all = peri_arena_printf(a, "%s%s%s", all, i ? ":" : "", c->datasets[i]);
    return all;
}

int peri_binds_datasets(const peri_portal_t *p, peri_db_t *db, int64_t account,
                        peri_arena_t *a, peri_buf_t *list, peri_binds_t *out,
                        peri_err_t *err)
{
    char who[24];
    sets_t s = {.arena = a};
    s.read = peri_arena_calloc(a, PERI_SANDBOX_PATHS, sizeof(*s.read));
    snprintf(who, sizeof(who), "%lld", (long long)account);
    out->datasets = catalogs(p->config, a);
    if (put_installed(&s, db, who, err) ||
        put_users(p, a, db, who, list, &out->sandbox, &out->datasets, err))
        return -1;
    const char *kernels = peri_arena_printf(a, "%s/kernels", p->config->state);
    if (access(kernels, R_OK) == 0) {
        put(&s, kernels);
        out->kernels = kernels;
    }
    drop_nested(&s);
    out->sandbox.read = s.read;
    out->sandbox.nread = s.n;
    return 0;
}
