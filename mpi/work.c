/* work.c - the worker thread of a rank: gets the query, runs its stages, sends the rows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/ask.h"
#include "mpi/exec_private.h"

#define BATCH_SIZE (1u << 20) /* a message is sent when it is so large */
#define BATCH_MAX  (1u << 30) /* one chunk can be larger; MPI counts in int */
#define PACK_MAX   (1u << 30)

void peri_exec_fail(peri_exec_t *x, const peri_err_t *err)
{
    pthread_mutex_lock(&x->lock);
    if (!x->failed) {
        x->failed = true;
        x->err = *err;
    }
    pthread_mutex_unlock(&x->lock);
    peri_bell_ring(&x->bell);
}

static void on_sink_failed(void *arg, const peri_err_t *err)
{
    peri_exec_fail(arg, err);
}

static int cancelled(peri_err_t *err)
{
    return peri_err_set(err, PERI_ECANCEL, "cancelled");
}

/* ---- getting the query ---- */

static int send_packs(peri_exec_t *x, peri_query_t *q, peri_err_t *err)
{
    for (int rank = 1; rank < x->nranks; rank++) {
        peri_buf_t b;
        peri_buf_init(&b, PACK_MAX);
        peri_outbox_begin(&b);
        int rc = peri_query_pack(q, rank, x->nranks, &b, err);
        const peri_msg_t head = {.kind = PERI_MSG_START};
        if (rc == 0 && peri_outbox_put(&x->outbox, rank, &head, &b)) rc = cancelled(err);
        peri_buf_free(&b);
        if (rc) return -1;
    }
    return 0;
}

static peri_query_t *get_query(peri_exec_t *x, peri_err_t *err)
{
    if (x->rank == 0) {
        const peri_hosts_t *h = x->hosts;
        x->where = (peri_locator_t){.hosts = (const char *const *)h->names,
                                    .nhosts = h->n,
                                    .host_of = h->of_rank,
                                    .ask = peri_ask_hosts,
                                    .arg = x};
        if (x->o->make)
            return x->o->make(x->spec, x->nranks, &x->where, x->o->keep_arg, err);
        return peri_query_new(x->spec, x->nranks, &x->where, err);
    }
    for (;;) {
        peri_inmsg_t *m = peri_ask_next(x);
        if (!m) {
            cancelled(err);
            return NULL;
        }
        const bool is_query = m->head.kind == PERI_MSG_START;
        peri_query_t *q = is_query ? peri_query_unpack(m->payload, m->len, err) : NULL;
        int rc = is_query ? 0 : peri_ask_see_to(x, m, err);
        free(m);
        if (is_query || rc) return q;
    }
}

/* ---- explaining ---- */

/* A rank but rank 0 tells what its share costs. */
static int tell_cost(peri_exec_t *x, peri_query_t *q, peri_err_t *err)
{
    peri_buf_t b;
    peri_buf_init(&b, 16u << 20);
    peri_outbox_begin(&b);
    int rc = peri_query_cost(q, &b, err);
    if (rc == 0) rc = peri_ask_reply(x, &b, err);
    peri_buf_free(&b);
    return rc;
}

static int collect_costs(peri_exec_t *x, peri_query_t *q, peri_buf_t *costs,
                         peri_err_t *err)
{
    const size_t others = (size_t)x->nranks - 1;
    int *ranks = peri_xcalloc(others, sizeof(*ranks));
    peri_buf_t **to = peri_xcalloc(others, sizeof(*to));
    for (size_t i = 0; i < others; i++) {
        ranks[i] = (int)i + 1;
        to[i] = &costs[i + 1];
    }
    int rc = send_packs(x, q, err);
    if (rc == 0) rc = peri_query_take_share(q, 0, x->nranks, err);
    if (rc == 0) rc = peri_query_cost(q, &costs[0], err);
    if (rc == 0) rc = peri_ask_collect(x, ranks, others, to, err);
    free(to);
    free(ranks);
    return rc;
}

