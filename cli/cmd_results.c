/* cmd_results.c - `perigee results`: the files that a job has made, wherever they lie. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/fetch.h"
#include "cli/grid.h"
#include "cli/options.h"
#include "cli/talk.h"
#include "cli/when.h"
#include "core/base/util.h"

static const char help_text[] =
    "Usage: perigee results [OPTION...] JOB [FILE]\n"
    "\n"
    "Lists the files of a job's results, or prints one of them. Results that went to "
    "the\n"
    "portal's storage (submit --output) are there: 'perigee ls' and 'perigee cp'.\n"
    "\n"
    "  -o, --into FILE   write it into FILE instead of standard output\n"
    "      --archive F   all of them, or of the folder FILE, as a zip or tar\n"
    "      --json        print the list as JSON\n"
    "  -h, --help        show this\n"
    "\n"
    "Examples\n"
    "  perigee results 42\n"
    "  perigee results -o mass.csv 42 result.csv\n"
    "  perigee results --archive zip -o run.zip 42\n";

typedef struct {
    const char *into, *archive;
    bool json;
} options_t;

static void print_files(const json_t *page, const json_t *files)
{
    static const char *const titles[] = {">SIZE", "CHANGED", "NAME"};
    const char *delivered = peri_json_str(page, "delivered");
    const json_t *f;
    size_t i;
    if (*delivered) fprintf(stderr, "perigee: its results are in %s\n", delivered);
    peri_grid_t *g = peri_grid_new(titles, 3);
    json_array_foreach(files, i, f)
    {
        char when[PERI_WHEN], bytes[16];
        bool folder = !strcmp(peri_json_str(f, "kind"), "folder");
        peri_grid_add(
            g,
            folder ? "" : peri_human_bytes((uint64_t)peri_json_int(f, "size", 0), bytes));
        peri_grid_add(g, peri_when_time(peri_json_num(f, "modified", 0), when));
        peri_grid_addf(g, "%s%s", peri_json_str(f, "name"), folder ? "/" : "");
    }
    if (json_array_size(files)) peri_grid_print(g, stdout);
    peri_grid_free(g);
}

/* A file's path with its slashes. */
static char *url_of(const char *job, const char *file)
{
    char *id = peri_url_escape(job), *out = peri_xasprintf("/jobs/%s/files", id);
    free(id);
    for (const char *p = file; p && *p;) {
        size_t n = strcspn(p, "/");
        char *part = peri_xasprintf("%.*s", (int)n, p), *esc = peri_url_escape(part),
             *longer = n ? peri_xasprintf("%s/%s", out, esc) : peri_xstrdup(out);
        free(part);
        free(esc);
        free(out);
        out = longer;
        p += n + (p[n] == '/');
    }
    return out;
}

static int show(peri_client_t *c, const char *url, const char *file, const options_t *o,
                peri_err_t *err)
{
    json_t *page = peri_client_get(c, 0, NULL, err, "%s?limit=1000", url), *all;
    if (!page) return -1;
    int rc = 0;
    if (!json_is_array(json_object_get(page, "files"))) {
        char *path = peri_xasprintf("%s?download=1", url);
        rc = o->json ? 0 : peri_fetch(c, path, o->into, err);
        if (o->json) peri_talk_print(page);
        free(path);
    } else if (o->into) {
        rc = peri_err_set(err, PERI_EINVAL,
                          "%s is a folder: --archive zip makes one file "
                          "of it",
                          file ? file : "all of the results");
    } else if ((all = peri_talk_list(c, err, "files", "%s", url))) {
        if (o->json)
            peri_talk_print(all);
        else
            print_files(page, all);
        json_decref(all);
    } else {
        rc = -1;
    }
    json_decref(page);
    return rc;
}

int peri_cmd_results(int argc, char **argv)
{
    options_t o = {0};
    peri_err_t err = {0};
    const peri_option_t options[] = {{"into", NULL, &o.into, 'o'},
                                     {"archive", NULL, &o.archive, 0},
                                     {"json", &o.json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 3);
    if (status < 0) status = peri_words_check(argc, argv, 1, 2, "a job");
    if (status >= 0) return status;
    if (o.archive && strcmp(o.archive, "zip") && strcmp(o.archive, "tar")) {
        fprintf(stderr, "perigee: --archive needs zip or tar, not \"%s\".\n", o.archive);
        return peri_cli_usage("results");
    }
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    const char *file = optind + 1 < argc ? argv[optind + 1] : NULL;
    char *url = url_of(argv[optind], file);
    char *path = peri_xasprintf("%s?archive=%s", url, o.archive ? o.archive : "");
    int rc = o.archive ? peri_fetch(c, path, o.into, &err) : show(c, url, file, &o, &err);
    if (rc) status = peri_cli_fail(&err);
    free(path);
    free(url);
    peri_client_free(c);
    return peri_cli_done(status);
}
