/* oidc_protocol.c - see oidc_protocol.h. */
#include "portal/account/oidc_protocol.h"

#include <curl/curl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"

#define URL_MAX  2048u
#define FORM_MAX 32768u

/* ---- addresses ---- */

static char *url_part(CURLU *u, CURLUPart part)
{
    char *s = NULL;
    return curl_url_get(u, part, &s, 0) ? NULL : s;
}

/* 's' https, 'l' http to this machine, 0 anything else. */
static int url_kind(const char *url)
{
    int kind = 0;
    if (!url || strlen(url) > URL_MAX) return 0;
    for (const char *p = url; *p; p++)
        if (*p <= 0x20 || *p >= 0x7f || strchr("\"<>\\^`{|}#", *p)) return 0;
    CURLU *u = curl_url();
    if (!u || curl_url_set(u, CURLUPART_URL, url, 0)) goto out;
    char *scheme = url_part(u, CURLUPART_SCHEME), *host = url_part(u, CURLUPART_HOST);
    char *user = url_part(u, CURLUPART_USER), *password = url_part(u, CURLUPART_PASSWORD);
    if (scheme && host && *host && !user && !password) {
        if (!strcmp(scheme, "https"))
            kind = 's';
        else if (!strcmp(scheme, "http") &&
                 (!strcmp(host, "127.0.0.1") || !strcmp(host, "[::1]") ||
                  !strcmp(host, "localhost")))
            kind = 'l';
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_free(password);
out:
    curl_url_cleanup(u);
    return kind;
}

bool peri_oidc_url_loopback(const char *url)
{
    return url_kind(url) == 'l';
}

bool peri_oidc_url_ok(const char *url, bool loopback)
{
    const int kind = url_kind(url);
    return kind == 's' || (kind == 'l' && loopback);
}

const char *peri_oidc_discovery_url(const char *issuer, peri_arena_t *arena)
{
    size_t n = strlen(issuer);
    while (n > 0 && issuer[n - 1] == '/') n--;
    return peri_arena_printf(arena, "%.*s/.well-known/openid-configuration", (int)n,
                             issuer);
}

/* ---- discovery ---- */

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* fallback: what its absence means. */
static bool lists(const json_t *o, const char *key, const char *value, bool fallback)
{
    const json_t *list = json_object_get(o, key), *v;
    size_t i;
    if (!json_is_array(list)) return fallback;
    json_array_foreach(list, i, v) if (json_is_string(v) &&
                                       !strcmp(json_string_value(v), value)) return true;
    return false;
}

static int read_endpoint(const json_t *o, const char *key, const char *issuer,
                         peri_arena_t *arena, const char **out, peri_err_t *err)
{
    const char *url = text_of(o, key);
    if (!url)
        return peri_err_set(err, PERI_EFORMAT, "the provider %s does not tell its %s",
                            issuer, key);
    if (!peri_oidc_url_ok(url, peri_oidc_url_loopback(issuer)))
        return peri_err_set(err, PERI_EFORMAT,
                            "the provider %s has an address for %s that is not https: "
                            "%.200s",
                            issuer, key, url);
    *out = peri_arena_strdup(arena, url);
    return 0;
}

static int read_meta(const json_t *o, const char *issuer, peri_arena_t *arena,
                     peri_oidcmeta_t *m, peri_err_t *err)
{
    const char *iss = text_of(o, "issuer");
    const char *how = "token_endpoint_auth_methods_supported";
    if (!iss || strcmp(iss, issuer) != 0)
        return peri_err_set(err, PERI_EFORMAT,
                            "the provider at %s calls itself %.200s; write its issuer in "
                            "the configuration exactly so, if you trust that",
                            issuer, iss ? iss : "nothing");
    if (read_endpoint(o, "authorization_endpoint", issuer, arena, &m->authorize, err) ||
        read_endpoint(o, "token_endpoint", issuer, arena, &m->token, err) ||
        read_endpoint(o, "jwks_uri", issuer, arena, &m->jwks, err))
        return -1;
    if (text_of(o, "userinfo_endpoint") &&
        read_endpoint(o, "userinfo_endpoint", issuer, arena, &m->userinfo, err))
        return -1;
    if (!lists(o, "response_types_supported", "code", true))
        return peri_err_set(err, PERI_EFORMAT,
                            "the provider %s does not offer the code flow", issuer);
    if (!lists(o, "code_challenge_methods_supported", "S256", true))
        return peri_err_set(err, PERI_EFORMAT,
                            "the provider %s does not offer PKCE with S256", issuer);
    m->secret_in_body = !lists(o, how, "client_secret_basic", true);
    if (m->secret_in_body && !lists(o, how, "client_secret_post", false) &&
        !lists(o, how, "none", false))
        return peri_err_set(err, PERI_EFORMAT,
                            "the provider %s takes no client secret, neither as "
                            "client_secret_basic nor as client_secret_post",
                            issuer);
    m->names_itself = json_is_true(
        json_object_get(o, "authorization_response_iss_parameter_supported"));
    m->issuer = peri_arena_strdup(arena, issuer);
    return 0;
}

int peri_oidcmeta_parse(const char *text, size_t len, const char *issuer,
                        peri_arena_t *arena, peri_oidcmeta_t *out, peri_err_t *err)
{
    json_error_t why = {0};
    json_t *o = NULL;
    memset(out, 0, sizeof(*out));
    if (len <= PERI_OIDC_ANSWER_MAX)
        o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    int rc = json_is_object(o)
                 ? read_meta(o, issuer, arena, out, err)
                 : peri_err_set(err, PERI_EFORMAT,
                                "what the provider %s says of itself is not a JSON "
                                "object: %s",
                                issuer, *why.text ? why.text : "too long");
    json_decref(o);
    return rc;
}

/* ---- requests ---- */

static void put_escaped(peri_buf_t *b, const char *s)
{
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
            strchr("-._~", c))
            peri_buf_putc(b, (char)c);
        else
            peri_buf_printf(b, "%%%02X", c);
    }
}

