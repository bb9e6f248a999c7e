/* api_create.c - a new job: its spec is checked against what its scheduler can give, and
 * stored.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"
#include "jobs/spec/plan.h"
#include "portal/jobs/api.h"
#include "portal/jobs/binds.h"
#include "portal/helper/client.h"

#define KEY_MAX 200

/* ---- from the spec to the store ---- */

static struct peri_newdep *new_deps(peri_request_t *r, peri_db_t *db,
                                    const peri_step_t *step, peri_err_t *err)
{
    struct peri_newdep *d = peri_arena_calloc(r->arena, step->nafter + 1, sizeof(*d));
    for (size_t i = 0; i < step->nafter; i++) {
        const peri_specdep_t *from = &step->after[i];
        d[i].even_failed = from->even_failed;
        d[i].step = peri_arena_strdup(r->arena, from->step);
        if (!from->job) continue;
        char *uuid = peri_arena_alloc(r->arena, PERI_UUID_LEN + 1);
        if (peri_store_lookup(db, from->job, uuid, NULL, err)) {
            if (err && err->code == PERI_ENOTFOUND) {
                err->code = PERI_EINVAL;
                peri_err_prefix(err, "step %s cannot wait for it", step->name);
            }
            return NULL;
        }
        d[i].job = uuid;
    }
    return d;
}

static struct peri_newstep *new_steps(peri_request_t *r, peri_db_t *db,
                                      const peri_spec_t *spec, peri_err_t *err)
{
    struct peri_newstep *v = peri_arena_calloc(r->arena, spec->nsteps, sizeof(*v));
    for (size_t i = 0; i < spec->nsteps; i++) {
        const peri_step_t *s = &spec->steps[i];
        int32_t *indexes = peri_arena_calloc(r->arena, s->ntasks, sizeof(*indexes));
        for (size_t t = 0; s->tasks && t < s->ntasks; t++) indexes[t] = s->tasks[t].index;
        v[i].name = s->name;
        v[i].indexes = indexes;
        v[i].nindexes = s->ntasks;
        v[i].is_array = s->tasks != NULL;
        v[i].restartable = s->restartable;
        v[i].after = new_deps(r, db, s, err);
        if (!v[i].after) return NULL;
        v[i].nafter = s->nafter;
    }
    return v;
}

static int check(peri_request_t *r, const peri_spec_t *spec, const char **scheduler,
                 peri_err_t *err)
{
    peri_portal_t *p = r->portal;
    *scheduler = spec->scheduler ? spec->scheduler : p->config->scheduler;
    const peri_backend_t *b = peri_portal_backend(p, *scheduler);
    if (!b) {
        const char *names[32];
        size_t n = 0;
        for (; n < p->nbackends && n < 32; n++) names[n] = p->backends[n].conf->name;
        const char *near = peri_did_you_mean(*scheduler, names, n);
        return peri_err_set(
            err, PERI_EINVAL,
            "at /scheduler: there is no scheduler \"%.60s\" here; %s\"%s\"%s", *scheduler,
            near ? "did you mean " : "use ", near ? near : p->config->scheduler,
            near ? "?" : "");
    }
    /* One that does not answer now may do so before the job's turn comes. */
    peri_schedcaps_t caps = {0};
    if (!b->sched || peri_sched_caps(b->sched, &caps, NULL)) return 0;
    return peri_spec_check(spec, &caps, err);
}

typedef struct {
    const char *idem_key, *resubmit_of;
} origin_t;

/* A job of a portal account; one of this machine's users only if it asks for it. */
static bool is_walled(const peri_request_t *r, const peri_spec_t *spec)
{
    return !r->actor.local || spec->has_volumes;
}

/* Who it runs as. */
static int find_uid(const peri_request_t *r, const char *scheduler, uid_t *uid,
                    peri_err_t *err)
{
    const peri_config_t *c = r->portal->config;
    /* Only root's perigeed starts what runs as another by itself. */
    *uid = geteuid() == 0 ? r->actor.uid : geteuid();
    if (r->actor.local || c->identity != PERI_IDENTITY_UNIX) return 0;
    if (strcmp(scheduler, "local"))
        return peri_err_set(err, PERI_EINVAL, "at /scheduler: " PERI_HELPER_ONLY_LOCAL,
                            scheduler);
    return peri_helper_user(c, r->actor.name, uid, err);
}

