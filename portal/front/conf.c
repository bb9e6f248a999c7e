/* conf.c - the text of nginx.conf: the template with its @names@ filled in. Pure.
 *
 * Everything that comes from outside stands between double quotes in the template, with
 * quotes and backslashes escaped here. A "$" cannot be escaped in nginx: it is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/util.h"
#include "portal/front/front.h"

static const char page_csp[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: "
    "blob:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

typedef struct {
    const char *name;
    void (*put)(const peri_frontconf_t *c, peri_buf_t *b);
} value_t;

/* ---- values ---- */

static void quoted(peri_buf_t *b, const char *s)
{
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') peri_buf_putc(b, '\\');
        peri_buf_putc(b, *s);
    }
}

static bool speakable(const char *s)
{
    for (; *s; s++)
        if (*s == '$' || (unsigned char)*s < 0x20 || *s == 0x7f) return false;
    return true;
}

static void put_folder(const peri_frontconf_t *c, peri_buf_t *b)
{
    quoted(b, c->folder);
}

static void put_control(const peri_frontconf_t *c, peri_buf_t *b)
{
    quoted(b, c->control);
}

static void put_web(const peri_frontconf_t *c, peri_buf_t *b)
{
    quoted(b, c->web_socket);
}

static void put_transfer(const peri_frontconf_t *c, peri_buf_t *b)
{
    quoted(b, c->transfer_socket);
}

static void put_share(const peri_frontconf_t *c, peri_buf_t *b)
{
    quoted(b, c->share);
}

static void put_files(const peri_frontconf_t *c, peri_buf_t *b)
{
    quoted(b, c->files);
}

static void put_jobs(const peri_frontconf_t *c, peri_buf_t *b)
{
    quoted(b, c->jobs);
}

static void put_data(const peri_frontconf_t *c, peri_buf_t *b)
{
    quoted(b, c->data);
}

static void put_workers(const peri_frontconf_t *c, peri_buf_t *b)
{
    peri_buf_printf(b, "%d", c->workers);
}

static void put_connections(const peri_frontconf_t *c, peri_buf_t *b)
{
    peri_buf_printf(b, "%d", c->connections);
}

static void put_nofile(const peri_frontconf_t *c, peri_buf_t *b)
{
    peri_buf_printf(b, "%d", c->nofile);
}

static void put_user(const peri_frontconf_t *c, peri_buf_t *b)
{
    if (c->root) peri_buf_puts(b, "user root root;\n");
}

static void put_url(const peri_frontconf_t *c, peri_buf_t *b)
{
    peri_buf_puts(b, c->url);
}

/* The scheme that people see: somebody else may take the TLS off in front of us. */
static void put_scheme(const peri_frontconf_t *c, peri_buf_t *b)
{
    peri_buf_puts(b, strncmp(c->url, "https://", 8) ? "$scheme" : "https");
}

static void put_csp(const peri_frontconf_t *c, peri_buf_t *b)
{
    (void)c;
    peri_buf_puts(b, page_csp);
}

/* The host in the url, with the brackets of an IPv6 address. */
static void put_name(const peri_frontconf_t *c, peri_buf_t *b)
{
    const char *host = strstr(c->url, "://") + 3;
    const char *end = *host == '[' ? strchr(host, ']') + 1 : host + strcspn(host, ":");
    peri_buf_append(b, host, (size_t)(end - host));
}

/* Whoever makes a browser call us by a name of his own is not answered. */
static void put_hosts(const peri_frontconf_t *c, peri_buf_t *b)
{
    peri_buf_puts(b, "    map $host $peri_foreign {\n");
    if (c->any_name) {
        peri_buf_puts(b, "        default \"\";\n    }\n");
        return;
    }
    peri_buf_puts(b, "        default 1;\n        localhost \"\";\n"
                     "        \"~^127(\\.[0-9]+){3}$\" \"\";\n        \"[::1]\" \"\";\n");
    peri_buf_t name;
    peri_buf_init(&name, 512);
    put_name(c, &name);
    if (strcmp(name.data, "localhost") != 0 && strcmp(name.data, "[::1]") != 0)
        peri_buf_printf(b, "        \"%s\" \"\";\n", name.data);
    if (strcmp(name.data, c->address) != 0 && strcmp(c->address, "*") != 0 &&
        strcmp(c->address, "[::1]") != 0)
        peri_buf_printf(b, "        \"%s\" \"\";\n", c->address);
    peri_buf_free(&name);
    peri_buf_puts(b, "    }\n");
}

static void put_tls(const peri_frontconf_t *c, peri_buf_t *b)
{
    if (!c->tls) return;
    peri_buf_printf(b, "    # %016llx\n    ssl_certificate \"",
                    (unsigned long long)c->seal);
    quoted(b, c->folder);
    peri_buf_puts(b, "/certificate.pem\";\n    ssl_certificate_key \"");
    quoted(b, c->folder);
    peri_buf_puts(
        b, "/key.pem\";\n"
           "    ssl_protocols TLSv1.2 TLSv1.3;\n"
           "    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
           "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
           "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;\n"
           "    ssl_prefer_server_ciphers off;\n"
           "    ssl_session_cache shared:peri_tls:10m;\n"
           "    ssl_session_timeout 1d;\n"
           "    ssl_session_tickets off;\n");
}

