/* saved.h - queries kept under a name, with parameters: rows of `saved_query`.
 *
 * NAME is one of one's own, else of one's teams; OWNER/NAME is never in doubt. Who sees
 * which is in the database (row-level security): db is peri_request_db's.
 */
#ifndef PORTAL_QUICK_SAVED_H
#define PORTAL_QUICK_SAVED_H

#include "portal/web/request.h"

#define PERI_SAVED_SQL_MAX  131071 /* as a job's */
#define PERI_SAVED_NAME_MAX 64
#define PERI_PARAMETERS_MAX 64 /* of a query */

typedef struct {
    const char *owner, *name, *sql;
    const char *context; /* "" */
    json_t *parameters;  /* what it declares: an array, the caller's */
} peri_saved_t;

/* Other strings are of the request's arena. */
int peri_saved_find(peri_request_t *r, peri_db_t *db, const char *name, peri_saved_t *out,
                    peri_err_t *err);

/* "parameters" of a saved query: [{"name", "type", "default", "help"}]. 0, or what is
 * wrong with it. declared NULL: none. */
int peri_parameters_check(const json_t *declared, peri_err_t *err);
/* Values for what is declared: those that are given (an object, or NULL), else the
 * defaults. The caller's. NULL: one is missing, unknown, or of another type. */
json_t *peri_parameters_bind(const json_t *declared, const json_t *given,
                             peri_err_t *err);

#endif
