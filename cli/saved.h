/* saved.h - queries that the portal keeps under a name. */
#ifndef CLI_SAVED_H
#define CLI_SAVED_H

#include "cli/query_portal.h"

/* One of them as the portal tells it; NULL: an error. */
json_t *peri_saved_get(peri_client_t *c, const char *name, peri_err_t *err);
/* Keeps q->sql under q->save, its parameters with the values of q->params as defaults;
 * what had the name is replaced. */
int peri_saved_put(peri_client_t *c, const peri_portalquery_t *q, peri_err_t *err);

#endif