static int store(peri_request_t *r, peri_db_t *db, const peri_spec_t *spec,
                 const char *scheduler, const origin_t *o, peri_err_t *err)
{
    char uuid[PERI_UUID_LEN + 1];
    int64_t number;
    bool existed = false;
    uid_t uid;
    if (find_uid(r, scheduler, &uid, err)) return -1;
    struct peri_newstep *steps = new_steps(r, db, spec, err);
    if (!steps) return -1;
    peri_db_rollback(db); /* from here on with our own rights */
    if ((is_walled(r, spec) || spec->output.name) &&
        peri_binds_check(r->portal, db, r->actor.account, spec, err))
        return -1;
    json_t *plan = peri_plan_json(spec);
    char *plan_text = json_dumps(plan, JSON_COMPACT);
    char *spec_text = json_dumps(spec->json, JSON_COMPACT);
    const peri_newjob_t j = {.owner = r->actor.account,
                             .uid = uid,
                             .user = r->actor.name,
                             .sandbox = is_walled(r, spec),
                             .name = spec->name ? spec->name : "",
                             .kind =
                                 spec->nsteps == 1 ? spec->steps[0].kind_name : "graph",
                             .scheduler = scheduler,
                             .priority = spec->priority,
                             .idem_key = o->idem_key,
                             .resubmit_of = o->resubmit_of,
                             .spec = spec_text,
                             .plan = plan_text,
                             .steps = steps,
                             .nsteps = spec->nsteps};
    peri_failpoint("create-before");
    int rc = peri_store_create(db, &j, uuid, &number, &existed, err);
    peri_failpoint("create-after");
    if (rc == 0) {
        if (!existed) peri_portal_wake(r->portal);
        r->status = existed ? 200 : 201;
        r->json = peri_api_job_json(r, db, uuid, false, err);
        if (!r->json) rc = -1;
    }
    json_decref(plan);
    free(plan_text);
    free(spec_text);
    return rc;
}

/* In a sandbox folders are those of the one who asks: a spec without one is kept so, for
 * others who send it again. */
static peri_spec_t *parse(peri_request_t *r, const char *text, size_t len,
                          const char *base, peri_err_t *err)
{
    const char *inside =
        peri_arena_printf(r->arena, PERI_VOLUMES_AT "/%s", r->actor.name);
    peri_spec_t *spec = r->actor.local ? peri_spec_parse(text, len, base, err) : NULL;
    if (r->actor.local && (!spec || !is_walled(r, spec))) return spec;
    peri_spec_free(spec);
    spec = len <= PERI_SPEC_MAX ? peri_spec_parse(text, len, NULL, err) : NULL;
    return spec ? spec : peri_spec_parse(text, len, inside, err);
}

static int create(peri_request_t *r, const char *text, size_t len, const char *base,
                  const origin_t *o, peri_err_t *err)
{
    const char *scheduler;
    peri_spec_t *spec = parse(r, text, len, base, err);
    int rc = spec ? check(r, spec, &scheduler, err) : -1;
    if (rc == 0 && peri_request_arg(r, "check")) {
        r->json =
            json_pack("{s:o, s:s}", "plan", peri_plan_json(spec), "scheduler", scheduler);
    } else if (rc == 0) {
        peri_db_t *db = peri_request_db(r, err);
        rc = db ? store(r, db, spec, scheduler, o, err) : -1;
        if (db) peri_dbpool_put(r->portal->db, db);
    }
    peri_spec_free(spec);
    return rc;
}

/* ---- handlers ---- */

int peri_api_job_of(peri_request_t *r, const char *spec, size_t len, peri_err_t *err)
{
    const origin_t o = {.idem_key = peri_request_header(r, "Idempotency-Key")};
    const char *dir = peri_request_header(r, "X-Perigee-Dir");
    if (o.idem_key && (!*o.idem_key || strlen(o.idem_key) > KEY_MAX))
        return peri_err_set(err, PERI_EINVAL, "an Idempotency-Key has 1 to %d characters",
                            KEY_MAX);
    if (dir && dir[0] != '/')
        return peri_err_set(err, PERI_EINVAL, "X-Perigee-Dir must be an absolute path");
    return create(r, spec, len, dir, &o, err);
}

int peri_api_job_create(peri_request_t *r, peri_err_t *err)
{
    if (r->body_len == 0)
        return peri_err_set(err, PERI_EINVAL,
                            "the request has no job in it: send a job spec as JSON "
                            "(docs/jobs.md)");
    return peri_api_job_of(r, r->body, r->body_len, err);
}

static int on_spec(const peri_jobrow_t *row, void *arg)
{
    *(char **)arg = peri_xstrdup(row->spec);
    return 1;
}

int peri_api_job_resubmit(peri_request_t *r, peri_err_t *err)
{
    char uuid[PERI_UUID_LEN + 1];
    char *spec = NULL;
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    int rc = peri_api_find(r, db, PERI_RIGHT_SEE | PERI_RIGHT_RUN, uuid, err);
    if (rc == 0) rc = peri_store_get(db, uuid, on_spec, &spec, err);
    peri_dbpool_put(r->portal->db, db);
    const origin_t o = {.idem_key = peri_request_header(r, "Idempotency-Key"),
                        .resubmit_of = uuid};
    if (rc == 0 && spec) rc = create(r, spec, strlen(spec), NULL, &o, err);
    free(spec);
    return rc;
}
