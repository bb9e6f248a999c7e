/* pg.h - the parts of the private server: programs run with its user's rights, where its
 * files lie. Private.
 *
 *   DIR/lock     held while somebody starts or stops it
 *   DIR/data     the cluster; made as data.new.* and renamed when it is whole
 *   DIR/s        the folder of its socket, 0700
 *   DIR/log      its log, a file a weekday
 */
#ifndef JOBS_STORE_PG_H
#define JOBS_STORE_PG_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "perigee/err.h"

/* ---- who (pgrun.c) ---- */

typedef struct {
    bool change; /* we are root, and the server must not be */
    uid_t uid;
    gid_t gid;
    gid_t groups[64];
    int ngroups;
} peri_pguser_t;
int peri_pguser_find(peri_pguser_t *u, peri_err_t *err);

/* Runs a program with the user's rights, nothing inherited, and waits for it; it dies if
 * we do. *said (the caller's, may be NULL): what it wrote, the end of it. 0: exit status
 * 0; 1: another one; -1: could not be run. */
int peri_pgrun(const peri_pguser_t *u, const char *const *argv, char **said,
               peri_err_t *err);

/* ---- where (pgplace.c) ---- */

typedef struct {
    char *dir, *data, *socket, *log, *lock; /* absolute */
    peri_pguser_t user;
} peri_pgplace_t;
/* Names only. */
int peri_pgplace_init(peri_pgplace_t *p, const char *dir, peri_err_t *err);
void peri_pgplace_free(peri_pgplace_t *p); /* accepts a zeroed struct */
/* Makes the folders, and finds out whether the server's user can enter them. */
int peri_pgplace_make(peri_pgplace_t *p, peri_err_t *err);
/* Written anew at each start. */
int peri_pgplace_configure(const peri_pgplace_t *p, peri_err_t *err);
/* Waits for the lock: a descriptor to close, or -1. */
int peri_pgplace_lock(const peri_pgplace_t *p, peri_err_t *err);
/* A name for a cluster to be made, and none of those that were given up. */
char *peri_pgplace_fresh(const peri_pgplace_t *p);
/* The end of its logs that were written since then. The caller frees. */
char *peri_pgplace_words(const peri_pgplace_t *p, const char *start_log, time_t since);
/* Folder of initdb, pg_ctl and postgres that fit the cluster in `data` if there is one.
 */
char *peri_pgplace_programs(const peri_pgplace_t *p, peri_err_t *err);

#endif
