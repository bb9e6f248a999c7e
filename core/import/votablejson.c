/* votablejson.c - see votablejson.h. */
#include "core/import/votablejson.h"

#include <jansson.h>

void peri_votable_take_types(const char *json, peri_vofield_t *fields, size_t n,
                             peri_arena_t *a)
{
    json_t *types = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    for (size_t i = 0; json_is_object(types) && i < n; i++) {
        const char *type = json_string_value(json_object_get(types, fields[i].name));
        if (type) fields[i].sql_type = peri_arena_strdup(a, type);
    }
    json_decref(types);
}
