/* ecsv.h - what astropy's ECSV says of columns in the lines of # before the rows:
 *   # - {name: ra, unit: deg, datatype: float64, description: Right ascension}
 * or, as in the files of Gaia, the same keys a line each below "# -". Only these are
 * taken; it is no reader of YAML. Private to core/import. */
#ifndef CORE_IMPORT_ECSV_H
#define CORE_IMPORT_ECSV_H

#include "core/base/arena.h"
#include "core/import/text.h"

typedef struct peri_ecsv {
    const char *name, *unit, *description, *datatype; /* "" if not said */
    bool block, open;               /* its keys stand a line each; more may follow */
    const struct peri_ecsv *before; /* the one noted before, or NULL */
} peri_ecsv_t;

/* Notes what the line (behind its #) says in front of `list`, all in the arena. */
const peri_ecsv_t *peri_ecsv_note(peri_arena_t *a, const peri_ecsv_t *list,
                                  const char *line);
/* NULL: nothing is said of it. */
const peri_ecsv_t *peri_ecsv_find(const peri_ecsv_t *list, const char *name);

/* What the note says of the type, where values do not: of a text that it is one, of a
 * column without values what it would have. */
void peri_ecsv_guess(const peri_ecsv_t *note, peri_guess_t *g);

#endif
