/* catalogue.h - datasets as the portal shows them.
 *
 * Descriptors in the configured folders become rows of `dataset`, by a thread of its own
 * that asks a process for each file (ask.h); a user's are made of a folder in a volume of
 * hers. Who may see and use one is perigee_rights' to say.
 */
#ifndef PORTAL_CATALOGUE_CATALOGUE_H
#define PORTAL_CATALOGUE_CATALOGUE_H

#include "portal/web/server.h"

extern const peri_route_t peri_catalogue_routes[];
extern const size_t peri_catalogue_nroutes;

/* ---- harvest.c ---- */

typedef struct peri_harvester peri_harvester_t;

/* Looks at once, then every few seconds for files that have changed. */
peri_harvester_t *peri_harvest_start(peri_portal_t *p, peri_err_t *err);
void peri_harvest_stop(peri_harvester_t *h); /* accepts NULL */
/* Look now, at all of them. Any thread. */
void peri_harvest_now(void);

/* ---- keep.c: rows ---- */

/* A dataset of the installation, as the process tells it; file: its descriptor. Commits.
 * PERI_ECONFLICT: a user's has the name. *note (arena): a sentence if something in it has
 * no effect, or NULL. */
int peri_dataset_keep(peri_db_t *db, const json_t *told, const char *file,
                      peri_arena_t *a, const char **note, peri_err_t *err);
/* Columns that follow from what was told, for statements: arrays as PostgreSQL writes
 * them. Strings of the arena. */
typedef struct {
    const char *name, *title, *tags, *reads, *teams, *about, *words, *folder;
} peri_toldrow_t;
int peri_dataset_row(const json_t *told, peri_arena_t *a, peri_toldrow_t *out,
                     peri_err_t *err);

/* ---- handlers ---- */

int peri_api_datasets(peri_request_t *r, peri_err_t *err);
int peri_api_dataset(peri_request_t *r, peri_err_t *err);
int peri_api_dataset_make(peri_request_t *r, peri_err_t *err);
int peri_api_dataset_edit(peri_request_t *r, peri_err_t *err);
int peri_api_dataset_delete(peri_request_t *r, peri_err_t *err);
int peri_api_descriptors(peri_request_t *r, peri_err_t *err);
int peri_api_harvest(peri_request_t *r, peri_err_t *err);

#endif
