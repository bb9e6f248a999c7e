/* submit.c - the manager's way out, the outbox: submissions and cancellations.
 *
 * A submission whose answer was lost shows as an entry that is handed out a second time:
 * the scheduler is then asked for its name before it is submitted again. Should Slurm all
 * the same get it twice, the claim in the task's folder lets only one of them run.
 */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"
#include "jobs/spec/plan.h"
#include "portal/jobs/binds.h"
#include "portal/log.h"
#include "portal/jobs/manager.h"
#include "portal/jobs/places.h"
#include "portal/jobs/submit.h"

typedef peri_subm_t subm_t;

#define UNCHAINED 120.0
#define BATCH     32

/* ---- one submission ---- */

int peri_subm_take(const peri_submissionrow_t *row, void *arg)
{
    subm_t *s = arg;
    peri_arena_t *a = s->arena;
    s->row = *row;
    s->row.uuid = peri_arena_strdup(a, row->uuid);
    s->row.step = peri_arena_strdup(a, row->step);
    s->row.name = peri_arena_strdup(a, row->name);
    s->row.id = peri_arena_strdup(a, row->id);
    s->row.scheduler = peri_arena_strdup(a, row->scheduler);
    s->row.user = peri_arena_strdup(a, row->user);
    s->row.spec = peri_arena_strdup(a, row->spec);
    s->row.after = peri_arena_strdup(a, row->after);
    int32_t *indexes = peri_arena_calloc(a, row->nindexes + 1, sizeof(*indexes));
    memcpy(indexes, row->indexes, row->nindexes * sizeof(*indexes));
    s->row.indexes = indexes;
    s->found = true;
    return 0;
}

static const peri_step_t *find_step(const peri_spec_t *spec, const char *name)
{
    for (size_t i = 0; i < spec->nsteps; i++)
        if (!strcmp(spec->steps[i].name, name)) return &spec->steps[i];
    return NULL;
}

static void read_after(const char *json, peri_planin_t *in, peri_arena_t *a)
{
    json_t *list = json ? json_loads(json, 0, NULL) : NULL;
    peri_scheddep_t *after =
        peri_arena_calloc(a, json_array_size(list) + 1, sizeof(*after));
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        after[i].id = peri_arena_strdup(a, json_string_value(json_array_get(one, 0)));
        after[i].even_failed = json_is_true(json_array_get(one, 1));
    }
    in->after = after;
    in->nafter = json_array_size(list);
    json_decref(list);
}

static void read_user(uid_t uid, peri_planin_t *in, peri_arena_t *a)
{
    struct passwd pw, *found = NULL;
    char *buf = peri_arena_alloc(a, 16384);
    in->uid = uid;
    in->gid = uid == geteuid() ? getegid() : (gid_t)-1;
    getpwuid_r(uid, &pw, buf, 16384, &found);
    if (!found) return;
    in->gid = found->pw_gid;
    in->home = found->pw_dir;
    in->user = found->pw_name;
}

/* launch.json, and the folders of its tasks. */
static int write_folder(const peri_portal_t *p, const peri_subm_t *s,
                        const peri_planin_t *in, const peri_launch_t *launch,
                        peri_err_t *err)
{
    const peri_submissionrow_t *r = &s->row;
    if (peri_folder_make(p->config->spool, r->uuid, r->step, r->attempt, r->indexes,
                         r->nindexes, in->uid, in->gid, err))
        return -1;
    char *folder = peri_folder_attempt(p->config->spool, r->uuid, r->step, r->attempt);
    char *path = peri_xasprintf("%s/launch.json", folder);
    peri_buf_t json;
    peri_buf_init(&json, 64u << 20);
    int rc = peri_launch_to_json(launch, &json, err);
    if (rc == 0) rc = peri_subm_folders(p, s, err);
    if (rc == 0) rc = peri_file_write_atomic(path, json.data, json.len, err);
    /* Read by whoever the job runs as; perigee-helper shows it her as her own. */
    if (rc == 0 && chmod(path, s->folders ? 0600 : 0644))
        rc = peri_err_set(err, PERI_EIO, "cannot set the mode of %s: %m", path);
    peri_buf_free(&json);
    free(path);
    free(folder);
    return rc;
}

