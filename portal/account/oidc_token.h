/* oidc_token.h - ID tokens (OpenID Connect Core 3.1.3.7) and the key sets that sign them.
 *
 * Pure: no network, no database, no clock. What a provider, or someone who plays one, may
 * send comes in here: everything is bounded and nothing is believed before its signature
 * is right. Only RSA (2048 to 8192 bits) and elliptic curve keys (P-256, P-384, P-521)
 * are taken; "none" and the HS* algorithms, whose key would be public, are not.
 */
#ifndef PORTAL_ACCOUNT_OIDC_TOKEN_H
#define PORTAL_ACCOUNT_OIDC_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/arena.h"
#include "perigee/err.h"

#define PERI_JWKS_MAX    262144u /* bytes */
#define PERI_JWKS_KEYS   64      /* more are not read */
#define PERI_IDTOKEN_MAX 16384u  /* bytes */
#define PERI_CLOCK_SKEW  60.0    /* seconds that clocks may differ */
#define PERI_IDTOKEN_AGE 600.0   /* a token that was issued before that is not for us */

typedef struct peri_jwks peri_jwks_t;

/* A JSON Web Key Set. Keys that are for something else, or of a kind that is not taken,
 * are left out; PERI_EFORMAT if it is no key set or none is left. */
peri_jwks_t *peri_jwks_parse(const char *text, size_t len, peri_err_t *err);
void peri_jwks_free(peri_jwks_t *s); /* accepts NULL */
size_t peri_jwks_count(const peri_jwks_t *s);

typedef struct {
    const char *issuer, *client_id, *nonce;
    double now; /* epoch seconds */
} peri_idwant_t;

typedef struct {
    const char *subject;            /* 1 to 255 printable ASCII characters */
    const char *preferred_username; /* these three: UTF-8, or NULL */
    const char *full_name;
    const char *email; /* NULL also if the provider has not verified it */
} peri_idclaims_t;

/* Strings of *out are the arena's. PERI_ENOTFOUND: no key of the set has the token's kid:
 * fetch the set anew. PERI_EDENIED: anything else that is wrong with it; the text says
 * what, for an administrator. */
int peri_idtoken_verify(const peri_jwks_t *keys, const char *token, size_t len,
                        const peri_idwant_t *want, peri_arena_t *arena,
                        peri_idclaims_t *out, peri_err_t *err);

/* The answer of a userinfo endpoint fills what *c lacks; PERI_EDENIED if it is about
 * somebody else. */
int peri_userinfo_add(const char *text, size_t len, peri_arena_t *arena,
                      peri_idclaims_t *c, peri_err_t *err);

#endif
