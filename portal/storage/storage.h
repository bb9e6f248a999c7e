/* storage.h - the requests about volumes, files and the trash, and the life of what keeps
 * volumes in order. docs/storage.md is for users. */
#ifndef PORTAL_STORAGE_STORAGE_H
#define PORTAL_STORAGE_STORAGE_H

#include "portal/storage/volume.h"
#include "portal/web/request.h"

extern const peri_route_t peri_storage_routes[];
extern const size_t peri_storage_nroutes;

/* After the schema is up to date, before requests come; after the last of them is over.
 */
int peri_storage_start(peri_portal_t *p, peri_err_t *err);
void peri_storage_stop(void);

/* ---- for other folders ---- */

/* Answer with a file, to be saved and never shown as a page of ours. fd: taken, also on
 * failure. accel: its address for nginx ("/_files/12/a%20b", peri_send_accel), or NULL:
 * we send it, with ranges. */
int peri_send_file(peri_request_t *r, int fd, const char *name, const char *accel,
                   peri_err_t *err);
/* folder: "/_files/12"; both of the arena. */
const char *peri_send_accel(peri_arena_t *a, const char *folder, const char *path);

#endif
