/* api.h - handlers of portal/account, and what they share. Private to the folder. */
#ifndef PORTAL_ACCOUNT_API_H
#define PORTAL_ACCOUNT_API_H

#include "portal/account/session.h"
#include "portal/account/signup.h"
#include "portal/web/request.h"

/* api_who.c */
peri_sessionrules_t peri_api_session_rules(const peri_request_t *r);
peri_signuprules_t peri_api_signup_rules(const peri_request_t *r);
/* A new session for an account that has shown who it is, instead of the one that the
 * request came with; the cookie goes into the answer, the audit log gets its line (way:
 * "password", or a provider's name), r->json becomes {"name", "csrf", "session",
 * "expires"}. In a transaction of db. */
int peri_api_start_session(peri_request_t *r, peri_db_t *db, int64_t account,
                           const char *name, const char *way, peri_err_t *err);
void peri_api_drop_cookie(peri_request_t *r);
/* Whoever holds a token may do with it what it is for; taking the account over is
 * not: PERI_EDENIED for a token. */
int peri_api_by_person(peri_request_t *r, peri_err_t *err);
json_t *peri_api_scopes(unsigned scopes); /* names */

/* api_turn.c: a turn to hash a password (password.h) without sleeping. 1: it is ours, to
 * be given back. 0: there is none now, the request is put aside and will be run again:
 * return 0. -1: there was none for too long. */
int peri_api_turn(peri_request_t *r, peri_err_t *err);
/* 429 with Retry-After; returns -1. */
int peri_api_wait(peri_request_t *r, double seconds, const char *what, peri_err_t *err);

/* Counts a mail to this address: *wait > 0 if there were too many. api_signup.c */
int peri_api_count_mail(peri_request_t *r, peri_db_t *db, const char *email, double *wait,
                        peri_err_t *err);

/* api_page.c: for who comes with a browser from a mail. */
bool peri_api_is_form(const peri_request_t *r);
/* Fields of a form; NULL where not there. */
const char *peri_api_form_field(peri_request_t *r, const char *name);
/* form: action and label of a button, or NULL; the token goes along; a field for a
 * password with it. */
void peri_api_page(peri_request_t *r, int status, const char *title, const char *text,
                   const char *action, const char *token, bool password);

int peri_api_sign_in(peri_request_t *r, peri_err_t *err);
int peri_api_sign_out(peri_request_t *r, peri_err_t *err);
int peri_api_ways(peri_request_t *r, peri_err_t *err);
int peri_api_sign_up(peri_request_t *r, peri_err_t *err);
int peri_api_verify_page(peri_request_t *r, peri_err_t *err);
int peri_api_verify(peri_request_t *r, peri_err_t *err);
int peri_api_forgot(peri_request_t *r, peri_err_t *err);
int peri_api_reset_page(peri_request_t *r, peri_err_t *err);
int peri_api_reset(peri_request_t *r, peri_err_t *err);
int peri_api_invite(peri_request_t *r, peri_err_t *err);
int peri_api_setup_link(peri_request_t *r, peri_err_t *err);
int peri_api_account(peri_request_t *r, peri_err_t *err);
int peri_api_account_edit(peri_request_t *r, peri_err_t *err);
int peri_api_account_delete(peri_request_t *r, peri_err_t *err);
int peri_api_password(peri_request_t *r, peri_err_t *err);
int peri_api_accounts(peri_request_t *r, peri_err_t *err);
int peri_api_identities(peri_request_t *r, peri_err_t *err);
int peri_api_sessions(peri_request_t *r, peri_err_t *err);
int peri_api_session_revoke(peri_request_t *r, peri_err_t *err);
int peri_api_sessions_revoke(peri_request_t *r, peri_err_t *err);
int peri_api_tokens(peri_request_t *r, peri_err_t *err);
int peri_api_token_make(peri_request_t *r, peri_err_t *err);
int peri_api_token_revoke(peri_request_t *r, peri_err_t *err);
int peri_api_totp_start(peri_request_t *r, peri_err_t *err);
int peri_api_totp_confirm(peri_request_t *r, peri_err_t *err);
int peri_api_totp_remove(peri_request_t *r, peri_err_t *err);

#endif
