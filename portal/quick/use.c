/* use.c - see use.h. */
#include "portal/quick/use.h"

#include <math.h>
#include <pthread.h>
#include <stddef.h>

#define HALF 20.0 /* seconds */
enum { KNOWN = 512 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    int64_t account; /* 0: nobody's */
    double seconds, at;
} all[KNOWN];

static double left(size_t i, double now)
{
    return all[i].account ? all[i].seconds * exp2((all[i].at - now) / HALF) : 0;
}

/* That of the account, or the one who has used least. */
static size_t place_of(int64_t account, double now)
{
    size_t least = 0;
    for (size_t i = 0; i < KNOWN; i++) {
        if (all[i].account == account) return i;
        if (left(i, now) < left(least, now)) least = i;
    }
    return least;
}

void peri_use_add(int64_t account, double now, double seconds)
{
    pthread_mutex_lock(&lock);
    const size_t i = place_of(account, now);
    const double before = all[i].account == account ? left(i, now) : 0;
    if (all[i].account == account || seconds > left(i, now)) {
        all[i].account = account;
        all[i].seconds = before + seconds;
        all[i].at = now;
    }
    pthread_mutex_unlock(&lock);
}

double peri_use_of(int64_t account, double now)
{
    pthread_mutex_lock(&lock);
    const size_t i = place_of(account, now);
    const double used = all[i].account == account ? left(i, now) : 0;
    pthread_mutex_unlock(&lock);
    return used;
}
