/* valuetype.c - a column's type as SQL; see peri_field_sql_type in value.h. */
#include "core/out/value.h"

static void put_members(const peri_field_t *f, peri_buf_t *b)
{
    size_t first = f->type == DUCKDB_TYPE_UNION; /* its tag */
    peri_buf_puts(b, first ? "UNION(" : "STRUCT(");
    for (size_t i = first; i < f->nkids; i++) {
        if (i > first) peri_buf_puts(b, ", ");
        peri_buf_put_quoted(b, f->kids[i].name, '"');
        peri_buf_putc(b, ' ');
        peri_field_sql_type(&f->kids[i], b);
    }
    peri_buf_putc(b, ')');
}

void peri_field_sql_type(const peri_field_t *f, peri_buf_t *b)
{
    switch (f->type) {
    case DUCKDB_TYPE_LIST:
        peri_field_sql_type(&f->kids[0], b);
        peri_buf_puts(b, "[]");
        break;
    case DUCKDB_TYPE_ARRAY:
        peri_field_sql_type(&f->kids[0], b);
        peri_buf_printf(b, "[%llu]", (unsigned long long)f->array_size);
        break;
    case DUCKDB_TYPE_MAP:
        peri_buf_puts(b, "MAP(");
        peri_field_sql_type(&f->kids[0].kids[0], b);
        peri_buf_puts(b, ", ");
        peri_field_sql_type(&f->kids[0].kids[1], b);
        peri_buf_putc(b, ')');
        break;
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_UNION:
        put_members(f, b);
        break;
    case DUCKDB_TYPE_ENUM:
        peri_buf_puts(b, "ENUM(");
        for (size_t i = 0; i < f->nwords; i++) {
            if (i) peri_buf_puts(b, ", ");
            peri_buf_put_quoted(b, f->words[i], '\'');
        }
        peri_buf_putc(b, ')');
        break;
    default:
        peri_field_type_name(f, b);
    }
}
