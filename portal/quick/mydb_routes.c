/* mydb_routes.c - the table of requests about tables, queries that were asked, and saved
 * ones. */
#include "portal/quick/api.h"

#define SQL .scope = PERI_SCOPE_SQL

const peri_route_t peri_mydb_routes[] = {
    {"GET", "/api/v1/queries", peri_api_queries, SQL},
    {"GET", "/api/v1/queries/*", peri_api_query_get, SQL},
    {"DELETE", "/api/v1/queries/*", peri_api_query_delete, SQL},
    {"POST", "/api/v1/queries/*/job", peri_api_query_job, SQL | PERI_SCOPE_JOBS_WRITE},
    {"GET", "/api/v1/saved-queries", peri_api_saved_list, SQL},
    {"GET", "/api/v1/saved-queries/**", peri_api_saved, SQL},
    {"PUT", "/api/v1/saved-queries/**", peri_api_saved_put, SQL},
    {"DELETE", "/api/v1/saved-queries/**", peri_api_saved_delete, SQL},
};
const size_t peri_mydb_nroutes = sizeof(peri_mydb_routes) / sizeof(peri_mydb_routes[0]);
