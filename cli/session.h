/* session.h - signing in to a portal with a password: for what tokens may not do, as
 * making tokens and changing the password. A session lasts for one command.
 */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "cli/client.h"
#include "cli/prompt.h"

typedef struct {
    const char *url, *cacert; /* cacert: or NULL */
    const char *name;         /* NULL: asked for; */
    const char *usual;        /* ... with this as the usual answer, or NULL */
    bool from_stdin;
} peri_signin_t;

/* Asks for what is needed. *account: the caller's (free); password: what was typed, to be
 * wiped by the caller. Close it. NULL: an error. */
peri_client_t *peri_session_open(const peri_signin_t *s, char **account,
                                 char password[PERI_PROMPT_MAX], peri_err_t *err);
/* At the portal of the login that commands use now, with its name; or the perigeed of
 * this machine, which needs no session (password is empty then). */
peri_client_t *peri_session_now(bool from_stdin, char password[PERI_PROMPT_MAX],
                                peri_err_t *err);
/* Signs out; frees. Accepts NULL. */
void peri_session_close(peri_client_t *c);

/* POST once, not again by itself: a wrong password is counted. Takes body. */
json_t *peri_session_post(peri_client_t *c, const char *path, json_t *body,
                          peri_answer_t *a, peri_err_t *err);

#endif
