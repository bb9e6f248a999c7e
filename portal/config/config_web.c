/* config_web.c - see config_web.h. */
#include "portal/config/config_web.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "portal/config/config_priv.h"

enum { K_LISTEN, K_URL, K_CERTIFICATE, K_KEY, K_REDIRECT, K_INSECURE, NKEYS };
static const char *const keys[NKEYS] = {"listen", "url",      "certificate",
                                        "key",    "redirect", "insecure"};

/* Digits only, 1 to 65535; else 0. */
static int port_of(const char *s)
{
    char *end;
    if (!isdigit((unsigned char)*s) || strlen(s) > 5) return 0;
    long v = strtol(s, &end, 10);
    return !*end && v > 0 && v < 65536 ? (int)v : 0;
}

static bool is_address(const char *s)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    size_t n = strlen(s);
    char inside[INET6_ADDRSTRLEN];
    if (!strcmp(s, "*") || inet_pton(AF_INET, s, bytes) == 1) return true;
    if (n < 4 || n - 2 >= sizeof(inside) || s[0] != '[' || s[n - 1] != ']') return false;
    memcpy(inside, s + 1, n - 2);
    inside[n - 2] = '\0';
    return inet_pton(AF_INET6, inside, bytes) == 1;
}

bool peri_config_web_is_loopback(const char *address)
{
    return !address || !strncmp(address, "127.", 4) || !strcmp(address, "[::1]");
}

static int read_listen(peri_confload_t *l, peri_node_t *at, peri_err_t *err)
{
    const char *s = NULL;
    if (!at) return 0;
    if (peri_conf_text(l, at, "listen", &s, err)) return -1;
    l->c->web.off = !strcmp(s, "off");
    if (l->c->web.off) return 0;
    const char *colon = strrchr(s, ':');
    char *host = colon ? peri_arena_strndup(l->c->arena, s, (size_t)(colon - s)) : NULL;
    if (host && !strcmp(host, "localhost"))
        host = peri_arena_strdup(l->c->arena, "127.0.0.1");
    l->c->web.address = host;
    l->c->web.port = colon ? port_of(colon + 1) : 0;
    if (host && is_address(host) && l->c->web.port) return 0;
    return peri_yaml_error(
        &l->yaml, at, err,
        "listen needs ADDRESS:PORT, like 127.0.0.1:8750, [::1]:8750 or "
        "*:443, or off, not \"%.100s\"",
        s);
}

static bool is_host(const char *s, size_t n)
{
    if (n == 0 || n > 253) return false;
    if (s[0] == '[') {
        char *host = strndup(s, n);
        bool ok = host && is_address(host);
        free(host);
        return ok;
    }
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '.') return false;
    return true;
}

static int read_url(peri_confload_t *l, peri_node_t *at, peri_err_t *err)
{
    const char *s = NULL;
    if (!at) return 0;
    if (peri_conf_text(l, at, "url", &s, err)) return -1;
    size_t n = strlen(s), scheme = 0;
    if (n && s[n - 1] == '/') n--;
    char *url = peri_arena_strndup(l->c->arena, s, n);
    for (char *c = url; *c; c++) *c = (char)tolower((unsigned char)*c);
    if (!strncmp(url, "https://", 8)) scheme = 8;
    if (!strncmp(url, "http://", 7)) scheme = 7;
    const char *host = url + scheme;
    const char *end = *host == '[' ? strchr(host, ']') : NULL;
    size_t len = end ? (size_t)(end + 1 - host) : strcspn(host, ":");
    if (!scheme || !is_host(host, len) || (host[len] && !port_of(host + len + 1)))
        return peri_yaml_error(
            &l->yaml, at, err,
            "url needs scheme and host, like https://perigee.example.org "
            "(a port may follow, no path), not \"%.200s\"",
            s);
    l->c->web.url = url;
    return 0;
}

static int read_redirect(peri_confload_t *l, peri_node_t *at, peri_err_t *err)
{
    const char *s = NULL;
    if (!at) return 0;
    if (peri_conf_text(l, at, "redirect", &s, err)) return -1;
    if ((l->c->web.redirect = port_of(s))) return 0;
    return peri_yaml_error(
        &l->yaml, at, err,
        "redirect needs the port of plain HTTP, like 80, not \"%.60s\"", s);
}

static int check(const peri_confload_t *l, peri_node_t *at, peri_node_t *const *v,
                 bool insecure, peri_err_t *err)
{
    const peri_confweb_t *w = &l->c->web;
    if (!w->certificate != !w->key)
        return peri_yaml_error(&l->yaml, v[w->key ? K_KEY : K_CERTIFICATE], err,
                               "certificate and key belong together; %s is missing",
                               w->key ? "certificate" : "key");
    if (w->redirect && !w->certificate)
        return peri_yaml_error(&l->yaml, v[K_REDIRECT], err,
                               "redirect leads from plain HTTP to TLS: it needs a "
                               "certificate and its key");
    if (w->redirect && w->redirect == w->port)
        return peri_yaml_error(&l->yaml, v[K_REDIRECT], err,
                               "redirect and listen have the same port, %d", w->port);
    if (w->certificate && w->url && strncmp(w->url, "https://", 8) != 0)
        return peri_yaml_error(&l->yaml, v[K_URL], err,
                               "with a certificate the url starts with https://");
    if (!w->off && !w->certificate && !insecure &&
        !peri_config_web_is_loopback(w->address))
        return peri_yaml_error(
            &l->yaml, v[K_LISTEN] ? v[K_LISTEN] : at, err,
            "%s:%d is reached from other machines, and without a certificate passwords "
            "would cross the network in clear text: give certificate and key, or listen "
            "on 127.0.0.1, or say \"insecure: true\"",
            w->address, w->port);
    return 0;
}

int peri_conf_web(peri_confload_t *l, peri_node_t *at, peri_err_t *err)
{
    peri_confweb_t *w = &l->c->web;
    peri_node_t *v[NKEYS];
    bool insecure = false;
    if (!at) return 0;
    w->given = true;
    if (peri_yaml_fields(&l->yaml, at, "the section web", keys, NKEYS, v, err) ||
        read_listen(l, v[K_LISTEN], err) || read_url(l, v[K_URL], err) ||
        peri_conf_folder(l, v[K_CERTIFICATE], "certificate", &w->certificate, err) ||
        peri_conf_folder(l, v[K_KEY], "key", &w->key, err) ||
        read_redirect(l, v[K_REDIRECT], err))
        return -1;
    if (v[K_INSECURE] &&
        peri_yaml_bool(&l->yaml, v[K_INSECURE], "insecure", &insecure, err))
        return -1;
    return check(l, at, v, insecure, err);
}
