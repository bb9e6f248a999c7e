/* quick.h - requests about quick queries (docs/quick.md). */
#ifndef PORTAL_QUICK_QUICK_H
#define PORTAL_QUICK_QUICK_H

#include "portal/web/request.h"

extern const peri_route_t peri_quick_routes[];
extern const size_t peri_quick_nroutes;

#endif
