/* table_portal.h - the verbs of `perigee table` at a portal. Each gets "table VERB" as
 * its argv[0] and returns the exit status.
 */
#ifndef CLI_TABLE_PORTAL_H
#define CLI_TABLE_PORTAL_H

#include "cli/client.h"

int peri_table_portal_ls(int argc, char **argv);
int peri_table_portal_show(int argc, char **argv);
int peri_table_portal_rm(int argc, char **argv);
int peri_table_portal_mv(int argc, char **argv);
int peri_table_portal_describe(int argc, char **argv);
/* table_portal_data.c */
int peri_table_portal_load(int argc, char **argv);
int peri_table_portal_get(int argc, char **argv);
/* table_portal_share.c */
int peri_table_portal_share(int argc, char **argv);
int peri_table_portal_unshare(int argc, char **argv);

/* "/tables/mydb/x"; NULL: an error. The caller frees. */
char *peri_table_url(const char *word, peri_err_t *err);

#endif
