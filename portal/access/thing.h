/* thing.h - from what people call a thing to what the tables call it. */
#ifndef PORTAL_ACCESS_THING_H
#define PORTAL_ACCESS_THING_H

#include "portal/access/access.h"

typedef struct {
    const char *kind; /* "volume", "dataset", "job", "team" */
    int64_t id;
    const char *volume; /* the name of a volume, without its owner's */
    const char *path;   /* of a volume: without slashes at its ends; "" */
    const char *label;  /* what it was called */
} peri_thing_t;

/* text: "OWNER/VOLUME[:PATH]", "VOLUME[:PATH]" of one's own; a dataset's or team's name;
 * a job's number or uuid. The volumes that everybody has are made if need be. Strings are
 * of the request's arena. PERI_ENOTFOUND if there is none; whether who asks may see it is
 * another question (peri_access_need). */
int peri_thing_find(peri_request_t *r, peri_db_t *db, const char *kind, const char *text,
                    peri_thing_t *out, peri_err_t *err);

/* Rows of a statement whose first column is JSON text, as an array; NULL on an error. */
json_t *peri_rows_json(peri_db_t *db, peri_err_t *err, const char *sql, int n,
                       const char *const *values);

#endif
