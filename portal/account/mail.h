/* mail.h - mail to users: a row in the table `mail` now, sent by a thread later.
 *
 * A mail is queued in the transaction of what it tells about: both happen or none. The
 * thread counts a try (committed) before it makes it and removes the row after the server
 * has taken it; if the daemon dies in between the mail goes out again with the same
 * Message-ID and Date, so that it is seen to be the same. After PERI_MAIL_DAYS it is
 * given up, with a line in the log and one in the audit log.
 */
#ifndef PORTAL_ACCOUNT_MAIL_H
#define PORTAL_ACCOUNT_MAIL_H

#include "jobs/store/db.h"
#include "portal/config/config.h"

#define PERI_MAIL_DAYS 3 /* after which it is given up */

/* Can we send with it? PERI_EINVAL says which key is wrong and how. */
int peri_mailconf_check(const peri_confmail_t *c, peri_err_t *err);

/* In the caller's transaction. text: UTF-8, lines end in \n. PERI_EINVAL: an address,
 * subject or text that cannot be sent; no control character gets into a header. */
int peri_mail_queue(peri_db_t *db, const char *to, const char *subject, const char *text,
                    peri_err_t *err);

typedef struct peri_mailer peri_mailer_t;
/* The strings of c are borrowed. Signals are left to other threads. */
peri_mailer_t *peri_mailer_start(const peri_confmail_t *c, peri_dbpool_t *pool,
                                 peri_err_t *err);
void peri_mailer_stop(peri_mailer_t *m); /* accepts NULL; waits 1 s at most */

#endif
