/* stay.h - `perigee up --foreground` after its start: until SIGTERM, or 'perigee down',
 * what ends by itself is started again.
 */
#ifndef CLI_STAY_H
#define CLI_STAY_H

#include <signal.h>

#include "portal/config/config.h"

/* The signals in `ours` are blocked. daemon is our child; door and helper are
 * ones or 0. 0: asked to end, and all is to be stopped; 1: perigeed does not stay up. */
int peri_stay(const peri_config_t *conf, pid_t daemon, pid_t door, pid_t helper,
              const sigset_t *ours);

#endif
