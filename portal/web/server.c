/* server.c - see server.h: between libmicrohttpd and the handlers. */
#include "portal/web/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/handover.h"
#include "portal/log.h"
#include "portal/web/stats.h"
#include "portal/web/web_priv.h"

#define CONNECTIONS  1200
#define IDLE_LIMIT   75u /* seconds without a byte; more than a request may wait */
#define STREAM_BLOCK (128u << 10)
#define WASTED_MAX   (16u << 20)
#define QUIET        0.05

typedef peri_callstate_t call_t;

/* ---- answers ---- */

/* libmicrohttpd asks for more of a stream. The waiter lies in the request, which outlives
 * the answer. */
static ssize_t on_stream(void *cls, uint64_t pos, char *buf, size_t max)
{
    (void)pos;
    call_t *c = cls;
    peri_request_t *r = &c->r;
    for (;;) {
        const uint64_t seen = peri_waiting_mark();
        r->wait_uuid[0] = '\0';
        const ssize_t n = r->stream.read(r, r->stream.ctx, buf, max);
        if (n > 0) return n;
        if (n == PERI_STREAM_END) return MHD_CONTENT_READER_END_OF_STREAM;
        if (n == PERI_STREAM_FAILED || !r->wait_uuid[0])
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (peri_now() < r->wait_until) {
            if (peri_waiting_add(&c->waiter, r->conn, r->wait_uuid, r->wait_until, seen))
                return 0;
            return MHD_CONTENT_READER_END_WITH_ERROR; /* the daemon ends */
        }
    }
}

static struct MHD_Response *from_json(peri_request_t *r)
{
    const bool problem = r->status >= 400;
    char *text = r->json ? json_dumps(r->json, JSON_COMPACT) : NULL;
    if (!text) text = peri_xstrdup(r->status == 204 || r->status == 304 ? "" : "{}");
    struct MHD_Response *resp =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (*text)
        MHD_add_response_header(resp, "Content-Type",
                                problem ? "application/problem+json"
                                        : "application/json");
    return resp;
}

static struct MHD_Response *make_response(call_t *c)
{
    peri_request_t *r = &c->r;
    struct MHD_Response *resp;
    if (r->status == 304 || (r->status >= 400 && !r->bytes)) return from_json(r);
    if (r->bytes) {
        resp = MHD_create_response_from_buffer(r->bytes_len, r->bytes,
                                               MHD_RESPMEM_MUST_FREE);
        r->bytes = NULL;
    } else if (r->stream.read) {
        resp = MHD_create_response_from_callback(
            r->stream.size < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)r->stream.size,
            STREAM_BLOCK, on_stream, c, NULL);
    } else if (r->fd >= 0) {
        resp = MHD_create_response_from_fd_at_offset64((uint64_t)r->fd_len, r->fd,
                                                       (uint64_t)r->fd_from);
        r->fd = -1;
    } else {
        return from_json(r);
    }
    MHD_add_response_header(resp, "Content-Type",
                            r->type ? r->type : "application/octet-stream");
    return resp;
}

static bool has_header(const peri_request_t *r, const char *name)
{
    for (size_t i = 0; i < r->nheaders; i++)
        if (!strcasecmp(r->header[i][0], name)) return true;
    return false;
}

static enum MHD_Result queue_answer(call_t *c)
{
    peri_request_t *r = &c->r;
    struct MHD_Response *resp = make_response(c);
    if (!resp) return MHD_NO;
    c->answered = true;
    peri_stats_answer(r->status ? r->status : 200, peri_now() - r->first);
    MHD_add_response_header(resp, "X-Request-Id", r->id);
    if (!has_header(r, "Cache-Control"))
        MHD_add_response_header(resp, "Cache-Control", "no-store");
    for (size_t i = 0; i < r->nheaders; i++)
        MHD_add_response_header(resp, r->header[i][0], r->header[i][1]);
    enum MHD_Result rc =
        MHD_queue_response(r->conn, (unsigned)(r->status ? r->status : 200), resp);
    MHD_destroy_response(resp);
    return rc;
}

/* ---- requests ---- */

