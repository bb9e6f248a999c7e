/* team.h - teams and their members, in the caller's transaction, with the daemon's own
 * rights: what somebody may do has been checked (peri_access_need) but for the rules
 * between roles, which are here.
 */
#ifndef PORTAL_ACCESS_TEAM_H
#define PORTAL_ACCESS_TEAM_H

#include "portal/access/thing.h"

typedef struct {
    const char *name, *title, *description;
    bool is_class, is_public;
} peri_newteam_t;

/* With its first owner and its volumes ("files", for a class "lectures"). PERI_ECONFLICT
 * if the name is taken. */
int peri_team_make(peri_db_t *db, const peri_newteam_t *t, int64_t owner, int64_t *id,
                   peri_err_t *err);
/* Its members leave, its volumes and what was granted to it go. */
int peri_team_delete(peri_db_t *db, int64_t id, bool with_files, peri_err_t *err);

/* role: "owner", "admin", "member". Who is a member already stays what she is. */
int peri_team_invite(peri_db_t *db, int64_t team, int64_t account, const char *role,
                     int64_t by, peri_err_t *err);
/* Answer to an invitation: PERI_ENOTFOUND if there is none. */
int peri_team_answer(peri_db_t *db, int64_t team, int64_t account, bool accept,
                     peri_err_t *err);
int peri_team_join(peri_db_t *db, int64_t team, int64_t account, peri_err_t *err);
/* by: who removes her (herself: she leaves). The last owner stays. */
int peri_team_remove(peri_db_t *db, int64_t team, int64_t account, int64_t by,
                     peri_err_t *err);
int peri_team_role(peri_db_t *db, int64_t team, int64_t account, const char *role,
                   int64_t by, peri_err_t *err);

#endif