static void put_field(peri_buf_t *b, const char *name, const char *value)
{
    if (b->len && b->data[b->len - 1] != '?' && b->data[b->len - 1] != '&')
        peri_buf_putc(b, '&');
    peri_buf_puts(b, name);
    peri_buf_putc(b, '=');
    put_escaped(b, value);
}

static const char *take(peri_buf_t *b, peri_arena_t *arena)
{
    const char *s = b->failed ? NULL : peri_arena_strndup(arena, b->data, b->len);
    peri_buf_free(b);
    return s;
}

static bool has_word(const char *list, const char *word)
{
    const size_t n = strlen(word);
    for (const char *p = list; (p = strstr(p, word)); p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n])) return true;
    return false;
}

const char *peri_oidc_authorize_url(const peri_oidcmeta_t *m, const peri_oidcask_t *ask,
                                    peri_arena_t *arena)
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    char challenge[44];
    peri_buf_t b;
    crypto_hash_sha256(digest, (const unsigned char *)ask->verifier,
                       strlen(ask->verifier));
    sodium_bin2base64(challenge, sizeof(challenge), digest, sizeof(digest),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    peri_buf_init(&b, FORM_MAX);
    peri_buf_puts(&b, m->authorize);
    if (!strchr(m->authorize, '?')) peri_buf_putc(&b, '?');
    put_field(&b, "response_type", "code");
    put_field(&b, "client_id", ask->client_id);
    put_field(&b, "redirect_uri", ask->redirect_uri);
    put_field(&b, "scope",
              has_word(ask->scopes, "openid")
                  ? ask->scopes
                  : peri_arena_printf(arena, "openid %s", ask->scopes));
    put_field(&b, "state", ask->state);
    put_field(&b, "nonce", ask->nonce);
    put_field(&b, "code_challenge", challenge);
    put_field(&b, "code_challenge_method", "S256");
    return take(&b, arena);
}

