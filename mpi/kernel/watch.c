/* watch.c - the thread on rank 0 that, while a kernel computes, hears a cancellation and
 * tells progress. It calls nothing of MPI. On other ranks it hears signals only.
 */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/base/timedwait.h"
#include "mpi/kernel/run_private.h"

#define TICK      0.05 /* seconds */
#define SAVE_PART 0.05 /* of a time limit is for saving a checkpoint, */
#define SAVE_MIN  2.0  /* at least so many seconds */
#define GRACE     10.0 /* seconds that a kernel has to notice that its time is over */

/* A kernel that never asks whether it shall end is ended: mpirun and srun see a rank die
 * and take the others with it. */
static void look_at_clock(peri_run_t *run)
{
    const double limit = run->time_limit, used = peri_now() - run->started;
    if (limit <= 0) return;
    if (used > limit - fmax(SAVE_PART * limit, SAVE_MIN)) atomic_store(&run->due, true);
    if (used <= limit) return;
    atomic_store(&run->out_of_time, true);
    atomic_store(&run->cancelled, true);
    if (used <= limit + GRACE) return;
    peri_err_t err;
    peri_run_cancelled(run, &err);
    if (run->o->last_words) run->o->last_words(&err, run->o->arg);
    _exit(1);
}

static void look(peri_run_t *run)
{
    look_at_clock(run);
    const peri_runopts_t *o = run->o;
    if (o->exec->cancelled && o->exec->cancelled(o->exec->arg))
        atomic_store(&run->cancelled, true);
    if (o->time_is_up && o->time_is_up(o->arg)) atomic_store(&run->due, true);
    if (run->rank || !o->doing) return;
    char what[sizeof(run->what)];
    pthread_mutex_lock(&run->lock);
    const bool news = run->news;
    const double done = run->done, total = run->total;
    memcpy(what, run->what, sizeof(what));
    run->news = false;
    pthread_mutex_unlock(&run->lock);
    if (news) o->doing(run->kernel->name, what, done, total, o->arg);
}

static void *watch(void *arg)
{
    peri_watcher_t *w = arg;
    pthread_mutex_lock(&w->lock);
    while (!w->end) {
        peri_timed_wait(&w->wake, &w->lock, peri_now() + TICK);
        if (w->end) break;
        pthread_mutex_unlock(&w->lock);
        look(w->run);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

void peri_watcher_start(peri_watcher_t *w, peri_run_t *run)
{
    *w = (peri_watcher_t){.run = run};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    /* Without it a call is only deaf to what a signal would say anyway. */
    w->running = pthread_create(&w->thread, NULL, watch, w) == 0;
}

void peri_watcher_stop(peri_watcher_t *w)
{
    pthread_mutex_lock(&w->lock);
    w->end = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    if (w->running) pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
}
