/* binds.h - what a job of an account sees: computed from what the account may use now, at
 * the moment when a submission is handed out.
 *
 * The rules are perigee_rights in the database, as at every other door; here they become
 * folders. A right that was taken away since the job was sent is gone.
 */
#ifndef PORTAL_JOBS_BINDS_H
#define PORTAL_JOBS_BINDS_H

#include "jobs/spec/spec.h"
#include "portal/portal.h"

#define PERI_VOLUMES_AT "/volumes" /* inside */

typedef struct {
    peri_sandbox_t sandbox;
    const char *dir;      /* working folder inside: /volumes/NAME */
    const char *datasets; /* PERIGEE_DATASETS for the job; NULL: none */
    const char *kernels;  /* PERIGEE_KERNELS; NULL: none */
    const char *schemas;  /* PERIGEE_SCHEMAS: JSON, its own first (core/mydb/schema.h) */
    const char *folders;  /* as a Unix user: the list of what perigee-helper shows her
                             (portal/helper/client.h); else NULL */
} peri_binds_t;

/* For the job of this account; strings of the arena. PERI_EDENIED with a sentence that
 * names the volume if the job asks for one that the account may not use (any more), or if
 * the account is not active. db: with the daemon's own rights, no transaction open.
 * unix_home: the job runs as a Unix user, this is her home; NULL: as the daemon's. */
int peri_binds_make(const peri_portal_t *p, peri_db_t *db, int64_t account,
                    const peri_spec_t *spec, const char *unix_home, peri_arena_t *arena,
                    peri_binds_t *out, peri_err_t *err);

/* The same check without opening anything, for a job that is sent: the sentence at once.
 */
int peri_binds_check(const peri_portal_t *p, peri_db_t *db, int64_t account,
                     const peri_spec_t *spec, peri_err_t *err);

/* written.c. A process of this account that may write has ended: the volumes that it may
 * have written in are counted anew, within seconds. */
int peri_binds_doubt(peri_db_t *db, int64_t account, peri_err_t *err);
/* Before one that should know exactly how much is left (`left` of peri_binds_make's
 * schemas): what is in doubt is counted now, if that takes no more than a moment. */
int peri_binds_count(const peri_portal_t *p, peri_db_t *db, int64_t account,
                     peri_err_t *err);

/* Our own folders lie in this one: it is not shown as it is. */
bool peri_binds_is_around(const peri_config_t *c, const char *folder);

/* datasets.c: adds the descriptors and the folders of the datasets that the account may
 * use to `out` (read, datasets). One that the catalogue does not know is
 * nobody's. list: as a Unix user, gets the folders that the helper has to open for her;
 * else NULL. */
int peri_binds_datasets(const peri_portal_t *p, peri_db_t *db, int64_t account,
                        peri_arena_t *arena, peri_buf_t *list, peri_binds_t *out,
                        peri_err_t *err);

#endif
