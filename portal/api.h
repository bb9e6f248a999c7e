/* api.h - all requests there are. */
#ifndef PORTAL_API_H
#define PORTAL_API_H

#include "portal/web/server.h"

/* Ends with {NULL, NULL}. */
extern const peri_routes_t peri_api_tables[];

#endif
