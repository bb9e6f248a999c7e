/* routes.c - the table of requests about datasets. */
#include "portal/catalogue/catalogue.h"

#define READ  .scope = PERI_SCOPE_FILES_READ
#define WRITE .scope = PERI_SCOPE_FILES_WRITE
#define ADMIN .flags = PERI_ROUTE_ADMIN, .scope = PERI_SCOPE_ADMIN

const peri_route_t peri_catalogue_routes[] = {
    {"GET", "/api/v1/datasets", peri_api_datasets, READ},
    {"POST", "/api/v1/datasets", peri_api_dataset_make, WRITE},
    {"GET", "/api/v1/datasets/*", peri_api_dataset, READ},
    {"PATCH", "/api/v1/datasets/*", peri_api_dataset_edit, WRITE},
    {"DELETE", "/api/v1/datasets/*", peri_api_dataset_delete, WRITE},
    {"GET", "/api/v1/admin/datasets", peri_api_descriptors, ADMIN},
    {"POST", "/api/v1/admin/datasets", peri_api_harvest, ADMIN},
};
const size_t peri_catalogue_nroutes =
    sizeof(peri_catalogue_routes) / sizeof(peri_catalogue_routes[0]);
