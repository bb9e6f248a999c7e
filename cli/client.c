/* client.c - see client.h: where requests go, and what becomes of answers. The requests
 * themselves are client_curl.c's.
 */
#include "cli/client.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client_priv.h"
#include "cli/portals.h"
#include "core/base/util.h"
#include "portal/config/config.h"

#define GET_FOR 30.0 /* seconds that a portal which is away is asked again */

/* ---- where to ---- */

static const char *setting(const char *name)
{
    const char *s = getenv(name);
    return s && *s ? s : NULL;
}

static char *copy(const char *s)
{
    return s ? peri_xstrdup(s) : NULL;
}

peri_client_t *peri_client_new_at(const char *socket)
{
    peri_client_t *c = peri_xcalloc(1, sizeof(*c));
    c->socket = peri_xstrdup(socket);
    return c;
}

peri_client_t *peri_client_new_local(peri_err_t *err)
{
    const char *given = setting("PERIGEE_SOCKET");
    if (given) return peri_client_new_at(given);
    peri_config_t *conf = peri_config_load(NULL, err);
    if (!conf) return NULL;
    peri_client_t *c = peri_client_new_at(conf->socket);
    peri_config_free(conf);
    return c;
}

peri_client_t *peri_client_new_portal(const char *url, const char *token,
                                      const char *cacert)
{
    peri_client_t *c = peri_xcalloc(1, sizeof(*c));
    const char *given = setting("PERIGEE_CACERT");
    c->portal = peri_xstrdup(url);
    c->token = copy(token);
    c->cacert = copy(given ? given : cacert);
    return c;
}

/* The portal at url, or the default one if url is NULL: 1, or 0 if there is no login. */
static int at_login(const char *url, peri_client_t **out, peri_err_t *err)
{
    peri_login_t login;
    int rc = peri_portals_find(url, &login, err);
    const char *token = setting("PERIGEE_TOKEN");
    if (rc == 1) {
        *out =
            peri_client_new_portal(login.url, token ? token : login.token, login.cacert);
        if (!token) (*out)->account = copy(login.account);
    } else if (rc == 0 && url && token) {
        *out = peri_client_new_portal(url, token, NULL);
        rc = 1;
    }
    peri_login_free(&login);
    return rc;
}

peri_client_t *peri_client_new(peri_err_t *err)
{
    const char *given = setting("PERIGEE_PORTAL");
    peri_client_t *c = NULL;
    if (given && strcmp(given, "local") != 0) {
        char *url = peri_portal_url(given, err);
        if (url && at_login(url, &c, err) == 0)
            peri_err_set(err, PERI_EDENIED,
                         "you are not logged in to %s: 'perigee login %s' does that", url,
                         url);
        free(url);
        return c;
    }
    if (!given && !setting("PERIGEE_SOCKET")) {
        int rc = at_login(NULL, &c, err);
        if (rc) return rc > 0 ? c : NULL;
    }
    return peri_client_new_local(err);
}

int peri_client_is_away(peri_err_t *err)
{
    const char *given = setting("PERIGEE_PORTAL");
    if (setting("PERIGEE_SCHEMAS") || setting("PERIGEE_TASK")) return 0;
    if (given) return strcmp(given, "local") != 0;
    if (setting("PERIGEE_SOCKET")) return 0;
    peri_login_t login;
    int rc = peri_portals_find(NULL, &login, err);
    peri_login_free(&login);
    return rc;
}

void peri_client_free(peri_client_t *c)
{
    if (!c) return;
    if (c->multi) {
        curl_easy_cleanup(c->easy);
        curl_multi_cleanup(c->multi);
        curl_global_cleanup();
    }
    if (c->token) explicit_bzero(c->token, strlen(c->token));
    if (c->cookie) explicit_bzero(c->cookie, strlen(c->cookie));
    free(c->token);
    free(c->cookie);
    free(c->csrf);
    free(c->cacert);
    free(c->account);
    free(c->portal);
    free(c->socket);
    free(c);
}