static void drop_answer(peri_request_t *r)
{
    json_decref(r->json);
    r->json = NULL;
    free(r->bytes);
    r->bytes = NULL;
    if (r->stream.free) r->stream.free(r->stream.ctx);
    r->stream = (peri_stream_t){0};
    if (r->fd >= 0) close(r->fd);
    r->fd = -1;
}

static void fail(peri_request_t *r, const peri_err_t *err)
{
    drop_answer(r);
    peri_problem_of(r, err);
}

/* True if the connection was put aside. */
static bool run(call_t *c)
{
    peri_request_t *r = &c->r;
    peri_err_t err = {0};
    const size_t nheaders = r->nheaders;
    uint64_t seen = peri_waiting_mark();
    r->wait_uuid[0] = '\0';
    r->body = c->body.data ? c->body.data : "";
    r->body_len = c->body.len;
    if (r->route->run(r, &err)) {
        fail(r, &err);
        return false;
    }
    if (r->stream.read || !r->wait_uuid[0] || peri_now() >= r->wait_until) return false;
    drop_answer(r);
    r->status = 0;
    r->nheaders = nheaders;
    if (peri_waiting_add(&c->waiter, r->conn, r->wait_uuid, r->wait_until, seen))
        return true;
    peri_problem_make(r, 503, "unavailable", "the portal is ending just now; ask again");
    return false;
}

static call_t *new_call(peri_server_t *s, struct MHD_Connection *conn, const char *url,
                        const char *method)
{
    static atomic_uint_fast64_t serial;
    call_t *c = peri_xcalloc(1, sizeof(*c));
    peri_request_t *r = &c->r;
    c->server = s;
    r->portal = s->portal;
    r->conn = conn;
    r->fd = -1;
    r->arena = peri_arena_new();
    r->method = peri_arena_strdup(r->arena, method);
    r->path = peri_arena_strdup(r->arena, url);
    r->first = peri_now();
    snprintf(r->id, sizeof(r->id), "%x-%llx", (unsigned)getpid(),
             (unsigned long long)atomic_fetch_add(&serial, 1));
    peri_buf_init(&c->body, PERI_HTTP_BODY_MAX);
    atomic_fetch_add(&s->under_way, 1);
    peri_stats_begin();
    return c;
}

/* The headers are there. */
static void begin(call_t *c)
{
    peri_request_t *r = &c->r;
    peri_err_t err = {0};
    peri_who(c->server, r);
    if (!r->status) peri_limit_count(r);
    if (!r->status) peri_limit_enter(c);
    if (!r->status) peri_route_find(c->server->tables, r);
    if (!r->status) peri_who_check(r);
    if (!r->status && r->route->body && r->route->body->begin(r, &err)) fail(r, &err);
}

static void take_body(call_t *c, const char *data, size_t size)
{
    peri_request_t *r = &c->r;
    peri_err_t err = {0};
    if (r->status) return;
    if (r->route->body) {
        if (r->route->body->data(r, data, size, &err)) fail(r, &err);
    } else if (!c->too_large && peri_buf_append(&c->body, data, size)) {
        c->too_large = true;
    }
}

/* A refused upload ends at once: nobody reads gigabytes to throw them away. A small body
 * is read before it is answered: who still sends when the connection is closed may not
 * see the answer. */
