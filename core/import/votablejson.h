/* votablejson.h - INFO SQL_TYPES of a VOTable of ours. Private to core/import. */
#ifndef CORE_IMPORT_VOTABLEJSON_H
#define CORE_IMPORT_VOTABLEJSON_H

#include "core/base/arena.h"
#include "core/import/votablefield.h"

/* sql_type of the fields that {"name":"TYPE",...} names; anything else says nothing. */
void peri_votable_take_types(const char *json, peri_vofield_t *fields, size_t n,
                             peri_arena_t *a);

#endif
