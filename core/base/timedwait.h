/* timedwait.h - waiting for a condition, but not longer than until a time of peri_now():
 * that clock is never set, so nobody waits longer because somebody has set the other one.
 */
#ifndef CORE_BASE_TIMEDWAIT_H
#define CORE_BASE_TIMEDWAIT_H

#include <pthread.h>

/* As pthread_cond_timedwait: 0 if it was woken, perhaps for nothing, else ETIMEDOUT. */
int peri_timed_wait(pthread_cond_t *cond, pthread_mutex_t *lock, double until);

#endif
