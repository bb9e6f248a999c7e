/* h5names.c - see h5names.h. */
#include "core/out/h5names.h"

#include <string.h>
#include <strings.h>

static bool taken(const char *const *links, size_t n, const char *name)
{
    if (strcasecmp(name, PERI_H5_PROVENANCE) == 0 || strcasecmp(name, PERI_H5_NULLS) == 0)
        return true;
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(links[i], name) == 0) return true;
    return false;
}

const char **peri_h5_link_names(peri_writer_t *w)
{
    const char **links = peri_arena_calloc(w->arena, w->ncols, sizeof(*links));
    for (size_t c = 0; c < w->ncols; c++) {
        char *base = peri_arena_strdup(w->arena, w->cols[c].name);
        for (char *p = base; (p = strchr(p, '/'));) *p = '_'; /* a path's separator */
        if (strcmp(base, ".") == 0) *base = '_';
        const char *link = base;
        for (int i = 1; taken(links, c, link); i++)
            link = peri_arena_printf(w->arena, "%s_%d", base, i);
        links[c] = link;
    }
    return links;
}

const char *peri_h5_moment_unit(duckdb_type t)
{
    switch (t) {
    case DUCKDB_TYPE_DATE:
        return "days since 1970-01-01";
    case DUCKDB_TYPE_TIME:
        return "microseconds since midnight";
    case DUCKDB_TYPE_TIME_NS:
        return "nanoseconds since midnight";
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        return "microseconds since 1970-01-01T00:00:00Z";
    case DUCKDB_TYPE_TIMESTAMP_S:
        return "seconds since 1970-01-01T00:00:00Z";
    case DUCKDB_TYPE_TIMESTAMP_MS:
        return "milliseconds since 1970-01-01T00:00:00Z";
    case DUCKDB_TYPE_TIMESTAMP_NS:
        return "nanoseconds since 1970-01-01T00:00:00Z";
    default:
        return "";
    }
}

static void put_members(const peri_field_t *f, peri_buf_t *b)
{
    size_t first = f->type == DUCKDB_TYPE_UNION; /* its tag */
    peri_buf_puts(b, first ? "UNION(" : "STRUCT(");
    for (size_t i = first; i < f->nkids; i++) {
        if (i > first) peri_buf_puts(b, ", ");
        peri_buf_put_quoted(b, f->kids[i].name, '"');
        peri_buf_putc(b, ' ');
        peri_h5_sql_type(&f->kids[i], b);
    }
    peri_buf_putc(b, ')');
}

void peri_h5_sql_type(const peri_field_t *f, peri_buf_t *b)
{
    switch (f->type) {
    case DUCKDB_TYPE_LIST:
        peri_h5_sql_type(&f->kids[0], b);
        peri_buf_puts(b, "[]");
        break;
    case DUCKDB_TYPE_ARRAY:
        peri_h5_sql_type(&f->kids[0], b);
        peri_buf_printf(b, "[%llu]", (unsigned long long)f->array_size);
        break;
    case DUCKDB_TYPE_MAP:
        peri_buf_puts(b, "MAP(");
        peri_h5_sql_type(&f->kids[0].kids[0], b);
        peri_buf_puts(b, ", ");
        peri_h5_sql_type(&f->kids[0].kids[1], b);
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
