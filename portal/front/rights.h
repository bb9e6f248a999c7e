/* rights.h - root's `perigee` becomes the user that perigee runs as.
 *
 * Before anything is started or written. What only root may read (the key of the
 * certificate) is in memory by then; of root's powers at most the one to listen below
 * port 1024 is left, for nginx. Not root: nothing changes.
 */
#ifndef PORTAL_FRONT_RIGHTS_H
#define PORTAL_FRONT_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>

#include "perigee/err.h"
#include "portal/config/config.h"

#define PERI_RIGHTS_USER "perigee" /* if the configuration names none */

typedef struct {
    bool root; /* we are root, and stay it */
    char
        *hint; /* why, if nobody has said so: a sentence with the command that mends it */
    char *certificate, *key; /* NULL: there is none, or we may not read it: why_not */
    size_t certificate_len, key_len;
    char *why_not;
    char
        *later; /* root still, but 'perigee up' becomes this user: nothing is there yet */
} peri_rights_t;

/* start: makes the state folder if there is none. Else only the owner of the one that is
 * there is considered. Nothing is changed on failure but, perhaps, a folder made. */
int peri_rights_become(const peri_config_t *c, bool start, peri_rights_t *r,
                       peri_err_t *err);
void peri_rights_free(peri_rights_t *r); /* accepts a zeroed struct; wipes the key */

/* Programs that are started now may listen below port 1024 if we may; true: until this is
 * taken back. */
bool peri_rights_lend_ports(void);
void peri_rights_unlend_ports(void);

#endif
