/* writer.c - see writer.h. */
#include "jobs/launch/writer.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/base/util.h"

#define OUTPUT_DEFAULT (1ull << 30)
#define BEAT_DEFAULT   10.0
#define LOOK           2.0   /* seconds between looks at the progress file */
#define PROGRESS_EVERY 60.0  /* seconds between records of it */
#define FINISH_WITHIN  600.0 /* seconds for a file server to come back */
enum { PROGRESS_MAX = 1000, CHUNKS_A_TURN = 16 };

int peri_writer_open(peri_writer_t *w, const peri_task_t *t, peri_journal_t *j,
                     peri_err_t *err)
{
    const uint64_t max = t->l.output_max ? t->l.output_max : OUTPUT_DEFAULT;
    *w = (peri_writer_t){.t = t, .j = j, .wake = -1};
    w->out.file = w->out.pipe = w->out.program = -1;
    w->err.file = w->err.pipe = w->err.program = -1;
    w->progress.fraction = -1;
    pthread_mutex_init(&w->lock, NULL);
    if (peri_stream_open(&w->out, t->dirfd, "stdout", max, err) ||
        peri_stream_open(&w->err, t->dirfd, "stderr", max, err))
        goto bad;
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake >= 0) return 0;
    peri_err_set(err, PERI_EIO, "cannot make an eventfd: %m");
bad:
    peri_writer_close(w);
    return -1;
}

void peri_writer_close(peri_writer_t *w)
{
    peri_stream_close(&w->out);
    peri_stream_close(&w->err);
    if (w->wake >= 0) close(w->wake);
    w->wake = -1;
    pthread_mutex_destroy(&w->lock);
}

/* ---- the thread ---- */

static void beat(peri_writer_t *w)
{
    peri_record_t r = {.kind = PERI_REC_HEARTBEAT,
                       .time = peri_epoch(),
                       .attempt = w->t->l.attempt,
                       .fraction = w->progress.fraction,
                       .message = w->progress.message};
    pthread_mutex_lock(&w->lock);
    r.usage = w->usage;
    pthread_mutex_unlock(&w->lock);
    /* It may fail on a full disk: there is a newer one soon. */
    (void)peri_journal_beat(w->j, &r);
}

static void record_progress(peri_writer_t *w, bool last)
{
    const double now = peri_now();
    if (w->nprogress >= PROGRESS_MAX) return;
    if (!last && w->nprogress && now - w->last_progress < PROGRESS_EVERY) return;
    peri_record_t r = {.kind = PERI_REC_PROGRESS,
                       .time = peri_epoch(),
                       .attempt = w->t->l.attempt,
                       .fraction = w->progress.fraction,
                       .message = w->progress.message};
    if (peri_journal_put(w->j, &r, false, NULL)) return;
    w->last_progress = now;
    w->nprogress++;
}

static void record_warned(peri_writer_t *w)
{
    const peri_record_t r = {
        .kind = PERI_REC_WARNED, .time = peri_epoch(), .attempt = w->t->l.attempt};
    (void)peri_journal_put(w->j, &r, false, NULL);
}

/* What the main thread wants; true: the end. */
static bool take_orders(peri_writer_t *w)
{
    uint64_t count;
    (void)!read(w->wake, &count, sizeof(count));
    pthread_mutex_lock(&w->lock);
    const bool warned = w->warned, finish = w->finish;
    w->warned = false;
    pthread_mutex_unlock(&w->lock);
    if (warned) record_warned(w);
    return finish;
}

static void pump(peri_stream_t *s, bool all)
{
    for (int i = 0; (all || i < CHUNKS_A_TURN) && peri_stream_pump(s); i++) {
    }
}

static void *run(void *arg)
{
    peri_writer_t *w = arg;
    const double every = w->t->l.heartbeat > 0 ? w->t->l.heartbeat : BEAT_DEFAULT;
    double now = peri_now(), next_beat = now + (every < 1 ? every : 1), next_look = now;
    bool finish = false, unsaid = false;
    while (!finish) {
        struct pollfd p[] = {
            {w->out.pipe, POLLIN, 0}, {w->err.pipe, POLLIN, 0}, {w->wake, POLLIN, 0}};
        const double next = next_beat < next_look ? next_beat : next_look;
        const double wait = (next - now) * 1000 + 1;
        poll(p, 3, wait > 0 ? (int)wait : 0);
        if (p[0].revents) pump(&w->out, false);
        if (p[1].revents) pump(&w->err, false);
        if (p[2].revents) finish = take_orders(w);
        now = peri_now();
        if (now >= next_look) {
            next_look = now + LOOK;
            if (peri_progress_read(&w->progress, w->t->dirfd)) {
                next_beat = now;
                unsaid = true;
            }
            if (unsaid) {
                const unsigned before = w->nprogress;
                record_progress(w, false);
                unsaid = w->nprogress == before;
            }
        }
        if (now >= next_beat) {
            next_beat = now + every;
            beat(w);
        }
    }
    pump(&w->out, true);
    pump(&w->err, true);
    if (peri_progress_read(&w->progress, w->t->dirfd) || unsaid) record_progress(w, true);
    return NULL;
}

/* ---- the main thread's side ---- */

int peri_writer_start(peri_writer_t *w, peri_err_t *err)
{
    const int e = pthread_create(&w->thread, NULL, run, w);
    w->runs = e == 0;
    if (e)
        return peri_err_set(err, PERI_EINTERNAL, "cannot make a thread: %s", strerror(e));
    return 0;
}

static void wake(peri_writer_t *w)
{
    const uint64_t one = 1;
    (void)!write(w->wake, &one, sizeof(one));
}

void peri_writer_usage(peri_writer_t *w, const peri_usage_t *u)
{
    pthread_mutex_lock(&w->lock);
    w->usage = *u;
    pthread_mutex_unlock(&w->lock);
}

void peri_writer_warned(peri_writer_t *w)
{
    pthread_mutex_lock(&w->lock);
    w->warned = true;
    pthread_mutex_unlock(&w->lock);
    wake(w);
}

bool peri_writer_finish(peri_writer_t *w)
{
    if (!w->runs) return true;
    pthread_mutex_lock(&w->lock);
    w->finish = true;
    pthread_mutex_unlock(&w->lock);
    wake(w);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)FINISH_WITHIN;
    if (pthread_timedjoin_np(w->thread, NULL, &until)) return false;
    w->runs = false;
    return true;
}
