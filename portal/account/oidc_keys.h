/* oidc_keys.h - what a key set looks like to the two files that know: oidc_jwks.c,
 * oidc_token.c.
 */
#ifndef PORTAL_ACCOUNT_OIDC_KEYS_H
#define PORTAL_ACCOUNT_OIDC_KEYS_H

#include <cjose/cjose.h>

#include "portal/account/oidc_token.h"

typedef struct {
    cjose_jwk_t *jwk;
    char *kid, *alg;  /* or NULL */
    char kty;         /* 'R' RSA, 'E' elliptic curve */
    int bits;         /* of the curve */
    size_t signature; /* bytes of one */
} peri_key_t;

struct peri_jwks {
    size_t n;
    peri_key_t key[PERI_JWKS_KEYS];
};

#endif
