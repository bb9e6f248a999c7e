/* http.h - the daemon's HTTP server: sockets, requests and answers. It knows no job: a
 * table of routes (api.h) does the work.
 *
 * A few threads serve all connections (epoll); a handler runs in one of them and must not
 * sleep. One that wants to wait for news of a job sets `wait` and returns: the connection
 * is put aside and the handler called again when there are news or the time is over.
 */
#ifndef PORTAL_HTTP_H
#define PORTAL_HTTP_H

#include <jansson.h>

#include "core/base/arena.h"
#include "portal/portal.h"

#define PERI_HTTP_BODY_MAX (8u << 20)

struct MHD_Connection;

typedef struct {
    peri_portal_t *portal;
    struct MHD_Connection *conn;
    peri_arena_t *arena;
    char id[24]; /* of the request */
    const char *method, *path;
    const char *param[4]; /* what stood for each * in the route */
    const char *body;     /* followed by a NUL */
    size_t body_len;
    uid_t uid; /* who asks */
    gid_t gid;
    const char *user;
    double first; /* peri_now() when it came */

    /* the answer */
    int status;
    json_t *json; /* taken */
    char *bytes;  /* instead of json; malloc'd, taken */
    size_t bytes_len;
    const char *header[8][2];
    size_t nheaders;
    char wait_uuid[PERI_UUID_LEN + 1]; /* not "": wait for news of it... */
    double wait_until;                 /* ... until then */
} peri_request_t;

/* 0, or -1 with *err: answered as a problem. */
typedef int (*peri_handler_f)(peri_request_t *r, peri_err_t *err);

typedef struct {
    const char *method;
    const char *path; /* "/api/v1/jobs/" followed by * for a part */
    peri_handler_f run;
} peri_route_t;

typedef struct peri_http peri_http_t;
peri_http_t *peri_http_start(peri_portal_t *p, const peri_route_t *routes, size_t n,
                             peri_err_t *err);
void peri_http_stop(peri_http_t *h); /* accepts NULL */

/* Query parameter or NULL; header or NULL. */
const char *peri_request_arg(const peri_request_t *r, const char *name);
const char *peri_request_header(const peri_request_t *r, const char *name);
/* A whole number in a range, or `fallback` if it is not there. */
int peri_request_number(const peri_request_t *r, const char *name, int64_t min,
                        int64_t max, int64_t fallback, int64_t *out, peri_err_t *err);
void peri_request_set_header(peri_request_t *r, const char *name, const char *value);

#endif
