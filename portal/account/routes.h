/* routes.h - the requests about accounts, and who a request is from. */
#ifndef PORTAL_ACCOUNT_ROUTES_H
#define PORTAL_ACCOUNT_ROUTES_H

#include "portal/web/server.h"

extern const peri_route_t peri_account_routes[];
extern const size_t peri_account_nroutes;

/* For all doors (peri_who_f): finds the session, the token, or the account of a user of
 * this machine, and refuses what another site makes a browser send. */
int peri_account_who(peri_request_t *r, peri_err_t *err);

#endif
