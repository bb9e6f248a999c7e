/* ecsv.h - what astropy's ECSV says of columns in the lines of # before the rows:
 *   # - {name: ra, unit: deg, datatype: float64, description: Right ascension}
 * Only names, units and descriptions are taken, from lines of that form; it is no reader
 * of YAML. Private to core/import. */
#ifndef CORE_IMPORT_ECSV_H
#define CORE_IMPORT_ECSV_H

#include "core/base/arena.h"

typedef struct peri_ecsv {
    const char *name, *unit, *description; /* "" if not said */
    const struct peri_ecsv *before;        /* the one noted before, or NULL */
} peri_ecsv_t;

/* Notes what the line (behind its #) says in front of `list`, all in the arena. */
const peri_ecsv_t *peri_ecsv_note(peri_arena_t *a, const peri_ecsv_t *list,
                                  const char *line);
/* NULL: nothing is said of it. */
const peri_ecsv_t *peri_ecsv_find(const peri_ecsv_t *list, const char *name);

#endif
