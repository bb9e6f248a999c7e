/* table_print.c - see table_print.h. */
#include "cli/table_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/grid.h"
#include "cli/harmless.h"
#include "cli/when.h"
#include "core/base/util.h"
#include "core/out/number.h"

static const char *count_of(const json_t *o, const char *key, char out[32])
{
    const int64_t n = peri_json_int(o, key, -1);
    return n < 0 ? "" : peri_human_count((uint64_t)n, out);
}

static const char *size_of(const json_t *o, const char *key, char out[16])
{
    const int64_t n = peri_json_int(o, key, -1);
    return n < 0 ? "" : peri_human_bytes((uint64_t)n, out);
}

static bool is_view(const json_t *t)
{
    return !strcmp(peri_json_str(t, "kind"), "view");
}

/* How much room is left where there is a limit, and what cannot be written to. */
static void print_schemas(const json_t *schemas)
{
    const json_t *s;
    size_t i;
    json_array_foreach(schemas, i, s)
    {
        char left[16], quota[16];
        const char *name = peri_json_str(s, "name");
        const bool limited =
            peri_json_int(s, "quota", -1) >= 0 && peri_json_int(s, "left", -1) >= 0;
        if (*peri_json_str(s, "error"))
            fprintf(stderr, "%s: %s.\n", name, peri_json_str(s, "error"));
        else if (!peri_json_true(s, "write"))
            fprintf(stderr, "%s is of %s: you can read it.\n", name,
                    peri_json_str(s, "owner"));
        else if (limited)
            fprintf(stderr, "%s: %s left of %s in %s.\n", name, size_of(s, "left", left),
                    size_of(s, "quota", quota), peri_json_str(s, "owner"));
    }
}

void peri_table_print_list(const json_t *list)
{
    static const char *const titles[] = {"TABLE", ">ROWS",   ">COLUMNS",
                                         ">SIZE", "CHANGED", "DESCRIPTION"};
    const json_t *t;
    size_t i;
    peri_grid_t *g = peri_grid_new(titles, 6);
    json_array_foreach(json_object_get(list, "tables"), i, t)
    {
        char rows[32], columns[32], bytes[16], when[PERI_WHEN];
        peri_grid_addf(g, "%s.%s", peri_json_str(t, "schema"), peri_json_str(t, "name"));
        peri_grid_add(g, is_view(t) ? "view" : count_of(t, "rows", rows));
        peri_grid_add(g, count_of(t, "columns", columns));
        peri_grid_add(g, is_view(t) ? "" : size_of(t, "bytes", bytes));
        peri_grid_add(g, peri_when_time(peri_json_num(t, "modified", 0), when));
        const char *error = peri_json_str(t, "error");
        peri_grid_add(g, *error ? error : peri_json_str(t, "description"));
    }
    if (peri_grid_rows(g))
        peri_grid_print(g, stdout);
    else
        fputs("There is no table yet: 'perigee table load FILE NAME' makes one, and so "
              "does\nSELECT ... INTO mydb.NAME.\n",
              stderr);
    fflush(stdout);
    print_schemas(json_object_get(list, "schemas"));
    peri_grid_free(g);
}

static void print_columns(const json_t *columns)
{
    static const char *const titles[] = {"COLUMN", "TYPE", "UNIT", "UCD", "DESCRIPTION"};
    const json_t *c;
    size_t i;
    peri_grid_t *g = peri_grid_new(titles, 5);
    json_array_foreach(columns, i, c)
    {
        peri_grid_add(g, peri_json_str(c, "name"));
        peri_grid_addf(g, "%s%s", peri_json_str(c, "type"),
                       peri_json_true(c, "nulls") ? " with NULL" : "");
        peri_grid_add(g, peri_json_str(c, "unit"));
        peri_grid_add(g, peri_json_str(c, "ucd"));
        peri_grid_add(g, peri_json_str(c, "description"));
    }
    peri_grid_print(g, stdout);
    peri_grid_free(g);
}

void peri_table_print(const json_t *t)
{
    char rows[32], bytes[16], when[PERI_WHEN];
    const char *text = peri_json_str(t, "description"), *sql = peri_json_str(t, "sql"),
               *query = peri_json_str(t, "query");
    peri_grid_label(stdout, is_view(t) ? "View" : "Table", "%s.%s",
                    peri_json_str(t, "schema"), peri_json_str(t, "name"));
    if (*text) peri_grid_label(stdout, "Description", "%s", text);
    if (!is_view(t))
        peri_grid_label(stdout, "Rows", "%s, %s", count_of(t, "rows", rows),
                        size_of(t, "bytes", bytes));
    peri_grid_label(stdout, "Changed", "%s",
                    peri_when_exact(peri_json_num(t, "modified", 0), when));
    if (*query && !is_view(t))
        peri_grid_label(stdout, "Origin", "%s",
                        query + (!strncmp(query, "-- ", 3) ? 3 : 0));
    if (*sql) {
        putchar('\n');
        peri_harmless_print(stdout, sql);
        putchar('\n');
    }
    if (json_array_size(json_object_get(t, "columns"))) {
        putchar('\n');
        print_columns(json_object_get(t, "columns"));
    }
}

void peri_table_print_line(const json_t *t)
{
    char rows[32], bytes[16];
    const json_t *columns = json_object_get(t, "columns");
    const size_t n = json_is_array(columns) ? json_array_size(columns)
                                            : (size_t)peri_json_int(t, "columns", 0);
    printf("%s.%s: %s rows, %zu column%s, %s\n", peri_json_str(t, "schema"),
           peri_json_str(t, "name"), count_of(t, "rows", rows), n, n == 1 ? "" : "s",
           size_of(t, "bytes", bytes));
}

/* ---- preview ---- */

static void add_value(peri_grid_t *g, const json_t *v)
{
    char number[PERI_NUM_MAX];
    if (json_is_real(v)) {
        *peri_num_double(number, json_real_value(v)) = '\0';
        peri_grid_add(g, number);
        return;
    }
    char *s = v && !json_is_string(v) && !json_is_null(v)
                  ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT)
                  : NULL;
    peri_grid_add(g, s ? s : json_is_string(v) ? json_string_value(v) : "NULL");
    free(s);
}

static void print_rows(const json_t *columns, const json_t *rows)
{
    const json_t *c, *row;
    size_t i, k, n = json_array_size(columns);
    const char **titles = peri_xcalloc(n, sizeof(*titles));
    json_array_foreach(columns, i, c) titles[i] = peri_json_str(c, "name");
    peri_grid_t *g = peri_grid_new(titles, n);
    json_array_foreach(rows, i, row) for (k = 0; k < n; k++)
        add_value(g, json_array_get(row, k));
    peri_grid_print(g, stdout);
    peri_grid_free(g);
    free(titles);
}

void peri_table_print_preview(const json_t *preview)
{
    const json_t *columns = json_object_get(preview, "columns"),
                 *rows = json_object_get(preview, "rows");
    if (json_array_size(columns) == 0) return;
    print_columns(columns);
    putchar('\n');
    print_rows(columns, rows);
    fflush(stdout);
    fputs("These are its first rows; nothing is kept yet.\n", stderr);
}
