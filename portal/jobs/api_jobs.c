/* api_jobs.c - looking at jobs, and cancelling one. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/task/record.h"
#include "portal/jobs/api.h"

#define TASKS_SHOWN 100
#define WAIT_MAX    60

/* ---- a job ---- */

static json_t *time_json(double t)
{
    return t > 0 ? json_real(t) : json_null();
}

static json_t *text_json(const char *json)
{
    json_t *j = json ? json_loads(json, JSON_DECODE_ANY, NULL) : NULL;
    return j ? j : json_null();
}

/* Where things lie on this machine is for those who are on it. */
static json_t *job_json(const peri_request_t *r, const peri_jobrow_t *j)
{
    char *results = peri_folder_results(r->portal->config->spool, j->uuid);
    if (!r->actor.local) results[0] = '\0';
    json_t *tasks = json_object();
    for (int s = 0; s < PERI_TASK_NSTATES; s++)
        if (j->count[s])
            json_object_set_new(tasks, peri_taskstate_name((peri_taskstate_t)s),
                                json_integer((json_int_t)j->count[s]));
    json_t *out = json_pack(
        "{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:i, s:o, s:o, "
        "s:o, s:o, s:o, "
        "s:s, s:s?, s:i, s:b, s:s}",
        "id", j->uuid, "number", (json_int_t)j->number, "user", j->user, "name", j->name,
        "kind", j->kind, "scheduler", j->scheduler, "state", peri_jobstate_name(j->state),
        "reason", peri_why_name(j->why), "text", j->text ? j->text : "",
        "cancel_requested", (int)j->cancel_requested, "priority", (int)j->priority,
        "tasks", tasks, "created", time_json(j->created), "started",
        time_json(j->started), "ended", time_json(j->ended), "expected",
        time_json(j->expected), "results", results, "resubmit_of", j->resubmit_of,
        "last_seq", j->last_seq, "sandbox", (int)j->sandbox, "delivered",
        *j->delivered == '!' ? "" : j->delivered);
    /* They are with the job still, and why. */
    if (*j->delivered == '!')
        json_object_set_new(out, "text", json_string(j->delivered + 2));
    free(results);
    return out;
}

typedef struct {
    peri_request_t *r;
    json_t *list; /* of jobs or tasks */
    const char *uuid;
    int64_t last;
    bool full, progress;
} rows_t;

static int on_job(const peri_jobrow_t *j, void *arg)
{
    rows_t *x = arg;
    json_array_append_new(x->list, job_json(x->r, j));
    x->last = j->number;
    return 0;
}

/* Where its results are with regard to its output. */
static const char *delivery_of(const peri_jobrow_t *j, const json_t *out)
{
    if (!json_object_get(json_object_get(out, "spec"), "output")) return "none";
    if (*j->delivered) return *j->delivered == '!' ? "failed" : "done";
    return peri_job_is_final(j->state) && j->state != PERI_JOB_SUCCEEDED ? "none"
                                                                         : "pending";
}

static int on_one_job(const peri_jobrow_t *j, void *arg)
{
    rows_t *x = arg;
    json_t *out = job_json(x->r, j);
    if (x->full) {
        json_object_set_new(out, "spec", text_json(j->spec));
        json_object_set_new(out, "plan", text_json(j->plan));
        json_object_set_new(out, "usage", text_json(j->usage));
        json_object_set_new(out, "delivery", json_string(delivery_of(j, out)));
    }
    json_array_append_new(x->list, out);
    return 0;
}

/* What the newest heartbeat says of a running task. */
static void add_progress(json_t *out, const char *folder)
{
    peri_arena_t *a = peri_arena_new();
    peri_record_t rec = {.fraction = -1};
    int dir = peri_folder_open(folder, NULL);
    if (dir >= 0 && peri_heartbeat_read(dir, a, &rec, NULL) == 1) {
        json_object_set_new(out, "progress",
                            rec.fraction >= 0 ? json_real(rec.fraction) : json_null());
        json_object_set_new(out, "message", json_string(rec.message ? rec.message : ""));
        json_object_set_new(out, "usage",
                            json_pack("{s:f, s:I, s:I, s:I}", "cpu_seconds",
                                      rec.usage.cpu_seconds, "memory_peak",
                                      (json_int_t)rec.usage.memory_peak, "bytes_read",
                                      (json_int_t)rec.usage.bytes_read, "bytes_written",
                                      (json_int_t)rec.usage.bytes_written));
    }
    if (dir >= 0) close(dir);
    peri_arena_free(a);
}

