/* local.c - a query in this process alone: run the one stage, write its rows.
 *
 * A watcher thread looks at the clock 10 times a second: it reports progress, and it
 * interrupts DuckDB when the caller cancels or the time limit is over.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/util.h"
#include "core/query/private.h"

typedef struct {
    peri_query_t *q;
    peri_tick_f tick;
    void *arg;
    double started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool done;
    bool out_of_time;
} watch_t;

static void *watch(void *p)
{
    watch_t *w = p;
    const double limit = w->q->spec.time_limit;
    pthread_mutex_lock(&w->lock);
    while (!w->done) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_nsec += 100000000;
        if (t.tv_nsec >= 1000000000) {
            t.tv_sec++;
            t.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&w->wake, &w->lock, &t);
        if (w->done) break;
        peri_progress_t progress;
        peri_session_progress(w->q->session, &progress);
        bool cancel = w->tick && w->tick(&progress, w->arg);
        if (limit > 0 && peri_now() - w->started > limit) w->out_of_time = cancel = true;
        if (cancel) peri_session_interrupt(w->q->session);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static int on_chunk(duckdb_data_chunk chunk, void *arg, peri_err_t *err)
{
    return peri_writer_chunk(arg, chunk, err);
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

int peri_query_run_local(peri_query_t *q, peri_tick_f tick, void *arg, uint64_t *rows_out,
                         peri_err_t *err)
{
    *rows_out = 0;
    if (q->spec.explain) return explain(q, err);
    if (peri_query_take_share(q, 0, 1, err)) return -1;
    peri_writer_t *w = peri_query_open_writer(q, err);
    if (!w) return -1;

    watch_t watcher = {.q = q, .tick = tick, .arg = arg, .started = peri_now()};
    pthread_mutex_init(&watcher.lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&watcher.wake, &attr);
    pthread_t thread;
    bool watching = pthread_create(&thread, NULL, watch, &watcher) == 0;

    int rc =
        peri_session_run(q->session, q->stages[q->nstages - 1].sql, on_chunk, w, err);

    pthread_mutex_lock(&watcher.lock);
    watcher.done = true;
    pthread_cond_signal(&watcher.wake);
    pthread_mutex_unlock(&watcher.lock);
    if (watching) pthread_join(thread, NULL);
    pthread_cond_destroy(&watcher.wake);
    pthread_condattr_destroy(&attr);
    pthread_mutex_destroy(&watcher.lock);

    if (rc && watcher.out_of_time)
        peri_err_set(err, PERI_ELIMIT,
                     "the query did not finish within %g seconds, its time limit "
                     "(--timeout)",
                     q->spec.time_limit);
    if (rc == 0) rc = peri_writer_finish(w, err);
    if (rc == 0) *rows_out = peri_writer_rows(w);
    peri_writer_free(w);
    return rc;
}
