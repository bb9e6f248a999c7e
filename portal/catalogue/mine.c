/* mine.c - a user's own datasets: a descriptor NAME.yaml in a volume, with its data
 * beside and below it. Nothing but that folder is read, now and by jobs.
 *
 * To show it to others takes the right to share the folder: using the dataset is reading
 * it. Jobs ask for that right again (portal/jobs/datasets.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/catalogue/api.h"
#include "portal/catalogue/ask.h"
#include "portal/storage/api.h"

#define ASK_SECONDS 60
#define ENDING      ".yaml"

typedef struct {
    char *bin, *name;       /* of the dataset */
    char volume[24], *path; /* of the folder */
    char id[24];            /* of the row that changes; "": a new one */
    char team[24];          /* "": none */
    bool open;              /* for everybody */
    int folder;
    json_t *told;
} mine_t;

static void mine_free(void *arg)
{
    mine_t *m = arg;
    if (m->folder >= 0) close(m->folder);
    json_decref(m->told);
    free(m->bin);
    free(m->name);
    free(m->path);
    free(m);
}

/* ---- reading it: in a thread of its own ---- */

static int check_told(const mine_t *m, peri_err_t *err)
{
    size_t i;
    const json_t *v;
    const char *name = json_string_value(json_object_get(m->told, "name"));
    if (!name || strcmp(name, m->name) != 0)
        return peri_err_set(
            err, PERI_EINVAL,
            "the file describes a dataset called %s: rename it to %s" ENDING,
            name ? name : "?", name ? name : "?");
    json_array_foreach(json_object_get(m->told, "reads"), i, v)
    {
        const char *s = json_string_value(v);
        const size_t n = strlen(PERI_ASK_INSIDE);
        if (s && !strncmp(s, PERI_ASK_INSIDE, n) && (!s[n] || s[n] == '/')) continue;
        return peri_err_set(err, PERI_EINVAL,
                            "a dataset in a volume has its data beside the descriptor or "
                            "below: leave \"storage\" out, and let \"root\" be a folder "
                            "in that of the descriptor");
    }
    return 0;
}

static int mine_run(void *arg, const peri_stop_t *stop, peri_err_t *err)
{
    mine_t *m = arg;
    char *file = peri_xasprintf("%s" ENDING, m->name);
    const peri_ask_t ask = {.bin = m->bin,
                            .file = file,
                            .folder = m->folder,
                            .seconds = ASK_SECONDS,
                            .stop = stop->wanted,
                            .arg = stop->arg};
    m->told = peri_catalogue_ask(&ask, err);
    free(file);
    return m->told ? check_told(m, err) : -1;
}

/* ---- keeping it ---- */

static int keep(peri_request_t *r, peri_db_t *db, const mine_t *m, peri_err_t *err)
{
    peri_toldrow_t row;
    char me[24];
    if (peri_dataset_row(m->told, r->arena, &row, err)) return -1;
    snprintf(me, sizeof(me), "%lld", (long long)r->actor.account);
    const char *const v[] = {row.name,
                             row.title,
                             row.tags,
                             row.about,
                             row.words,
                             me,
                             *m->team ? m->team : NULL,
                             m->open ? "t" : "f",
                             m->volume,
                             m->path,
                             *m->id ? m->id : NULL};
    PGresult *q =
        *m->id
            ? peri_db_query(
                  db, err,
                  "UPDATE dataset SET title = $2, tags = $3::text[], about = $4::jsonb, "
                  "words = lower($5), team = $7::bigint, public = $8::boolean, harvested "
                  "= "
                  "extract(epoch FROM now()), version = version + 1 WHERE id = "
                  "$11::bigint "
                  "AND name = $1 AND $6::bigint > 0 AND volume = $9::bigint AND path = "
                  "$10 "
                  "RETURNING id",
                  11, v)
            : peri_db_query(
                  db, err,
                  "INSERT INTO dataset (name, title, tags, about, words, account, team, "
                  "public, volume, path, harvested) VALUES ($1, $2, $3::text[], "
                  "$4::jsonb, "
                  "lower($5), $6::bigint, $7::bigint, $8::boolean, $9::bigint, $10, "
                  "extract(epoch FROM now())) ON CONFLICT DO NOTHING RETURNING id",
                  10, v);
    if (!q) return -1;
    const bool done = PQntuples(q) == 1;
    PQclear(q);
    if (done) return 0;
    return peri_err_set(err, PERI_ECONFLICT,
                        *m->id
                            ? "the dataset %s was changed meanwhile: look at it again"
                            : "the name %s is taken by another dataset: choose another",
                        row.name);
}

