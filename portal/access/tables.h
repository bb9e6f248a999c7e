/* tables.h - where in volumes the tables of people and teams are: portal/jobs/schemas.c
 * makes their names from it, and grants on them are checked by it.
 */
#ifndef PORTAL_ACCESS_TABLES_H
#define PORTAL_ACCESS_TABLES_H

#include <stdbool.h>

/* The folder of a volume that tables are in, and the volume of one's own. */
#define PERI_SCHEMA_FOLDER "mydb"
#define PERI_SCHEMA_VOLUME "persistent"

/* The volume of an owner that tables are in; of a class, that of its lectures. */
bool peri_tables_are_in(bool team, const char *volume);
/* A file in their folder. */
bool peri_tables_file(const char *path);
/* ... that is a table or a view. */
bool peri_tables_table(const char *path);

#endif
