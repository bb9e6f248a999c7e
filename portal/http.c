/* http.c - see http.h. libmicrohttpd does the protocol. */
#include "portal/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "portal/log.h"
#include "portal/waiting.h"

#define THREADS     4
#define CONNECTIONS 1200
#define IDLE_LIMIT  75u /* seconds without a byte; more than a request may wait */
#define BODY_FIRST  4096

struct peri_http {
    peri_portal_t *portal;
    const peri_route_t *routes;
    size_t nroutes;
    struct MHD_Daemon *mhd;
    int fd;
    char *path;
};

/* What libmicrohttpd keeps for us between its calls for one request. */
typedef struct {
    peri_request_t r;
    peri_buf_t body;
    bool too_large;
    const peri_route_t *route;
    peri_waiter_t waiter;
} call_t;

/* ---- what handlers use ---- */

const char *peri_request_arg(const peri_request_t *r, const char *name)
{
    return MHD_lookup_connection_value(r->conn, MHD_GET_ARGUMENT_KIND, name);
}

const char *peri_request_header(const peri_request_t *r, const char *name)
{
    return MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, name);
}

int peri_request_number(const peri_request_t *r, const char *name, int64_t min,
                        int64_t max, int64_t fallback, int64_t *out, peri_err_t *err)
{
    const char *s = peri_request_arg(r, name);
    *out = fallback;
    if (!s || !*s) return 0;
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (*end || errno || v < min || v > max)
        return peri_err_set(
            err, PERI_EINVAL,
            "the parameter %s needs a whole number from %lld to %lld, not "
            "\"%.60s\"",
            name, (long long)min, (long long)max, s);
    *out = v;
    return 0;
}

void peri_request_set_header(peri_request_t *r, const char *name, const char *value)
{
    if (r->nheaders == sizeof(r->header) / sizeof(r->header[0])) return;
    r->header[r->nheaders][0] = name;
    r->header[r->nheaders++][1] = peri_arena_strdup(r->arena, value);
}

/* ---- problems ---- */

static const struct {
    peri_code_t code;
    int status;
    const char *word, *title;
} problems[] = {
    {PERI_EINVAL, 400, "invalid", "Bad Request"},
    {PERI_ENOTFOUND, 404, "not_found", "Not Found"},
    {PERI_EDENIED, 403, "denied", "Forbidden"},
    {PERI_EFORMAT, 400, "invalid", "Bad Request"},
    {PERI_EUNSUPP, 400, "invalid", "Bad Request"},
    {PERI_ELIMIT, 400, "invalid", "Bad Request"},
    {PERI_EIO, 503, "unavailable", "Service Unavailable"},
    {PERI_EINTERNAL, 500, "internal", "Internal Server Error"},
};
#define NPROBLEMS (sizeof(problems) / sizeof(problems[0]))

static void make_problem(peri_request_t *r, int status, const char *word,
                         const char *title, const char *detail)
{
    r->status = status;
    json_decref(r->json);
    r->json =
        json_pack("{s:s, s:s, s:i, s:s, s:s, s:s}", "type", "about:blank", "title", title,
                  "status", status, "code", word, "detail", detail, "request", r->id);
    if (!r->json) r->json = json_pack("{s:i, s:s}", "status", status, "code", word);
    if (status == 503) peri_request_set_header(r, "Retry-After", "1");
}

static void problem_of(peri_request_t *r, const peri_err_t *err)
{
    size_t i = 0;
    while (i + 1 < NPROBLEMS && problems[i].code != err->code) i++;
    if (problems[i].status >= 500)
        peri_log(PERI_LOG_WARN, "%s %s: %s request=%s where=%s", r->method, r->path,
                 err->text, r->id, err->where);
    make_problem(r, problems[i].status, problems[i].word, problems[i].title, err->text);
}

/* ---- routes ---- */

