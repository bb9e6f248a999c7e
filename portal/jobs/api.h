/* api.h - the requests about jobs (docs/api.md). */
#ifndef PORTAL_JOBS_API_H
#define PORTAL_JOBS_API_H

#include "portal/access/access.h"
#include "portal/web/server.h"

extern const peri_route_t peri_job_routes[];
extern const size_t peri_job_nroutes;

/* Handlers, by file. */
int peri_api_list_routes(peri_request_t *r, peri_err_t *err);  /* api.c */
int peri_api_status(peri_request_t *r, peri_err_t *err);       /* api_status.c */
int peri_api_job_create(peri_request_t *r, peri_err_t *err);   /* api_create.c */
int peri_api_job_resubmit(peri_request_t *r, peri_err_t *err); /* api_create.c */
int peri_api_jobs(peri_request_t *r, peri_err_t *err);         /* api_jobs.c */
int peri_api_job(peri_request_t *r, peri_err_t *err);          /* api_jobs.c */
int peri_api_job_tasks(peri_request_t *r, peri_err_t *err);    /* api_jobs.c */
int peri_api_job_events(peri_request_t *r, peri_err_t *err);   /* api_jobs.c */
int peri_api_job_cancel(peri_request_t *r, peri_err_t *err);   /* api_jobs.c */
int peri_api_job_logs(peri_request_t *r, peri_err_t *err);     /* api_logs.c */
int peri_api_job_files(peri_request_t *r, peri_err_t *err);    /* api_results.c */
int peri_api_events(peri_request_t *r, peri_err_t *err);       /* api_events.c */
int peri_api_replicas(peri_request_t *r, peri_err_t *err);     /* api_replicas.c */
int peri_api_replicas_put(peri_request_t *r, peri_err_t *err); /* api_replicas.c */

/* As peri_api_job_create, of this spec instead of the body. */
int peri_api_job_of(peri_request_t *r, const char *spec, size_t len, peri_err_t *err);
/* The job that param[0] names, if the one who asks has these rights (PERI_RIGHT_*). */
int peri_api_find(peri_request_t *r, peri_db_t *db, unsigned rights,
                  char uuid[PERI_UUID_LEN + 1], peri_err_t *err);
/* The job as JSON; with spec, plan, usage and tasks if full. */
json_t *peri_api_job_json(peri_request_t *r, peri_db_t *db, const char *uuid, bool full,
                          peri_err_t *err);

#endif
