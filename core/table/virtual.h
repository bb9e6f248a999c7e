/* virtual.h - columns that every table has without storing them. They appear in a query only
 * where the query names them. A real column of the same name wins.
 */
#ifndef CORE_TABLE_VIRTUAL_H
#define CORE_TABLE_VIRTUAL_H

#define PERI_VIRT_FILE    1u /* VARCHAR `file`: peri_file_t.name */
#define PERI_VIRT_ROW     2u /* BIGINT `row`: row in this file, from 0 */
#define PERI_VIRT_SNAPNUM 4u /* INTEGER `snapnum`: from the file's name, if all have one */

#endif
