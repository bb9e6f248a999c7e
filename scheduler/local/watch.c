/* watch.c - the scheduler's one thread: waits for launchers to end and starts the next.
 *
 * It sleeps in poll() on the pidfds of what runs and on an eventfd that says "look
 * again"; a timeout is only set while something has a time: a SIGKILL to come, leftovers
 * that are being killed, a process that is looked for. At rest it uses no CPU time.
 *
 * It alone makes, changes and removes runs. `wake` is called without the lock, once until
 * the next _poll.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/util.h"
#include "scheduler/local/local.h"

typedef struct {
    struct pollfd *fd;
    peri_run_t **run; /* of each, NULL for the eventfd */
    size_t n, cap;
} fds_t;

static void add_fd(fds_t *f, int fd, peri_run_t *r)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        f->fd = peri_xrealloc(f->fd, f->cap, sizeof(*f->fd));
        f->run = peri_xrealloc(f->run, f->cap, sizeof(*f->run));
    }
    f->fd[f->n] = (struct pollfd){.fd = fd, .events = POLLIN};
    f->run[f->n++] = r;
}

static double next_due(const peri_local_t *l, double now)
{
    double due = l->pause_until > now && l->nlanes ? l->pause_until : HUGE_VAL;
    for (size_t i = 0; i < l->nruns; i++)
        due = fmin(due, peri_local_run_due(l->runs[i], now));
    return due;
}

static void work(peri_local_t *l)
{
    const double now = peri_now();
    /* Downwards: a run that is removed is replaced by the last one. */
    for (size_t i = l->nruns; i-- > 0;) peri_local_run_tend(l, l->runs[i], now);
    peri_local_run_sweep(l, now);
    peri_local_queue_pass(l);
}

static void wait_for_news(const fds_t *f, double due)
{
    int ms = -1;
    if (due < HUGE_VAL) {
        double left = due - peri_now();
        ms = left <= 0 ? 0 : left > 3600 ? 3600000 : (int)ceil(left * 1000);
    }
    /* A failure (no memory) must not become a busy loop. */
    if (poll(f->fd, f->n, ms) < 0 && errno != EINTR) usleep(100000);
}

static void *thread(void *arg)
{
    peri_local_t *l = arg;
    fds_t f = {0};
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        work(l);
        bool wake = l->nnews && !l->woken && l->wake;
        if (wake) l->woken = true;
        f.n = 0;
        add_fd(&f, l->event_fd, NULL);
        for (size_t i = 0; i < l->nruns; i++)
            if (l->runs[i]->pidfd >= 0 && !l->runs[i]->ready)
                add_fd(&f, l->runs[i]->pidfd, l->runs[i]);
        const double due = next_due(l, peri_now());
        pthread_mutex_unlock(&l->lock);

        if (wake) l->wake(l->wake_arg);
        wait_for_news(&f, due);

        pthread_mutex_lock(&l->lock);
        uint64_t count;
        if (f.fd[0].revents) (void)!read(l->event_fd, &count, sizeof(count));
        for (size_t i = 1; i < f.n; i++)
            if (f.fd[i].revents) f.run[i]->ready = true;
    }
    pthread_mutex_unlock(&l->lock);
    free(f.fd);
    free(f.run);
    return NULL;
}

int peri_local_watch_start(peri_local_t *l, peri_err_t *err)
{
    sigset_t all, before;
    l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->event_fd < 0)
        return peri_err_set(err, PERI_EIO, "cannot make an eventfd: %s", strerror(errno));
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&l->thread, NULL, thread, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc)
        return peri_err_set(err, PERI_EINTERNAL, "cannot start a thread: %s",
                            strerror(rc));
    l->started = true;
    return 0;
}

void peri_local_watch_kick(peri_local_t *l)
{
    (void)!write(l->event_fd, &(uint64_t){1}, sizeof(uint64_t));
}

void peri_local_watch_stop(peri_local_t *l)
{
    if (!l->started) return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    peri_local_watch_kick(l);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    l->started = false;
}
