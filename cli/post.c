/* post.c - see post.h. */
#include "cli/post.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/base/util.h"

#define TRY_FOR   60.0 /* seconds from the first try to the last */
#define TRY_TIME  15.0 /* of one try */
#define PAUSE_MAX 10.0
#define BODY_MAX  (16u << 20)

char *peri_key_new(void)
{
    unsigned char r[16];
    char *key = peri_xmalloc(2 * sizeof(r) + 1);
    if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r)) abort();
    for (size_t i = 0; i < sizeof(r); i++) sprintf(key + 2 * i, "%02x", r[i]);
    return key;
}

/* What is lost when there is no answer; for the error. */
static void say_lost(const peri_post_t *p, peri_err_t *err)
{
    if (p->again && p->key)
        peri_err_prefix(err,
                        "it is not known whether the job was taken ('perigee jobs' shows "
                        "it; %s %s is safe)",
                        p->again, p->key);
    else if (p->once)
        peri_err_prefix(err, "it is not known whether it was done; look before you "
                             "repeat it");
}

json_t *peri_client_post(peri_client_t *c, const peri_post_t *p, peri_err_t *err)
{
    const peri_call_t call = {.method = p->method ? p->method : "POST",
                              .path = p->path,
                              .body = p->body ? p->body->data : NULL,
                              .body_len = p->body ? p->body->len : 0,
                              .key = p->key,
                              .dir = true,
                              .timeout = p->timeout > 0 ? p->timeout : TRY_TIME};
    double until = peri_now() + TRY_FOR;
    json_t *got = NULL;
    peri_err_t told = {0};
    bool lost = false; /* an answer: the request may have been heard */
    for (int tries = 0;; tries++) {
        peri_answer_t a;
        int rc = peri_client_call(c, &call, &a, err);
        if (rc == 0) got = peri_answer_json(&a, err);
        /* What is gone was removed by the try whose answer was lost. */
        if (rc && a.status == 404 && lost && !strcmp(call.method, "DELETE"))
            got = json_object();
        bool again = !got && rc != 0 && a.again && !(a.absent && tries == 0) &&
                     !(a.heard && p->once) && a.retry_after <= PAUSE_MAX;
        double pause = a.retry_after > 0 ? a.retry_after : 1;
        lost = lost || (rc != 0 && a.heard);
        peri_answer_free(&a);
        if (!again || peri_now() + pause > until || peri_cli_interrupted()) break;
        if (strcmp(told.text, err->text) != 0)
            fprintf(stderr, "perigee: %s; trying again\n", err->text);
        told = *err;
        for (double end = peri_now() + pause;
             peri_now() < end && !peri_cli_interrupted();)
            usleep(50000);
    }
    if (!got && lost) say_lost(p, err);
    return got;
}

json_t *peri_body(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    json_t *j = json_vpack_ex(NULL, 0, fmt, ap);
    va_end(ap);
    return j ? j : json_null();
}

json_t *peri_client_send(peri_client_t *c, peri_err_t *err, const char *method,
                         json_t *body, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *path = NULL;
    if (vasprintf(&path, fmt, ap) < 0) abort();
    va_end(ap);
    peri_buf_t b;
    peri_buf_init(&b, BODY_MAX);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_t *j = NULL;
    if (text) {
        peri_buf_puts(&b, text);
        explicit_bzero(text, strlen(text)); /* it may have a password */
    }
    if (json_is_null(body))
        peri_err_set(err, PERI_EINVAL, "names and texts are to be UTF-8");
    else if (peri_buf_check(&b, "the request", err) == 0)
        j = peri_client_post(c,
                             &(peri_post_t){.method = method,
                                            .path = path,
                                            .body = body ? &b : NULL,
                                            .once = !strcmp(method, "POST"),
                                            .timeout = 60},
                             err);
    if (b.data) explicit_bzero(b.data, b.len);
    peri_buf_free(&b);
    json_decref(body);
    free(text);
    free(path);
    return j;
}
