/* cmd_describe.c - `perigee describe`: what a file, a pattern, a dataset's table or one
 * of a schema holds.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/harmless.h"
#include "core/base/arena.h"
#include "core/base/util.h"
#include "core/mydb/read.h"
#include "core/mydb/view.h"
#include "core/table/dataset.h"
#include "core/table/describe.h"
#include "core/table/inspect.h"

/* A file with more tables than this is shown as a list of them. */
#define MAX_SHOWN 8
#define MAX_TEXT  (64u << 20)

static const char help_text[] =
    "Usage: perigee describe [OPTION...] FILE[:/path] | DATASET[.TABLE] | SCHEMA.TABLE "
    "...\n"
    "\n"
    "Shows the tables in HDF5 files: columns, types, units, rows, chunks, compression.\n"
    "FILE may be a pattern with * ? [...] {a,b}; quote it. Without a path all tables in\n"
    "the file are shown, and what else it holds.\n"
    "\n"
    "      --json           print JSON\n"
    "      --allow-missing  take numbered sets of files that have gaps\n"
    "  -h, --help           show this\n"
    "\n"
    "Examples\n"
    "  perigee describe snap_099.0.hdf5\n"
    "  perigee describe 'groups_099/fof_subhalo_tab_099.*.hdf5:/Subhalo'\n"
    "  perigee describe tng.subhalos\n"
    "  perigee describe mydb.stars\n";

typedef struct {
    bool json, allow_missing;
    json_t *all; /* what --json prints in the end */
} request_t;

/* ---- one table; each returns 0, or -1 with err ---- */

static int show_table(request_t *r, const peri_table_t *t, peri_err_t *err)
{
    if (r->json) return json_array_append_new(r->all, peri_describe_json(t));
    peri_buf_t text;
    peri_buf_init(&text, MAX_TEXT);
    int rc = peri_describe_text(t, &text, err);
    if (rc == 0 && text.len) peri_harmless_print(stdout, text.data);
    peri_buf_free(&text);
    return rc;
}

static int show_path(request_t *r, const char *text, peri_err_t *err)
{
    peri_table_t *t = peri_table_resolve_text(text, NULL, NULL, r->allow_missing, err);
    if (!t) return -1;
    int rc = show_table(r, t, err);
    peri_table_unref(t);
    return rc;
}

/* ---- a file without a path ---- */

static void list_tables(request_t *r, const char *pattern, const peri_found_list_t *found)
{
    for (size_t i = 0; i < found->ntables; i++) {
        const peri_found_t *t = &found->tables[i];
        if (r->json) {
            json_t *j = json_pack(
                "{s:o, s:I, s:I}", "name", json_sprintf("%s:%s", pattern, t->path),
                "rows", (json_int_t)t->rows, "ncolumns", (json_int_t)t->ncolumns);
            json_array_append_new(r->all, j);
        } else {
            printf("%s:", pattern);
            peri_harmless_print(stdout, t->path);
            printf(": %" PRIu64 " rows, %zu columns\n", t->rows, t->ncolumns);
        }
    }
}

static void list_others(const peri_found_list_t *found)
{
    if (found->nothers) printf("Not tables:\n");
    for (size_t i = 0; i < found->nothers; i++) {
        printf("  ");
        peri_harmless_print(stdout, found->others[i]);
        putchar('\n');
    }
    if (found->more) printf("There is more in it than is listed here.\n");
}

static int show_tables(request_t *r, const char *pattern, const peri_found_list_t *found,
                       peri_err_t *err)
{
    if (!r->json && found->format) printf("Format: %s\n\n", found->format);
    for (size_t i = 0; i < found->ntables; i++) {
        char *text = peri_xasprintf("%s:%s", pattern, found->tables[i].path);
        if (i > 0 && !r->json) printf("\n");
        int rc = show_path(r, text, err);
        free(text);
        if (rc < 0) return -1;
    }
    return 0;
}

static int show_file(request_t *r, const char *pattern, peri_arena_t *arena,
                     peri_err_t *err)
{
    peri_found_list_t found;
    if (peri_inspect_pattern(pattern, NULL, NULL, arena, &found, err) < 0) return -1;
    if (found.ntables == 0 && found.nothers == 0)
        return peri_err_set(err, PERI_ENOTFOUND, "%s holds no datasets", pattern);
    if (found.ntables > MAX_SHOWN)
        list_tables(r, pattern, &found);
    else if (show_tables(r, pattern, &found, err) < 0)
        return -1;
    if (!r->json) list_others(&found);
    return 0;
}