/* What perigee-launch and the scheduler get, from what the account may use now. s->spec
 * is its, also after -1. */
static int plan(peri_manager_t *m, size_t backend, peri_subm_t *s, peri_planin_t *in,
                peri_launch_t *launch, peri_schedreq_t *request, peri_err_t *err)
{
    peri_portal_t *p = m->portal;
    const peri_submissionrow_t *r = &s->row;
    const peri_schedcaps_t *caps = peri_manager_caps(m, backend);
    s->spec = peri_spec_parse(r->spec, strlen(r->spec), NULL, err);
    const peri_step_t *step = s->spec ? find_step(s->spec, r->step) : NULL;
    if (!step) return -1;
    bool own = r->uid == geteuid();
    *in = (peri_planin_t){.uuid = r->uuid,
                          .spec = s->spec,
                          .step = step,
                          .attempt = r->attempt,
                          .spool = p->config->spool,
                          .bin = p->config->bin,
                          .state = own ? getenv("PERIGEE_STATE") : NULL,
                          .datasets = getenv("PERIGEE_DATASETS"),
                          .user = r->user,
                          .indexes = r->indexes,
                          .nindexes = r->nindexes,
                          .caps = caps};
    read_user(r->uid, in, s->arena);
    if (in->gid == (gid_t)-1)
        return peri_err_set(err, PERI_EDENIED,
                            "user %u does not exist on this machine any more", r->uid);
    read_after(r->after, in, s->arena);
    const bool helped = !own && geteuid() != 0;
    if (helped && peri_subm_unix(p, s, p->backends[backend].conf->name, err)) return -1;
    if (r->sandbox) {
        peri_binds_t *binds = peri_arena_calloc(s->arena, 1, sizeof(*binds));
        if (peri_binds_make(p, m->db, r->owner, s->spec, peri_subm_home(s), s->arena,
                            binds, err))
            return -1;
        s->folders = binds->folders;
        in->sandbox = &binds->sandbox;
        in->user = r->user; /* fair turns are between accounts */
        in->dir = binds->dir;
        in->state = NULL;
        in->datasets = binds->datasets;
        in->kernels = binds->kernels;
        in->schemas = binds->schemas;
    }
    peri_places_t *places = peri_arena_calloc(s->arena, 1, sizeof(*places));
    if (peri_places_find(m->db, step, p->backends[backend].sched, caps, places, s->arena,
                         err))
        return -1;
    if (places->nnodes) in->places = places;
    return peri_plan_make(in, s->arena, launch, request, err);
}

static int plan_and_submit(peri_manager_t *m, size_t backend, const subm_t *given,
                           char *id, peri_err_t *err)
{
    peri_portal_t *p = m->portal;
    subm_t s = *given;
    peri_planin_t in;
    peri_launch_t launch = {0};
    peri_schedreq_t request = {0};
    int rc = plan(m, backend, &s, &in, &launch, &request, err);
    if (rc) goto out;
    /* A second start is ours to decide, where it is noted. */
    request.requeue = false;
    rc = write_folder(p, &s, &in, &launch, err);
    if (rc) {
        /* Not the request's fault. */
        if (err->code != PERI_EDENIED) err->code = PERI_EIO;
        goto out;
    }
    peri_failpoint("submit-before");
    rc = peri_sched_submit(p->backends[backend].sched, &request, id, err);
    peri_failpoint("submit-after");
out:
    peri_spec_free(s.spec);
    return rc;
}

/* ---- what became of it ---- */

