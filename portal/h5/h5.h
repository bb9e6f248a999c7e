/* h5.h - looking into HDF5 files: the requests that H5Web's h5grove provider makes.
 * docs/h5.md is for users. */
#ifndef PORTAL_H5_H5_H
#define PORTAL_H5_H5_H

#include "portal/web/request.h"

extern const peri_route_t peri_h5_routes[];
extern const size_t peri_h5_nroutes;

/* After the last request is over. */
void peri_h5_stop(void);

#endif
