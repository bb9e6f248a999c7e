/* api.h - what the handlers of the catalogue share. Private to portal/catalogue. */
#ifndef PORTAL_CATALOGUE_API_H
#define PORTAL_CATALOGUE_API_H

#include "portal/access/access.h"
#include "portal/access/thing.h"
#include "portal/catalogue/catalogue.h"

/* The dataset param[0] as the answer, with what who asks may do with it. db: with the
 * rights of who asks, or checked. */
int peri_dataset_answer(peri_request_t *r, peri_db_t *db, const char *name,
                        peri_err_t *err);

#endif
