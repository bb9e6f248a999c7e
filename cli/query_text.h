/* query_text.h - the SQL of a query that goes to a portal, where the portal's own names
 * for it will not do: a saved query's text, rows that become a table.
 */
#ifndef CLI_QUERY_TEXT_H
#define CLI_QUERY_TEXT_H

#include "cli/query_portal.h"

typedef struct {
    const char *sql, *context; /* context: or NULL */
    json_t *params;            /* values that were given before defaults; NULL: none */
    json_t *saved;             /* what the portal keeps; NULL: nothing of it */
    char *made;                /* SQL that was made of another; or NULL */
} peri_querytext_t;

/* Clear it, also after an error. */
int peri_querytext_find(peri_client_t *c, const peri_portalquery_t *q,
                        peri_querytext_t *out, peri_err_t *err);
void peri_querytext_clear(peri_querytext_t *t);

#endif
