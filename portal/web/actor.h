/* actor.h - who asks, by which door. Filled once per request, constant after. */
#ifndef PORTAL_WEB_ACTOR_H
#define PORTAL_WEB_ACTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a personal access token may do. A session and the local socket may do all. */
enum {
    PERI_SCOPE_FILES_READ = 1 << 0,
    PERI_SCOPE_FILES_WRITE = 1 << 1,
    PERI_SCOPE_JOBS_READ = 1 << 2,
    PERI_SCOPE_JOBS_WRITE = 1 << 3,
    PERI_SCOPE_TEAMS_READ = 1 << 4,
    PERI_SCOPE_TEAMS_WRITE = 1 << 5,
    PERI_SCOPE_ACCOUNT_READ = 1 << 6,
    PERI_SCOPE_ACCOUNT_WRITE = 1 << 7,
    PERI_SCOPE_SQL = 1 << 8,
    PERI_SCOPE_ADMIN = 1 << 9,
    PERI_SCOPE_ALL = (1 << 10) - 1
};
/* "files:read"; NULL for a bit that is none. 0 for a name that is none ("all": everything
 * but admin). */
const char *peri_scope_name(unsigned bit);
unsigned peri_scope_of(const char *name);

typedef struct {
    int64_t account;  /* 0: nobody */
    const char *name; /* of the account; "" for nobody */
    bool admin;       /* an administrator, and asking with the scope for it */
    bool local;       /* by the local socket: a user of this machine */
    uid_t uid;        /* local: the Unix user; else the daemon's own */
    gid_t gid;
    int64_t session, token; /* 0: not by one */
    double expires;         /* of the token; 0: not by one */
    unsigned scopes;
    const char *csrf; /* of the session */
} peri_actor_t;

#endif
