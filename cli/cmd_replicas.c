/* cmd_replicas.c - `perigee replicas`: which node holds what of a dataset. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/grid.h"
#include "cli/options.h"
#include "cli/when.h"
#include "core/base/util.h"

static const char help_text[] =
    "Usage: perigee replicas [OPTION...] DATASET\n"
    "\n"
    "Shows which nodes hold which files of a dataset, as far as perigee was told: jobs "
    "run\n"
    "where their data is. \"shared\" is storage that every node sees.\n"
    "\n"
    "      --files  every file, not only the sums\n"
    "      --json   print all of it as JSON\n"
    "  -h, --help   show this\n"
    "\n"
    "Example\n"
    "  perigee replicas tng\n";

typedef struct {
    bool files, json;
} options_t;

static const char *node_of(const json_t *r)
{
    const char *node = peri_json_str(r, "node");
    return *node && strcmp(node, "-") != 0 ? node : "shared";
}

static void print_files(const json_t *replicas)
{
    static const char *const titles[] = {"NODE", ">SIZE", "SEEN", "FILE", "PATH"};
    peri_grid_t *g = peri_grid_new(titles, sizeof(titles) / sizeof(*titles));
    const json_t *r;
    size_t i;
    char size[16], seen[PERI_WHEN];
    json_array_foreach(replicas, i, r)
    {
        peri_grid_add(g, node_of(r));
        peri_grid_add(g, peri_human_bytes((uint64_t)peri_json_num(r, "size", 0), size));
        peri_grid_add(g, peri_when_time(peri_json_num(r, "seen", 0), seen));
        peri_grid_add(g, peri_json_str(r, "file"));
        peri_grid_add(g, peri_json_str(r, "path"));
    }
    peri_grid_print(g, stdout);
    peri_grid_free(g);
}

/* One line a node, in the order in which they come. */
static void print_sums(const json_t *replicas)
{
    static const char *const titles[] = {"NODE", ">FILES", ">SIZE", "SEEN"};
    peri_grid_t *g = peri_grid_new(titles, sizeof(titles) / sizeof(*titles));
    json_t *done = json_object();
    const json_t *r, *q;
    size_t i, k;
    char size[16], seen[PERI_WHEN], files[32];
    json_array_foreach(replicas, i, r)
    {
        const char *node = node_of(r);
        if (json_object_get(done, node)) continue;
        json_object_set_new(done, node, json_true());
        uint64_t n = 0, bytes = 0;
        double last = 0;
        json_array_foreach(replicas, k, q)
        {
            if (strcmp(node_of(q), node) != 0) continue;
            n++;
            bytes += (uint64_t)peri_json_num(q, "size", 0);
            if (peri_json_num(q, "seen", 0) > last) last = peri_json_num(q, "seen", 0);
        }
        peri_grid_add(g, node);
        peri_grid_add(g, peri_human_count(n, files));
        peri_grid_add(g, peri_human_bytes(bytes, size));
        peri_grid_add(g, peri_when_time(last, seen));
    }
    peri_grid_print(g, stdout);
    peri_grid_free(g);
    json_decref(done);
}

static int show(const char *dataset, const options_t *o)
{
    peri_err_t err = {0};
    peri_client_t *c = peri_client_new(&err);
    if (!c) return peri_cli_fail(&err);
    char *name = peri_url_escape(dataset);
    json_t *j = peri_client_get(c, 0, NULL, &err, "/replicas?dataset=%s", name);
    const json_t *replicas = json_object_get(j, "replicas");
    int status = 0;
    if (!j) {
        status = peri_cli_fail(&err);
    } else if (o->json) {
        json_dumpf(replicas, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (json_array_size(replicas) == 0) {
        fprintf(
            stderr,
            "perigee: it is not known where the files of \"%s\" are: 'perigee locate' "
            "tells.\n",
            dataset);
        status = 1;
    } else if (o->files) {
        print_files(replicas);
    } else {
        print_sums(replicas);
    }
    json_decref(j);
    free(name);
    peri_client_free(c);
    return peri_cli_done(status);
}

int peri_cmd_replicas(int argc, char **argv)
{
    options_t o = {0};
    const peri_option_t options[] = {{"files", &o.files, NULL, 0},
                                     {"json", &o.json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options,
                                   sizeof(options) / sizeof(*options));
    if (status >= 0) return status;
    if (argc - optind == 1) return show(argv[optind], &o);
    fputs("perigee: replicas needs one dataset.\n", stderr);
    return peri_cli_usage("replicas");
}
