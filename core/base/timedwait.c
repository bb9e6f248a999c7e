/* timedwait.c - see timedwait.h. */
#include "core/base/timedwait.h"

#include <time.h>

int peri_timed_wait(pthread_cond_t *cond, pthread_mutex_t *lock, double until)
{
    const struct timespec t = {(time_t)until,
                               (long)((until - (double)(time_t)until) * 1e9)};
    return pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &t);
}
