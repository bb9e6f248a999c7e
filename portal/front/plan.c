/* plan.c - from the configuration of Perigee to what nginx is told: names, the port, the
 * copy of the certificate, numbers that fit this machine.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/util.h"
#include "portal/front/front.h"

#define CONNECTIONS 4096 /* of one worker; those to perigeed count, too */
#define MAX_WORKERS 8

/* ---- shall there be one? ---- */

peri_wanted_t peri_front_wanted(const peri_config_t *c, const peri_rights_t *r,
                                const char **why)
{
    *why = NULL;
    if (c->web.off) return PERI_WANTED_OFF;
    if (r->hint) {
        *why = r->hint;
        return PERI_WANTED_CLOSED;
    }
    if (r->root && !r->later && !c->user && !c->web.given) {
        *why = "perigeed runs as root, for \"users: all\"; a section web in the "
               "configuration opens it all the same";
        return PERI_WANTED_CLOSED;
    }
    return PERI_WANTED_OPEN;
}

/* ---- names ---- */

static int kept_port(const char *path)
{
    char *text = NULL;
    if (peri_file_slurp(path, 64, &text, NULL, NULL)) return 0;
    long v = strtol(text, NULL, 10);
    free(text);
    return v > 0 && v < 65536 ? (int)v : 0;
}

static char *make_url(const peri_front_t *f, const peri_config_t *c)
{
    char name[256] = "localhost";
    const char *host = f->address, *scheme = c->web.certificate ? "https" : "http";
    int port = f->conf.port ? f->conf.port : PERI_FRONT_PORT,
        usual = c->web.certificate ? 443 : 80;
    if (c->web.url) return peri_xstrdup(c->web.url);
    if (!strcmp(host, "*")) {
        if (gethostname(name, sizeof(name) - 1) || !*name) strcpy(name, "localhost");
        host = name;
    }
    return port == usual ? peri_xasprintf("%s://%s", scheme, host)
                         : peri_xasprintf("%s://%s:%d", scheme, host, port);
}

void peri_front_init(peri_front_t *f, const peri_config_t *c)
{
    *f = (peri_front_t){0};
    f->folder = peri_xasprintf("%s/web", c->state);
    f->file = peri_xasprintf("%s/nginx.conf", f->folder);
    f->control = peri_xasprintf("%s/control", f->folder);
    f->lock = peri_xasprintf("%s/lock", f->folder);
    f->port_file = peri_xasprintf("%s/port", f->folder);
    f->error_log = peri_xasprintf("%s/error.log", f->folder);
    f->access_log = peri_xasprintf("%s/access.log", f->folder);
    f->files = peri_xstrdup(c->storage.folder);
    f->jobs = peri_xstrdup(c->spool);
    f->data = peri_xasprintf("%s/data", f->folder);
    f->address = peri_xstrdup(c->web.address ? c->web.address : "127.0.0.1");
    f->host = peri_xstrdup(strcmp(f->address, "*") && strcmp(f->address, "0.0.0.0")
                               ? f->address
                               : "127.0.0.1");
    f->conf.port = c->web.port ? c->web.port : kept_port(f->port_file);
    f->url = make_url(f, c);
}

void peri_front_free(peri_front_t *f)
{
    char **all[] = {&f->folder,    &f->file,       &f->control, &f->lock, &f->port_file,
                    &f->error_log, &f->access_log, &f->address, &f->url,  &f->host,
                    &f->files,     &f->jobs,       &f->data};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        free(*all[i]);
        *all[i] = NULL;
    }
}

/* ---- the port ---- */