/* "47:a6aeeb_3" is "47_3" to people: what a back end puts behind the colon tells jobs
 * apart that have got the same number. */
static void plain_id(const char *id, char *out, size_t size)
{
    size_t n = strcspn(id, ":");
    snprintf(out, size, "%.*s%s", (int)n, id, id[n] ? id + n + strcspn(id + n, "_") : "");
}

static int on_task(const peri_taskrow_t *t, void *arg)
{
    rows_t *x = arg;
    char id[PERI_SCHED_ID_MAX + 16];
    plain_id(t->id ? t->id : "", id, sizeof(id));
    char *folder = peri_folder_task(x->r->portal->config->spool, x->uuid, t->step,
                                    t->attempt, t->index);
    json_t *out = json_pack(
        "{s:s, s:i, s:s, s:i, s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:o, s:o, s:o, s:o}",
        "step", t->step, "index", (int)t->index, "state", peri_taskstate_name(t->state),
        "attempt", t->attempt, "lost", t->attempts_lost, "reason", peri_why_name(t->why),
        "text", t->text ? t->text : "", "host", t->host ? t->host : "", "id", id,
        "exit_code", t->exit_code, "signal", t->exit_signal, "started",
        time_json(t->started), "ended", time_json(t->ended), "expected",
        time_json(t->expected), "usage", text_json(t->usage));
    json_object_set_new(out, "folder",
                        t->attempt && x->r->actor.local ? json_string(folder)
                                                        : json_null());
    if (t->state == PERI_TASK_RUNNING) add_progress(out, folder);
    free(folder);
    json_array_append_new(x->list, out);
    x->last = t->index;
    return 0;
}

json_t *peri_api_job_json(peri_request_t *r, peri_db_t *db, const char *uuid, bool full,
                          peri_err_t *err)
{
    rows_t x = {.r = r, .list = json_array(), .uuid = uuid, .full = full};
    rows_t tasks = {.r = r, .list = json_array(), .uuid = uuid};
    json_t *out = NULL;
    if (peri_store_get(db, uuid, on_one_job, &x, err)) goto out;
    if (json_array_size(x.list) == 0) {
        peri_err_set(err, PERI_ENOTFOUND, "there is no job %s", uuid);
        goto out;
    }
    if (full && peri_store_tasks(db, uuid, NULL, 0, TASKS_SHOWN, on_task, &tasks, err))
        goto out;
    out = json_incref(json_array_get(x.list, 0));
    if (full) json_object_set(out, "task_list", tasks.list);
out:
    json_decref(x.list);
    json_decref(tasks.list);
    return out;
}

/* ---- handlers ---- */

static int read_states(const char *s, unsigned *out, peri_err_t *err)
{
    *out = 0;
    while (s && *s) {
        size_t n = strcspn(s, ",");
        char word[32];
        peri_jobstate_t state;
        snprintf(word, sizeof(word), "%.*s", (int)n, s);
        if (peri_jobstate_parse(word, &state))
            return peri_err_set(err, PERI_EINVAL,
                                "there is no state \"%s\"; states are waiting, queued, "
                                "running, succeeded, failed, cancelled",
                                word);
        *out |= 1u << state;
        s += n + (s[n] == ',');
    }
    return 0;
}

static int read_filter(peri_request_t *r, peri_jobfilter_t *f, peri_err_t *err)
{
    int64_t since, until, limit;
    const char *user = peri_request_arg(r, "user");
    if (read_states(peri_request_arg(r, "state"), &f->states, err) ||
        peri_request_number(r, "since", 0, INT64_MAX / 2, 0, &since, err) ||
        peri_request_number(r, "until", 0, INT64_MAX / 2, 0, &until, err) ||
        peri_request_number(r, "before", 1, INT64_MAX, 0, &f->before, err) ||
        peri_request_number(r, "limit", 1, 1000, 100, &limit, err))
        return -1;
    f->owner = r->actor.account;
    f->name = peri_request_arg(r, "name");
    f->kind = peri_request_arg(r, "kind");
    f->since = (double)since;
    f->until = (double)until;
    f->limit = (int)limit;
    if (!user) return 0;
    if (strcmp(user, "*"))
        return peri_err_set(err, PERI_EINVAL,
                            "the parameter user is \"*\" (all that you may see) or left "
                            "away");
    f->owner = 0;
    return 0;
}

