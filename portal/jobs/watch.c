/* watch.c - the manager's way in: what schedulers say, what perigee-launch wrote, and the
 * events that follow from both.
 */
#include <string.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/hash.h"
#include "core/base/util.h"
#include "portal/jobs/binds.h"
#include "portal/log.h"
#include "portal/jobs/manager.h"
#include "portal/jobs/verdict.h"

#define FRESH_BEAT 35.0 /* seconds: three heartbeats and a bit */
#define AGAIN_SOON 0.25

static const peri_confsched_t *conf_of(const peri_manager_t *m, const peri_entry_t *e)
{
    return m->portal->backends[e->backend].conf;
}

static void look_at(peri_manager_t *m, peri_entry_t *e, double when)
{
    if (!e->look || when < e->look) e->look = when;
    peri_manager_due(m, e->look);
}

/* ---- schedulers ---- */

typedef struct {
    peri_manager_t *m;
    size_t backend;
    uint32_t round;
    double began;
    peri_err_t *err;
    int rc;
} poll_t;

/* Never 0. */
static uint64_t hash_why(const char *s, int64_t t)
{
    return peri_hash_text(PERI_HASH_START ^ (uint64_t)t, s) | 1;
}

/* Why it waits is for people only: stored when it changed, index -1 for a whole array. */
static void store_why(poll_t *p, peri_entry_t *e, const peri_schedtask_t *t,
                      int32_t index)
{
    uint64_t h = hash_why(t->why, t->expected / 60);
    if (h == e->why_hash || p->rc) return;
    e->why_hash = h;
    p->rc = peri_store_waiting(p->m->db, e->uuid, e->step, index, t->why,
                               (double)t->expected, p->err);
    peri_portal_news(e->uuid);
}

typedef struct {
    poll_t *p;
    const peri_schedtask_t *t;
    bool told;
} rest_t;

/* Pending tasks of an array that the scheduler tells of as one. */
static void on_rest(peri_entry_t *e, void *arg)
{
    rest_t *r = arg;
    if (strcmp(e->name, r->t->name)) return;
    e->round = r->p->round;
    e->missing_at = 0;
    if (e->state != PERI_TASK_QUEUED) return;
    if (!r->told) store_why(r->p, e, r->t, -1);
    r->told = true;
    e->why_hash = hash_why(r->t->why, r->t->expected / 60);
}

static void on_task(const peri_schedtask_t *t, void *arg)
{
    poll_t *p = arg;
    peri_manager_t *m = p->m;
    if (t->array_rest) {
        rest_t r = {.p = p, .t = t};
        if (peri_entries_of(m->entries, t->name)) {
            if (t->state == PERI_SCHED_ENDED) return; /* each is told on its own */
            peri_entries_each(m->entries, on_rest, &r);
        }
        return;
    }
    int32_t index = t->index == PERI_SCHED_NO_INDEX ? 0 : t->index;
    peri_entry_t *e = peri_entries_find(m->entries, t->name, index);
    if (!e) return;
    /* A submission that Slurm took twice: ours is the one whose id we noted. */
    size_t n = strcspn(t->id, "_");
    if (e->id[0] && (strlen(e->id) != n || strncmp(e->id, t->id, n))) return;
    e->round = p->round;
    e->missing_at = 0;
    switch (t->state) {
    case PERI_SCHED_PENDING:
        store_why(p, e, t, index);
        break;
    case PERI_SCHED_RUNNING:
        e->running = true;
        look_at(m, e, peri_now());
        break;
    case PERI_SCHED_ENDED:
        e->end = t->end;
        e->end_code = t->exit_code;
        e->end_signal = t->signal;
        snprintf(e->end_text, sizeof(e->end_text), "%s", t->why);
        if (!e->ended) e->ended_at = peri_now();
        e->ended = true;
        look_at(m, e, peri_now());
        break;
    }
}

/* What a complete answer does not tell of, the scheduler does not know (any more). */
static void find_missing(peri_entry_t *e, void *arg)
{
    poll_t *p = arg;
    if (e->backend != p->backend || !e->id[0] || e->ended || e->round == p->round) return;
    if (e->since >= p->began) return;
    if (!e->missing_at) e->missing_at = peri_now();
    look_at(p->m, e, peri_now());
}

