/* fuzz_id_token.c - any bytes as what an OpenID provider says: a key set and a token
 * signed with one of its keys (a NUL between them), its description, its token and
 * userinfo answers. No token that is made up may be taken.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "portal/account/oidc_protocol.h"
#include "portal/account/oidc_token.h"

#define ISSUER "https://id.example.org"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The key of RFC 7517, appendix A.1: nobody here has its private half. */
static const char own_set[] =
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"1\","
    "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}";

static void try_token(const char *set, size_t nset, const char *token, size_t n)
{
    const peri_idwant_t want = {ISSUER, "perigee", "n", 1800000000.0};
    peri_arena_t *arena = peri_arena_new();
    peri_idclaims_t c;
    peri_err_t err = {0};
    peri_jwks_t *keys = peri_jwks_parse(set, nset, &err);
    if (!keys && (err.code == PERI_OK || !*err.text)) abort();
    if (keys) {
        if (peri_jwks_count(keys) == 0) abort();
        if (!peri_idtoken_verify(keys, token, n, &want, arena, &c, &err)) abort();
        if (err.code != PERI_EDENIED && err.code != PERI_ENOTFOUND) abort();
    }
    peri_jwks_free(keys);
    peri_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    peri_arena_t *arena = peri_arena_new();
    peri_oidcmeta_t m;
    peri_idclaims_t c = {.subject = "a"};
    peri_err_t err = {0};
    const char *id, *access;
    const char *nul = size ? memchr(text, '\0', size) : NULL;
    if (nul)
        try_token(text, (size_t)(nul - text), nul + 1, size - (size_t)(nul - text) - 1);
    try_token(own_set, sizeof(own_set) - 1, text, size);
    if (!peri_oidcmeta_parse(text, size, ISSUER, arena, &m, &err) &&
        (!peri_oidc_url_ok(m.token, false) || !peri_oidc_url_ok(m.jwks, false) ||
         !peri_oidc_url_ok(m.authorize, false)))
        abort();
    if (!peri_oidc_token_answer(200, text, size, arena, &id, &access, &err) && !id)
        abort();
    peri_userinfo_add(text, size, arena, &c, &err);
    const char *iss = peri_arena_strndup(arena, text, size);
    if (!peri_oidc_callback_check(ISSUER, true, iss, NULL, "c", &err) &&
        strcmp(iss, ISSUER) != 0)
        abort();
    peri_arena_free(arena);
    return 0;
}