static int explain(peri_exec_t *x, peri_query_t *q, peri_err_t *err)
{
    peri_buf_t b, *costs = NULL;
    peri_buf_init(&b, 16u << 20);
    int rc = 0;
    if (peri_query_is_placed(q)) {
        costs = peri_xcalloc((size_t)x->nranks, sizeof(*costs));
        for (int i = 0; i < x->nranks; i++) peri_buf_init(&costs[i], 16u << 20);
        rc = collect_costs(x, q, costs, err);
    }
    if (rc == 0) rc = peri_query_explain(q, x->nranks, costs, &b, err);
    if (rc == 0 && (fwrite(b.data, 1, b.len, stdout) != b.len || fflush(stdout)))
        rc = peri_err_set(err, PERI_EIO, "cannot write to standard output: %m");
    for (int i = 0; costs && i < x->nranks; i++) peri_buf_free(&costs[i]);
    free(costs);
    peri_buf_free(&b);
    return rc;
}

/* ---- running a stage ---- */

typedef struct {
    peri_exec_t *x;
    peri_sink_t *sink;
    size_t stage;
    bool here; /* rows go into this rank's sink */
    int dst;   /* and there, if away */
    bool away;
    bool kept;      /* output that stays with this rank */
    peri_buf_t buf; /* the message being filled */
    uint64_t rows;
} stage_run_t;

static int flush(stage_run_t *r, peri_err_t *err)
{
    if (r->buf.len <= sizeof(peri_msg_t)) return 0;
    const peri_msg_t head = {.kind = PERI_MSG_DATA, .stage = (uint32_t)r->stage};
    if (peri_outbox_put(&r->x->outbox, r->dst, &head, &r->buf)) return cancelled(err);
    peri_outbox_begin(&r->buf);
    return 0;
}

static bool told_to_stop(peri_exec_t *x)
{
    pthread_mutex_lock(&x->lock);
    bool stop = x->stop;
    pthread_mutex_unlock(&x->lock);
    return stop;
}

static int on_chunk(duckdb_data_chunk chunk, void *arg, peri_err_t *err)
{
    stage_run_t *r = arg;
    /* DuckDB looks at interrupts now and then only. */
    if (told_to_stop(r->x)) return cancelled(err);
    r->rows += duckdb_data_chunk_get_size(chunk);
    if (r->kept) return r->x->o->keep(chunk, r->x->o->keep_arg, err);
    if (r->here && peri_sink_local_chunk(r->sink, r->stage, chunk, err)) return -1;
    if (!r->away) return 0;
    if (peri_rows_encode(peri_sink_rows(r->sink, r->stage), chunk, &r->buf, err))
        return -1;
    return r->buf.len >= BATCH_SIZE ? flush(r, err) : 0;
}

static int send_done(stage_run_t *r, peri_session_t *session, peri_err_t *err)
{
    peri_progress_t p;
    peri_session_progress(session, &p);
    const peri_msg_t head = {.kind = PERI_MSG_DONE,
                             .stage = (uint32_t)r->stage,
                             .a = p.rows,
                             .b = p.rows_all,
                             .c = p.local,
                             .d = p.shared,
                             .e = p.remote};
    peri_outbox_begin(&r->buf);
    return peri_outbox_put(&r->x->outbox, r->dst, &head, &r->buf) ? cancelled(err) : 0;
}

static int run_stage(peri_exec_t *x, peri_query_t *q, peri_sink_t *sink, size_t i,
                     peri_err_t *err)
{
    const peri_stage_t *st = peri_query_stage(q, i);
    if (!peri_stage_runs(st, x->rank)) return 0;
    if (peri_sink_wait(sink, i)) return cancelled(err);
    const bool to_all = st->dest == PERI_DEST_ALL;
    stage_run_t r = {.x = x,
                     .sink = sink,
                     .stage = i,
                     .here = peri_stage_arrives(st, x->rank),
                     .dst = to_all ? PERI_TO_OTHERS : 0,
                     .away = to_all ? x->nranks > 1 : x->rank != 0,
                     .kept = x->o->keep && st->dest == PERI_DEST_OUTPUT};
    peri_buf_init(&r.buf, BATCH_MAX);
    peri_outbox_begin(&r.buf);
    int rc = peri_session_run(peri_query_session(q), st->sql, on_chunk, &r, err);
    if (rc == 0 && r.away)
        rc = flush(&r, err) || send_done(&r, peri_query_session(q), err) ? -1 : 0;
    if (rc == 0 && r.here) rc = peri_sink_local_done(sink, i, err);
    peri_buf_free(&r.buf);
    return rc;
}

