/* table.c - references to a resolved table and look-up of its columns. */
#include "core/table/table.h"

#include <strings.h>

#include "core/base/arena.h"

peri_table_t *peri_table_ref(peri_table_t *t)
{
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

/* The table itself lies in its arena. */
void peri_table_unref(peri_table_t *t)
{
    while (t && __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        peri_table_t *base = t->base;
        peri_arena_free(t->arena);
        t = base;
    }
}

const peri_column_t *peri_table_column(const peri_table_t *t, const char *name)
{
    for (size_t i = 0; i < t->ncolumns; i++)
        if (strcasecmp(t->columns[i].name, name) == 0) return &t->columns[i];
    return NULL;
}