/* A * stands for one part, which is copied. */
static bool matches(const char *pattern, const char *path, peri_request_t *r)
{
    size_t n = 0;
    while (*pattern && *path) {
        if (*pattern == '*') {
            size_t len = strcspn(path, "/");
            if (len == 0 || n == sizeof(r->param) / sizeof(r->param[0])) return false;
            r->param[n++] = peri_arena_strndup(r->arena, path, len);
            path += len;
            pattern++;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return !*pattern && !*path;
}

static void find_route(const peri_http_t *h, call_t *c)
{
    peri_request_t *r = &c->r;
    bool other = false;
    for (size_t i = 0; i < h->nroutes && !c->route; i++) {
        if (!matches(h->routes[i].path, r->path, r)) continue;
        if (!strcmp(h->routes[i].method, r->method))
            c->route = &h->routes[i];
        else
            other = true;
    }
    if (c->route) return;
    char text[256];
    snprintf(text, sizeof(text),
             other ? "%.100s is not possible on %.120s; see docs/api.md"
                   : "%.100s %.120s does not exist; see docs/api.md",
             r->method, r->path);
    if (other)
        make_problem(r, 405, "invalid", "Method Not Allowed", text);
    else
        make_problem(r, 404, "not_found", "Not Found", text);
}

/* ---- who asks ---- */

static void find_user(call_t *c)
{
    peri_request_t *r = &c->r;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t len = sizeof(peer);
    if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len)) {
        make_problem(r, 500, "internal", "Internal Server Error",
                     "the process at the other end of the socket is unknown");
        return;
    }
    r->uid = peer.uid;
    r->gid = peer.gid;
    if (r->uid != geteuid() && r->uid != 0 && !r->portal->config->all_users) {
        make_problem(r, 403, "denied", "Forbidden",
                     "this Perigee is another user's; start your own with 'perigee up', "
                     "or ask its administrator for \"users: all\"");
        return;
    }
    struct passwd pw, *found = NULL;
    char *buf = peri_arena_alloc(r->arena, 8192);
    getpwuid_r(r->uid, &pw, buf, 8192, &found);
    r->user =
        found ? found->pw_name : peri_arena_printf(r->arena, "%u", (unsigned)r->uid);
}

/* ---- answers ---- */

static enum MHD_Result queue_answer(call_t *c)
{
    peri_request_t *r = &c->r;
    const bool problem = r->json && r->status >= 400;
    struct MHD_Response *resp;
    if (r->bytes) {
        resp = MHD_create_response_from_buffer(r->bytes_len, r->bytes,
                                               MHD_RESPMEM_MUST_FREE);
        r->bytes = NULL;
        MHD_add_response_header(resp, "Content-Type", "application/octet-stream");
    } else {
        char *text = r->json ? json_dumps(r->json, JSON_COMPACT) : NULL;
        if (!text) text = peri_xstrdup("{}");
        resp = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
        MHD_add_response_header(resp, "Content-Type",
                                problem ? "application/problem+json"
                                        : "application/json");
    }
    MHD_add_response_header(resp, "X-Request-Id", r->id);
    MHD_add_response_header(resp, "Cache-Control", "no-store");
    for (size_t i = 0; i < r->nheaders; i++)
        MHD_add_response_header(resp, r->header[i][0], r->header[i][1]);
    enum MHD_Result rc =
        MHD_queue_response(r->conn, (unsigned)(r->status ? r->status : 200), resp);
    MHD_destroy_response(resp);
    return rc;
}

/* True if the connection was put aside. */
static bool run(call_t *c)
{
    peri_request_t *r = &c->r;
    peri_err_t err = {0};
    uint64_t seen = peri_waiting_mark();
    r->wait_uuid[0] = '\0';
    r->nheaders = 0;
    r->body = c->body.data ? c->body.data : "";
    r->body_len = c->body.len;
    if (c->route->run(r, &err)) {
        problem_of(r, &err);
        return false;
    }
    if (!r->wait_uuid[0] || peri_now() >= r->wait_until) return false;
    json_decref(r->json);
    r->json = NULL;
    free(r->bytes);
    r->bytes = NULL;
    return peri_waiting_add(&c->waiter, r->conn, r->wait_uuid, r->wait_until, seen);
}

