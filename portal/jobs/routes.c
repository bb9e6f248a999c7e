/* routes.c - the table of requests about jobs. */
#include "portal/jobs/api.h"

const peri_route_t peri_job_routes[] = {
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
const size_t peri_job_nroutes = sizeof(peri_job_routes) / sizeof(peri_job_routes[0]);
