/* exec.c - the main thread of a rank: messages in and out, errors, cancellation, the end.
 *
 * How it ends. Rank 0 decides: BYE when its worker has finished the result, CANCEL at the
 * first error (its own, a worker's ERROR, a signal, the time limit). A rank that was told
 * stops its threads, keeps taking what still arrives (a sender may be in the middle of a
 * message) and enters a non-blocking barrier once nothing of its own is under way. When
 * all are in it, all may leave. A rank that is not through in time is left to MPI_Abort.
 */
#include "mpi/exec.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/base/util.h"
#include "mpi/exec_private.h"

#define OUTBOX_MAX (64u << 20)
#define SLEEP_MIN  20 /* microseconds; doubled while nothing happens */
#define SLEEP_MAX  1000
#define TICK       0.1  /* seconds between progress messages */
#define REPEAT     0.05 /* seconds between interrupts of a worker that goes on */
#define END_LIMIT  5.0  /* seconds for all ranks to stop */

typedef struct {
    peri_exec_t x;
    MPI_Comm comm;
    const peri_execopts_t *o;
    peri_post_t *post;
    peri_err_t *err;
    peri_hosts_t hosts;
    bool told;       /* this rank's failure was reported to rank 0 */
    bool closing;    /* BYE or CANCEL: no way back */
    bool cancelled;  /* it was CANCEL */
    double deadline; /* when closing */
    double ticked, interrupted;
    peri_progress_t last; /* what was last told */
    MPI_Request barrier;
    bool in_barrier;
} run_t;

/* ---- the end ---- */

static void tell_all(run_t *r, peri_msgkind_t kind)
{
    const peri_msg_t head = {.kind = kind};
    for (int i = 1; i < r->x.nranks; i++) peri_post_send(r->post, i, &head, NULL, 0);
}

static void stop_worker(run_t *r)
{
    peri_exec_t *x = &r->x;
    r->interrupted = peri_now();
    pthread_mutex_lock(&x->lock);
    x->stop = true;
    if (x->session) peri_session_interrupt(x->session);
    if (x->sink) peri_sink_stop(x->sink);
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    peri_outbox_close(&x->outbox);
}

static void begin_cancel(run_t *r)
{
    if (r->closing) return;
    r->closing = r->cancelled = true;
    r->deadline = peri_now() + END_LIMIT;
    stop_worker(r);
    peri_post_drop(r->post);
}

/* Rank 0: the query has failed; the first reason is the one that is told. */
static void fail_all(run_t *r, const peri_err_t *err)
{
    if (r->closing) return;
    if (r->err) *r->err = *err;
    tell_all(r, PERI_MSG_CANCEL);
    begin_cancel(r);
}

static void begin_bye(run_t *r)
{
    r->closing = true;
    r->deadline = peri_now() + END_LIMIT;
    /* A worker that waits for more, or for a query that will not come, need not. */
    if (r->x.rank) stop_worker(r);
}

/* This rank has failed: rank 0 ends the query, others ask it to. */
static void report(run_t *r, const peri_err_t *err)
{
    if (r->told || r->closing) return;
    r->told = true;
    if (r->x.rank == 0) {
        fail_all(r, err);
        return;
    }
    char text[sizeof(err->text)];
    if (r->hosts.many && err->code != PERI_ECANCEL)
        snprintf(text, sizeof(text), "on %.200s: %.900s", peri_node_name(), err->text);
    else
        snprintf(text, sizeof(text), "%s", err->text);
    const peri_msg_t head = {.kind = PERI_MSG_ERROR, .a = err->code};
    peri_post_send(r->post, 0, &head, text, strlen(text));
}

/* ---- messages ---- */

static peri_progress_t progress_in(const peri_msg_t *m)
{
    return (peri_progress_t){.rows = m->a,
                             .rows_all = m->b,
                             .bytes = m->c + m->d + m->e,
                             .local = m->c,
                             .shared = m->d,
                             .remote = m->e};
}

static void on_rows(run_t *r, peri_inmsg_t *m)
{
    peri_exec_t *x = &r->x;
    pthread_mutex_lock(&x->lock);
    /* A stage that ends before the rank has read anything says nothing new. */
    if (m->head.kind == PERI_MSG_DONE && x->ranks && m->head.a)
        x->ranks[m->src] = progress_in(&m->head);
    if (x->sink) {
        peri_sink_put(x->sink, m);
    } else if (x->ended || x->stop) {
        free(m);
    } else {
        m->next = NULL;
        *x->early_last = m;
        x->early_last = &m->next;
    }
    pthread_mutex_unlock(&x->lock);
}

