/* api.c - the table of requests, and what several of them use. */
#include "portal/api.h"

#include "portal/access/routes.h"
#include "portal/account/routes.h"
#include "portal/admin/admin.h"
#include "portal/catalogue/catalogue.h"
#include "portal/account/oidc_api.h"
#include "portal/storage/api_upload.h"
#include "portal/h5/h5.h"
#include "portal/storage/storage.h"

static const peri_route_t peri_job_routes[] = {
    {"GET", "/api/v1/status", peri_api_status, .flags = PERI_ROUTE_OPEN},
    {"GET", "/api/v1/routes", peri_api_list_routes, .flags = PERI_ROUTE_OPEN},
    {"POST", "/api/v1/jobs", peri_api_job_create, .scope = PERI_SCOPE_JOBS_WRITE},
    {"GET", "/api/v1/jobs", peri_api_jobs, .scope = PERI_SCOPE_JOBS_READ},
    {"GET", "/api/v1/jobs/*", peri_api_job, .scope = PERI_SCOPE_JOBS_READ},
    {"GET", "/api/v1/jobs/*/tasks", peri_api_job_tasks, .scope = PERI_SCOPE_JOBS_READ},
    {"GET", "/api/v1/jobs/*/events", peri_api_job_events, .scope = PERI_SCOPE_JOBS_READ},
    {"GET", "/api/v1/jobs/*/logs", peri_api_job_logs, .scope = PERI_SCOPE_JOBS_READ},
    {"GET", "/api/v1/jobs/*/files", peri_api_job_files, .scope = PERI_SCOPE_JOBS_READ},
    {"GET", "/api/v1/jobs/*/files/**", peri_api_job_files, .scope = PERI_SCOPE_JOBS_READ},
    {"GET", "/api/v1/events", peri_api_events, .scope = PERI_SCOPE_JOBS_READ},
    {"POST", "/api/v1/jobs/*/cancel", peri_api_job_cancel,
     .scope = PERI_SCOPE_JOBS_WRITE},
    {"POST", "/api/v1/jobs/*/resubmit", peri_api_job_resubmit,
     .scope = PERI_SCOPE_JOBS_WRITE},
    {"GET", "/api/v1/replicas", peri_api_replicas, .scope = PERI_SCOPE_JOBS_READ},
    {"PUT", "/api/v1/replicas/*/*", peri_api_replicas_put, .scope = PERI_SCOPE_ADMIN},
};
static const size_t peri_job_nroutes =
    sizeof(peri_job_routes) / sizeof(peri_job_routes[0]);

/* Every folder of portal/ with its requests. */
const peri_routes_t peri_api_tables[] = {{peri_job_routes, &peri_job_nroutes},
                                         {peri_access_routes, &peri_access_nroutes},
                                         {peri_account_routes, &peri_account_nroutes},
                                         {peri_admin_routes, &peri_admin_nroutes},
                                         {peri_catalogue_routes, &peri_catalogue_nroutes},
                                         {peri_upload_routes, &peri_upload_nroutes},
                                         {peri_oidc_routes, &peri_oidc_nroutes},
                                         {peri_storage_routes, &peri_storage_nroutes},
                                         {peri_h5_routes, &peri_h5_nroutes},
                                         {NULL, NULL}};

int peri_api_list_routes(peri_request_t *r, peri_err_t *err)
{
    (void)err;
    json_t *list = json_array();
    for (const peri_routes_t *t = peri_api_tables; t->routes; t++)
        for (size_t i = 0; i < *t->n; i++)
            json_array_append_new(list,
                                  json_pack("{s:s, s:s}", "method", t->routes[i].method,
                                            "path", t->routes[i].path));
    r->json = json_pack("{s:o}", "routes", list);
    return 0;
}

int peri_api_find(peri_request_t *r, peri_db_t *db, unsigned rights,
                  char uuid[PERI_UUID_LEN + 1], peri_err_t *err)
{
    int64_t number;
    if (peri_store_lookup(db, r->param[0], uuid, &number, err)) return -1;
    return peri_access_need(r, db, "job", number, "", rights, r->param[0], err);
}
