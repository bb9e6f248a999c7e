/* ask.c - see ask.h. */
#include "mpi/ask.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define MESSAGE_MAX (1u << 30) /* MPI counts in int */

static int stopped(peri_err_t *err)
{
    return peri_err_set(err, PERI_ECANCEL, "cancelled");
}

/* The first of the messages for the worker; waits. */
peri_inmsg_t *peri_ask_next(peri_exec_t *x)
{
    pthread_mutex_lock(&x->lock);
    while (!x->stop && !x->told) pthread_cond_wait(&x->changed, &x->lock);
    peri_inmsg_t *m = x->stop ? NULL : x->told;
    if (m) {
        x->told = m->next;
        if (!x->told) x->told_last = &x->told;
    }
    pthread_mutex_unlock(&x->lock);
    return m;
}

int peri_ask_reply(peri_exec_t *x, peri_buf_t *b, peri_err_t *err)
{
    const peri_msg_t head = {.kind = PERI_MSG_ANSWER};
    return peri_outbox_put(&x->outbox, 0, &head, b) ? stopped(err) : 0;
}

int peri_ask_see_to(peri_exec_t *x, const peri_inmsg_t *m, peri_err_t *err)
{
    peri_buf_t b;
    peri_buf_init(&b, MESSAGE_MAX);
    peri_outbox_begin(&b);
    int rc = peri_query_answer(m->payload, m->len, &b, err);
    if (rc == 0) rc = peri_ask_reply(x, &b, err);
    peri_buf_free(&b);
    return rc;
}

int peri_ask_collect(peri_exec_t *x, const int *ranks, size_t n, peri_buf_t **answers,
                     peri_err_t *err)
{
    int rc = 0;
    size_t left = n;
    while (left > 0 && rc == 0) {
        peri_inmsg_t *m = peri_ask_next(x);
        if (!m) return stopped(err);
        for (size_t i = 0; i < n; i++) {
            if (ranks[i] != m->src) continue;
            peri_buf_append(answers[i], m->payload, m->len);
            rc = peri_buf_check(answers[i], "an answer of a rank", err);
            left--;
        }
        free(m);
    }
    return rc;
}

int peri_ask_hosts(void *arg, const void *question, size_t len, peri_buf_t *answers,
                   peri_err_t *err)
{
    peri_exec_t *x = arg;
    const peri_hosts_t *h = x->hosts;
    int rc = 0, *ranks = peri_xcalloc(h->n, sizeof(*ranks));
    peri_buf_t **to = peri_xcalloc(h->n, sizeof(*to));
    size_t n = 0;
    for (size_t i = 0; i < h->n && rc == 0; i++) {
        if ((int)i == h->of_rank[0]) continue;
        ranks[n] = h->first[i];
        to[n++] = &answers[i];
        peri_buf_t b;
        peri_buf_init(&b, MESSAGE_MAX);
        peri_outbox_begin(&b);
        peri_buf_append(&b, question, len);
        const peri_msg_t head = {.kind = PERI_MSG_ASK};
        rc = peri_buf_check(&b, "a question to a rank", err);
        if (rc == 0 && peri_outbox_put(&x->outbox, h->first[i], &head, &b))
            rc = stopped(err);
        peri_buf_free(&b);
    }
    if (rc == 0) rc = peri_ask_collect(x, ranks, n, to, err);
    free(to);
    free(ranks);
    return rc;
}