static int store_submitted(peri_manager_t *m, int64_t entry, size_t backend,
                           const subm_t *s, const char *id, peri_err_t *err)
{
    const peri_submissionrow_t *r = &s->row;
    const peri_event_t ev = {.job = r->uuid,
                             .kind = PERI_EV_SUBMITTED,
                             .step = r->step,
                             .attempt = r->attempt,
                             .id = id};
    if (peri_db_begin(m->db, err) || peri_manager_append(m, &ev, NULL, err) ||
        peri_store_outbox_done(m->db, entry, err))
        return -1;
    peri_failpoint("submitted-before");
    if (peri_db_commit(m->db, err)) return -1;
    peri_failpoint("submitted-after");
    /* A scheduler with nothing of ours is hardly ever looked at. */
    const double next = peri_now() + m->portal->backends[backend].conf->poll;
    if (m->back[backend].poll_at > next) m->back[backend].poll_at = next;
    peri_manager_due(m, m->back[backend].poll_at);
    for (size_t i = 0; i < r->nindexes; i++) {
        peri_entry_t *e = peri_entries_put(m->entries, r->name, r->indexes[i]);
        snprintf(e->uuid, sizeof(e->uuid), "%s", r->uuid);
        snprintf(e->step, sizeof(e->step), "%s", r->step);
        snprintf(e->id, sizeof(e->id), "%s", id);
        e->backend = backend;
        e->is_array = r->is_array;
        e->attempt = r->attempt;
        e->attempts_lost = r->attempts_lost;
        e->restartable = r->restartable;
        e->cancel_requested |= r->cancel_requested;
        e->since = peri_now();
        if (e->state < PERI_TASK_QUEUED) e->state = PERI_TASK_QUEUED;
    }
    peri_portal_news(r->uuid);
    return 0;
}

/* The submission is over before its scheduler has it: its event, out of the outbox and
 * out of the cache. */
static int store_settled(peri_manager_t *m, int64_t entry, const subm_t *s,
                         const peri_event_t *ev, peri_err_t *err)
{
    const peri_submissionrow_t *r = &s->row;
    if (peri_db_begin(m->db, err) || peri_manager_append(m, ev, NULL, err) ||
        peri_store_outbox_done(m->db, entry, err) || peri_db_commit(m->db, err))
        return -1;
    for (size_t i = 0; i < r->nindexes; i++) {
        peri_entry_t *e = peri_entries_find(m->entries, r->name, r->indexes[i]);
        if (e) peri_entries_remove(m->entries, e);
    }
    peri_portal_news(r->uuid);
    m->ready_at = 0;
    return 0;
}

static int store_refused(peri_manager_t *m, int64_t entry, const subm_t *s,
                         const char *text, peri_err_t *err)
{
    const peri_submissionrow_t *r = &s->row;
    const peri_event_t ev = {.job = r->uuid,
                             .kind = PERI_EV_ENDED,
                             .step = r->step,
                             .attempt = r->attempt,
                             .indexes = r->indexes,
                             .nindexes = r->nindexes,
                             .final = PERI_TASK_FAILED,
                             .why = PERI_WHY_REFUSED,
                             .text = text};
    return store_settled(m, entry, s, &ev, err);
}

/* It was to wait for a job that its scheduler has forgotten (slurmctld was killed, or it
 * was long ago). Whether that one has succeeded is known here, soon at least: until then
 * nothing is made to wait there. */
static int store_unchained(peri_manager_t *m, int64_t entry, size_t backend,
                           const subm_t *s, const char *text, peri_err_t *err)
{
    const peri_submissionrow_t *r = &s->row;
    const peri_event_t ev = {.job = r->uuid,
                             .kind = PERI_EV_REVOKED,
                             .step = r->step,
                             .attempt = r->attempt,
                             .indexes = r->indexes,
                             .nindexes = r->nindexes,
                             .why = PERI_WHY_LOST,
                             .text = text};
    m->back[backend].chain_at = peri_now() + UNCHAINED;
    return store_settled(m, entry, s, &ev, err);
}

/* Not known whether it worked: asked again later. */
static int put_off(peri_manager_t *m, const peri_outboxrow_t *o, const peri_err_t *why,
                   peri_err_t *err)
{
    peri_log_seldom(PERI_LOG_WARN, o->kind, 10, "job %s: %s did not work yet: %s",
                    o->uuid, o->kind, why->text);
    double wait = o->tries < 6 ? (double)(1 << o->tries) / 2 : 30;
    if (peri_store_outbox_retry(m->db, o->entry, wait, why->text, err)) return -1;
    if (!strcmp(o->kind, "submit"))
        if (peri_store_waiting(m->db, o->uuid, o->step, -1, why->text, 0, err)) return -1;
    peri_manager_due(m, peri_now() + wait);
    if (m->outbox_at > peri_now() + wait) m->outbox_at = peri_now() + wait;
    return 0;
}