static void look_if_running(peri_entry_t *e, void *arg)
{
    poll_t *p = arg;
    if (e->backend == p->backend && e->state == PERI_TASK_RUNNING && !e->ended)
        look_at(p->m, e, peri_now());
}

int peri_manager_poll(peri_manager_t *m, size_t backend, peri_err_t *err)
{
    peri_backend_t *b = &m->portal->backends[backend];
    peri_err_t why = {0};
    bool complete = false;
    const double every = b->conf->poll;
    if (peri_entries_count(m->entries) == 0 && atomic_load(&b->answers) >= 0 &&
        !m->back[backend].all) {
        m->back[backend].poll_at = peri_now() + 30;
        return 0;
    }
    poll_t p = {.m = m,
                .backend = backend,
                .round = ++m->back[backend].round,
                .began = peri_now(),
                .err = err};
    int rc =
        peri_sched_poll(b->sched, m->back[backend].all, on_task, &p, &complete, &why);
    m->back[backend].poll_at = peri_now() + every;
    peri_manager_due(m, m->back[backend].poll_at);
    atomic_store(&b->answers, rc == 0);
    if (p.rc) return -1;
    if (rc) {
        peri_log_seldom(PERI_LOG_WARN, b->conf->name, 30, "%s: %s", b->conf->name,
                        why.text);
        return 0;
    }
    m->back[backend].all = false;
    if (complete) peri_entries_each(m->entries, find_missing, &p);
    peri_entries_each(m->entries, look_if_running, &p);
    return 0;
}

/* ---- records ---- */

static json_t *usage_json(const peri_usage_t *u)
{
    return json_pack("{s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "cpu_seconds",
                     u->cpu_seconds, "memory_peak", (json_int_t)u->memory_peak,
                     "bytes_read", (json_int_t)u->bytes_read, "bytes_written",
                     (json_int_t)u->bytes_written, "local_bytes",
                     (json_int_t)u->local_bytes, "shared_bytes",
                     (json_int_t)u->shared_bytes, "remote_bytes",
                     (json_int_t)u->remote_bytes, "rows", (json_int_t)u->rows);
}

typedef struct {
    peri_manager_t *m;
    peri_entry_t *e;
    peri_err_t *err;
    int rc;
} reading_t;

static int store_started(reading_t *r, const peri_record_t *rec)
{
    peri_entry_t *e = r->e;
    json_t *context =
        json_pack("{s:s, s:s, s:I}", "nodes", rec->nodes ? rec->nodes : "", "scheduler",
                  rec->scheduler ? rec->scheduler : "", "pid", (json_int_t)rec->pid);
    const peri_event_t ev = {.job = e->uuid,
                             .kind = PERI_EV_STARTED,
                             .step = e->step,
                             .attempt = e->attempt,
                             .indexes = &e->index,
                             .nindexes = 1,
                             .host = rec->host,
                             .time = rec->time,
                             .context = context};
    int rc = peri_manager_append(r->m, &ev, NULL, r->err);
    json_decref(context);
    if (rc == 0) e->state = PERI_TASK_RUNNING;
    return rc;
}

static int store_note(reading_t *r, const peri_record_t *rec)
{
    peri_entry_t *e = r->e;
    const peri_event_t ev = {
        .job = e->uuid,
        .kind = PERI_EV_NOTE,
        .step = e->step,
        .attempt = e->attempt,
        .indexes = &e->index,
        .nindexes = 1,
        .text = rec->text && *rec->text ? rec->text : "told that its time limit is near"};
    return peri_manager_append(r->m, &ev, NULL, r->err);
}

static void on_record(const peri_record_t *rec, void *arg)
{
    reading_t *r = arg;
    peri_entry_t *e = r->e;
    if (r->rc) return;
    switch (rec->kind) {
    case PERI_REC_STARTED:
        e->has_started = true;
        r->rc = e->state < PERI_TASK_RUNNING ? store_started(r, rec) : 0;
        break;
    case PERI_REC_WARNED:
        r->rc = store_note(r, rec);
        break;
    case PERI_REC_EXIT:
        e->has_exit = true;
        e->exit = *rec;
        snprintf(e->exit_text, sizeof(e->exit_text), "%s", rec->text ? rec->text : "");
        e->exit.text = e->exit_text;
        e->exit.host = e->exit.nodes = e->exit.scheduler = e->exit.message = NULL;
        break;
    case PERI_REC_PROGRESS:
    case PERI_REC_HEARTBEAT:
        break;
    }
}

