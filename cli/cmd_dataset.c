/* cmd_dataset.c - `perigee dataset`: the catalogue of datasets that this user has. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/dataset_json.h"
#include "cli/dataset_portal.h"
#include "core/base/util.h"
#include "core/table/adapter.h"
#include "core/table/dataset.h"

static const char help_text[] =
    "Usage: perigee dataset ls\n"
    "       perigee dataset add [--replace] FILE.yaml\n"
    "       perigee dataset remove NAME\n"
    "       perigee dataset describe [--json] NAME|FILE.yaml\n"
    "       perigee dataset check [--allow-missing] NAME ...\n"
    "       perigee dataset search [--tag TAG] [--json] [TEXT]\n"
    "       perigee dataset show [--json] NAME\n"
    "\n"
    "A dataset is described by a YAML file that says where its HDF5 files are and which\n"
    "tables they hold (docs/dataset.md). Its tables are then called DATASET.TABLE in "
    "SQL.\n"
    "search and show ask the portal: what its catalogue has that you may use, with\n"
    "columns, units, statistics and sample queries; TEXT is looked for in all of it. ls\n"
    "(or list) shows what FROM can name: at a portal its datasets, else this machine's.\n"
    "`check` opens every file of every table, reports what is wrong and exits with 1 if\n"
    "anything is.\n"
    "\n"
    "      --replace        add: replace a dataset of the same name\n"
    "      --allow-missing  check: take numbered sets of files that have gaps\n"
    "      --tag TAG        search: only datasets with this tag\n"
    "      --json           describe, search, show: print JSON\n"
    "  -h, --help           show this\n"
    "\n"
    "Examples\n"
    "  perigee dataset add tng.yaml && perigee dataset check tng\n"
    "  perigee dataset search \"halo mass\"\n";

typedef struct {
    bool replace, allow_missing, json;
    const char *tag;
} options_t;

/* Those of the portal; this machine's are for queries with --here. */
static int list_both(const options_t *o)
{
    char **here;
    size_t n;
    const int status = peri_dataset_search(NULL, NULL, o->json);
    if (peri_catalog_list(&here, &n, NULL) < 0) return status;
    fflush(stdout);
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, "%s%s%s", i ? ", " : "For queries with --here: ", here[i],
                i + 1 == n ? "\n" : "");
    peri_catalog_free_names(here, n);
    return status;
}

/* Each takes the names behind the verb and returns the exit status. */

static int do_list(int n, char **names, const options_t *o)
{
    (void)n, (void)names;
    char **all;
    size_t count;
    peri_err_t err = {0};
    const int away = peri_client_is_away(&err);
    if (away < 0) return peri_cli_fail(&err);
    if (away) return list_both(o);
    if (peri_catalog_list(&all, &count, &err) < 0) return peri_cli_fail(&err);
    size_t width = 0;
    for (size_t i = 0; i < count; i++)
        if (strlen(all[i]) > width) width = strlen(all[i]);
    for (size_t i = 0; i < count; i++) {
        peri_dataset_t *d = peri_catalog_find(all[i], &err);
        printf("%-*s  %s\n", (int)width, all[i],
               d ? d->title : "(its descriptor is damaged)");
        if (!d) fprintf(stderr, "perigee: %s\n", err.text);
        peri_dataset_free(d);
    }
    if (count == 0)
        fprintf(stderr,
                "There are no datasets yet: \"perigee dataset add FILE.yaml\".\n");
    peri_catalog_free_names(all, count);
    return 0;
}

static int do_add(int n, char **names, const options_t *o)
{
    for (int i = 0; i < n; i++) {
        peri_err_t err = {0};
        char *name;
        if (peri_catalog_add(names[i], o->replace, &name, &err) < 0)
            return peri_cli_fail(&err);
        fprintf(stderr, "Added dataset %s.\n", name);
        free(name);
    }
    return 0;
}

static int do_remove(int n, char **names, const options_t *o)
{
    (void)o;
    for (int i = 0; i < n; i++) {
        peri_err_t err = {0};
        if (peri_catalog_remove(names[i], &err) < 0) return peri_cli_fail(&err);
        fprintf(stderr, "Removed dataset %s. Its files are untouched.\n", names[i]);
    }
    return 0;
}

static void print_indented(const char *text)
{
    for (const char *end; *text; text = *end ? end + 1 : end) {
        end = strchrnul(text, '\n');
        printf("  %.*s\n", (int)(end - text), text);
    }
}

static void print_dataset(const peri_dataset_t *d)
{
    const struct {
        const char *label, *text;
    } lines[] = {{"licence", d->licence},
                 {"citation", d->citation},
                 {"contact", d->contact},
                 {"root", d->root},
                 {"descriptor", d->source}};
    printf("%s%s%s\n", d->name, *d->title ? ": " : "", d->title);
    print_indented(d->description);
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        if (*lines[i].text) printf("%-11s %s\n", lines[i].label, lines[i].text);
    for (size_t i = 0; i < d->nstorages; i++)
        printf("%-11s %s (%s)\n", i ? "" : "storage", d->storages[i].folder,
               d->storages[i].on_nodes ? "each node its own files" : "shared");
    if (d->ntags) printf("%-11s", "tags");
    for (size_t i = 0; i < d->ntags; i++) printf("%s %s", i ? "," : "", d->tags[i]);
    if (d->ntags) printf("\n");
    printf("tables\n");
    for (size_t i = 0; i < d->ntables; i++) {
        const peri_tablespec_t *t = &d->tables[i];
        if (!peri_adapter_is_present(t)) continue;
        const peri_adapter_t *a = peri_adapter_by_path(t->adapter, t->path);
        const char *text = *t->description ? t->description : a ? a->description : "";
        printf("  %s.%-14s %s%s%s\n", d->name, t->name, t->path, *text ? "  " : "", text);
    }
}

