/* request.h - one HTTP request: what handlers read of it, and how they answer.
 *
 * A few threads serve all connections (epoll); a handler runs in one of them and must not
 * sleep. One that wants to wait for news sets `wait` and returns: the connection is put
 * aside and the handler called again when there are news or the time is over. Long
 * answers are streams, long bodies come in pieces.
 */
#ifndef PORTAL_WEB_REQUEST_H
#define PORTAL_WEB_REQUEST_H

#include <jansson.h>

#include "core/base/arena.h"
#include "portal/portal.h"
#include "portal/web/actor.h"

#define PERI_HTTP_BODY_MAX (8u << 20)

struct MHD_Connection;
typedef struct peri_route peri_route_t;
typedef struct peri_request peri_request_t;

/* An answer that is made bit by bit. read: bytes put into buf (at most max); 0 after it
 * set r->wait_*: nothing now, call again then; PERI_STREAM_END, PERI_STREAM_FAILED (the
 * connection is broken off, so that nobody takes it for whole). free is called once. */
enum { PERI_STREAM_END = -1, PERI_STREAM_FAILED = -2 };
typedef struct {
    ssize_t (*read)(peri_request_t *r, void *ctx, char *buf, size_t max);
    void (*free)(void *ctx);
    void *ctx;
    int64_t size; /* -1: not known */
} peri_stream_t;

struct peri_request {
    peri_portal_t *portal;
    struct MHD_Connection *conn;
    peri_arena_t *arena;
    const peri_route_t *route;
    char id[40]; /* of the request */
    const char *method, *path;
    const char *param[4]; /* what stood for each * in the route, decoded */
    const char *body;     /* followed by a NUL; empty if it came in pieces */
    size_t body_len;
    peri_actor_t actor;
    const char *client; /* its address; "" by the local socket */
    bool https;
    double first;                /* peri_now() when it came */
    void *ctx;                   /* the handler's own between begin, data and run ... */
    void (*ctx_free)(void *ctx); /* ... and how it goes, however the request ends */

    /* the answer: one of json, bytes, stream, fd; nothing at all is an empty one */
    int status;   /* 0: 200 */
    json_t *json; /* taken */
    char *bytes;  /* malloc'd, taken */
    size_t bytes_len;
    const char *type; /* of bytes, stream and fd; NULL: application/octet-stream */
    peri_stream_t stream;
    int fd; /* -1, or a regular file: taken, sent from fd_from, fd_len bytes */
    int64_t fd_from, fd_len;
    const char *header[16][2];
    size_t nheaders;
    char
        wait_uuid[PERI_UUID_LEN + 1]; /* not "": wait for news of it ("*": any job) ... */
    double wait_until;                /* ... until then (peri_now()) */
    /* the answer to a failure, if the code of the error does not say enough */
    int problem;
    const char *problem_word;
    bool problem_message; /* its detail also as "message": where other clients look */
};

/* 0, or -1 with *err: answered as a problem. */
typedef int (*peri_handler_f)(peri_request_t *r, peri_err_t *err);

/* A body that is not kept in memory. begin sees the headers (a failure is answered at
 * once), data each piece; run is called at the end if all went well. */
typedef struct {
    peri_handler_f begin;
    int (*data)(peri_request_t *r, const char *data, size_t len, peri_err_t *err);
} peri_bodyreader_t;

enum {
    PERI_ROUTE_OPEN = 1,  /* also for nobody; all others need an account */
    PERI_ROUTE_ADMIN = 2, /* only administrators */
    PERI_ROUTE_LOCAL = 4, /* only by the local socket */
};
struct peri_route {
    const char *method;
    /* "/api/v1/jobs/" followed by * for one part, or ** for all that follows */
    const char *path;
    peri_handler_f run;
    unsigned flags;
    unsigned scope; /* PERI_SCOPE_*: a token must have all these */
    const peri_bodyreader_t *body;
};

/* ---- what was asked ---- */

/* Query parameter or NULL; header or NULL; cookie or NULL. */
const char *peri_request_arg(const peri_request_t *r, const char *name);
/* Of one that stands there more than once: all of them, at most `max`; how many. */
size_t peri_request_args(const peri_request_t *r, const char *name, const char **out,
                         size_t max);
const char *peri_request_header(const peri_request_t *r, const char *name);
const char *peri_request_cookie(const peri_request_t *r, const char *name);
/* Nobody waits for the answer any more. Noticed by itself only where something is read or
 * written: a connection that is put aside asks. */
bool peri_request_gone(const peri_request_t *r);
/* A whole number in a range, or `fallback` if it is not there. */
int peri_request_number(const peri_request_t *r, const char *name, int64_t min,
                        int64_t max, int64_t fallback, int64_t *out, peri_err_t *err);
/* The body as a JSON object without keys that are not in `keys` (space-separated); it
 * lives as long as the request. An empty body is an empty object. */
json_t *peri_request_json(peri_request_t *r, const char *keys, peri_err_t *err);
/* The body goes now, not when the request ends: of one that waits and does not look at it
 * again. What was made of it stays. */
void peri_request_drop_body(peri_request_t *r);
/* Fields of it. Wrong types and control characters are errors that name the key. Absent
 * (or null): NULL with need false, an error with need true. max: bytes of UTF-8. */
int peri_json_text(const json_t *o, const char *key, bool need, size_t max,
                   const char **out, peri_err_t *err);
int peri_json_number(const json_t *o, const char *key, bool need, int64_t min,
                     int64_t max, int64_t *out, peri_err_t *err); /* absent: unchanged */
int peri_json_bool(const json_t *o, const char *key, bool *out, peri_err_t *err);

/* ---- answering ---- */

void peri_request_set_header(peri_request_t *r, const char *name, const char *value);
/* A problem of its own kind: returns -1. word: the "code". */
int peri_request_fail(peri_request_t *r, peri_err_t *err, int status, const char *word,
                      const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The ETag of what is answered (without quotes). If the client has it already
 * (If-None-Match) the answer becomes 304. */
void peri_request_etag(peri_request_t *r, const char *tag);
/* Whether an If-Match (if there is one) holds for what is there: 0, or 412. tag NULL: it
 * is not there. */
int peri_request_match(peri_request_t *r, const char *tag, peri_err_t *err);

/* ---- the database ---- */

/* A connection in a transaction with the rights of who asks (row-level security), to be
 * given back with peri_dbpool_put (which rolls back what was not committed). NULL: *err
 * says "try again". */
peri_db_t *peri_request_db(peri_request_t *r, peri_err_t *err);
/* One with the daemon's own rights, no transaction: for what the caller has checked. */
peri_db_t *peri_request_system(peri_request_t *r, peri_err_t *err);
/* An entry of the audit log, in the transaction of db or one of its own. context: JSON,
 * taken, may be NULL. */
int peri_audit(peri_request_t *r, peri_db_t *db, const char *action, const char *thing,
               bool ok, json_t *context, peri_err_t *err);

#endif
