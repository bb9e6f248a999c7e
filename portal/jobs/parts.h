/* parts.h - the folders of volumes that an account may use: from them binds.c makes what
 * a job sees, schemas.c which tables it finds there. Private to these two.
 */
#ifndef PORTAL_JOBS_PARTS_H
#define PORTAL_JOBS_PARTS_H

#include "portal/access/access.h"
#include "portal/access/tables.h"
#include "portal/jobs/binds.h"

/* One folder (or file) that an account was given: a volume ('' as path) or a part of it.
 */
typedef struct {
    int64_t id;
    const char *path, *owner, *name, *folder; /* folder: of a dataset, or NULL */
    unsigned rights;
    bool shown, write; /* set by binds.c: the job sees it, and may change it */
} peri_part_t;

typedef struct {
    peri_part_t *v;
    size_t n;
} peri_parts_t;

/* Those of the own account first, then by volume. Names as in perigee_label. */
int peri_parts_load(peri_db_t *db, int64_t account, peri_arena_t *arena,
                    peri_parts_t *out, peri_err_t *err);

/* schemas.c: PERIGEE_SCHEMAS, from the parts that are shown. self: the account's name. */
const char *peri_binds_schemas(const peri_confstorage_t *conf, peri_db_t *db,
                               const char *self, const peri_parts_t *parts,
                               peri_arena_t *arena, peri_err_t *err);

#endif
