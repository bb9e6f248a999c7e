/* access.h - who may do what. The rules are in the database (perigee_rights in
 * jobs/store/migrations/0003.sql): every door asks them through these functions.
 */
#ifndef PORTAL_ACCESS_H
#define PORTAL_ACCESS_H

#include "portal/web/request.h"

enum {
    PERI_RIGHT_SEE = 1, /* that it is there, its description */
    PERI_RIGHT_READ = 2,
    PERI_RIGHT_WRITE = 4, /* change; a job: cancel; a team: edit */
    PERI_RIGHT_RUN = 8,   /* use it in jobs; a job: the same again */
    PERI_RIGHT_GRANT = 16,
    PERI_RIGHT_OWN = 32 /* delete, hand over */
};

/* kind: "volume" (path: of a folder or file in it, without slashes at its ends),
 * "dataset", "job" (id: its number), "team"; path "" for these. In any transaction. */
int peri_access_rights(peri_db_t *db, int64_t account, const char *kind, int64_t id,
                       const char *path, unsigned *rights, peri_err_t *err);

/* 0 if who asks has all these rights; else -1: PERI_ENOTFOUND if she has none at all
 * (that it exists is not told), PERI_EDENIED with a sentence if some. what: how it is
 * called in that sentence ("ana/persistent:x.h5"). */
int peri_access_need(peri_request_t *r, peri_db_t *db, const char *kind, int64_t id,
                     const char *path, unsigned rights, const char *what,
                     peri_err_t *err);

/* "read,write": names of rights, in the order of their bits. out: 64 bytes. */
void peri_rights_text(unsigned rights, char *out);
/* 0 for a word that is none. */
unsigned peri_right_of(const char *word);

#endif
