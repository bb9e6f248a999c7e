/* helper.h - perigee-helper (`identity: unix`): started by `perigee up` of root, stopped
 * by `perigee down`.
 */
#ifndef CLI_HELPER_H
#define CLI_HELPER_H

#include <sys/types.h>

#include "perigee/err.h"
#include "portal/config/config.h"

/* A process that will be the helper: made while we are root, begun when our folders are
 * there and root's rights are given up. All zero: none is made. */
typedef struct {
    pid_t pid;
    int go; /* pipe; closed without a word it ends */
} peri_helping_t;

/* Nothing unless the configuration says so and we are root. detach: its audit goes to
 * helper.log in the state folder, else to standard error. */
int peri_helping_prepare(const peri_config_t *c, bool detach, peri_helping_t *h,
                         peri_err_t *err);
/* Does nothing if one runs already. PERI_EDENIED if none does and we were not root. */
int peri_helping_begin(const peri_config_t *c, peri_helping_t *h, peri_err_t *err);
/* What was prepared and not begun goes. */
void peri_helping_drop(peri_helping_t *h);
/* If there is one. */
void peri_helping_stop(const peri_config_t *c);

#endif
