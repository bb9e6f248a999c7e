/* dataset_portal.c - see dataset_portal.h. */
#include "cli/dataset_portal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/talk.h"
#include "core/base/util.h"

/* "all" or "ana", "team:mhd": whose it is. */
static const char *owner_of(const json_t *d)
{
    const char *owner = peri_json_str(d, "owner");
    return *owner ? owner : "-";
}

static void print_list(const json_t *list)
{
    static const char *const heads[] = {"NAME", "TITLE", "TABLES", "OF"};
    size_t i;
    const json_t *d;
    peri_grid_t *g = peri_grid_new(heads, 4);
    json_array_foreach(list, i, d)
    {
        char tables[24];
        snprintf(tables, sizeof(tables), "%lld",
                 (long long)peri_json_int(d, "tables", 0));
        peri_grid_add(g, peri_json_str(d, "name"));
        peri_grid_add(g, peri_json_str(d, "title"));
        peri_grid_add(g, tables);
        peri_grid_add(g, owner_of(d));
    }
    peri_grid_print(g, stdout);
    peri_grid_free(g);
}

int peri_dataset_search(const char *text, const char *tag, bool json)
{
    peri_err_t err = {0};
    int status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *q = peri_url_escape(text ? text : ""), *t = peri_url_escape(tag ? tag : "");
    json_t *list = peri_talk_list(c, &err, "datasets", "/datasets?q=%s&tag=%s", q, t);
    if (list && !json && json_array_size(list))
        print_list(list);
    else if (list && !json)
        fputs("There is no such dataset that you may use.\n", stderr);
    free(q);
    free(t);
    return peri_talk_end(c, list, &err, json, NULL);
}

/* ---- one ---- */

static void put_line(const char *name, const char *text)
{
    if (!*text) return;
    fprintf(stdout, "%-12s ", name);
    for (const char *s = text; *s; s++) {
        const unsigned char ch = (unsigned char)*s;
        if (ch == '\n' && s[1])
            fputs("\n             ", stdout);
        else if (ch != '\n')
            putchar(ch < 0x20 || ch == 0x7f ? '?' : ch);
    }
    putchar('\n');
}

static void number_text(const json_t *v, char *out, size_t max)
{
    if (json_is_integer(v))
        snprintf(out, max, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        snprintf(out, max, "%.6g", json_real_value(v));
    else
        snprintf(out, max, "%.30s", json_is_string(v) ? json_string_value(v) : "");
}

static void print_columns(const json_t *columns)
{
    static const char *const heads[] = {"  COLUMN", "TYPE", "UNIT",
                                        "MIN",      "MAX",  "DESCRIPTION"};
    size_t i;
    const json_t *c;
    peri_grid_t *g = peri_grid_new(heads, 6);
    json_array_foreach(columns, i, c)
    {
        char min[40], max[40];
        const json_t *s = json_object_get(c, "statistics");
        char *name = peri_xasprintf("  %s", peri_json_str(c, "name"));
        number_text(json_object_get(s, "min"), min, sizeof(min));
        number_text(json_object_get(s, "max"), max, sizeof(max));
        peri_grid_add(g, name);
        peri_grid_add(g, peri_json_str(c, "type"));
        peri_grid_add(g, peri_json_str(c, "unit"));
        peri_grid_add(g, min);
        peri_grid_add(g, max);
        peri_grid_add(g, peri_json_str(c, "description"));
        free(name);
    }
    peri_grid_print(g, stdout);
    peri_grid_free(g);
}

static void print_table(const char *dataset, const json_t *t)
{
    char rows[32], bytes[16];
    printf("\n%s.%s", dataset, peri_json_str(t, "name"));
    if (*peri_json_str(t, "error")) {
        puts(":");
        put_line("  error", peri_json_str(t, "error"));
        return;
    }
    printf(": %s rows, %s\n",
           peri_human_count((uint64_t)peri_json_int(t, "rows", 0), rows),
           peri_human_bytes((uint64_t)peri_json_int(t, "bytes", 0), bytes));
    put_line("  ", peri_json_str(t, "description"));
    print_columns(json_object_get(t, "columns"));
}

static void print_dataset(const json_t *d)
{
    size_t i;
    const json_t *t;
    char tags[1000] = "";
    json_array_foreach(json_object_get(d, "tags"), i, t)
    {
        const size_t n = strlen(tags);
        snprintf(tags + n, sizeof(tags) - n, "%s%s", n ? ", " : "", json_string_value(t));
    }
    put_line("Dataset", peri_json_str(d, "name"));
    put_line("Title", peri_json_str(d, "title"));
    put_line("Description", peri_json_str(d, "description"));
    put_line("Licence", peri_json_str(d, "licence"));
    put_line("Citation", peri_json_str(d, "citation"));
    put_line("Contact", peri_json_str(d, "contact"));
    put_line("Tags", tags);
    put_line("Of", peri_json_str(d, "owner"));
    put_line("Files", peri_json_str(d, "volume"));
    json_array_foreach(json_object_get(d, "tables"), i, t)
        print_table(peri_json_str(d, "name"), t);
    json_array_foreach(json_object_get(d, "queries"), i, t)
    {
        if (i == 0) puts("\nQueries");
        put_line("", peri_json_str(t, "title"));
        put_line("", peri_json_str(t, "sql"));
    }
}

int peri_dataset_show(const char *name, bool json)
{
    peri_err_t err = {0};
    int status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *part = peri_url_escape(name);
    json_t *d = peri_client_get(c, 0, NULL, &err, "/datasets/%s", part);
    free(part);
    if (d && !json) print_dataset(d);
    return peri_talk_end(c, d, &err, json, NULL);
}
