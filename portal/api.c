/* api.c - the table of requests, and what several of them use. */
#include "portal/api.h"

const peri_route_t peri_api_routes[] = {
    {"GET", "/api/v1/status", peri_api_status},
    {"POST", "/api/v1/jobs", peri_api_job_create},
    {"GET", "/api/v1/jobs", peri_api_jobs},
    {"GET", "/api/v1/jobs/*", peri_api_job},
    {"GET", "/api/v1/jobs/*/tasks", peri_api_job_tasks},
    {"GET", "/api/v1/jobs/*/events", peri_api_job_events},
    {"GET", "/api/v1/jobs/*/logs", peri_api_job_logs},
    {"POST", "/api/v1/jobs/*/cancel", peri_api_job_cancel},
    {"POST", "/api/v1/jobs/*/resubmit", peri_api_job_resubmit},
    {"GET", "/api/v1/replicas", peri_api_replicas},
    {"PUT", "/api/v1/replicas/*/*", peri_api_replicas_put},
};
const size_t peri_api_nroutes = sizeof(peri_api_routes) / sizeof(peri_api_routes[0]);

peri_db_t *peri_api_db(peri_request_t *r, peri_err_t *err)
{
    return peri_dbpool_get(r->portal->db, err);
}

int peri_api_find(peri_request_t *r, peri_db_t *db, char uuid[PERI_UUID_LEN + 1],
                  peri_err_t *err)
{
    return peri_store_lookup(db, r->param[0], r->uid == 0 ? -1 : (int64_t)r->uid, uuid,
                             err);
}
