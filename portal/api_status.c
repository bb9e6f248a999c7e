/* api_status.c - how the daemon, its database and its schedulers are. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/api.h"

static json_t *backend_json(peri_backend_t *b)
{
    peri_schedcaps_t caps = {0};
    peri_err_t err = {0};
    int rc = -1;
    if (b->sched)
        rc = peri_sched_caps(b->sched, &caps, &err);
    else
        peri_err_set(&err, PERI_EIO, "%s", b->why);
    return json_pack("{s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "name",
                     b->conf->name, "answers", rc == 0, "text", rc ? err.text : "",
                     "nodes", (json_int_t)caps.nodes, "cores", (json_int_t)caps.cores,
                     "cores_node", (json_int_t)caps.cores_node, "memory_node",
                     (json_int_t)caps.memory_node, "time_limit",
                     (json_int_t)caps.time_limit, "multi_node", (int)caps.multi_node);
}

static int on_count(const peri_jobrow_t *j, void *arg)
{
    json_t *counts = arg;
    const char *state = peri_jobstate_name(j->state);
    json_int_t n = json_integer_value(json_object_get(counts, state));
    json_object_set_new(counts, state, json_integer(n + 1));
    return 0;
}

/* Jobs that are not over; what is over is only history. */
static json_t *count_jobs(peri_request_t *r, peri_err_t *err)
{
    json_t *counts = json_object();
    peri_db_t *db = peri_request_db(r, err);
    if (!db) {
        json_decref(counts);
        return NULL;
    }
    const peri_jobfilter_t f = {.owner = r->actor.admin ? 0 : r->actor.account,
                                .states = 1u << PERI_JOB_WAITING | 1u << PERI_JOB_QUEUED |
                                          1u << PERI_JOB_RUNNING,
                                .limit = 1000};
    int rc = peri_store_list(db, &f, on_count, counts, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc == 0) return counts;
    json_decref(counts);
    return NULL;
}

static json_int_t resident_bytes(void)
{
    long pages = 0, all = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) return 0;
    if (fscanf(f, "%ld %ld", &all, &pages) != 2) pages = 0;
    fclose(f);
    return (json_int_t)pages * sysconf(_SC_PAGESIZE);
}

/* Whether somebody can sign in as an administrator; where it is not known, it is so. */
static bool has_administrator(peri_request_t *r)
{
    peri_db_t *db = peri_request_system(r, NULL);
    PGresult *q =
        db ? peri_db_query(db, NULL,
                           "SELECT EXISTS (SELECT FROM account a WHERE admin AND state = "
                           "'active' AND (password IS NOT NULL OR EXISTS (SELECT FROM "
                           "account_identity i WHERE i.account = a.id)))",
                           0, NULL)
           : NULL;
    const bool yes = !q || PQgetvalue(q, 0, 0)[0] == 't';
    PQclear(q);
    peri_dbpool_put(r->portal->db, db);
    return yes;
}

int peri_api_status(peri_request_t *r, peri_err_t *err)
{
    (void)err;
    peri_portal_t *p = r->portal;
    peri_err_t why = {0};
    struct rusage use;
    struct statvfs fs = {0};
    json_t *schedulers = json_array();
    json_t *jobs = count_jobs(r, &why);
    for (size_t i = 0; i < p->nbackends; i++)
        json_array_append_new(schedulers, backend_json(&p->backends[i]));
    getrusage(RUSAGE_SELF, &use);
    statvfs(p->config->spool, &fs);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    r->json = json_pack(
        "{s:s, s:i, s:f, s:f, s:I, s:{s:b, s:s, s:b}, s:o, s:s, s:o, s:{s:s, s:I, s:I}}",
        "version", PERIGEE_VERSION, "pid", (int)getpid(), "uptime",
        peri_epoch() - p->started, "cpu_seconds", cpu, "memory", resident_bytes(),
        "database", "answers", jobs != NULL, "text", jobs ? "" : why.text, "private",
        p->config->database == NULL, "schedulers", schedulers, "scheduler",
        p->config->scheduler, "jobs", jobs ? jobs : json_object(), "spool", "path",
        p->config->spool, "free", (json_int_t)(fs.f_bavail * fs.f_frsize), "size",
        (json_int_t)(fs.f_blocks * fs.f_frsize));
    if (r->actor.local)
        json_object_set_new(r->json, "administrator", json_boolean(has_administrator(r)));
    return 0;
}
