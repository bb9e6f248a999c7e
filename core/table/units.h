/* units.h - the unit of a column, as text, from what the files say: attributes of the
 * dataset, else what the file's format is documented to hold together with the unit
 * system in the header. Nothing is guessed.
 */
#ifndef CORE_TABLE_UNITS_H
#define CORE_TABLE_UNITS_H

#include "core/table/adapter.h"

typedef struct {
    double length, mass, velocity; /* in cm, g, cm/s; 0 = not known */
    bool comoving;                 /* lengths in files are comoving */
    bool arepo;                    /* a catalogue by AREPO (TNG), not GADGET-4 */
} peri_unitsystem_t;

void peri_unitsystem_read(peri_h5file_t *f, peri_unitsystem_t *out);

/* What a value is made of: a^a h^h length^l mass^m velocity^v. */
typedef struct {
    double a, h, l, m, v;
} peri_dims_t;

/* "1e10 Msun/h", "ckpc/h", "km sqrt(a)/s"; "" if the system does not say. */
const char *peri_unit_compose(const peri_unitsystem_t *sys, const peri_dims_t *dims,
                              peri_arena_t *arena);

/* Unit, description and UCD of the dataset at `path`, which is column `name` of a table;
 * each "" if unknown. */
typedef struct {
    const char *unit, *description, *ucd;
    const char *name; /* the SQL name where HDF5 cannot hold it */
} peri_meaning_t;
void peri_meaning_read(peri_h5file_t *f, const char *path, const char *name,
                       const peri_unitsystem_t *sys, const peri_adapter_t *adapter,
                       peri_arena_t *arena, peri_meaning_t *out);

#endif