static bool beats(int dir)
{
    peri_arena_t *a = peri_arena_new();
    peri_record_t rec = {0};
    bool fresh = peri_heartbeat_read(dir, a, &rec, NULL) == 1 &&
                 peri_epoch() - rec.time < FRESH_BEAT;
    peri_arena_free(a);
    return fresh;
}

/* ---- what follows ---- */

static int open_task(const peri_manager_t *m, const peri_entry_t *e, peri_err_t *err)
{
    char *path = peri_folder_task(m->portal->config->spool, e->uuid, e->step, e->attempt,
                                  e->index);
    int fd = peri_folder_open(path, err);
    free(path);
    return fd;
}

static void forget(peri_manager_t *m, const peri_entry_t *e)
{
    const peri_backend_t *b = &m->portal->backends[e->backend];
    if (peri_entries_of(m->entries, e->name) == 1 && b->sched)
        peri_sched_forget(b->sched, e->name, e->id);
}

/* Its tasks may have written in the volumes of whoever the job belongs to. Should it not
 * be known whose that is, the count of the day sets it right. */
static void doubt_volumes(peri_manager_t *m)
{
    if (!*m->ended) return;
    PGresult *q = peri_db_prepared(
        m->db, NULL, "SELECT owner FROM job WHERE uuid = $1::uuid AND sandbox", 1,
        (const char *const[]){m->ended});
    if (q && PQntuples(q))
        peri_binds_doubt(m->db, strtoll(PQgetvalue(q, 0, 0), NULL, 10), NULL);
    PQclear(q);
    *m->ended = '\0';
}

/* Once for tasks of a job that end together. */
static void note_end(peri_manager_t *m, const peri_entry_t *e)
{
    if (!e->has_started || !strcmp(m->ended, e->uuid)) return;
    doubt_volumes(m);
    snprintf(m->ended, sizeof(m->ended), "%s", e->uuid);
}

int peri_manager_end(peri_manager_t *m, peri_entry_t *e, peri_taskstate_t final,
                     peri_why_t why, const char *text, peri_err_t *err)
{
    json_t *context =
        e->has_exit ? json_pack("{s:o}", "usage", usage_json(&e->exit.usage)) : NULL;
    const peri_event_t ev = {.job = e->uuid,
                             .kind = PERI_EV_ENDED,
                             .step = e->step,
                             .attempt = e->attempt,
                             .indexes = &e->index,
                             .nindexes = 1,
                             .final = final,
                             .why = why,
                             .text = text,
                             .time = e->has_exit ? e->exit.time : 0,
                             .exit_code = e->has_exit ? e->exit.code : e->end_code,
                             .exit_signal = e->has_exit ? e->exit.signal : e->end_signal,
                             .context = context};
    peri_failpoint("ended-before");
    int rc = peri_manager_append(m, &ev, NULL, err);
    peri_failpoint("ended-after");
    json_decref(context);
    if (rc) return -1;
    note_end(m, e);
    forget(m, e);
    peri_entries_remove(m->entries, e);
    m->ready_at = 0;
    return 0;
}

static int revoke_task(peri_manager_t *m, peri_entry_t *e, const peri_verdict_t *v,
                       peri_err_t *err)
{
    const peri_event_t ev = {.job = e->uuid,
                             .kind = PERI_EV_REVOKED,
                             .step = e->step,
                             .attempt = e->attempt,
                             .indexes = &e->index,
                             .nindexes = 1,
                             .why = v->why,
                             .text = v->text};
    peri_log(PERI_LOG_WARN, "job %s, step %s, task %d: %s", e->uuid, e->step, e->index,
             v->text);
    if (peri_manager_append(m, &ev, NULL, err)) return -1;
    peri_failpoint("revoked-after");
    note_end(m, e);
    forget(m, e);
    peri_entries_remove(m->entries, e);
    m->ready_at = 0;
    return 0;
}

