/* throttle.h - slows down who tries again and again: passwords, codes, sign-ups, mails.
 * Counts are in the database: a restart forgets nothing, and requests at once cannot
 * overtake the count, because a try is counted before it is made.
 *
 * A key may try `free` times; each further try has to wait twice as long as the one
 * before, from `first` seconds up to `most`. A key that was silent for `forget` seconds
 * starts anew. Keys are stored hashed: somebody may type a password where the name
 * belongs.
 */
#ifndef PORTAL_ACCOUNT_THROTTLE_H
#define PORTAL_ACCOUNT_THROTTLE_H

#include "jobs/store/db.h"

typedef struct {
    const char *kind; /* keys of different kinds never meet */
    int free;
    double first, most, forget; /* seconds */
} peri_throttle_t;

extern const peri_throttle_t
    peri_throttle_account; /* wrong passwords for an account ... */
extern const peri_throttle_t
    peri_throttle_known; /* ... from where it has signed in before */
extern const peri_throttle_t peri_throttle_client; /* ... from one address */
extern const peri_throttle_t peri_throttle_signup; /* accounts made from one address */
extern const peri_throttle_t peri_throttle_mail;   /* mails to one address */

/* Counts a try. *wait > 0: it may not be made, and was not counted; so many seconds. */
int peri_throttle_try(peri_db_t *db, const peri_throttle_t *t, const char *key,
                      double now, double *wait, peri_err_t *err);
/* It was a good one: forgets all of the key, or just this one try. */
int peri_throttle_clear(peri_db_t *db, const peri_throttle_t *t, const char *key,
                        peri_err_t *err);
int peri_throttle_undo(peri_db_t *db, const peri_throttle_t *t, const char *key,
                       peri_err_t *err);
/* What counts as one address: all of IPv4, the first 64 bits of IPv6 (a customer has as
 * many as she likes of the rest). */
void peri_throttle_client_key(const char *client, char out[64]);

#endif