/* 0, or the error of a try to listen there. */
static int try_port(const char *address, int port)
{
    char host[64];
    const int one = 1;
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } a = {0};
    bool all = !strcmp(address, "*");
    bool six = address[0] == '[';
    snprintf(host, sizeof(host), "%s", all ? "0.0.0.0" : address + six);
    host[strcspn(host, "]")] = '\0';
    socklen_t len = six ? sizeof(a.six) : sizeof(a.four);
    if (six) {
        a.six.sin6_family = AF_INET6;
        a.six.sin6_port = htons((uint16_t)port);
        inet_pton(AF_INET6, host, &a.six.sin6_addr);
    } else {
        a.four.sin_family = AF_INET;
        a.four.sin_port = htons((uint16_t)port);
        inet_pton(AF_INET, host, &a.four.sin_addr);
    }
    int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    /* As nginx does: what was there a moment ago is no hindrance. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    int rc = bind(fd, &a.any, len) || listen(fd, 1) ? errno : 0;
    close(fd);
    return rc;
}

static int check_port(const peri_front_t *f, int port, peri_err_t *err)
{
    int rc = try_port(f->address, port);
    if (rc == 0) return 0;
    if (rc == EADDRINUSE)
        return peri_err_set(
            err, PERI_EINVAL,
            "port %d of %s is in use by another program: name another one "
            "with listen in the section web",
            port, f->address);
    if (rc == EACCES)
        return peri_err_set(
            err, PERI_EDENIED,
            "only root may open the port %d: start perigee as root, which "
            "hands this right to nginx, or take a port from 1024 on",
            port);
    return peri_err_set(err, PERI_EINVAL, "nobody can listen on %s:%d here: %s",
                        f->address, port, strerror(rc));
}

static int keep_port(peri_front_t *f, int port, peri_err_t *err)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d\n", port);
    f->conf.port = port;
    return peri_file_write_atomic(f->port_file, text, (size_t)n, err);
}

/* The one that was kept, else the first that is free. */
static int find_port(peri_front_t *f, peri_err_t *err)
{
    if (f->conf.port && try_port(f->address, f->conf.port) == 0) return 0;
    for (int port = PERI_FRONT_PORT; port <= PERI_FRONT_LAST; port++)
        if (try_port(f->address, port) == 0) return keep_port(f, port, err);
    return peri_err_set(err, PERI_ELIMIT,
                        "all ports from %d to %d are in use: name a free one with listen "
                        "in the section web of the configuration",
                        PERI_FRONT_PORT, PERI_FRONT_LAST);
}

/* ---- the certificate ---- */

static int put_certificate(peri_front_t *f, const peri_config_t *c,
                           const peri_rights_t *r, peri_err_t *err)
{
    if (!c->web.certificate) return 0;
    if (!r->certificate || !r->key)
        return peri_err_set(err, PERI_EDENIED, "%s",
                            r->why_not ? r->why_not : "the certificate was not read");
    char *certificate = peri_xasprintf("%s/certificate.pem", f->folder);
    char *key = peri_xasprintf("%s/key.pem", f->folder);
    mode_t old = umask(0077);
    int rc = peri_file_write_atomic(certificate, r->certificate, r->certificate_len, err);
    if (rc == 0) rc = peri_file_write_atomic(key, r->key, r->key_len, err);
    umask(old);
    uint64_t h = peri_hash_add(PERI_HASH_START, r->certificate, r->certificate_len);
    f->conf.seal = peri_hash_add(h, r->key, r->key_len);
    free(certificate);
    free(key);
    return rc;
}

/* ---- all of it ---- */

static int make_folders(const peri_front_t *f, peri_err_t *err)
{
    char *tmp = peri_xasprintf("%s/tmp", f->folder);
    int rc = peri_mkdirs(tmp, err);
    free(tmp);
    if (rc) return -1;
    if (chmod(f->folder, 0700))
        return peri_err_set(err, PERI_EIO, "cannot change the rights of %s: %m",
                            f->folder);
    return 0;
}

static void set_numbers(peri_frontconf_t *n)
{
    struct rlimit lim;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    n->workers = cores < 1 ? 1 : cores > MAX_WORKERS ? MAX_WORKERS : (int)cores;
    n->nofile = 4 * CONNECTIONS;
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_max < (rlim_t)n->nofile)
        n->nofile = (int)lim.rlim_max;
    n->connections = n->nofile / 2 < CONNECTIONS ? n->nofile / 2 : CONNECTIONS;
}

int peri_front_choose_port(peri_front_t *f, const peri_config_t *c, bool running,
                           peri_err_t *err)
{
    const int before = f->conf.port;
    if (make_folders(f, err)) return -1;
    if (running && before) return 0; /* it is nginx that listens there */
    if (c->web.port ? check_port(f, before, err) : find_port(f, err)) return -1;
    if (!running && c->web.redirect && check_port(f, c->web.redirect, err)) return -1;
    free(f->url);
    f->url = make_url(f, c);
    return f->conf.port != before;
}

int peri_front_prepare(peri_front_t *f, const peri_config_t *c, const peri_rights_t *r,
                       peri_err_t *err)
{
    peri_frontconf_t *n = &f->conf;
    if (put_certificate(f, c, r, err)) return -1;
    n->folder = f->folder;
    n->control = f->control;
    n->web_socket = c->web_socket;
    n->transfer_socket = c->transfer_socket;
    n->share = c->share;
    n->files = f->files;
    n->jobs = f->jobs;
    n->data = f->data;
    n->address = f->address;
    n->redirect = c->web.redirect;
    n->url = f->url;
    n->any_name = !c->web.url && !peri_config_web_is_loopback(f->address);
    n->tls = c->web.certificate != NULL;
    n->root = r->root;
    set_numbers(n);
    return 0;
}
