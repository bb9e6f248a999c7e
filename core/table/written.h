/* written.h - what files that core/out wrote (docs/results.md) say of a table beside its
 * values: the order of columns, exact SQL types, masks of NULLs. Private to core/table.
 */
#ifndef CORE_TABLE_WRITTEN_H
#define CORE_TABLE_WRITTEN_H

#include "core/table/members.h"

/* Is it such a file? One or two look-ups: other files cost no more. */
bool peri_written_by_us(peri_h5file_t *f);
/* A group beside the columns that is no table itself: its path from the root. */
bool peri_written_is_aside(const char *path);
/* Sort the datasets of the group as its attribute `columns` lists them; others come
 * after, as they were. Without the attribute nothing changes. */
int peri_written_order(peri_h5file_t *f, const char *group, peri_member_t *v, size_t n,
                       peri_err_t *err);
/* Of one dataset: its `sql_type` ("" if it says none), and whether it has a mask. */
void peri_written_column(peri_h5file_t *f, const char *dataset, peri_arena_t *arena,
                         const char **sql_type, bool *has_mask);

#endif
