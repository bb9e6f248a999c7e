/* use.h - for how long commands of an account have run lately: those who ask for much
 * wait for those who ask for little. In memory, of the accounts that have used most; half
 * of it is forgotten every 20 seconds.
 *
 * Threads: all.
 */
#ifndef PORTAL_QUICK_USE_H
#define PORTAL_QUICK_USE_H

#include <stdint.h>

/* now: peri_now(). */
void peri_use_add(int64_t account, double now, double seconds);
double peri_use_of(int64_t account, double now);

#endif