/* ---- the thread ---- */

/* Rows that came early go into the sink before any later ones. */
static void publish(peri_exec_t *x, peri_query_t *q, peri_sink_t *sink)
{
    pthread_mutex_lock(&x->lock);
    x->session = peri_query_session(q);
    x->sink = sink;
    while (sink && x->early) {
        peri_inmsg_t *m = x->early;
        x->early = m->next;
        peri_sink_put(sink, m);
    }
    if (sink) x->early_last = &x->early;
    if (sink && x->stop) peri_sink_stop(sink);
    pthread_mutex_unlock(&x->lock);
}

static void unpublish(peri_exec_t *x)
{
    pthread_mutex_lock(&x->lock);
    if (x->session) peri_session_progress(x->session, &x->progress);
    x->session = NULL;
    x->sink = NULL;
    pthread_mutex_unlock(&x->lock);
}

/* The sum of all ranks, and what the ranks of each node have read. */
static void summarise(peri_exec_t *x, peri_query_t *q)
{
    const peri_hosts_t *h = x->hosts;
    peri_execresult_t *res = x->res;
    peri_progress_t sum = {0};
    res->hosts = peri_xcalloc(h->n, sizeof(*res->hosts));
    res->nhosts = h->n;
    for (size_t i = 0; i < h->n; i++) res->hosts[i].name = peri_xstrdup(h->names[i]);
    pthread_mutex_lock(&x->lock);
    peri_session_progress(peri_query_session(q), &x->ranks[0]);
    for (int i = 0; i < x->nranks; i++) {
        peri_progress_add(&sum, &x->ranks[i]);
        peri_progress_add(&res->hosts[h->of_rank[i]].read, &x->ranks[i]);
    }
    pthread_mutex_unlock(&x->lock);
    peri_query_summary(q, res->rows, peri_now() - x->started, &sum, res->summary,
                       sizeof(res->summary));
}

static int run_query(peri_exec_t *x, peri_query_t *q, peri_sink_t **sink, peri_err_t *err)
{
    if (x->rank == 0) {
        if (x->spec->explain) return explain(x, q, err);
        if (send_packs(x, q, err) || peri_query_take_share(q, 0, x->nranks, err))
            return -1;
    } else if (peri_query_explains(q)) {
        return tell_cost(x, q, err);
    }
    publish(x, q, NULL);
    const peri_sinkopts_t o = {.rank = x->rank,
                               .nranks = x->nranks,
                               .bell = &x->bell,
                               .fail = on_sink_failed,
                               .writes = !x->o->keep,
                               .arg = x};
    *sink = peri_sink_new(q, &o, err);
    if (!*sink) return -1;
    publish(x, q, *sink);
    for (size_t i = 0; i < peri_query_nstages(q); i++)
        if (run_stage(x, q, *sink, i, err)) return -1;
    if (x->rank) return peri_sink_wait(*sink, peri_query_nstages(q)) ? cancelled(err) : 0;
    if (peri_sink_finish(*sink, &x->res->rows, &x->res->marked, err)) return -1;
    summarise(x, q);
    return 0;
}

void *peri_work_run(void *arg)
{
    peri_exec_t *x = arg;
    peri_err_t err = {0};
    peri_sink_t *sink = NULL;
    peri_query_t *q = get_query(x, &err);
    int rc = q ? run_query(x, q, &sink, &err) : err.code ? -1 : 0;
    if (rc) peri_exec_fail(x, &err);
    unpublish(x);
    peri_sink_free(sink);
    peri_query_free(q);
    pthread_mutex_lock(&x->lock);
    x->ended = true;
    pthread_mutex_unlock(&x->lock);
    peri_bell_ring(&x->bell);
    return NULL;
}