const char *peri_client_socket(const peri_client_t *c)
{
    return c->socket;
}

const char *peri_client_portal(const peri_client_t *c)
{
    return c->portal;
}

void peri_client_set_csrf(peri_client_t *c, const char *token)
{
    free(c->csrf);
    c->csrf = copy(token);
}

const char *peri_client_account(peri_client_t *c, peri_err_t *err)
{
    if (c->account) return c->account;
    json_t *j = peri_client_get(c, 0, NULL, err, "/account");
    const char *name = peri_json_str(j, "name");
    if (*name)
        c->account = peri_xstrdup(name);
    else if (j)
        peri_err_set(err, PERI_EFORMAT, "the answer to who we are is not understood");
    json_decref(j);
    return c->account;
}

/* ---- what becomes of answers ---- */

void peri_answer_free(peri_answer_t *a)
{
    peri_buf_free(&a->body);
}

json_t *peri_answer_json(const peri_answer_t *a, peri_err_t *err)
{
    json_error_t e;
    if (a->body.len == 0) return json_object();
    json_t *j = json_loadb(a->body.data, a->body.len, 0, &e);
    if (json_is_object(j)) return j;
    peri_err_set(err, PERI_EFORMAT, "perigeed's answer is not understood: %s",
                 j ? "not an object" : e.text);
    json_decref(j);
    return NULL;
}

static json_t *ask(peri_client_t *c, const peri_call_t *call, peri_answer_t *told,
                   peri_err_t *err)
{
    peri_answer_t a;
    json_t *j = peri_client_call(c, call, &a, err) ? NULL : peri_answer_json(&a, err);
    peri_answer_free(&a); /* leaves it empty */
    *told = a;
    return j;
}

/* Again and again until there is an answer, or `until`; 0: for ever. */
static json_t *insist(peri_client_t *c, const peri_call_t *call, double until,
                      peri_answer_t *a, peri_err_t *err)
{
    for (int tries = 0;;) {
        json_t *j = ask(c, call, a, err);
        if (j || !a->again || (until > 0 && peri_now() > until)) return j;
        if (peri_client_pause(c, &tries)) continue;
        peri_err_set(err, PERI_ECANCEL, "interrupted");
        return NULL;
    }
}

json_t *peri_client_get(peri_client_t *c, double timeout, peri_answer_t *told,
                        peri_err_t *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *path = NULL;
    if (vasprintf(&path, fmt, ap) < 0) abort();
    va_end(ap);
    const peri_call_t call = {.method = "GET", .path = path, .timeout = timeout};
    peri_answer_t a;
    json_t *j = c->portal ? insist(c, &call, peri_now() + GET_FOR, &a, err)
                          : ask(c, &call, &a, err);
    if (told) *told = a;
    free(path);
    return j;
}

json_t *peri_client_await(peri_client_t *c, peri_err_t *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *path = NULL;
    if (vasprintf(&path, fmt, ap) < 0) abort();
    va_end(ap);
    peri_answer_t a;
    json_t *j = insist(c, &(peri_call_t){.method = "GET", .path = path}, 0, &a, err);
    free(path);
    return j;
}

char *peri_url_escape(const char *s)
{
    char *out = peri_xmalloc(3 * strlen(s) + 1), *p = out;
    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;
        if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
            (ch >= '0' && ch <= '9') || strchr("-_.~", ch))
            *p++ = (char)ch;
        else
            p += sprintf(p, "%%%02X", ch);
    }
    *p = '\0';
    return out;
}

bool peri_client_pause(const peri_client_t *c, int *tries)
{
    if ((*tries)++ == 3)
        fprintf(stderr, "perigee: %s%s does not answer; waiting for it\n",
                c->portal ? "" : "perigeed at ", c->portal ? c->portal : c->socket);
    double until = peri_now() + (*tries < 4 ? 0.2 : *tries < 10 ? 0.5 : 2);
    while (peri_now() < until && !peri_cli_interrupted()) usleep(50000);
    return !peri_cli_interrupted();
}
