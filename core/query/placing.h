/* placing.h - which rank reads which rows of a table whose files lie on several nodes.
 *
 * A file that is on a node is read there: by the only node that has it, or by the least
 * loaded of those that have a copy. What is shared alone fills up the ranks that have the
 * least. The result depends on the table and on the ranges alone, never on an index.
 * Pure arithmetic.
 */
#ifndef CORE_QUERY_PLACING_H
#define CORE_QUERY_PLACING_H

#include "core/table/table.h"

/* shares[r] (nranks of them, zeroed) gets what rank r reads; host_of[r] is its host among
 * the table's, every host has a rank. Cuts within a file are multiples of align. */
void peri_placing_share(const peri_table_t *t, const peri_ranges_t *kept, uint64_t align,
                        const int *host_of, int nranks, peri_ranges_t *shares);

#endif