/* RFC 6749 2.3.1: both as in a form, then basic. */
static const char *basic(const peri_oidcgrant_t *g, peri_arena_t *arena)
{
    peri_buf_t b;
    peri_buf_init(&b, FORM_MAX);
    put_escaped(&b, g->client_id);
    peri_buf_putc(&b, ':');
    put_escaped(&b, g->secret);
    const char *pair = take(&b, arena);
    if (!pair) return NULL;
    const size_t size =
        sodium_base64_encoded_len(strlen(pair), sodium_base64_VARIANT_ORIGINAL);
    char *text = peri_arena_alloc(arena, size);
    sodium_bin2base64(text, size, (const unsigned char *)pair, strlen(pair),
                      sodium_base64_VARIANT_ORIGINAL);
    return peri_arena_printf(arena, "Basic %s", text);
}

void peri_oidc_token_request(const peri_oidcmeta_t *m, const peri_oidcgrant_t *g,
                             peri_arena_t *arena, const char **form,
                             const char **authorization)
{
    peri_buf_t b;
    peri_buf_init(&b, FORM_MAX);
    put_field(&b, "grant_type", "authorization_code");
    put_field(&b, "code", g->code);
    put_field(&b, "redirect_uri", g->redirect_uri);
    put_field(&b, "code_verifier", g->verifier);
    *authorization = NULL;
    if (g->secret && !m->secret_in_body) {
        *authorization = basic(g, arena);
    } else {
        put_field(&b, "client_id", g->client_id);
        if (g->secret) put_field(&b, "client_secret", g->secret);
    }
    *form = take(&b, arena);
}

#define WORD_MAX 60
/* Words of a provider, as far as they can be shown: RFC 6749 allows only these. */
static const char *shown(const char *s, char out[WORD_MAX + 1])
{
    size_t n = strnlen(s, WORD_MAX);
    for (size_t i = 0; i < n; i++)
        out[i] = s[i] < 0x20 || s[i] > 0x7e || s[i] == '"' ? '?' : s[i];
    out[n] = '\0';
    return out;
}

int peri_oidc_token_answer(long status, const char *text, size_t len, peri_arena_t *arena,
                           const char **id_token, const char **access, peri_err_t *err)
{
    json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    const char *token = text_of(o, "id_token"), *kind = text_of(o, "token_type");
    const char *error = text_of(o, "error"), *bearer = text_of(o, "access_token");
    char word[WORD_MAX + 1];
    int rc = 0;
    if (error && !strcmp(error, "invalid_grant"))
        rc = peri_err_set(err, PERI_EDENIED,
                          "the provider does not take its own code any more; sign in "
                          "again");
    else if (error)
        rc = peri_err_set(err, PERI_EIO, "the provider refuses us: %s",
                          shown(error, word));
    else if (status != 200 || !o)
        rc = peri_err_set(err, PERI_EIO,
                          "the provider's token endpoint answers with status %ld and no "
                          "token",
                          status);
    else if (!token)
        rc = peri_err_set(err, PERI_EIO, "the provider gives no ID token");
    if (rc == 0) {
        *id_token = peri_arena_strdup(arena, token);
        *access = NULL;
        /* It goes into a header. */
        if (bearer && kind && !strcasecmp(kind, "Bearer") &&
            strspn(bearer, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                           "0123456789-._~+/=") == strlen(bearer))
            *access = peri_arena_strdup(arena, bearer);
    }
    json_decref(o);
    return rc;
}

int peri_oidc_callback_check(const char *issuer, bool names_itself, const char *iss,
                             const char *error, const char *code, peri_err_t *err)
{
    /* First of all: an error of somebody else says nothing either. */
    if (iss ? strcmp(iss, issuer) != 0 : names_itself)
        return peri_err_set(err, PERI_EDENIED,
                            "this answer is not from the provider that the sign-in began "
                            "with; sign in again");
    if (error && !strcmp(error, "access_denied"))
        return peri_err_set(err, PERI_EDENIED,
                            "the sign-in was declined at the provider");
    char word[WORD_MAX + 1];
    if (error)
        return peri_err_set(err, PERI_EDENIED,
                            "the provider did not sign you in (%s); try again, or ask "
                            "your administrator",
                            shown(error, word));
    if (!code || !*code || strlen(code) > PERI_OIDC_CODE_MAX)
        return peri_err_set(err, PERI_EINVAL,
                            "this answer of the provider has no code; sign in again");
    return 0;
}
