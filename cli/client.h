/* client.h - what the commands ask of perigeed: HTTP over its Unix socket, JSON in and
 * out (docs/api.md).
 *
 * Nothing of libcurl is touched before the first request. Answers are bounded. A problem
 * that the daemon tells becomes a peri_err_t with its sentence. Used from one thread.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "perigee/err.h"

typedef struct peri_client peri_client_t;

/* The socket: $PERIGEE_SOCKET, else the one that the configuration names. */
peri_client_t *peri_client_new(peri_err_t *err);
peri_client_t *peri_client_new_at(const char *socket);
void peri_client_free(peri_client_t *c); /* accepts NULL */
const char *peri_client_socket(const peri_client_t *c);

typedef struct {
    const char *method; /* "GET", "POST", "PUT" */
    const char *path;   /* behind /api/v1, with its query */
    const char *body;   /* JSON, or NULL */
    size_t body_len;
    const char *key; /* Idempotency-Key, or NULL */
    bool dir;        /* tell our working folder */
    double timeout;  /* seconds; 0: 60 */
} peri_call_t;

typedef struct {
    long status; /* of HTTP; 0: no answer */
    bool absent; /* nobody listens at the socket */
    bool again;  /* no answer, or "not now": the same request may be made again */
    double retry_after;
    peri_buf_t body;
    int64_t next; /* X-Perigee-Next; -1: none */
    bool final;   /* X-Perigee-Final */
} peri_answer_t;

/* 0 for a status below 400. On failure *a still says how it failed. Free *a either way.
 */
int peri_client_call(peri_client_t *c, const peri_call_t *call, peri_answer_t *a,
                     peri_err_t *err);
void peri_answer_free(peri_answer_t *a); /* accepts a zeroed struct */

/* GET and parse; a new reference, an object. `a` may be NULL, else only its status,
 * absent and again are of use. */
json_t *peri_client_get(peri_client_t *c, double timeout, peri_answer_t *a,
                        peri_err_t *err, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* The same, but while the daemon is away or busy it waits. NULL: another error, or
 * interrupted. */
json_t *peri_client_await(peri_client_t *c, peri_err_t *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
json_t *peri_answer_json(const peri_answer_t *a, peri_err_t *err);

/* s as one part of a path or value of a query; the caller frees. */
char *peri_url_escape(const char *s);

/* Between tries while the daemon is away: waits a little longer each time, up to 2 s, and
 * says once that it waits. False when interrupted. Zero `tries` after each success. */
bool peri_client_pause(const peri_client_t *c, int *tries);

/* ---- fields of an answer ---- */

const char *peri_json_str(const json_t *o, const char *key); /* "" if absent or null */
double peri_json_num(const json_t *o, const char *key, double otherwise);
int64_t peri_json_int(const json_t *o, const char *key, int64_t otherwise);
bool peri_json_true(const json_t *o, const char *key);

#endif