/* A descriptor that is no part of the catalogue may be looked at, too. */
static peri_dataset_t *find_or_load(const char *name, peri_err_t *err)
{
    const bool file = strchr(name, '/') || (strlen(name) > 5 && strstr(name, ".yaml"));
    return file ? peri_dataset_load(name, err) : peri_catalog_find(name, err);
}

static int do_describe(int n, char **names, const options_t *o)
{
    for (int i = 0; i < n; i++) {
        peri_err_t err = {0};
        peri_dataset_t *d = find_or_load(names[i], &err);
        if (!d) return peri_cli_fail(&err);
        if (o->json) {
            json_t *j = peri_dataset_json(d);
            json_dumpf(j, stdout, JSON_INDENT(1));
            putchar('\n');
            json_decref(j);
            peri_dataset_free(d);
            continue;
        }
        if (i > 0) printf("\n");
        print_dataset(d);
        peri_dataset_free(d);
    }
    return 0;
}

/* Resolving a table opens all of its files. Returns the number of problems. */
static int check_dataset(const peri_dataset_t *d, const options_t *o)
{
    int problems = 0;
    for (size_t i = 0; i < d->ntables; i++) {
        const peri_tablespec_t *spec = &d->tables[i];
        if (!peri_adapter_is_present(spec)) {
            printf("%s.%s: not in these files\n", d->name, spec->name);
            continue;
        }
        peri_err_t err = {0};
        peri_table_t *t = peri_dataset_table_here(d, spec->name, o->allow_missing, &err);
        if (!t) {
            printf("%s.%s: failed\n", d->name, spec->name);
            fprintf(stderr, "perigee: %s.%s: %s\n", d->name, spec->name, err.text);
            problems++;
            continue;
        }
        char rows[32];
        printf("%s: %s rows, %zu columns, %zu file%s%s%s\n", t->name,
               peri_human_count(t->rows, rows), t->ncolumns, t->nfiles,
               t->nfiles == 1 ? "" : "s", peri_dataset_on_nodes(d) ? " on " : "",
               peri_dataset_on_nodes(d) ? peri_node_name() : "");
        for (size_t k = 0; k < t->nnotes; k++) printf("  note: %s\n", t->notes[k]);
        peri_table_unref(t);
    }
    return problems;
}

static int do_check(int n, char **names, const options_t *o)
{
    int problems = 0;
    for (int i = 0; i < n; i++) {
        peri_err_t err = {0};
        peri_dataset_t *d = peri_catalog_find(names[i], &err);
        if (!d) {
            (void)peri_cli_fail(&err);
            problems++;
            continue;
        }
        problems += check_dataset(d, o);
        peri_dataset_free(d);
    }
    return problems ? 1 : 0;
}

static int do_search(int n, char **names, const options_t *o)
{
    return peri_dataset_search(n ? names[0] : NULL, o->tag, o->json);
}

static int do_show(int n, char **names, const options_t *o)
{
    (void)n;
    return peri_dataset_show(names[0], o->json);
}

static const struct {
    const char *name;
    int (*run)(int n, char **names, const options_t *o);
    int min, max; /* names behind it */
} verbs[] = {{"ls", do_list, 0, 0},
             {"list", do_list, 0, 0},
             {"add", do_add, 1, 1000},
             {"remove", do_remove, 1, 1000},
             {"describe", do_describe, 1, 1000},
             {"check", do_check, 1, 1000},
             {"search", do_search, 0, 1},
             {"show", do_show, 1, 1}};

#define NVERBS (sizeof(verbs) / sizeof(*verbs))

static int run_verb(int n, char **args, const options_t *o)
{
    const char *names[NVERBS];
    for (size_t i = 0; i < NVERBS; i++) {
        names[i] = verbs[i].name;
        if (strcmp(verbs[i].name, args[0]) != 0) continue;
        if (n - 1 >= verbs[i].min && n - 1 <= verbs[i].max)
            return verbs[i].run(n - 1, args + 1, o);
        fprintf(stderr, "perigee: dataset %s %s.\n", args[0],
                verbs[i].max ? "needs a name" : "takes no names");
        return peri_cli_usage("dataset");
    }
    const char *near = peri_did_you_mean(args[0], names, NVERBS);
    fprintf(stderr, "perigee: There is no \"dataset %s\"%s%s%s\n", args[0],
            near ? "; did you mean \"" : ".", near ? near : "", near ? "\"?" : "");
    return peri_cli_usage("dataset");
}

int peri_cmd_dataset(int argc, char **argv)
{
    static const struct option options[] = {
        {"replace", no_argument, NULL, 'r'}, {"allow-missing", no_argument, NULL, 'm'},
        {"json", no_argument, NULL, 'j'},    {"tag", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},    {0}};
    options_t o = {0};
    int c;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (c) {
        case 'r':
            o.replace = true;
            break;
        case 'm':
            o.allow_missing = true;
            break;
        case 'j':
            o.json = true;
            break;
        case 't':
            o.tag = optarg;
            break;
        case 'h':
            fputs(help_text, stdout);
            return 0;
        default:
            return peri_cli_usage("dataset");
        }
    }
    if (optind == argc) {
        fprintf(stderr, "perigee: dataset needs one of ls, add, remove, describe, check, "
                        "search, show.\n");
        return peri_cli_usage("dataset");
    }
    peri_h5_init(NULL);
    int status = run_verb(argc - optind, argv + optind, &o);
    if (fflush(stdout) == 0) return status;
    fprintf(stderr, "perigee: the output could not be written.\n");
    return 1;
}