static void listen_at(const peri_frontconf_t *c, peri_buf_t *b, int port, const char *how)
{
    bool all = !strcmp(c->address, "*");
    if (!all) peri_buf_printf(b, "        listen %s:%d%s;\n", c->address, port, how);
    if (all) peri_buf_printf(b, "        listen 0.0.0.0:%d%s;\n", port, how);
    if (all) peri_buf_printf(b, "        listen [::]:%d%s;\n", port, how);
}

static void put_listen(const peri_frontconf_t *c, peri_buf_t *b)
{
    listen_at(c, b, c->port,
              c->tls ? " default_server ssl backlog=4096"
                     : " default_server backlog=4096");
}

static void put_redirect(const peri_frontconf_t *c, peri_buf_t *b)
{
    if (!c->redirect) return;
    peri_buf_puts(b, "    server {\n");
    listen_at(c, b, c->redirect, " default_server");
    peri_buf_printf(b, "        return 308 %s$request_uri;\n    }\n", c->url);
}

/* add_header is inherited only where there is none: each place has all of them. */
static void put_headers(const peri_frontconf_t *c, peri_buf_t *b)
{
    if (c->tls)
        peri_buf_puts(b, "            add_header Strict-Transport-Security "
                         "\"max-age=63072000\" always;\n");
    peri_buf_puts(
        b, "            add_header Content-Security-Policy $peri_csp always;\n"
           "            add_header X-Content-Type-Options nosniff always;\n"
           "            add_header X-Frame-Options DENY always;\n"
           "            add_header Referrer-Policy same-origin always;\n"
           "            add_header Cross-Origin-Opener-Policy same-origin always;\n"
           "            add_header Cross-Origin-Resource-Policy same-origin "
           "always;\n"
           "            add_header X-Request-Id $request_id always;\n");
}

/* Stands for itself until the text is whole. */
static void put_hash(const peri_frontconf_t *c, peri_buf_t *b)
{
    (void)c;
    peri_buf_puts(b, "@@@@@@@@@@@@@@@@");
}

static const value_t values[] = {{"folder", put_folder},
                                 {"control", put_control},
                                 {"web", put_web},
                                 {"share", put_share},
                                 {"transfer", put_transfer},
                                 {"files", put_files},
                                 {"jobs", put_jobs},
                                 {"workers", put_workers},
                                 {"connections", put_connections},
                                 {"nofile", put_nofile},
                                 {"user", put_user},
                                 {"url", put_url},
                                 {"scheme", put_scheme},
                                 {"csp", put_csp},
                                 {"name", put_name},
                                 {"hosts", put_hosts},
                                 {"tls", put_tls},
                                 {"listen", put_listen},
                                 {"redirect", put_redirect},
                                 {"data", put_data},
                                 {"headers", put_headers},
                                 {"hash", put_hash}};
#define NVALUES (sizeof(values) / sizeof(values[0]))

/* ---- the text ---- */

static const value_t *value_of(const char *name, size_t len)
{
    for (size_t i = 0; i < NVALUES; i++)
        if (strlen(values[i].name) == len && !memcmp(values[i].name, name, len))
            return &values[i];
    return NULL;
}

/* "@name@" of a value; any other "@" is nginx's: the name of a location. */
static void fill(const peri_frontconf_t *c, peri_buf_t *out)
{
    for (const char *s = peri_front_template; *s;) {
        size_t n = *s == '@' ? strspn(s + 1, "abcdefghijklmnopqrstuvwxyz") : 0;
        const value_t *v = n && s[n + 1] == '@' ? value_of(s + 1, n) : NULL;
        if (!v) {
            peri_buf_putc(out, *s++);
            continue;
        }
        v->put(c, out);
        s += n + 2;
    }
}

static void set_mark(peri_buf_t *out, char mark[17])
{
    uint64_t h = peri_hash_add(PERI_HASH_START, out->data, out->len);
    snprintf(mark, 17, "%016llx", (unsigned long long)h);
    for (char *at = out->data; (at = strstr(at, "@@@@@@@@@@@@@@@@")); at += 16)
        memcpy(at, mark, 16);
}

static int check_paths(const peri_frontconf_t *c, peri_err_t *err)
{
    const char *const paths[] = {c->folder, c->control, c->web_socket, c->transfer_socket,
                                 c->share,  c->files,   c->jobs,       c->data};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *p = paths[i];
        if (!speakable(p))
            return peri_err_set(
                err, PERI_EINVAL,
                "nginx cannot be told the path \"%s\", for it has a \"$\" or "
                "a control character: choose another folder",
                p);
    }
    return 0;
}

int peri_front_write(const peri_frontconf_t *c, peri_buf_t *out, char mark[17],
                     peri_err_t *err)
{
    if (check_paths(c, err)) return -1;
    peri_buf_clear(out);
    fill(c, out);
    if (peri_buf_check(out, "nginx's configuration", err)) return -1;
    set_mark(out, mark);
    return 0;
}