/* All its tasks were cancelled meanwhile; the scheduler may have it all the same. */
static int withdraw(peri_manager_t *m, peri_backend_t *b, const peri_outboxrow_t *o,
                    const subm_t *s, peri_err_t *err)
{
    char id[PERI_SCHED_ID_MAX] = "";
    peri_err_t why = {0};
    int known = o->tries > 1 ? peri_sched_find(b->sched, s->row.name, id, &why) : 0;
    if (known < 0 ||
        (known && peri_sched_cancel(b->sched, id, PERI_SCHED_NO_INDEX, &why)))
        return put_off(m, o, &why, err);
    return peri_store_outbox_done(m->db, o->entry, err);
}

static int do_submit(peri_manager_t *m, const peri_outboxrow_t *o, const subm_t *s,
                     peri_err_t *err)
{
    peri_err_t why = {0};
    char id[PERI_SCHED_ID_MAX] = "";
    if (!s->found || s->row.id[0]) return peri_store_outbox_done(m->db, o->entry, err);
    peri_backend_t *b = peri_portal_backend(m->portal, s->row.scheduler);
    if (!b) {
        char text[160];
        snprintf(text, sizeof(text),
                 "the scheduler \"%.60s\" is not in the configuration any more",
                 s->row.scheduler);
        return store_refused(m, o->entry, s, text, err);
    }
    if (!b->sched) {
        peri_err_set(&why, PERI_EIO, "%s", b->why);
        return put_off(m, o, &why, err);
    }
    if (s->row.nindexes == 0) return withdraw(m, b, o, s, err);
    size_t backend = (size_t)(b - m->portal->backends);
    int known = o->tries > 1 ? peri_sched_find(b->sched, s->row.name, id, &why) : 0;
    if (known < 0) return put_off(m, o, &why, err);
    /* Planned some time ago: rights may have changed since, and been looked at. */
    if (known) m->rights[0] = '\0';
    if (known || plan_and_submit(m, backend, s, id, &why) == 0)
        return store_submitted(m, o->entry, backend, s, id, err);
    if (why.code == PERI_EINVAL || why.code == PERI_EDENIED || why.code == PERI_ELIMIT ||
        why.code == PERI_EUNSUPP || why.code == PERI_ENOTFOUND) {
        const bool chained = s->row.after && strlen(s->row.after) > 2; /* not "[]" */
        if (chained) return store_unchained(m, o->entry, backend, s, why.text, err);
        return store_refused(m, o->entry, s, why.text, err);
    }
    return put_off(m, o, &why, err);
}

/* ---- cancelling ---- */

int peri_subm_claim(peri_manager_t *m, const peri_subm_t *s, const peri_event_t *end,
                    size_t *running, peri_err_t *err)
{
    const peri_submissionrow_t *r = &s->row;
    const char *spool = m->portal->config->spool;
    peri_planin_t who = {0};
    read_user(r->uid, &who, s->arena);
    *running = 0;
    if (who.gid == (gid_t)-1) who.gid = 0;
    if (peri_folder_make(spool, r->uuid, r->step, r->attempt, r->indexes, r->nindexes,
                         who.uid, who.gid, err))
        return -1;
    int32_t *won = peri_arena_calloc(s->arena, r->nindexes + 1, sizeof(*won));
    size_t n = 0;
    for (size_t i = 0; i < r->nindexes; i++) {
        char *folder =
            peri_folder_task(spool, r->uuid, r->step, r->attempt, r->indexes[i]);
        int fd = peri_folder_open(folder, err);
        free(folder);
        int got = fd < 0 ? -1 : peri_claim_take(fd, PERI_CLAIM_DAEMON, "daemon", err);
        if (fd >= 0) close(fd);
        if (got < 0) return -1;
        if (got)
            won[n++] = r->indexes[i];
        else
            ++*running;
    }
    peri_failpoint("cancel-claimed");
    if (n == 0) return 0;
    peri_event_t ev = *end;
    ev.job = r->uuid;
    ev.kind = PERI_EV_ENDED;
    ev.step = r->step;
    ev.attempt = r->attempt;
    ev.indexes = won;
    ev.nindexes = n;
    if (peri_manager_append(m, &ev, NULL, err)) return -1;
    for (size_t i = 0; i < n; i++) {
        peri_entry_t *e = peri_entries_find(m->entries, r->name, won[i]);
        if (e) peri_entries_remove(m->entries, e);
    }
    m->ready_at = 0;
    return 0;
}

