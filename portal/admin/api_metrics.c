/* api_metrics.c - numbers for Prometheus, in its text format. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "portal/admin/admin.h"
#include "portal/web/stats.h"

#define METRICS_MAX (1u << 20)

static void head(peri_buf_t *b, const char *name, const char *type, const char *help)
{
    peri_buf_printf(b, "# HELP perigee_%s %s\n# TYPE perigee_%s %s\n", name, help, name,
                    type);
}

static void gauge(peri_buf_t *b, const char *name, const char *help, double value)
{
    head(b, name, "gauge", help);
    peri_buf_printf(b, "perigee_%s %.17g\n", name, value);
}

static void web(peri_buf_t *b)
{
    peri_webstats_t s;
    uint64_t all = 0;
    peri_stats_read(&s);
    head(b, "http_requests_total", "counter", "Answered requests by class of status.");
    for (int i = 1; i < 6; i++) {
        peri_buf_printf(b, "perigee_http_requests_total{status=\"%dxx\"} %llu\n", i,
                        (unsigned long long)s.answers[i]);
        all += s.answers[i];
    }
    head(b, "http_request_seconds", "histogram",
         "Time from the first byte of a request to its answer.");
    for (int i = 0; i < PERI_STATS_BUCKETS; i++)
        peri_buf_printf(b, "perigee_http_request_seconds_bucket{le=\"%g\"} %llu\n",
                        peri_stats_bounds[i], (unsigned long long)s.within[i]);
    peri_buf_printf(b,
                    "perigee_http_request_seconds_bucket{le=\"+Inf\"} %llu\n"
                    "perigee_http_request_seconds_sum %.6f\n"
                    "perigee_http_request_seconds_count %llu\n",
                    (unsigned long long)all, s.seconds, (unsigned long long)all);
    gauge(b, "http_requests_under_way", "Requests that are not answered yet.",
          (double)s.under_way);
}

/* Rows of (label, number). */
static int table(peri_buf_t *b, peri_db_t *db, const char *name, const char *label,
                 const char *help, const char *sql, peri_err_t *err)
{
    PGresult *q = peri_db_query(db, err, sql, 0, NULL);
    if (!q) return -1;
    head(b, name, "gauge", help);
    for (int i = 0; i < PQntuples(q); i++)
        peri_buf_printf(b, "perigee_%s{%s=\"%s\"} %s\n", name, label, PQgetvalue(q, i, 0),
                        PQgetvalue(q, i, 1));
    PQclear(q);
    return 0;
}

static int tables(peri_buf_t *b, peri_db_t *db, peri_err_t *err)
{
    static const struct {
        const char *name, *label, *help, *sql;
    } all[] = {
        {"jobs", "state", "Jobs by state.",
         "SELECT state, count(*) FROM job GROUP BY state"},
        {"accounts", "state", "Accounts by state.",
         "SELECT state, count(*) FROM account GROUP BY state"},
        {"storage_bytes", "kind", "Bytes in volumes by their kind.",
         "SELECT kind, sum(used) FROM volume WHERE removed IS NULL GROUP BY kind"},
        {"queue", "kind", "What is still to be told to schedulers and mail servers.",
         "SELECT kind, count(*) FROM outbox GROUP BY kind UNION ALL SELECT 'mail', "
         "count(*) "
         "FROM mail"},
        {"sessions", "kind", "Who may come in now.",
         "SELECT 'browser', count(*) FROM session WHERE expires > extract(epoch FROM "
         "now()) "
         "UNION ALL SELECT 'token', count(*) FROM token WHERE expires > extract(epoch "
         "FROM "
         "now())"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (table(b, db, all[i].name, all[i].label, all[i].help, all[i].sql, err))
            return -1;
    return 0;
}

int peri_api_metrics(peri_request_t *r, peri_err_t *err)
{
    const peri_portal_t *p = r->portal;
    peri_buf_t b;
    long pages = 0, all = 0;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    peri_buf_init(&b, METRICS_MAX);
    web(&b);
    int rc = tables(&b, db, err);
    peri_dbpool_put(r->portal->db, db);
    head(&b, "scheduler_answers", "gauge",
         "Whether a scheduler answered when last asked.");
    for (size_t i = 0; i < p->nbackends; i++)
        peri_buf_printf(&b, "perigee_scheduler_answers{scheduler=\"%s\"} %d\n",
                        p->backends[i].conf->name,
                        atomic_load(&p->backends[i].answers) == 1);
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%ld %ld", &all, &pages) == 2)
        gauge(&b, "resident_bytes", "Memory of the daemon.",
              (double)pages * (double)sysconf(_SC_PAGESIZE));
    if (f) fclose(f);
    gauge(&b, "start_time_seconds", "When the daemon started.", p->started);
    if (rc == 0) {
        r->type = "text/plain; version=0.0.4";
        r->bytes = peri_buf_take(&b, &r->bytes_len);
    }
    peri_buf_free(&b);
    return rc;
}