static void on_told(run_t *r, peri_inmsg_t *m)
{
    peri_exec_t *x = &r->x;
    m->next = NULL;
    pthread_mutex_lock(&x->lock);
    *x->told_last = m;
    x->told_last = &m->next;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static void on_error(run_t *r, const peri_inmsg_t *m)
{
    peri_err_t err = {0};
    size_t n = m->len < sizeof(err.text) - 1 ? m->len : sizeof(err.text) - 1;
    peri_err_set(&err, (peri_code_t)m->head.a, "%.*s", (int)n, m->payload);
    fail_all(r, &err);
}

static void on_progress(run_t *r, const peri_inmsg_t *m)
{
    peri_exec_t *x = &r->x;
    if (!x->ranks) return;
    pthread_mutex_lock(&x->lock);
    x->ranks[m->src] = progress_in(&m->head);
    pthread_mutex_unlock(&x->lock);
}

static void handle(run_t *r, peri_inmsg_t *m)
{
    switch (m->head.kind) {
    case PERI_MSG_DATA:
    case PERI_MSG_DONE:
        on_rows(r, m);
        return;
    case PERI_MSG_START:
    case PERI_MSG_ASK:
    case PERI_MSG_ANSWER:
        on_told(r, m);
        return;
    case PERI_MSG_ERROR:
        on_error(r, m);
        break;
    case PERI_MSG_PROGRESS:
        on_progress(r, m);
        break;
    case PERI_MSG_CANCEL:
        begin_cancel(r);
        break;
    case PERI_MSG_BYE:
        begin_bye(r);
        break;
    }
    free(m);
}

static bool send_acks(run_t *r)
{
    peri_exec_t *x = &r->x;
    bool any = false;
    pthread_mutex_lock(&x->lock);
    for (int i = 0; x->sink && i < x->nranks; i++) {
        size_t n = peri_sink_consumed(x->sink, i);
        if (!n) continue;
        const peri_msg_t head = {.kind = PERI_MSG_ACK, .a = n};
        peri_post_send(r->post, i, &head, NULL, 0);
        any = true;
    }
    pthread_mutex_unlock(&x->lock);
    return any;
}

/* ---- the clock ---- */

static void tell_progress(run_t *r)
{
    peri_exec_t *x = &r->x;
    peri_progress_t p = x->progress;
    pthread_mutex_lock(&x->lock);
    if (x->session) peri_session_progress(x->session, &p);
    for (int i = 1; x->ranks && i < x->nranks; i++) peri_progress_add(&p, &x->ranks[i]);
    pthread_mutex_unlock(&x->lock);
    if (memcmp(&p, &r->last, sizeof(p)) == 0) return;
    r->last = p;
    if (x->rank) {
        const peri_msg_t head = {PERI_MSG_PROGRESS, 0,        p.rows,  p.rows_all,
                                 p.local,           p.shared, p.remote};
        peri_post_send(r->post, 0, &head, NULL, 0);
    } else if (r->o->progress) {
        r->o->progress(&p, r->o->arg);
    }
}

static void look_at_clock(run_t *r)
{
    const peri_exec_t *x = &r->x;
    const double now = peri_now();
    peri_err_t err = {0};
    if (r->cancelled) {
        /* DuckDB forgets an interrupt that comes between two statements. */
        if (now - r->interrupted > REPEAT) stop_worker(r);
        return;
    }
    if (r->closing) return;
    if (r->o->cancelled && r->o->cancelled(r->o->arg)) {
        peri_err_set(&err, PERI_ECANCEL, "cancelled");
        report(r, &err);
        return;
    }
    if (x->rank == 0 && x->spec && x->spec->time_limit > 0 &&
        now - x->started > x->spec->time_limit) {
        peri_queryspec_too_long(x->spec, &err);
        fail_all(r, &err);
        return;
    }
    if (now - r->ticked > TICK) {
        r->ticked = now;
        tell_progress(r);
    }
}

/* ---- the loop ---- */

/* True when this rank's worker has said its last word. */
static bool look_at_worker(run_t *r)
{
    peri_exec_t *x = &r->x;
    pthread_mutex_lock(&x->lock);
    bool ended = x->ended, failed = x->failed;
    peri_err_t err = x->err;
    pthread_mutex_unlock(&x->lock);
    if (failed) report(r, &err);
    if (ended && !failed && x->rank == 0 && !r->closing) {
        tell_all(r, PERI_MSG_BYE);
        begin_bye(r);
    }
    return ended;
}

/* One round; true if anything moved. */
static bool turn(run_t *r, bool *ended)
{
    bool moved = false;
    peri_inmsg_t *m;
    while ((m = peri_post_receive(r->post))) {
        handle(r, m);
        moved = true;
    }
    moved |= send_acks(r);
    moved |= peri_post_pump(r->post);
    if (r->cancelled) peri_post_drop(r->post);
    look_at_clock(r);
    *ended = look_at_worker(r);
    return moved;
}

static int loop(run_t *r)
{
    long sleep_us = SLEEP_MIN;
    for (;;) {
        bool ended;
        bool moved = turn(r, &ended);
        if (r->closing && !r->in_barrier && ended && peri_post_idle(r->post)) {
            MPI_Ibarrier(r->comm, &r->barrier);
            r->in_barrier = true;
        }
        if (r->in_barrier) {
            int all = 0;
            MPI_Test(&r->barrier, &all, MPI_STATUS_IGNORE);
            if (all) return 0;
        }
        if (r->closing && peri_now() > r->deadline) return -1;
        sleep_us = moved                      ? SLEEP_MIN
                   : sleep_us * 2 < SLEEP_MAX ? sleep_us * 2
                                              : SLEEP_MAX;
        peri_bell_wait(&r->x.bell, sleep_us);
    }
}

static void run_init(run_t *r, const peri_queryspec_t *spec, peri_execresult_t *res)
{
    peri_exec_t *x = &r->x;
    MPI_Comm_rank(r->comm, &x->rank);
    MPI_Comm_size(r->comm, &x->nranks);
    peri_hosts_find(&r->hosts, r->comm);
    x->hosts = &r->hosts;
    x->o = r->o;
    x->spec = x->rank == 0 ? spec : NULL;
    x->started = r->ticked = peri_now();
    x->res = res;
    x->early_last = &x->early;
    x->told_last = &x->told;
    if (x->rank == 0) x->ranks = peri_xcalloc((size_t)x->nranks, sizeof(*x->ranks));
    peri_bell_init(&x->bell);
    peri_outbox_init(&x->outbox, OUTBOX_MAX, &x->bell);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
    r->post = peri_post_new(r->comm, &x->outbox);
}

static void free_messages(peri_inmsg_t *m)
{
    while (m) {
        peri_inmsg_t *next = m->next;
        free(m);
        m = next;
    }
}

static void run_clear(run_t *r)
{
    peri_exec_t *x = &r->x;
    peri_post_free(r->post);
    peri_outbox_destroy(&x->outbox);
    peri_bell_destroy(&x->bell);
    pthread_cond_destroy(&x->changed);
    pthread_mutex_destroy(&x->lock);
    free_messages(x->early);
    free_messages(x->told);
    free(x->ranks);
    peri_hosts_free(&r->hosts);
}

/* Start the worker, or fail at once. True if there is a thread to join. */
static bool start_worker(run_t *r, pthread_t *worker)
{
    peri_err_t err = {0};
    if (r->x.rank == 0 && !r->x.spec) {
        err = *r->err;
    } else if (pthread_create(worker, NULL, peri_work_run, &r->x)) {
        peri_err_set(&err, PERI_EINTERNAL, "cannot start a thread");
    } else {
        return true;
    }
    r->x.ended = true;
    peri_exec_fail(&r->x, &err);
    return false;
}

void peri_execresult_clear(peri_execresult_t *res)
{
    for (size_t i = 0; i < res->nhosts; i++) free((char *)res->hosts[i].name);
    free(res->hosts);
    res->hosts = NULL;
    res->nhosts = 0;
}

void peri_execresult_add_reads(peri_execresult_t *res, const peri_execresult_t *other)
{
    for (size_t i = 0; i < other->nhosts; i++) {
        size_t k = 0;
        while (k < res->nhosts && strcmp(res->hosts[k].name, other->hosts[i].name)) k++;
        if (k == res->nhosts) {
            res->hosts = peri_xrealloc(res->hosts, k + 1, sizeof(*res->hosts));
            res->hosts[res->nhosts++] =
                (peri_hostread_t){.name = peri_xstrdup(other->hosts[i].name)};
        }
        peri_progress_add(&res->hosts[k].read, &other->hosts[i].read);
    }
}

int peri_exec_run(MPI_Comm comm, const peri_queryspec_t *spec, const peri_execopts_t *o,
                  peri_execresult_t *res, peri_err_t *err)
{
    run_t *r = peri_xcalloc(1, sizeof(*r));
    memset(res, 0, sizeof(*res));
    r->o = o;
    MPI_Comm_dup(comm, &r->comm);
    run_init(r, spec, res);
    const bool root = r->x.rank == 0;
    if (root) r->err = err;
    /* Sleeps of 20 us shall not become 70: only this thread's timers are concerned. */
    prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);

    pthread_t worker;
    bool started = start_worker(r, &worker);
    if (loop(r)) {
        /* Threads may still use all this: it is left to the end of the process. */
        res->stuck = true;
        if (!root || !r->cancelled)
            peri_err_set(err, PERI_EINTERNAL, "not all ranks ended in time");
        return -1;
    }
    if (started) pthread_join(worker, NULL);
    const bool cancelled = r->cancelled;
    run_clear(r);
    MPI_Comm_free(&r->comm);
    free(r);
    if (!cancelled) return 0;
    if (!root) peri_err_set(err, PERI_ECANCEL, "cancelled");
    return -1;
}