static bool is_large(const peri_request_t *r)
{
    const char *length = peri_request_header(r, "Content-Length");
    return !length || strtoull(length, NULL, 10) > WASTED_MAX;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url,
                                  const char *method, const char *version,
                                  const char *data, size_t *size, void **state)
{
    (void)version;
    call_t *c = *state;
    if (!c) {
        *state = c = new_call(cls, conn, url, method);
        begin(c);
        if (c->r.status && c->r.route && c->r.route->body && is_large(&c->r))
            return queue_answer(c);
        return MHD_YES;
    }
    if (c->answered) return MHD_YES;
    if (*size) {
        /* The rest of a body that is refused is read for the answer to arrive, but not
         * gigabytes of it. */
        if (c->r.status && (c->wasted += *size) > WASTED_MAX) return MHD_NO;
        take_body(c, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (c->too_large && !c->r.status)
        peri_problem_make(&c->r, 413, "too_large", "the request has more than 8 MiB");
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
    peri_limit_leave(c);
    if (c->r.ctx_free) c->r.ctx_free(c->r.ctx);
    drop_answer(&c->r);
    peri_buf_free(&c->body);
    peri_arena_free(c->r.arena);
    atomic_fetch_sub(&c->server->under_way, 1);
    peri_stats_end();
    free(c);
    *state = NULL;
}

/* As libmicrohttpd does, but %00 stays: it would end the path. */
static size_t on_unescape(void *cls, struct MHD_Connection *conn, char *s)
{
    (void)cls, (void)conn;
    char *out = s;
    for (const char *p = s; *p; p++) {
        unsigned v;
        if (p[0] == '%' && strspn(p + 1, "0123456789abcdefABCDEF") >= 2 &&
            sscanf(p + 1, "%2x", &v) == 1 && v != 0) {
            *out++ = (char)v;
            p += 2;
        } else {
            *out++ = *p;
        }
    }
    *out = '\0';
    return (size_t)(out - s);
}

/* ---- the socket ---- */

/* A socket that nobody listens on is left over from a killed daemon; the lock on the
 * pidfile has made sure of that. */
static int open_socket(peri_server_t *h, const char *path, unsigned mode, peri_err_t *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(a.sun_path))
        return peri_err_set(
            err, PERI_EINVAL,
            "the path of the socket, %s, is longer than %zu bytes; set "
            "\"socket\" or \"state\" in the configuration to a shorter one",
            path, sizeof(a.sun_path) - 1);
    memcpy(a.sun_path, path, strlen(path) + 1);
    h->path = peri_xstrdup(path);
    h->fd = access(path, F_OK) == 0 ? peri_handover_take(path) : -1;
    if (h->fd >= 0) {
        if (chmod(path, mode) == 0) return 0;
        return peri_err_set(err, PERI_EIO, "cannot change the rights of %s: %m", path);
    }
    h->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (h->fd < 0) return peri_err_set(err, PERI_EIO, "cannot make a socket: %m");
    unlink(path);
    mode_t old = umask(0777 & ~mode);
    int rc = bind(h->fd, (struct sockaddr *)&a, sizeof(a));
    umask(old);
    if (rc || listen(h->fd, 4096))
        return peri_err_set(err, PERI_EIO, "cannot listen on %s: %m", path);
    return 0;
}

peri_server_t *peri_server_start(peri_portal_t *p, const peri_routes_t *tables,
                                 const peri_listen_t *where, peri_err_t *err)
{
    peri_server_t *h = peri_xcalloc(1, sizeof(*h));
    h->portal = p;
    h->tables = tables;
    h->door = where->door;
    h->who = where->who;
    h->fd = -1;
    if (open_socket(h, where->path, where->mode, err)) goto fail;
    h->mhd = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        on_request, h, MHD_OPTION_LISTEN_SOCKET, h->fd, MHD_OPTION_THREAD_POOL_SIZE,
        where->threads, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_LIMIT, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        where->memory, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_END);
    if (h->mhd) return h;
    peri_err_set(err, PERI_EINTERNAL, "the HTTP server does not start");
fail:
    if (h->fd >= 0) close(h->fd);
    free(h->path);
    free(h);
    return NULL;
}

/* A connection may have been taken a moment ago, its request still to be read: the end
 * has come when nothing has been under way for a while. */
static void drain(const peri_server_t *h, double until)
{
    double busy = peri_now();
    for (double now = busy; now < until && now - busy < QUIET; now = peri_now()) {
        if (atomic_load(&h->under_way) > 0) busy = now;
        usleep(5000);
    }
}

int peri_server_leave(peri_server_t *h, double seconds)
{
    if (!h) return -1;
    const int fd = h->fd;
    MHD_quiesce_daemon(h->mhd);
    drain(h, peri_now() + seconds);
    MHD_stop_daemon(h->mhd);
    free(h->path);
    free(h);
    return fd;
}

void peri_server_stop(peri_server_t *h, double seconds)
{
    if (!h) return;
    unlink(h->path);
    close(peri_server_leave(h, seconds));
}
