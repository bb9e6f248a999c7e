/* typesjson.c - the exact types of a result as JSON; see format.h. */
#include <string.h>

#include "core/out/format.h"
#include "core/out/text.h"

#define TYPE_MAX 65536 /* bytes of an SQL type; a longer one (of an ENUM) is not kept */

void peri_writer_put_types(const peri_writer_t *w, peri_buf_t *b)
{
    peri_buf_t type;
    peri_buf_init(&type, TYPE_MAX);
    for (size_t c = 0; c < w->ncols; c++) {
        peri_buf_clear(&type);
        peri_field_sql_type(&w->fields[c], &type);
        peri_buf_putc(b, c ? ',' : '{');
        peri_text_json(b, w->cols[c].name, strlen(w->cols[c].name));
        peri_buf_putc(b, ':');
        if (type.failed)
            peri_text_json(b, "VARCHAR", 7);
        else
            peri_text_json(b, type.data, type.len);
    }
    peri_buf_putc(b, '}');
    peri_buf_free(&type);
}
