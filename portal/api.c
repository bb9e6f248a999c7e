/* api.c - all tables of requests in one, and the requests about the daemon itself. */
#include "portal/api.h"

#include "portal/access/routes.h"
#include "portal/account/routes.h"
#include "portal/admin/admin.h"
#include "portal/catalogue/catalogue.h"
#include "portal/account/oidc_api.h"
#include "portal/jobs/api.h"
#include "portal/storage/api_upload.h"
#include "portal/h5/h5.h"
#include "portal/quick/api.h"
#include "portal/storage/storage.h"

static const peri_route_t peri_own_routes[] = {
    {"GET", "/api/v1/status", peri_api_status, .flags = PERI_ROUTE_OPEN},
    {"GET", "/api/v1/routes", peri_api_list_routes, .flags = PERI_ROUTE_OPEN},
};
static const size_t peri_own_nroutes =
    sizeof(peri_own_routes) / sizeof(peri_own_routes[0]);

/* Every folder of portal/ with its requests. */
const peri_routes_t peri_api_tables[] = {{peri_own_routes, &peri_own_nroutes},
                                         {peri_job_routes, &peri_job_nroutes},
                                         {peri_access_routes, &peri_access_nroutes},
                                         {peri_account_routes, &peri_account_nroutes},
                                         {peri_admin_routes, &peri_admin_nroutes},
                                         {peri_catalogue_routes, &peri_catalogue_nroutes},
                                         {peri_upload_routes, &peri_upload_nroutes},
                                         {peri_oidc_routes, &peri_oidc_nroutes},
                                         {peri_storage_routes, &peri_storage_nroutes},
                                         {peri_h5_routes, &peri_h5_nroutes},
                                         {peri_mydb_routes, &peri_mydb_nroutes},
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
