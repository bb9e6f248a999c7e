/* bell.h - wakes a thread that sleeps with a time limit; a ring is never lost. */
#ifndef MPI_BELL_H
#define MPI_BELL_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool rung;
} peri_bell_t;

static inline void peri_bell_init(peri_bell_t *b)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->cond, &attr);
    pthread_condattr_destroy(&attr);
    b->rung = false;
}

static inline void peri_bell_destroy(peri_bell_t *b)
{
    pthread_cond_destroy(&b->cond);
    pthread_mutex_destroy(&b->lock);
}

static inline void peri_bell_ring(peri_bell_t *b)
{
    pthread_mutex_lock(&b->lock);
    b->rung = true;
    pthread_cond_signal(&b->cond);
    pthread_mutex_unlock(&b->lock);
}

/* Sleep until it rings, at most for these microseconds (less than a second). */
static inline void peri_bell_wait(peri_bell_t *b, long us)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += us * 1000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&b->lock);
    while (!b->rung)
        if (pthread_cond_timedwait(&b->cond, &b->lock, &t)) break;
    b->rung = false;
    pthread_mutex_unlock(&b->lock);
}

#endif
