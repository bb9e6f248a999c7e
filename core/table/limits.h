/* limits.h - the maxima of this folder in one place. Private to core/table. */
#ifndef CORE_TABLE_LIMITS_H
#define CORE_TABLE_LIMITS_H

#define PERI_MAX_WIDTH      1024 /* values of a vector column */
#define PERI_MAX_NDIMS      3    /* dimensions of a dataset that is a column of a group */
#define PERI_MAX_COLUMNS    16384   /* of a table */
#define PERI_MAX_FILES      1000000 /* of a table */
#define PERI_MAX_SET        1000000 /* files that a header may claim for a numbered set */
#define PERI_MAX_PATH_TEXT  8192    /* bytes of a path or pattern */
#define PERI_MAX_PATTERNS   4096    /* from the braces of one pattern */
#define PERI_MAX_NOTES      100     /* on a table */
#define PERI_MAX_DESCRIPTOR 1048576 /* bytes of a YAML file */
#define PERI_MAX_TABLES     4096    /* of a descriptor */
#define PERI_MAX_STORAGES   64      /* of a descriptor */
#define PERI_MAX_DEPTH      6       /* of groups that are searched for tables */
#define PERI_MAX_GROUPS     2000    /* that are searched for tables */

#endif
