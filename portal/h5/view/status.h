/* status.h - how perigee-h5 ends, for it and for who starts it. */
#ifndef PORTAL_H5_VIEW_STATUS_H
#define PORTAL_H5_VIEW_STATUS_H

#define PERI_H5VIEW_SECONDS 10
#define PERI_H5VIEW_STATUS  32 /* exit status of a failure: this + its peri_code_t */

#endif