static peri_evidence_t evidence(const peri_manager_t *m, const peri_entry_t *e, int dir)
{
    const double now = peri_now(), grace = conf_of(m, e)->grace;
    peri_evidence_t v = {.has_started = e->has_started,
                         .has_exit = e->has_exit,
                         .exit = e->exit.exit,
                         .exit_code = e->has_exit ? e->exit.code : e->end_code,
                         .exit_signal = e->exit.signal,
                         .exit_text = e->exit_text,
                         .ended = e->ended || e->missing_at > 0,
                         .end = e->ended ? e->end : PERI_END_UNKNOWN,
                         .end_text = e->end_text,
                         .scheduler = conf_of(m, e)->name,
                         .cancel_requested = e->cancel_requested,
                         .restartable = e->restartable,
                         .attempts_lost = e->attempts_lost};
    if (e->ended)
        v.grace_over = now - e->ended_at >= grace;
    else if (e->missing_at)
        v.grace_over = now - e->missing_at >= grace;
    else if (e->has_exit)
        v.grace_over = peri_epoch() - e->exit.time >= grace + conf_of(m, e)->poll;
    if (!e->ended && e->missing_at && dir >= 0) v.beats = beats(dir);
    return v;
}

/* No folder means that nothing was ever started there. */
static int decide(peri_manager_t *m, peri_entry_t *e, int dir, peri_err_t *err)
{
    peri_err_t why = {0};
    peri_verdict_t v;
    peri_evidence_t known = evidence(m, e, dir);
    if (dir >= 0 && peri_claim_read(dir, &known.claim, &why)) goto later;
    peri_verdict(&known, &v);
    if (v.act == PERI_ACT_CLAIM) {
        int won = dir < 0 ? 1 : peri_claim_take(dir, PERI_CLAIM_DAEMON, "daemon", &why);
        if (won < 0) goto later;
        peri_failpoint("lost-claimed");
        if (won == 0) {
            look_at(m, e, peri_now() + AGAIN_SOON);
            return 0;
        }
        known.claim = PERI_CLAIM_DAEMON;
        peri_verdict(&known, &v);
    }
    if (v.act == PERI_ACT_END) return peri_manager_end(m, e, v.final, v.why, v.text, err);
    if (v.act == PERI_ACT_REVOKE) return revoke_task(m, e, &v, err);
    /* Something is still to come: the exit record, the scheduler's word, the grace. */
    if (known.ended || known.has_exit || (e->running && !e->has_started))
        look_at(m, e, peri_now() + AGAIN_SOON);
    return 0;
later:
    peri_log_seldom(PERI_LOG_WARN, e->uuid, 30, "job %s: %s", e->uuid, why.text);
    look_at(m, e, peri_now() + 2);
    return 0;
}

typedef struct {
    peri_manager_t *m;
    double now;
    peri_err_t *err;
    int rc;
} looking_t;

static void look(peri_entry_t *e, void *arg)
{
    looking_t *l = arg;
    peri_manager_t *m = l->m;
    if (!e->look || l->rc) return;
    if (e->look > l->now) {
        peri_manager_due(m, e->look);
        return;
    }
    e->look = 0;
    peri_err_t why = {0};
    int dir = open_task(m, e, &why);
    if (dir < 0 && why.code != PERI_ENOTFOUND) {
        look_at(m, e, l->now + 2);
        return;
    }
    reading_t r = {.m = m, .e = e, .err = l->err};
    uint64_t from;
    do {
        from = e->offset;
        if (dir < 0 || peri_records_read(dir, &e->offset, on_record, &r, &why)) break;
    } while (e->offset > from && !r.rc);
    l->rc = r.rc ? r.rc : decide(m, e, dir, l->err);
    if (dir >= 0) close(dir);
}

int peri_manager_look(peri_manager_t *m, peri_err_t *err)
{
    looking_t l = {.m = m, .now = peri_now(), .err = err};
    peri_entries_each(m->entries, look, &l);
    doubt_volumes(m);
    return l.rc;
}
