/* portals.h - the portals that this user is logged in to: portals.json in
 * $XDG_CONFIG_HOME/perigee, else ~/.config/perigee. One login a portal; one of them is
 * the default.
 *
 * The file holds tokens: it is made with mode 0600, replaced whole, and refused when
 * others can read it. Two commands at once change it one after the other.
 */
#ifndef CLI_PORTALS_H
#define CLI_PORTALS_H

#include <stdbool.h>
#include <stdint.h>

#include "perigee/err.h"

typedef struct {
    char *url;     /* in the form of peri_portal_url */
    char *account; /* its name there */
    char *token;
    int64_t token_id;
    double expires; /* epoch seconds; 0: never */
    char *cacert;   /* absolute path, or NULL */
} peri_login_t;

/* "https://host[:port]", as it is compared and stored; "host" alone is https. Plain http
 * only for this machine: a token would be read on its way. The caller frees. */
char *peri_portal_url(const char *given, peri_err_t *err);

/* The login at url, or the default one if url is NULL. 1: found, 0: there is none, -1. */
int peri_portals_find(const char *url, peri_login_t *out, peri_err_t *err);
/* Adds or replaces, and makes it the default. */
int peri_portals_put(const peri_login_t *login, peri_err_t *err);
/* Not being there is no error. */
int peri_portals_remove(const char *url, peri_err_t *err);

void peri_login_free(peri_login_t *login); /* accepts a zeroed struct */

#endif
