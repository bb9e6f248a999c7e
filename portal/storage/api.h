/* api.h - what the handlers of this folder share. Private. */
#ifndef PORTAL_STORAGE_API_H
#define PORTAL_STORAGE_API_H

#include "portal/access/access.h"
#include "portal/storage/ops.h"
#include "portal/storage/storage.h"
#include "portal/storage/usage.h"

/* A place in a volume: what a request is about. */
typedef struct {
    peri_volume_t v;
    const char *path;  /* clean */
    const char *label; /* "ana/persistent:halos" */
    int root;          /* -1: not open */
} peri_spot_t;

/* Finds the volume, asks for the rights on `on` (a clean path; NULL: the spot's own),
 * opens it. write: also that it is one that can be written. Strings are of r->arena;
 * close root with peri_spot_close. */
typedef struct {
    unsigned rights;
    bool parent; /* ... on the folder that holds it: its name changes there */
    bool write;
} peri_spotneed_t;
int peri_spot_open(peri_request_t *r, const char *owner, const char *volume,
                   const char *path, const peri_spotneed_t *need, peri_spot_t *out,
                   peri_err_t *err);
void peri_spot_close(peri_spot_t *s);

/* JSON of an entry of the folder that `folder` (clean) names; NULL: the entry is the
 * spot's own path. */
json_t *peri_entry_json(const peri_spot_t *s, const peri_entry_t *e, const char *path);
json_t *peri_amount_json(const peri_amount_t *a);

/* peri_usage_change with a connection of the pool. */
void peri_spot_change(peri_portal_t *p, int64_t volume, peri_amount_t made,
                      peri_amount_t freed);

/* ---- work.c: calls that take long, in threads of their own ---- */

/* The handler is called again when it is over. Its thread has `job`, which is freed when
 * both have let go; a client that goes away lets it stop. */
typedef struct {
    int (*run)(void *job, const peri_stop_t *stop, peri_err_t *err); /* in the thread */
    int (*answer)(peri_request_t *r, void *job, peri_err_t *err);    /* if it went well */
    void (*free)(void *job);
} peri_worktype_t;
/* True: this call is a later one, and *rc what to return. */
bool peri_work_again(peri_request_t *r, int *rc, peri_err_t *err);
/* Starts it; what to return. PERI_EBUSY: too many. job: taken. */
int peri_work_start(peri_request_t *r, const peri_worktype_t *type, void *job,
                    peri_err_t *err);
void peri_work_stop_all(void); /* waits */

/* ---- handlers, by file ---- */

int peri_api_volumes(peri_request_t *r, peri_err_t *err); /* api_volumes.c */
int peri_api_volume_make(peri_request_t *r, peri_err_t *err);
int peri_api_volume(peri_request_t *r, peri_err_t *err);
int peri_api_volume_edit(peri_request_t *r, peri_err_t *err);
int peri_api_volume_delete(peri_request_t *r, peri_err_t *err);
int peri_api_file_get(peri_request_t *r, peri_err_t *err); /* api_files.c */
int peri_api_file_put(peri_request_t *r, peri_err_t *err);
int peri_api_file_act(peri_request_t *r, peri_err_t *err); /* api_change.c */
int peri_api_file_delete(peri_request_t *r, peri_err_t *err);
int peri_api_trash(peri_request_t *r, peri_err_t *err); /* api_trash.c */
int peri_api_trash_restore(peri_request_t *r, peri_err_t *err);
int peri_api_trash_delete(peri_request_t *r, peri_err_t *err);
int peri_api_trash_empty(peri_request_t *r, peri_err_t *err);
int peri_api_link_get(peri_request_t *r, peri_err_t *err); /* api_link_get.c */

/* From the trash to `to`, or to where it was (NULL). */
int peri_file_restore(peri_request_t *r, const char *id, const char *to, peri_err_t *err);
int peri_file_download(peri_request_t *r, peri_spot_t *s, peri_err_t *err); /* send.c */
int peri_file_archive(peri_request_t *r, peri_spot_t *s, const char *kind,
                      peri_err_t *err);
int peri_file_checksum(peri_request_t *r, peri_spot_t *s, const char *kind,
                       peri_err_t *err); /* digest.c */

#endif
