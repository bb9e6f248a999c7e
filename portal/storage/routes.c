/* routes.c - the table of requests about volumes, files and the trash. */
#include "portal/storage/api.h"
#include "portal/storage/keep.h"

#define READ  .scope = PERI_SCOPE_FILES_READ
#define WRITE .scope = PERI_SCOPE_FILES_WRITE

const peri_route_t peri_storage_routes[] = {
    {"GET", "/api/v1/volumes", peri_api_volumes, READ},
    {"POST", "/api/v1/volumes", peri_api_volume_make, WRITE},
    {"GET", "/api/v1/volumes/*/*", peri_api_volume, READ},
    {"PATCH", "/api/v1/volumes/*/*", peri_api_volume_edit, WRITE},
    {"DELETE", "/api/v1/volumes/*/*", peri_api_volume_delete, WRITE},
    {"GET", "/api/v1/files/*/*/**", peri_api_file_get, READ},
    {"PUT", "/api/v1/files/*/*/**", peri_api_file_put, WRITE},
    {"POST", "/api/v1/files/*/*/**", peri_api_file_act, WRITE},
    {"DELETE", "/api/v1/files/*/*/**", peri_api_file_delete, WRITE},
    {"GET", "/api/v1/trash/*/*", peri_api_trash, READ},
    {"POST", "/api/v1/trash/*/*/*/restore", peri_api_trash_restore, WRITE},
    {"DELETE", "/api/v1/trash/*/*/*", peri_api_trash_delete, WRITE},
    {"DELETE", "/api/v1/trash/*/*", peri_api_trash_empty, WRITE},
    {"GET", "/l/*", peri_api_link_get, .flags = PERI_ROUTE_OPEN},
};
const size_t peri_storage_nroutes =
    sizeof(peri_storage_routes) / sizeof(peri_storage_routes[0]);

static peri_keeper_t *keeper;

int peri_storage_start(peri_portal_t *p, peri_err_t *err)
{
    keeper = peri_keeper_start(p->db, &p->config->storage, p->crashed, err);
    return keeper ? 0 : -1;
}

void peri_storage_stop(void)
{
    peri_work_stop_all();
    peri_keeper_stop(keeper);
    keeper = NULL;
}
