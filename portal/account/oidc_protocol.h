/* oidc_protocol.h - what is said to and heard from an OpenID provider, as text:
 * discovery, authorisation URL (code flow, PKCE S256), token request and answer, the
 * callback's check.
 *
 * Pure: no network, no database. Texts that are made belong to the arena.
 */
#ifndef PORTAL_ACCOUNT_OIDC_PROTOCOL_H
#define PORTAL_ACCOUNT_OIDC_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/arena.h"
#include "perigee/err.h"

#define PERI_OIDC_ANSWER_MAX                                                             \
    131072u                      /* bytes of a discovery, token or userinfo answer       \
                                  */
#define PERI_OIDC_CODE_MAX 4096u /* characters of an authorisation code */

/* From the discovery document. */
typedef struct {
    const char *issuer;
    const char *authorize, *token, *jwks; /* endpoints */
    const char *userinfo;                 /* or NULL */
    bool secret_in_body; /* client_secret_post: the provider does not take basic */
    bool names_itself;   /* RFC 9207: its callbacks carry `iss`, always */
} peri_oidcmeta_t;

/* An address we may talk to: https, or http to this machine if `loopback`; without user,
 * password and fragment. */
bool peri_oidc_url_ok(const char *url, bool loopback);
/* True for http to this machine: then its endpoints may be, too. */
bool peri_oidc_url_loopback(const char *url);

const char *peri_oidc_discovery_url(const char *issuer, peri_arena_t *arena);
/* PERI_EFORMAT: it is damaged, is of another issuer, or cannot do what we need. */
int peri_oidcmeta_parse(const char *text, size_t len, const char *issuer,
                        peri_arena_t *arena, peri_oidcmeta_t *out, peri_err_t *err);

typedef struct {
    const char *client_id, *redirect_uri;
    const char *scopes; /* "openid" is added if it is not among them */
    const char *state, *nonce;
    const char *verifier; /* of PKCE: 43 to 128 unreserved characters */
} peri_oidcask_t;
const char *peri_oidc_authorize_url(const peri_oidcmeta_t *m, const peri_oidcask_t *ask,
                                    peri_arena_t *arena);

typedef struct {
    const char *client_id;
    const char *secret; /* or NULL: a public client */
    const char *redirect_uri, *code, *verifier;
} peri_oidcgrant_t;
/* The form to post, and the value of Authorization (NULL: none). */
void peri_oidc_token_request(const peri_oidcmeta_t *m, const peri_oidcgrant_t *g,
                             peri_arena_t *arena, const char **form,
                             const char **authorization);
/* PERI_EDENIED: the provider refused the code; PERI_EIO: it has a fault. *access is NULL
 * if it gave none that we can use. */
int peri_oidc_token_answer(long status, const char *text, size_t len, peri_arena_t *arena,
                           const char **id_token, const char **access, peri_err_t *err);

/* What came to the callback, NULL where it was not there. PERI_EDENIED: the provider or
 * the user said no, or it is from another issuer than the sign-in began with. */
int peri_oidc_callback_check(const char *issuer, bool names_itself, const char *iss,
                             const char *error, const char *code, peri_err_t *err);

#endif