int peri_api_jobs(peri_request_t *r, peri_err_t *err)
{
    peri_jobfilter_t f = {0};
    rows_t x = {.r = r};
    if (read_filter(r, &f, err)) return -1;
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    x.list = json_array();
    int rc = peri_store_list(db, &f, on_job, &x, err);
    peri_dbpool_put(r->portal->db, db);
    bool more = json_array_size(x.list) == (size_t)f.limit;
    r->json = json_pack("{s:o, s:o}", "jobs", x.list, "next",
                        more ? json_integer(x.last) : json_null());
    return rc;
}

int peri_api_job(peri_request_t *r, peri_err_t *err)
{
    char uuid[PERI_UUID_LEN + 1];
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    if (peri_api_find(r, db, PERI_RIGHT_SEE, uuid, err) == 0)
        r->json = peri_api_job_json(r, db, uuid, true, err);
    peri_dbpool_put(r->portal->db, db);
    return r->json ? 0 : -1;
}

int peri_api_job_tasks(peri_request_t *r, peri_err_t *err)
{
    char uuid[PERI_UUID_LEN + 1];
    int64_t from, limit;
    const char *step = peri_request_arg(r, "step");
    if (peri_request_number(r, "from", 0, INT32_MAX, 0, &from, err) ||
        peri_request_number(r, "limit", 1, 10000, 1000, &limit, err))
        return -1;
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    rows_t x = {.r = r, .list = json_array(), .uuid = uuid};
    int rc = peri_api_find(r, db, PERI_RIGHT_SEE, uuid, err);
    if (rc == 0)
        rc =
            peri_store_tasks(db, uuid, step, (int32_t)from, (int)limit, on_task, &x, err);
    peri_dbpool_put(r->portal->db, db);
    bool more = json_array_size(x.list) == (size_t)limit;
    r->json = json_pack("{s:o, s:o}", "tasks", x.list, "next",
                        more ? json_integer(x.last + 1) : json_null());
    return rc;
}

static int on_event(const char *json, int seq, void *arg)
{
    (void)seq;
    json_t *e = json_loads(json, 0, NULL);
    if (e) json_array_append_new(arg, e);
    return 0;
}

int peri_api_job_events(peri_request_t *r, peri_err_t *err)
{
    char uuid[PERI_UUID_LEN + 1];
    int64_t after, limit, wait;
    if (peri_request_number(r, "after", 0, INT32_MAX, 0, &after, err) ||
        peri_request_number(r, "limit", 1, 10000, 1000, &limit, err) ||
        peri_request_number(r, "wait", 0, WAIT_MAX, 0, &wait, err))
        return -1;
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    json_t *events = json_array(), *job = NULL;
    int rc = peri_api_find(r, db, PERI_RIGHT_SEE, uuid, err);
    if (rc == 0)
        rc = peri_store_events(db, uuid, (int)after, (int)limit, on_event, events, err);
    if (rc == 0) job = peri_api_job_json(r, db, uuid, false, err);
    peri_dbpool_put(r->portal->db, db);
    if (!job) {
        json_decref(events);
        return -1;
    }
    const char *state = json_string_value(json_object_get(job, "state"));
    peri_jobstate_t s = PERI_JOB_WAITING;
    peri_jobstate_parse(state, &s);
    if (wait && json_array_size(events) == 0 && !peri_job_is_final(s)) {
        snprintf(r->wait_uuid, sizeof(r->wait_uuid), "%s", uuid);
        r->wait_until = r->first + (double)wait;
    }
    r->json = json_pack("{s:o, s:s}", "events", events, "state", state);
    json_decref(job);
    return 0;
}

int peri_api_job_cancel(peri_request_t *r, peri_err_t *err)
{
    char uuid[PERI_UUID_LEN + 1];
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    int rc = peri_api_find(r, db, PERI_RIGHT_WRITE, uuid, err);
    peri_db_rollback(db); /* from here on with our own rights */
    if (rc == 0) {
        const peri_event_t ev = {.job = uuid, .kind = PERI_EV_CANCEL};
        rc = peri_store_append(db, &ev, NULL, err);
    }
    if (rc == 0) {
        peri_portal_wake(r->portal);
        peri_portal_news(uuid);
        r->json = peri_api_job_json(r, db, uuid, false, err);
    }
    peri_dbpool_put(r->portal->db, db);
    return r->json ? 0 : -1;
}

int peri_api_find(peri_request_t *r, peri_db_t *db, unsigned rights,
                  char uuid[PERI_UUID_LEN + 1], peri_err_t *err)
{
    int64_t number;
    if (peri_store_lookup(db, r->param[0], uuid, &number, err)) return -1;
    return peri_access_need(r, db, "job", number, "", rights, r->param[0], err);
}
