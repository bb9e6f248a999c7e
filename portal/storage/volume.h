/* volume.h - volumes: their rows in the database and their folders on disk.
 *
 * A volume is addressed as OWNER/NAME. OWNER is an account ("ana"), "team:NAME" or, for a
 * dataset, "data:". Its files lie in FOLDER/ID (FOLDER: storage.folder of the
 * configuration), so that renaming an owner or a volume moves nothing; those of a dataset
 * in its own folder, where nothing is written.
 *
 * The row comes first, the folder when it is first opened; a volume that is deleted loses
 * first its name, then, after days of grace, its folder, then its row. So a crash in
 * between leaves nothing that the next call does not set right.
 *
 * Kinds: every account has `persistent` and `scratch` (its files expire) and may make
 * further ones (plain); a team has `files`, a class `lectures` and one private volume for
 * each student; each dataset with a folder is a data volume. They are made when they are
 * first looked for, those of teams with the team.
 *
 * db: with the daemon's own rights, no transaction open; what an account may see is asked
 * with that account's rights (row-level security). Threads: all.
 */
#ifndef PORTAL_STORAGE_VOLUME_H
#define PORTAL_STORAGE_VOLUME_H

#include "core/base/arena.h"
#include "jobs/store/db.h"
#include "portal/config/config.h"

#define PERI_VOLUME_GRACE_DAYS 7

typedef struct {
    int64_t id;
    int64_t account, team, dataset;   /* 0: none */
    const char *owner, *name, *label; /* label: OWNER/NAME */
    const char *kind, *description;
    int64_t quota; /* bytes, perhaps shared with others; -1: none (data) */
    int64_t used, files;
    int64_t shared_used; /* of all that share the quota */
    double days;         /* a file not changed for so long goes; 0: never */
    double created;
    int version;
    unsigned rights;    /* PERI_RIGHT_* of who asks, on all of it */
    const char *folder; /* of a dataset, else NULL */
} peri_volume_t;

/* What `account` should have and does not have yet: its own volumes, those of datasets.
 * Idempotent. */
int peri_volume_ensure(peri_db_t *db, const peri_confstorage_t *conf, int64_t account,
                       peri_err_t *err);

/* The volume that `account` means. PERI_ENOTFOUND also if she may know nothing of it. */
int peri_volume_find(peri_db_t *db, const peri_confstorage_t *conf, int64_t account,
                     const char *owner, const char *name, peri_arena_t *a,
                     peri_volume_t *out, peri_err_t *err);
int peri_volume_get(peri_db_t *db, const peri_confstorage_t *conf, int64_t account,
                    int64_t id, peri_arena_t *a, peri_volume_t *out, peri_err_t *err);
/* What she may see, by id from `after` on. owner NULL: any. */
int peri_volume_list(peri_db_t *db, const peri_confstorage_t *conf, int64_t account,
                     const char *owner, int64_t after, size_t limit, peri_arena_t *a,
                     peri_volume_t **list, size_t *n, peri_err_t *err);

/* A further one, of the account (team 0) or of a team. Names: [a-z0-9] and then also ".",
 * "_", "-", at most 64. PERI_ECONFLICT. */
int peri_volume_make(peri_db_t *db, int64_t account, int64_t team, const char *name,
                     const char *description, int64_t *id, peri_err_t *err);
/* NULL or negative: as it is. PERI_ECONFLICT: the name is taken, or `version` is not the
 * row's any more. Only plain and further team volumes can be renamed. */
typedef struct {
    const char *name, *description;
    double days; /* of scratch */
    int version; /* 0: do not care */
} peri_volumeedit_t;
int peri_volume_edit(peri_db_t *db, const peri_volume_t *v, const peri_volumeedit_t *edit,
                     peri_err_t *err);
/* It is gone for everybody, and its name free; for good (and its quota) at the next
 * peri_volume_reap after PERI_VOLUME_GRACE_DAYS, or after none. PERI_EDENIED for those
 * that everyone has. */
int peri_volume_delete(peri_db_t *db, const peri_volume_t *v, bool at_once,
                       peri_err_t *err);

/* Its folder, made if need be: a descriptor or -1. */
int peri_volume_open(const peri_confstorage_t *conf, const peri_volume_t *v,
                     peri_err_t *err);
int peri_volume_open_id(const peri_confstorage_t *conf, int64_t id, peri_err_t *err);

/* The next one that was deleted longer than the grace ago: its folder is removed, then
 * its row. *id 0: there was none. */
int peri_volume_reap(peri_db_t *db, const peri_confstorage_t *conf, double now,
                     int64_t *id, peri_err_t *err);
/* Folders whose row went with its account or team are moved aside, where no new volume
 * that gets the same number (after the database was restored) finds them; after the grace
 * they are removed. */
int peri_volume_sweep(peri_db_t *db, const peri_confstorage_t *conf, double now,
                      peri_err_t *err);

#endif