static int mine_answer(peri_request_t *r, void *arg, peri_err_t *err)
{
    const mine_t *m = arg;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_db_begin(db, err);
    if (!rc) rc = keep(r, db, m, err);
    if (!rc)
        rc = peri_audit(r, db, *m->id ? "dataset.edit" : "dataset.make", m->name, true,
                        NULL, err);
    if (!rc) rc = peri_dataset_answer(r, db, m->name, err);
    if (!rc) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    if (!rc && !*m->id) r->status = 201;
    return rc;
}

static const peri_worktype_t work = {mine_run, mine_answer, mine_free};

/* ---- the requests ---- */

/* Where it lies, with the rights that it takes: fills name, volume, path, folder. */
static int open_folder(peri_request_t *r, peri_db_t *db, int64_t volume, const char *path,
                       bool shared, mine_t *m, peri_err_t *err)
{
    peri_volume_t v;
    const peri_confstorage_t *conf = &r->portal->config->storage;
    const unsigned need = PERI_RIGHT_READ | (shared ? PERI_RIGHT_GRANT : 0);
    if (peri_volume_get(db, conf, r->actor.account, volume, r->arena, &v, err)) return -1;
    if (v.dataset)
        return peri_err_set(err, PERI_EINVAL, "%s is that of a dataset already", v.label);
    if (peri_access_need(r, db, "volume", v.id, path, need,
                         peri_arena_printf(r->arena, "%s:%s", v.label, path), err))
        return -1;
    const int root = peri_volume_open(conf, &v, err);
    if (root < 0) return -1;
    m->folder = peri_path_open_folder(root, path, err);
    close(root);
    snprintf(m->volume, sizeof(m->volume), "%lld", (long long)v.id);
    m->path = peri_xstrdup(path);
    return m->folder < 0 ? -1 : 0;
}

/* "team": a name or null, "public". */
static int read_whom(peri_request_t *r, peri_db_t *db, const json_t *o, mine_t *m,
                     peri_err_t *err)
{
    const char *team = NULL;
    peri_thing_t t;
    if (json_object_get(o, "team")) *m->team = '\0';
    if (peri_json_text(o, "team", false, 64, &team, err) ||
        peri_json_bool(o, "public", &m->open, err))
        return -1;
    if (json_is_true(json_object_get(o, "public")) && !r->actor.admin)
        return peri_err_set(err, PERI_EDENIED,
                            "only an administrator can show a dataset to everybody; you "
                            "can grant it (POST /grants)");
    if (!team) return 0;
    if (peri_thing_find(r, db, "team", team, &t, err) ||
        peri_access_need(r, db, "team", t.id, "", PERI_RIGHT_READ, team, err))
        return -1;
    snprintf(m->team, sizeof(m->team), "%lld", (long long)t.id);
    return 0;
}

/* "persistent:sims/run.yaml": the folder and the name. */
static int split_file(peri_request_t *r, const char *file, const char **folder, mine_t *m,
                      peri_err_t *err)
{
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    const size_t n = strlen(name), end = sizeof(ENDING) - 1;
    if (n <= end || strcmp(name + n - end, ENDING) != 0 ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != n - end)
        return peri_err_set(err, PERI_EINVAL,
                            "\"file\" is a descriptor in a volume, called after its "
                            "dataset: persistent:run/NAME" ENDING ", not \"%.100s\"",
                            file);
    *folder = slash ? peri_arena_strndup(r->arena, file, (size_t)(slash - file)) : "";
    m->name = peri_xasprintf("%.*s", (int)(n - end), name);
    return 0;
}

static int prepare(peri_request_t *r, peri_db_t *db, const json_t *o, mine_t *m,
                   peri_err_t *err)
{
    const char *file = NULL, *folder = "", *path;
    peri_thing_t t;
    if (peri_json_text(o, "file", true, 4000, &file, err) ||
        read_whom(r, db, o, m, err) || peri_thing_find(r, db, "volume", file, &t, err) ||
        !(path = peri_path_clean(r->arena, t.path, strlen(t.path), err)) ||
        split_file(r, path, &folder, m, err))
        return -1;
    return open_folder(r, db, t.id, folder, *m->team || m->open, m, err);
}

