/* h5names.c - see h5names.h. */
#include "core/out/h5names.h"

#include <stdio.h>
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

const char *peri_h5_sql_name(const char *name, const char *link)
{
    /* Readers take a dot for the member of a compound. */
    return strcmp(name, link) != 0 || strchr(link, '.') ? name : "";
}

void peri_h5_mask_path(const char *link, char *out, size_t cap)
{
    snprintf(out, cap, "/" PERI_H5_NULLS "/%s", link);
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
