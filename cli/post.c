/* post.c - see post.h. */
#include "cli/post.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/base/util.h"

#define TRY_FOR   60.0 /* seconds from the first try to the last */
#define TRY_TIME  15.0 /* of one try */
#define PAUSE_MAX 10.0

char *peri_key_new(void)
{
    unsigned char r[16];
    char *key = peri_xmalloc(2 * sizeof(r) + 1);
    if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r)) abort();
    for (size_t i = 0; i < sizeof(r); i++) sprintf(key + 2 * i, "%02x", r[i]);
    return key;
}

json_t *peri_client_post(peri_client_t *c, const peri_post_t *p, peri_err_t *err)
{
    const peri_call_t call = {.method = "POST",
                              .path = p->path,
                              .body = p->body ? p->body->data : NULL,
                              .body_len = p->body ? p->body->len : 0,
                              .key = p->key,
                              .dir = true,
                              .timeout = TRY_TIME};
    double until = peri_now() + TRY_FOR;
    json_t *got = NULL;
    bool lost = false; /* an answer: the request may have been heard */
    for (int tries = 0;; tries++) {
        peri_answer_t a;
        int rc = peri_client_call(c, &call, &a, err);
        if (rc == 0) got = peri_answer_json(&a, err);
        bool again = rc != 0 && a.again && !(a.absent && tries == 0);
        double pause = a.retry_after > 0 && a.retry_after < PAUSE_MAX ? a.retry_after : 1;
        lost = lost || (rc != 0 && a.status == 0 && !a.absent);
        peri_answer_free(&a);
        if (!again || peri_now() + pause > until || peri_cli_interrupted()) break;
        fprintf(stderr, "perigee: %s; trying again\n", err->text);
        for (double end = peri_now() + pause;
             peri_now() < end && !peri_cli_interrupted();)
            usleep(50000);
    }
    if (!got && lost && p->again && p->key)
        peri_err_prefix(err,
                        "it is not known whether the job was taken ('perigee jobs' shows "
                        "it; %s %s is safe)",
                        p->again, p->key);
    return got;
}
