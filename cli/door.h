/* door.h - the web door as the commands see it: opened by `up`, renewed by `reload`, shut
 * by `down`, told of by `status` and `doctor`.
 *
 * But for peri_door_look() and _probe(), who calls holds the lock of daemon.h.
 */
#ifndef CLI_DOOR_H
#define CLI_DOOR_H

#include "cli/nginx.h"

typedef enum {
    PERI_WAY_SHUT,     /* and is to be: note says why, or NULL: the configuration */
    PERI_WAY_RAN,      /* it was open; note says if it has another configuration */
    PERI_WAY_STARTED,  /* by this call */
    PERI_WAY_RELOADED, /* it has a new configuration */
    PERI_WAY_UNCHANGED /* nothing was new */
} peri_doorway_t;

typedef struct {
    peri_front_t front;
    peri_doorway_t way;
    const char *note; /* NULL: nothing to say */
    pid_t child;      /* of STARTED, else 0 */
    char *kept;       /* private */
} peri_doors_t;

/* What the configuration and this machine want; *why as in front.h. */
peri_wanted_t peri_door_wanted(const peri_config_t *c, const peri_rights_t *r,
                               const char *program, const char **why);
/* Finds its port, if it is to be open, so that perigeed knows the URL from its start;
 * *moved: another one than at the last time. */
int peri_door_place(const peri_config_t *c, const peri_rights_t *r, bool *moved,
                    peri_err_t *err);
/* Opens it if it is to be open; leaves it as it is if it is. Free *d in any case. */
int peri_door_up(const peri_config_t *c, const peri_rights_t *r, peri_doors_t *d,
                 peri_err_t *err);
/* The same, and gives it the configuration of now. If nginx refuses that, it goes on with
 * the one it has. */
int peri_door_reload(const peri_config_t *c, const peri_rights_t *r, peri_doors_t *d,
                     peri_err_t *err);
int peri_door_down(const peri_config_t *c, bool *was, peri_err_t *err);
void peri_door_free(peri_doors_t *d); /* accepts a zeroed struct */

/* ---- looking ---- */

typedef struct {
    peri_wanted_t wanted;
    bool installed; /* nginx */
    bool answers;
    int connections;
    char *url, *note;
    long status; /* that its front page is answered with; 0: not */
    bool ours;   /* ... by this nginx */
    bool tls;
    double days;   /* that its certificate is still valid, if tls and status */
    char why[256]; /* if not status */
} peri_doorsight_t;

/* Asks nginx, and the address from outside. Free it. */
void peri_door_look(const peri_config_t *c, const peri_rights_t *r, peri_doorsight_t *s);
void peri_doorsight_free(peri_doorsight_t *s);

#endif