static mine_t *mine_new(const peri_request_t *r)
{
    mine_t *m = peri_xcalloc(1, sizeof(*m));
    m->folder = -1;
    m->bin = peri_xstrdup(r->portal->config->bin);
    return m;
}

int peri_api_dataset_make(peri_request_t *r, peri_err_t *err)
{
    int rc;
    if (peri_work_again(r, &rc, err)) return rc;
    const json_t *o = peri_request_json(r, "file team public", err);
    peri_db_t *db = o ? peri_request_system(r, err) : NULL;
    if (!db) return -1;
    mine_t *m = mine_new(r);
    rc = prepare(r, db, o, m, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc == 0) return peri_work_start(r, &work, m, err);
    mine_free(m);
    return -1;
}

/* The row of param[0], if who asks may do that with it and it is a user's. */
static int find(peri_request_t *r, peri_db_t *db, unsigned need, mine_t *m,
                int64_t *volume, const char **path, peri_err_t *err)
{
    peri_thing_t t;
    int rc = -1;
    if (peri_thing_find(r, db, "dataset", r->param[0], &t, err) ||
        peri_access_need(r, db, "dataset", t.id, "", need, r->param[0], err))
        return -1;
    snprintf(m->id, sizeof(m->id), "%lld", (long long)t.id);
    PGresult *q = peri_db_query(
        db, err,
        "SELECT volume, path, team, public, version FROM dataset WHERE id = $1::bigint",
        1, (const char *const[]){m->id});
    if (!q) return -1;
    if (!PQntuples(q)) {
        peri_err_set(err, PERI_ENOTFOUND, "there is no dataset %.100s", r->param[0]);
    } else if (PQgetisnull(q, 0, 0)) {
        peri_err_set(err, PERI_EDENIED,
                     "%s is a dataset of the installation: its descriptor says all of it",
                     r->param[0]);
    } else if (peri_request_match(r, PQgetvalue(q, 0, 4), err) == 0) {
        *volume = strtoll(PQgetvalue(q, 0, 0), NULL, 10);
        *path = peri_arena_strdup(r->arena, PQgetvalue(q, 0, 1));
        snprintf(m->team, sizeof(m->team), "%s", PQgetvalue(q, 0, 2));
        m->open = *PQgetvalue(q, 0, 3) == 't';
        m->name = peri_xstrdup(r->param[0]);
        rc = 0;
    }
    PQclear(q);
    return rc;
}

int peri_api_dataset_edit(peri_request_t *r, peri_err_t *err)
{
    int rc;
    int64_t volume;
    const char *path;
    if (peri_work_again(r, &rc, err)) return rc;
    const json_t *o = peri_request_json(r, "team public", err);
    peri_db_t *db = o ? peri_request_system(r, err) : NULL;
    if (!db) return -1;
    mine_t *m = mine_new(r);
    rc = find(r, db, PERI_RIGHT_OWN, m, &volume, &path, err) ||
                 read_whom(r, db, o, m, err) ||
                 open_folder(r, db, volume, path, *m->team || m->open, m, err)
             ? -1
             : 0;
    peri_dbpool_put(r->portal->db, db);
    if (rc == 0) return peri_work_start(r, &work, m, err);
    mine_free(m);
    return -1;
}

int peri_api_dataset_delete(peri_request_t *r, peri_err_t *err)
{
    int64_t volume;
    const char *path;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    mine_t *m = mine_new(r);
    int rc = peri_db_begin(db, err);
    if (!rc) rc = find(r, db, PERI_RIGHT_OWN, m, &volume, &path, err);
    if (!rc && peri_db_exec(db, err, "DELETE FROM dataset WHERE id = $1::bigint", 1,
                            (const char *const[]){m->id}) < 0)
        rc = -1;
    if (!rc) rc = peri_audit(r, db, "dataset.delete", m->name, true, NULL, err);
    if (!rc) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    mine_free(m);
    if (!rc) r->status = 204;
    return rc;
}
