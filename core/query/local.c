/* local.c - a query in this process alone: run the one stage, write its rows.
 *
 * A watcher thread looks at the clock 10 times a second: it reports progress, and it
 * interrupts DuckDB when the caller cancels or the time limit is over.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "core/base/timedwait.h"
#include "core/query/private.h"

#define TICK 0.1 /* seconds */

typedef struct {
    peri_query_t *q;
    peri_tick_f tick;
    void *arg;
    pthread_t thread;
    bool runs;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool done;
    bool out_of_time;
} watch_t;

static void *watch(void *p)
{
    watch_t *w = p;
    pthread_mutex_lock(&w->lock);
    while (!w->done) {
        peri_timed_wait(&w->wake, &w->lock, peri_now() + TICK);
        if (w->done) break;
        peri_progress_t progress;
        peri_session_progress(w->q->session, &progress);
        bool cancel = w->tick && w->tick(&progress, w->arg);
        if (!cancel && peri_query_is_late(w->q)) w->out_of_time = cancel = true;
        if (cancel) peri_session_interrupt(w->q->session);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void watch_begin(watch_t *w)
{
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    w->runs = pthread_create(&w->thread, NULL, watch, w) == 0;
}

static void watch_end(watch_t *w)
{
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    if (w->runs) pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
}

/* ---- rows ---- */

typedef struct {
    peri_query_t *q;
    peri_writer_t *writer;
} rows_t;

/* No more of them: the end of the result, or of the query. */
static int reach(peri_query_t *q, const char *limit, peri_err_t *err)
{
    q->cut = limit;
    if (q->spec.cut) return -1; /* no error: that is how it is left */
    if (!strcmp(limit, "rows"))
        return peri_err_set(err, PERI_ELIMIT,
                            "the result has more than %llu rows, its limit (--max-rows)",
                            (unsigned long long)q->spec.max_rows);
    char size[16];
    return peri_err_set(err, PERI_ELIMIT,
                        "the result is larger than %s, its limit (--max-bytes)",
                        peri_human_bytes(q->spec.max_bytes, size));
}

static int on_chunk(duckdb_data_chunk chunk, void *arg, peri_err_t *err)
{
    const rows_t *r = arg;
    const peri_queryspec_t *s = &r->q->spec;
    const uint64_t n = duckdb_data_chunk_get_size(chunk);
    const uint64_t before = peri_writer_rows(r->writer);
    const bool over = s->max_rows && before + n > s->max_rows;
    if (over) duckdb_data_chunk_set_size(chunk, s->max_rows - before);
    if (peri_writer_chunk(r->writer, chunk, err)) return -1;
    if (over) return reach(r->q, "rows", err);
    if (s->max_bytes && peri_writer_bytes(r->writer) > s->max_bytes)
        return reach(r->q, "bytes", err);
    return 0;
}

static int explain(peri_query_t *q, peri_err_t *err)
{
    peri_buf_t b;
    peri_buf_init(&b, 16u << 20);
    int rc = peri_query_explain(q, q->nranks, NULL, &b, err);
    if (rc == 0 && (fwrite(b.data, 1, b.len, stdout) != b.len || fflush(stdout)))
        rc = peri_err_set(err, PERI_EIO, "cannot write to standard output: %m");
    peri_buf_free(&b);
    return rc;
}

/* All rows, or those before a limit. */
static int write_rows(peri_query_t *q, peri_writer_t *w, watch_t *watcher,
                      peri_err_t *err)
{
    rows_t rows = {q, w};
    const char *sql = q->stages[q->nstages - 1].sql;
    const int rc = peri_session_run(q->session, sql, on_chunk, &rows, err);
    watch_end(watcher);
    if (rc == 0 || (q->cut && q->spec.cut)) return 0;
    if (!watcher->out_of_time) return -1;
    if (!q->spec.cut || !peri_writer_rows(w))
        return peri_queryspec_too_long(&q->spec, err);
    q->cut = "time";
    return 0;
}

int peri_query_run_local(peri_query_t *q, peri_tick_f tick, void *arg, uint64_t *rows_out,
                         peri_err_t *err)
{
    *rows_out = 0;
    if (q->spec.explain) return explain(q, err);
    if (peri_query_take_share(q, 0, 1, err)) return -1;
    q->tick = tick;
    q->tick_arg = arg;
    peri_writer_t *w = peri_query_open_writer(q, err);
    if (!w && err->code == PERI_ECANCEL && peri_query_is_late(q))
        return peri_queryspec_too_long(&q->spec, err);
    if (!w) return -1;
    watch_t watcher = {.q = q, .tick = tick, .arg = arg};
    watch_begin(&watcher);
    int rc = write_rows(q, w, &watcher, err);
    if (rc == 0 && q->cut) peri_writer_cut(w, q->cut);
    if (rc == 0) rc = peri_writer_finish(w, err);
    if (rc == 0) *rows_out = peri_writer_rows(w);
    q->marked = peri_writer_marked(w);
    peri_writer_free(w);
    return rc;
}

uint64_t peri_query_marked(const peri_query_t *q)
{
    return q->marked;
}

const char *peri_query_cut(const peri_query_t *q)
{
    return q->cut;
}
