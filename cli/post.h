/* post.h - requests that change something, made once however often they must be sent.
 *
 * "Once" rests on the Idempotency-Key: made before the first try, the same for every try,
 * so that a submission whose answer was lost is found again and not doubled. Where there
 * is none it rests on the method: what may have been heard is sent again if it is a PUT,
 * PATCH or DELETE, never if it is a POST.
 */
#ifndef CLI_POST_H
#define CLI_POST_H

#include "cli/client.h"

typedef struct {
    const char *method; /* NULL: POST */
    const char *path;
    const peri_buf_t *body; /* JSON, or NULL */
    const char *key;        /* NULL: the request may be repeated as it is */
    bool once;              /* unless it must not be */
    const char *again;      /* what the user can do with the key, or NULL */
    double timeout;         /* of one try; 0: 15 s */
} peri_post_t;

/* A random key; the caller frees. */
char *peri_key_new(void);
/* The answer, a new reference. Tries for a minute when the connection breaks or the
 * server says "not now", and says so. A server that is not there at all is an error at
 * once. */
json_t *peri_client_post(peri_client_t *c, const peri_post_t *p, peri_err_t *err);
/* The body of a request, as json_pack makes it. What cannot be said in JSON (a name that
 * is not UTF-8) becomes an error of the request. */
json_t *peri_body(const char *fmt, ...);
/* The same for any method; takes `body` over, NULL: none. */
json_t *peri_client_send(peri_client_t *c, peri_err_t *err, const char *method,
                         json_t *body, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
