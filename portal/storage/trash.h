/* trash.h - what was deleted and can come back, in .perigee/trash of its volume.
 *
 * Each piece is a folder there, named by its id (which sorts by time), with the thing
 * itself and info.json: where it was, when it went, by whom. The thing moves in one
 * rename, so it is here or where it was, whatever happens. info.json may have been
 * touched by a job of the volume's owner: it is read as anything from outside.
 *
 * The trash counts against the quota, with two names and some bytes more than the thing
 * itself (`extra`). Threads: all.
 */
#ifndef PORTAL_STORAGE_TRASH_H
#define PORTAL_STORAGE_TRASH_H

#include "portal/storage/ops.h"

#define PERI_TRASH_ID 24 /* characters, 0-9a-f */

typedef struct {
    const char *id;
    const char *path; /* clean; NULL: its info is lost */
    const char *by;   /* "" if it expired */
    double deleted;   /* epoch */
    peri_entry_t entry;
    bool counted; /* amount is known: small enough to be counted when it went */
    peri_amount_t amount;
} peri_trashed_t;

/* by: name of an account. extra: what the trash adds. */
int peri_trash_put(int root, const char *path, const char *by, char id[PERI_TRASH_ID + 1],
                   peri_amount_t *extra, peri_err_t *err);
/* The newest first. after: an id, or NULL. *next: NULL at the end. All of the arena. */
int peri_trash_list(int root, const char *after, size_t limit, peri_arena_t *a,
                    peri_trashed_t **list, size_t *n, const char **next, peri_err_t *err);
/* What a crash left of a deletion or a restoration older than so many seconds: folders
 * without their thing. */
int peri_trash_tidy(int root, double older, peri_err_t *err);
/* PERI_ENOTFOUND also for what is no id. */
int peri_trash_get(int root, const char *id, peri_arena_t *a, peri_trashed_t *out,
                   peri_err_t *err);
/* To `to` (clean), usually where it was; folders on the way are made again. Nothing is
 * overwritten (PERI_ECONFLICT). *made: folders; *freed: the extra. */
int peri_trash_restore(int root, const char *id, const char *to, uint64_t *made,
                       peri_amount_t *freed, peri_err_t *err);
/* For good. *freed is added to. */
int peri_trash_delete(int root, const char *id, const peri_stop_t *stop,
                      peri_amount_t *freed, peri_err_t *err);
/* What went before `before` (epoch; HUGE_VAL: all), until stop says so (no error). *freed
 * is added to; *more: there is some left. */
int peri_trash_empty(int root, double before, const peri_stop_t *stop,
                     peri_amount_t *freed, bool *more, peri_err_t *err);

#endif
