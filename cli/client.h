/* client.h - what the commands ask of Perigee: HTTP with JSON in and out (docs/api.md),
 * of the perigeed of this machine over its Unix socket, or of a portal anywhere with the
 * token of a login.
 *
 * Nothing of libcurl is touched before the first request. Answers are bounded. A problem
 * that the server tells becomes a peri_err_t with its sentence. Used from one thread.
 * client_curl.h has the handles below, for transfers.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/fields.h"
#include "core/base/buf.h"
#include "perigee/err.h"

typedef struct peri_client peri_client_t;

/* What the user chose: $PERIGEE_PORTAL (a URL, or "local"; --portal sets it), else
 * $PERIGEE_SOCKET, else the portal that she logged in to last, else the socket that the
 * configuration names. Of a portal the stored token, or $PERIGEE_TOKEN. */
peri_client_t *peri_client_new(peri_err_t *err);
/* The perigeed of this machine: $PERIGEE_SOCKET, else the configuration's. */
peri_client_t *peri_client_new_local(peri_err_t *err);
peri_client_t *peri_client_new_at(const char *socket);
/* A portal: url as peri_portal_url gives it. token NULL: the cookie that an answer
 * sets is sent with the next requests. cacert NULL: $PERIGEE_CACERT, else the system's.
 */
peri_client_t *peri_client_new_portal(const char *url, const char *token,
                                      const char *cacert);
void peri_client_free(peri_client_t *c); /* accepts NULL */
/* Where commands go that can also do without a portal: 1: to the one that
 * peri_client_new takes, 0: they do it here. That is so when nobody is logged in, when
 * $PERIGEE_PORTAL says "local" or $PERIGEE_SOCKET is set, and always within a job or a
 * sandbox, whose $PERIGEE_TASK or $PERIGEE_SCHEMAS are set. -1: an error. */
int peri_client_is_away(peri_err_t *err);
/* The socket's path, or NULL for a portal; and the URL, or NULL. */
const char *peri_client_socket(const peri_client_t *c);
const char *peri_client_portal(const peri_client_t *c);
/* Sent with whatever changes something while there are cookies. */
void peri_client_set_csrf(peri_client_t *c, const char *token);
/* The name of the account that asks; NULL: an error. Asked of the server once, if at all.
 */
const char *peri_client_account(peri_client_t *c, peri_err_t *err);

typedef struct {
    const char *method; /* "GET", "POST", "PUT", "PATCH", "DELETE" */
    const char *path;   /* behind /api/v1, with its query */
    const char *body;   /* JSON, or NULL */
    size_t body_len;
    const char *type;  /* of the body; NULL: JSON */
    const char *key;   /* Idempotency-Key, or NULL */
    const char *match; /* If-Match, or NULL */
    bool dir;          /* tell our working folder (only the perigeed of this machine) */
    double timeout;    /* seconds; 0: 60 */
} peri_call_t;

typedef struct {
    long status; /* of HTTP; 0: no answer */
    bool absent; /* nobody listens there */
    bool again;  /* no answer, or "not now": the same request may be made again */
    bool heard;  /* no answer, but the server may have heard the request */
    double retry_after;
    peri_buf_t body;
    int64_t next;     /* X-Perigee-Next; -1: none */
    bool final;       /* X-Perigee-Final */
    char etag[96];    /* "" if none */
    char word[32];    /* a problem's "code" */
    char cookie[256]; /* "NAME=VALUE" that it sets; "" if none */
    char query[64];   /* Perigee-Query: the id of a quick query; "" if none */
} peri_answer_t;

/* 0 for a status below 400. On failure *a still says how it failed. Free *a either way.
 */
int peri_client_call(peri_client_t *c, const peri_call_t *call, peri_answer_t *a,
                     peri_err_t *err);
void peri_answer_free(peri_answer_t *a); /* accepts a zeroed struct */

/* GET and parse; a new reference, an object. Of a portal that is away it is tried again
 * for half a minute. `a` may be NULL, else only its status, absent and again are of use.
 */
json_t *peri_client_get(peri_client_t *c, double timeout, peri_answer_t *a,
                        peri_err_t *err, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* The same, but while the server is away or busy it waits. NULL: another error, or
 * interrupted. */
json_t *peri_client_await(peri_client_t *c, peri_err_t *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* An answer without a body is {}. */
json_t *peri_answer_json(const peri_answer_t *a, peri_err_t *err);

/* s as one part of a path or value of a query; the caller frees. */
char *peri_url_escape(const char *s);

/* Between tries while the server is away: waits a little longer each time, up to 2 s, and
 * says once that it waits. False when interrupted. Zero `tries` after each success. */
bool peri_client_pause(const peri_client_t *c, int *tries);

#endif
