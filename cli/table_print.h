/* table_print.h - tables of a schema for people, from the JSON of docs/openapi.json. */
#ifndef CLI_TABLE_PRINT_H
#define CLI_TABLE_PRINT_H

#include <jansson.h>

/* {"schemas": [...], "tables": [...]} */
void peri_table_print_list(const json_t *list);
/* One of them, with its columns. */
void peri_table_print(const json_t *table);
/* {"columns": [...], "rows": [[...], ...]}: what a file would become. */
void peri_table_print_preview(const json_t *preview);
/* "mydb.x: 1,000 rows, 3 columns, 1.2 MB" */
void peri_table_print_line(const json_t *table);

#endif
