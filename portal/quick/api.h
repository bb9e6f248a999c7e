/* api.h - the requests about tables, about what one has asked, and about saved queries.
 * docs/mydb.md and docs/quick.md are for users. */
#ifndef PORTAL_QUICK_API_H
#define PORTAL_QUICK_API_H

#include "portal/web/server.h"

extern const peri_route_t peri_mydb_routes[];
extern const size_t peri_mydb_nroutes;

/* Handlers, by file. */
int peri_api_query(peri_request_t *r, peri_err_t *err); /* api_query.c */
int peri_api_query_cancel(peri_request_t *r, peri_err_t *err);
int peri_api_queries(peri_request_t *r, peri_err_t *err); /* api_history.c */
int peri_api_query_get(peri_request_t *r, peri_err_t *err);
int peri_api_query_delete(peri_request_t *r, peri_err_t *err);
int peri_api_query_job(peri_request_t *r, peri_err_t *err);
int peri_api_table_list(peri_request_t *r, peri_err_t *err); /* api_tables.c */
int peri_api_table(peri_request_t *r, peri_err_t *err);
int peri_api_table_data(peri_request_t *r, peri_err_t *err);
int peri_api_table_edit(peri_request_t *r, peri_err_t *err);
int peri_api_table_delete(peri_request_t *r, peri_err_t *err);
int peri_api_table_put(peri_request_t *r, peri_err_t *err); /* api_load.c */
extern const peri_bodyreader_t peri_table_body;
int peri_api_saved_list(peri_request_t *r, peri_err_t *err); /* api_saved.c */
int peri_api_saved(peri_request_t *r, peri_err_t *err);
int peri_api_saved_put(peri_request_t *r, peri_err_t *err);
int peri_api_saved_delete(peri_request_t *r, peri_err_t *err);

#endif
