/* name.h - what a name of an account and an e-mail address may look like. Pure. */
#ifndef PORTAL_ACCOUNT_NAME_H
#define PORTAL_ACCOUNT_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "perigee/err.h"

#define PERI_NAME_MAX  32  /* characters */
#define PERI_EMAIL_MAX 254 /* RFC 5321 */
#define PERI_FULL_MAX  100 /* of "Ana Maria Lopez", in bytes */

/* Small letters, digits, - and _, a letter first, 2 to 32; not one of those that mean
 * something in a path or a page. PERI_EINVAL says what is wrong. */
int peri_name_check(const char *name, peri_err_t *err);
bool peri_name_reserved(const char *name);
/* A name from any text ("Ana.Lopez@x.org" gives "ana-lopez"): allowed and not reserved,
 * or "" if nothing is left. n: 0, or a number to append, for when it is taken. */
void peri_name_from(const char *text, unsigned n, char out[PERI_NAME_MAX + 1]);

/* local@domain as people have them: no quotes, no comments, no control characters, so
 * that it cannot carry a header into a mail. */
int peri_email_check(const char *email, peri_err_t *err);
/* Any printable text, without line breaks or < and >. */
int peri_full_check(const char *full, peri_err_t *err);

#endif
