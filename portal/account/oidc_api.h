/* oidc_api.h - the requests of a sign-in through an OpenID provider. */
#ifndef PORTAL_ACCOUNT_OIDC_API_H
#define PORTAL_ACCOUNT_OIDC_API_H

#include "portal/web/request.h"

extern const peri_route_t peri_oidc_routes[];
extern const size_t peri_oidc_nroutes;

#endif
