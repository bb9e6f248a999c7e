/* table.h - what the verbs of `perigee table` have in common, here and at a portal. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

extern const char peri_table_help[];

#endif
