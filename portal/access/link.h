/* link.h - links to one file or result for people without an account. A link lives until
 * its time is over, and only as long as its maker may still share what it shows.
 */
#ifndef PORTAL_ACCESS_LINK_H
#define PORTAL_ACCESS_LINK_H

#include "portal/access/thing.h"
#include "portal/account/secret.h"

/* token: told once, only its hash is kept. */
int peri_link_make(peri_db_t *db, const peri_thing_t *thing, int64_t by, double expires,
                   char token[PERI_SECRET_LEN + 1], int64_t *id, peri_err_t *err);
/* What a token shows, and counts its use: PERI_ENOTFOUND if it shows nothing (any more).
 * kind is "volume" or "job". */
int peri_link_open(peri_request_t *r, peri_db_t *db, const char *token,
                   peri_thing_t *thing, peri_err_t *err);

#endif