static call_t *new_call(peri_http_t *h, struct MHD_Connection *conn, const char *url,
                        const char *method)
{
    static atomic_uint_fast64_t serial;
    call_t *c = peri_xcalloc(1, sizeof(*c));
    peri_request_t *r = &c->r;
    r->portal = h->portal;
    r->conn = conn;
    r->arena = peri_arena_new();
    r->method = peri_arena_strdup(r->arena, method);
    r->path = peri_arena_strdup(r->arena, url);
    r->first = peri_now();
    snprintf(r->id, sizeof(r->id), "%x-%llx", (unsigned)getpid(),
             (unsigned long long)atomic_fetch_add(&serial, 1));
    peri_buf_init(&c->body, PERI_HTTP_BODY_MAX);
    find_user(c);
    if (!r->status) find_route(h, c);
    return c;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url,
                                  const char *method, const char *version,
                                  const char *data, size_t *size, void **state)
{
    (void)version;
    call_t *c = *state;
    if (!c) {
        *state = c = new_call(cls, conn, url, method);
        return MHD_YES;
    }
    if (*size) {
        if (!c->too_large && peri_buf_append(&c->body, data, *size)) c->too_large = true;
        *size = 0;
        return MHD_YES;
    }
    if (c->too_large && !c->r.status)
        make_problem(&c->r, 413, "too_large", "Content Too Large",
                     "the request has more than 8 MiB");
    if (!c->r.status && run(c)) return MHD_YES;
    return queue_answer(c);
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **state,
                         enum MHD_RequestTerminationCode why)
{
    (void)cls, (void)conn, (void)why;
    call_t *c = *state;
    if (!c) return;
    peri_waiting_remove(&c->waiter);
    json_decref(c->r.json);
    free(c->r.bytes);
    peri_buf_free(&c->body);
    peri_arena_free(c->r.arena);
    free(c);
    *state = NULL;
}

/* ---- the socket ---- */

/* A socket that nobody listens on is left over from a killed daemon; the lock on the
 * pidfile has made sure of that. */
static int open_socket(peri_http_t *h, const char *path, bool all, peri_err_t *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(a.sun_path))
        return peri_err_set(err, PERI_EINVAL,
                            "the path of the socket, %s, is longer than %zu bytes; set "
                            "\"socket\" in the configuration to a shorter one",
                            path, sizeof(a.sun_path) - 1);
    memcpy(a.sun_path, path, strlen(path) + 1);
    h->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (h->fd < 0) return peri_err_set(err, PERI_EIO, "cannot make a socket: %m");
    unlink(path);
    mode_t old = umask(all ? 0111 : 0177);
    int rc = bind(h->fd, (struct sockaddr *)&a, sizeof(a));
    umask(old);
    if (rc || listen(h->fd, 512))
        return peri_err_set(err, PERI_EIO, "cannot listen on %s: %m", path);
    h->path = peri_xstrdup(path);
    return 0;
}

peri_http_t *peri_http_start(peri_portal_t *p, const peri_route_t *routes, size_t n,
                             peri_err_t *err)
{
    peri_http_t *h = peri_xcalloc(1, sizeof(*h));
    h->portal = p;
    h->routes = routes;
    h->nroutes = n;
    h->fd = -1;
    if (open_socket(h, p->config->socket, p->config->all_users, err)) goto fail;
    peri_waiting_start();
    h->mhd = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        on_request, h, MHD_OPTION_LISTEN_SOCKET, h->fd, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)THREADS, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_LIMIT, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, h, MHD_OPTION_END);
    if (h->mhd) return h;
    peri_waiting_stop();
    peri_err_set(err, PERI_EINTERNAL, "the HTTP server does not start");
fail:
    if (h->fd >= 0) close(h->fd);
    free(h->path);
    free(h);
    return NULL;
}

void peri_http_stop(peri_http_t *h)
{
    if (!h) return;
    unlink(h->path);
    peri_waiting_stop(); /* resumes all: connections that are aside cannot be closed */
    MHD_stop_daemon(h->mhd);
    close(h->fd);
    free(h->path);
    free(h);
}