static void mark_cancelled(peri_entry_t *e, void *uuid)
{
    if (!strcmp(e->uuid, uuid)) e->cancel_requested = true;
}

static int do_cancel(peri_manager_t *m, const peri_outboxrow_t *o, const subm_t *s,
                     peri_err_t *err)
{
    size_t running = 0;
    peri_err_t why = {0};
    char uuid[PERI_UUID_LEN + 1];
    snprintf(uuid, sizeof(uuid), "%s", o->uuid);
    peri_entries_each(m->entries, mark_cancelled, uuid);
    peri_backend_t *b =
        s->found ? peri_portal_backend(m->portal, s->row.scheduler) : NULL;
    if (!b || !b->sched) return peri_store_outbox_done(m->db, o->entry, err);
    const peri_event_t end = {.final = PERI_TASK_CANCELLED,
                              .why = PERI_WHY_CANCELLED,
                              .text = "cancelled before it started"};
    if (peri_subm_claim(m, s, &end, &running, &why)) {
        /* A database that failed shows in the next statement as well. */
        return put_off(m, o, &why, err);
    }
    if (s->row.id[0]) {
        if (peri_sched_cancel(b->sched, s->row.id, PERI_SCHED_NO_INDEX, &why))
            return put_off(m, o, &why, err);
    } else if (running) {
        peri_err_set(&why, PERI_EIO, "it is not known yet to its scheduler");
        return put_off(m, o, &why, err);
    }
    peri_failpoint("cancel-done");
    return peri_store_outbox_done(m->db, o->entry, err);
}

/* ---- the outbox ---- */

typedef struct {
    peri_arena_t *arena;
    peri_outboxrow_t row[BATCH];
    size_t n;
} batch_t;

static int on_outbox(const peri_outboxrow_t *row, void *arg)
{
    batch_t *b = arg;
    if (b->n == BATCH) return 1;
    b->row[b->n] = *row;
    b->row[b->n].kind = peri_arena_strdup(b->arena, row->kind);
    b->row[b->n].uuid = peri_arena_strdup(b->arena, row->uuid);
    b->row[b->n].step = peri_arena_strdup(b->arena, row->step);
    b->n++;
    return 0;
}

static int do_entry(peri_manager_t *m, const peri_outboxrow_t *o, peri_err_t *err)
{
    subm_t s = {.arena = peri_arena_new()};
    int rc = peri_store_submission(m->db, o->uuid, o->step, o->attempt, peri_subm_take,
                                   &s, err);
    if (rc == 0)
        rc = !strcmp(o->kind, "submit") ? do_submit(m, o, &s, err)
                                        : do_cancel(m, o, &s, err);
    peri_arena_free(s.arena);
    return rc;
}

int peri_manager_outbox(peri_manager_t *m, peri_err_t *err)
{
    int rc = 0;
    size_t n;
    /* The store puts entries off by itself; a look now and then finds them. */
    m->outbox_at = peri_now() + (peri_entries_count(m->entries) ? 1 : 5);
    do {
        batch_t b = {.arena = peri_arena_new()};
        rc = peri_store_outbox_take(m->db, BATCH, on_outbox, &b, err);
        peri_failpoint("outbox-taken");
        for (size_t i = 0; i < b.n && rc == 0; i++) rc = do_entry(m, &b.row[i], err);
        n = b.n;
        peri_arena_free(b.arena);
    } while (rc == 0 && n == BATCH && !atomic_load(&m->portal->stop));
    return rc;
}
