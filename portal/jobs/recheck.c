/* recheck.c - rights that change while a submission waits in its scheduler's queue.
 *
 * launch.json says what a task may see, and a queue may take days. When anything that
 * rights follow from has changed, what waits is planned again: launch.json is replaced,
 * or the job ends because it names what it may not use any more. What runs already goes
 * on with what it saw when it started.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/util.h"
#include "portal/jobs/binds.h"
#include "portal/log.h"
#include "portal/jobs/submit.h"

#define LOOK_EVERY 5.0 /* seconds */
#define LAUNCH_MAX (64u << 20)

/* Of all that perigee_rights reads; a grant that expires counts as one that is taken
 * away. Nothing if no sandboxed task is queued. */
static const char stamp_sql[] =
    "SELECT concat_ws('.', "
    "(SELECT sum(hashtextextended(g::text, 0)) FROM access_grant g WHERE g.expires IS "
    "NULL "
    "OR g.expires > extract(epoch FROM now())), "
    "(SELECT sum(hashtextextended(t::text, 0)) FROM team_member t), "
    "(SELECT sum(hashtextextended(concat(a.id, a.name, a.state), 0)) FROM account a), "
    "(SELECT sum(hashtextextended(concat(d.id, d.name, d.account, d.team, d.public, "
    "d.folder), 0)) FROM dataset d), "
    "(SELECT sum(hashtextextended(concat(v.id, v.name, v.account, v.team, v.removed IS "
    "NULL), 0)) FROM volume v)) "
    "WHERE EXISTS (SELECT 1 FROM task t JOIN job j ON j.number = t.job WHERE t.state IN "
    "('waiting', 'submitting', 'queued', 'running') AND t.state = 'queued' AND "
    "j.sandbox)";

static const char queued_sql[] =
    "SELECT DISTINCT j.uuid::text, t.step, t.attempt FROM task t JOIN job j ON j.number "
    "= "
    "t.job WHERE t.state IN ('waiting', 'submitting', 'queued', 'running') AND t.state = "
    "'queued' AND j.sandbox";

/* 1: something has changed since the last look; the new stamp is in m->rights. */
static int has_changed(peri_manager_t *m, peri_err_t *err)
{
    char stamp[sizeof(m->rights)] = "";
    PGresult *q = peri_db_query(m->db, err, stamp_sql, 0, NULL);
    if (!q) return -1;
    const bool any = PQntuples(q) == 1;
    if (any) snprintf(stamp, sizeof(stamp), "%s", PQgetvalue(q, 0, 0));
    PQclear(q);
    if (!any || !strcmp(stamp, m->rights)) return 0;
    snprintf(m->rights, sizeof(m->rights), "%s", stamp);
    return 1;
}

static int refuse(peri_manager_t *m, const peri_backend_t *b, const peri_subm_t *s,
                  const char *text, peri_err_t *err)
{
    size_t running = 0;
    peri_err_t why = {0};
    const peri_event_t end = {
        .final = PERI_TASK_FAILED, .why = PERI_WHY_REFUSED, .text = text};
    if (peri_subm_claim(m, s, &end, &running, err)) return -1;
    /* Should that fail: it finds the claim taken, and does nothing. */
    if (!running && *s->row.id)
        peri_sched_cancel(b->sched, s->row.id, PERI_SCHED_NO_INDEX, &why);
    return 0;
}

static void put_schemas(peri_launch_t *l, const char *schemas, peri_arena_t *a)
{
    peri_env_t *env = peri_arena_calloc(a, l->nenv + 1, sizeof(*env));
    size_t n = 0;
    for (size_t i = 0; i < l->nenv; i++)
        if (strcmp(l->env[i].name, PERI_SCHEMAS_ENV)) env[n++] = l->env[i];
    env[n++] = (peri_env_t){PERI_SCHEMAS_ENV, schemas};
    l->env = env;
    l->nenv = n;
}

/* Only what it may see: nodes and ranks are those that the scheduler was asked for. */
static int rewrite(const peri_portal_t *p, peri_subm_t *s, const peri_binds_t *binds,
                   peri_err_t *err)
{
    char *folder =
        peri_folder_attempt(p->config->spool, s->row.uuid, s->row.step, s->row.attempt);
    char *path = peri_xasprintf("%s/launch.json", folder), *text = NULL;
    size_t len = 0;
    peri_launch_t l;
    peri_buf_t json;
    peri_buf_init(&json, LAUNCH_MAX);
    int rc = peri_file_slurp(path, LAUNCH_MAX, &text, &len, err);
    if (rc == 0) rc = peri_launch_from_json(text, len, s->arena, &l, err);
    if (rc == 0) {
        l.sandbox = &binds->sandbox;
        put_schemas(&l, binds->schemas, s->arena);
        s->folders = binds->folders;
        rc = peri_launch_to_json(&l, &json, err);
    }
    const bool same = rc == 0 && json.len == len && !memcmp(json.data, text, len);
    /* First what is shown: what is not shown any more is not seen. */
    if (rc == 0) rc = peri_subm_folders(p, s, err);
    if (rc == 0 && !same) rc = peri_file_write_atomic(path, json.data, json.len, err);
    if (rc == 0 && !same && chmod(path, s->folders ? 0600 : 0644))
        rc = peri_err_set(err, PERI_EIO, "cannot set the mode of %s: %m", path);
    peri_buf_free(&json);
    free(text);
    free(path);
    free(folder);
    return rc;
}

static int recheck(peri_manager_t *m, const char *uuid, const char *step, int attempt,
                   peri_err_t *err)
{
    peri_subm_t s = {.arena = peri_arena_new()};
    peri_binds_t binds;
    peri_err_t why = {0};
    int rc = peri_store_submission(m->db, uuid, step, attempt, peri_subm_take, &s, err);
    const peri_backend_t *b =
        s.found ? peri_portal_backend(m->portal, s.row.scheduler) : NULL;
    if (rc || !b || !b->sched || s.row.nindexes == 0) goto out;
    s.spec = peri_spec_parse(s.row.spec, strlen(s.row.spec), NULL, &why);
    if (s.spec &&
        peri_binds_make(m->portal, m->db, s.row.owner, s.spec, peri_subm_home(&s),
                        s.arena, &binds, &why) == 0 &&
        rewrite(m->portal, &s, &binds, &why) == 0)
        goto out;
    if (why.code == PERI_EDENIED)
        rc = refuse(m, b, &s, why.text, err);
    else
        peri_log(PERI_LOG_WARN,
                 "job %s: what it may see could not be brought up to date: %s", uuid,
                 why.text);
out:
    peri_spec_free(s.spec);
    peri_arena_free(s.arena);
    return rc;
}

int peri_manager_recheck(peri_manager_t *m, peri_err_t *err)
{
    m->rights_at = peri_now() + LOOK_EVERY;
    const int changed = has_changed(m, err);
    if (changed <= 0) return changed;
    PGresult *q = peri_db_query(m->db, err, queued_sql, 0, NULL);
    if (!q) return -1;
    int rc = 0;
    for (int i = 0; i < PQntuples(q) && rc == 0; i++)
        rc = recheck(m, PQgetvalue(q, i, 0), PQgetvalue(q, i, 1),
                     atoi(PQgetvalue(q, i, 2)), err);
    PQclear(q);
    if (rc) *m->rights = '\0';
    return rc;
}
