/* mydb_routes.c - the table of requests about tables, queries that were asked, and saved
 * ones. */
#include "portal/quick/api.h"

#define SQL   .scope = PERI_SCOPE_SQL
#define READ  .scope = PERI_SCOPE_FILES_READ
#define WRITE .scope = PERI_SCOPE_FILES_WRITE

const peri_route_t peri_mydb_routes[] = {
    {"POST", "/api/v1/query", peri_api_query, SQL},
    {"GET", "/api/v1/queries", peri_api_queries, SQL},
    {"GET", "/api/v1/queries/*", peri_api_query_get, SQL},
    {"DELETE", "/api/v1/queries/*", peri_api_query_delete, SQL},
    {"POST", "/api/v1/queries/*/job", peri_api_query_job, SQL | PERI_SCOPE_JOBS_WRITE},
    {"POST", "/api/v1/queries/*/cancel", peri_api_query_cancel, SQL},
    {"GET", "/api/v1/saved-queries", peri_api_saved_list, SQL},
    {"GET", "/api/v1/saved-queries/**", peri_api_saved, SQL},
    {"PUT", "/api/v1/saved-queries/**", peri_api_saved_put, SQL},
    {"DELETE", "/api/v1/saved-queries/**", peri_api_saved_delete, SQL},
    {"GET", "/api/v1/tables", peri_api_table_list, READ},
    {"GET", "/api/v1/tables/*/*", peri_api_table, READ},
    {"GET", "/api/v1/tables/*/*/data", peri_api_table_data, READ},
    {"PUT", "/api/v1/tables/*/*", peri_api_table_put, WRITE, .body = &peri_table_body},
    {"PATCH", "/api/v1/tables/*/*", peri_api_table_edit, WRITE},
    {"DELETE", "/api/v1/tables/*/*", peri_api_table_delete, WRITE},
};
const size_t peri_mydb_nroutes = sizeof(peri_mydb_routes) / sizeof(peri_mydb_routes[0]);
