/* user.h - which Unix users jobs may run as. For the helper, which decides, and for
 * perigeed, which says so when a job is sent. libc only. Threads: all.
 */
#ifndef PORTAL_HELPER_USER_H
#define PORTAL_HELPER_USER_H

#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PERI_USER_SPACE 65536

typedef struct {
    uid_t least;       /* uids below are those of the system */
    uid_t service;     /* who perigeed runs as: never */
    const char *group; /* she must be in it; NULL: any */
} peri_userrules_t;

typedef struct {
    struct passwd pw;
    char space[PERI_USER_SPACE];
} peri_unixuser_t;

/* NULL and *out, or a sentence why nothing may run as `name` (in `why`). *gone (may be
 * NULL) is set if the user database could not be asked: it may be different later. */
const char *peri_user_find(const char *name, const peri_userrules_t *rules,
                           peri_unixuser_t *out, char *why, size_t space, bool *gone);

#endif
