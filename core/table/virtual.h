/* virtual.h - columns that every table has without storing them. They appear in a query
 * only where the query names them. A real column of the same name wins.
 */
#ifndef CORE_TABLE_VIRTUAL_H
#define CORE_TABLE_VIRTUAL_H

#define PERI_VIRT_FILE    1u /* VARCHAR: peri_file_t.name */
#define PERI_VIRT_ROW     2u /* BIGINT: row in this file, from 0 */
#define PERI_VIRT_SNAPNUM 4u /* INTEGER: from the file's name, if all have one */
#define PERI_VIRT_IDX                                                                    \
    8u /* BIGINT: row in the numbered set of files, from 0: what GroupNr                 \
          and FirstSub count; NULL behind a missing file */
#define PERI_NVIRTUALS 4u

/* Name of the column with bit 1u << i. */
static inline const char *peri_virtual_name(unsigned i)
{
    static const char *const names[PERI_NVIRTUALS] = {"file", "row", "snapnum", "idx"};
    return names[i];
}

#endif