/* ---- a dataset ---- */

static int show_dataset(request_t *r, const char *name, peri_err_t *err)
{
    const char *dot = strchr(name, '.');
    char *dataset =
        peri_xasprintf("%.*s", dot ? (int)(dot - name) : (int)strlen(name), name);
    int rc = -1;
    bool any = false;
    peri_dataset_t *d = peri_catalog_find(dataset, err);
    for (size_t i = 0; d && i < d->ntables; i++) {
        if (dot && i > 0) break;
        const peri_tablespec_t *spec = &d->tables[i];
        if (!dot && !peri_adapter_is_present(spec)) continue;
        peri_table_t *t =
            peri_dataset_table_here(d, dot ? dot + 1 : spec->name, r->allow_missing, err);
        if (!t) goto out;
        if (any && !r->json) printf("\n");
        any = true;
        rc = show_table(r, t, err);
        peri_table_unref(t);
        if (rc < 0) goto out;
    }
    if (d && !any)
        peri_err_set(err, PERI_ENOTFOUND, "the files of dataset %s hold no rows",
                     dataset);
out:
    peri_dataset_free(d);
    free(dataset);
    return rc;
}

/* ---- a table of a schema ---- */

/* 1: the name is of no schema. */
static int show_own(request_t *r, const char *name, peri_err_t *err)
{
    const char *dot = strchr(name, '.');
    if (!dot) return 1;
    char *schema = peri_xasprintf("%.*s", (int)(dot - name), name);
    peri_schemas_t *all = peri_schemas_new(err);
    const peri_schema_t *s = all ? peri_schema_meant(all, schema) : NULL;
    int rc = all ? 1 : -1;
    if (s) {
        peri_h5file_t *held;
        peri_table_t *t = peri_mydb_table(s, dot + 1, &held, err);
        rc = t ? show_table(r, t, err) : -1;
        peri_table_unref(t);
        if (t) peri_h5file_release(held);
    }
    peri_schemas_free(all);
    free(schema);
    return rc;
}

static int describe(request_t *r, const char *text, peri_err_t *err)
{
    if (!peri_names_a_file(text)) {
        int rc = show_own(r, text, err);
        return rc > 0 ? show_dataset(r, text, err) : rc;
    }
    peri_arena_t *arena = peri_arena_new();
    const char *pattern, *path;
    peri_pathspec_split(text, arena, &pattern, &path);
    int rc = path ? show_path(r, text, err) : show_file(r, pattern, arena, err);
    peri_arena_free(arena);
    return rc;
}

/* Who is logged in to a portal may take its tables for this machine's. */
static void point_to_portal(const char *name, peri_err_t *err)
{
    peri_err_t why = {0};
    const char *dot = strchr(name, '.');
    if (err->code != PERI_ENOTFOUND || peri_names_a_file(name) ||
        peri_client_is_away(&why) != 1)
        return;
    const int n = dot ? (int)(dot - name) : (int)strlen(name);
    char *text = peri_xstrdup(err->text);
    peri_err_set(
        err, err->code,
        "%s. This is about this machine; at the portal: 'perigee table show %s', "
        "'perigee dataset show %.*s'",
        text, name, n, name);
    free(text);
}

static int run(request_t *r, int n, char **names)
{
    peri_h5_init(NULL);
    int status = 0;
    for (int i = 0; i < n; i++) {
        peri_err_t err = {0};
        if (i > 0 && !r->json) printf("\n");
        if (describe(r, names[i], &err) < 0) {
            point_to_portal(names[i], &err);
            status = peri_cli_fail(&err);
        }
    }
    if (r->json && status == 0) {
        json_dumpf(r->all, stdout, JSON_INDENT(2));
        printf("\n");
    }
    if (fflush(stdout) == 0) return status;
    fprintf(stderr, "perigee: the output could not be written.\n");
    return 1;
}

int peri_cmd_describe(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"allow-missing", no_argument, NULL, 'm'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    request_t r = {0};
    int c;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (c) {
        case 'j':
            r.json = true;
            break;
        case 'm':
            r.allow_missing = true;
            break;
        case 'h':
            fputs(help_text, stdout);
            return 0;
        default:
            return peri_cli_usage("describe");
        }
    }
    if (optind == argc) {
        fprintf(stderr, "perigee: describe needs the name of a file or of a dataset\n");
        return peri_cli_usage("describe");
    }
    r.all = json_array();
    int status = run(&r, argc - optind, argv + optind);
    json_decref(r.all);
    return status;
}
