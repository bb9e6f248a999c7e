/* wait.c - see wait.h. */
#include "core/base/wait.h"

#include <time.h>

int peri_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, double until)
{
    const struct timespec t = {(time_t)until,
                               (long)((until - (double)(time_t)until) * 1e9)};
    return pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &t);
}
