/* sqltype.h - the SQL type that a file says a column has (attribute `sql_type` of what
 * core/out writes) where HDF5's own type does not tell it. Files are not trusted: only a
 * well-formed type that fits what is stored counts, so its text may stand in SQL.
 */
#ifndef CORE_TABLE_SQLTYPE_H
#define CORE_TABLE_SQLTYPE_H

#include "core/base/buf.h"
#include "core/h5/h5.h"

#define PERI_SQLTYPE_MAX 65536 /* bytes of the text; longer ones do not count */

/* How values of the SQL type come out of the stored ones. */
typedef enum {
    PERI_SQLFORM_STORED, /* they are the stored ones: the text says no more, or is not
                            a type of such values */
    PERI_SQLFORM_BITS,   /* a date or time: the stored integers are the value */
    PERI_SQLFORM_CAST,   /* CAST(stored AS type) */
    PERI_SQLFORM_JSON,   /* the stored text is JSON of a nested type */
    PERI_SQLFORM_ONE     /* TYPE[1], stored as the one value */
} peri_sqlform_t;

/* `text` may be NULL. Stored are `width` values of type `stored` a row. */
peri_sqlform_t peri_sqltype_form(const char *text, peri_type_t stored, uint32_t width);

/* Is it a well-formed type, so that its text may stand in SQL? */
bool peri_sqltype_valid(const char *text);
/* SQL that makes a value of the nested type, which is a valid one, of `source`, SQL of a
 * text that is JSON. */
void peri_sqltype_put_json(const char *source, const char *type, peri_buf_t *b);

#endif
