/* cmd_cp.c - `perigee cp`: files between this machine and the portal's storage. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cp_plan.h"
#include "core/base/util.h"

#define USUAL_AT_ONCE  4
#define USUAL_PATIENCE 600.0

static const char help_text[] =
    "Usage: perigee cp [OPTION...] SRC... DST\n"
    "\n"
    "Copies files to the portal's storage, from it, or within it. A place there is\n"
    "VOLUME:PATH (your own) or OWNER/VOLUME:PATH; a file of this machine with a \":\" "
    "in\n"
    "its name is written with \"./\" before it. DST is a folder, or the new name.\n"
    "\n"
    "A copy that was stopped, broken off or killed goes on where it was when the same\n"
    "command is given again. A file has its name when it is whole, not before.\n"
    "\n"
    "  -r, --recursive       folders with all that is in them (links are left out)\n"
    "  -f, --overwrite       replace files that are there\n"
    "  -j, --jobs N          so many files at once, 1 to 8 (default: 4)\n"
    "      --no-check        do not compare checksums\n"
    "      --patience TIME   give a file up when nothing has moved for so long (default: "
    "10m)\n"
    "      --json            print what was copied as JSON\n"
    "  -q, --quiet           no progress\n"
    "  -h, --help            show this\n"
    "\n"
    "Examples\n"
    "  perigee cp halos.h5 persistent:runs/\n"
    "  perigee cp -r run7 team:stars/shared:runs\n"
    "  perigee cp persistent:runs/halos.csv .\n"
    "  perigee cp job:42:result.csv .\n";

typedef struct {
    peri_cpopts_t plan;
    peri_transferopts_t move;
    bool json;
} options_t;

static void print_json(const peri_cpplan_t *p)
{
    json_t *all = json_array();
    for (size_t i = 0; i < p->n; i++) {
        const peri_transfer_t *t = &p->t[i];
        char *place = peri_place_text(&t->remote);
        json_t *j = json_pack("{s:b, s:I, s:I, s:f, s:b}", "done", (int)t->done, "size",
                              (json_int_t)t->size, "moved", (json_int_t)t->bytes,
                              "seconds", t->seconds, "resumed", (int)t->resumed);
        json_object_set_new(j, t->up ? "to" : "from", json_string(place));
        /* A name that is not UTF-8 cannot be said in JSON. */
        json_object_set_new(j, t->up ? "from" : "to", json_string(t->local));
        if (t->sum[0]) json_object_set_new(j, "checksum", json_string(t->sum));
        if (!t->done) json_object_set_new(j, "error", json_string(t->why));
        json_array_append_new(all, j);
        free(place);
    }
    char *text = json_dumps(all, JSON_INDENT(2));
    puts(text);
    free(text);
    json_decref(all);
}

static int parse(int argc, char **argv, options_t *o)
{
    static const struct option options[] = {{"recursive", no_argument, NULL, 'r'},
                                            {"overwrite", no_argument, NULL, 'f'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"no-check", no_argument, NULL, 'n'},
                                            {"patience", required_argument, NULL, 'p'},
                                            {"json", no_argument, NULL, 'J'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    peri_err_t err = {0};
    int64_t n;
    for (int c; (c = getopt_long(argc, argv, "rfj:qh", options, NULL)) != -1;) {
        switch (c) {
        case 'r':
            o->plan.recursive = true;
            break;
        case 'f':
            o->plan.overwrite = o->move.overwrite = true;
            break;
        case 'j':
            if (peri_cli_count("cp", "jobs", optarg, 1, PERI_TRANSFER_MAX, &n)) return 2;
            o->move.at_once = (unsigned)n;
            break;
        case 'n':
            o->move.check = false;
            break;
        case 'p':
            if (peri_parse_seconds(optarg, &o->move.patience, &err))
                return peri_cli_fail(&err);
            break;
        case 'J':
            o->json = true;
            break;
        case 'q':
            o->move.quiet = true;
            break;
        case 'h':
            fputs(help_text, stdout);
            return 0;
        default:
            return peri_cli_usage("cp");
        }
    }
    if (argc - optind >= 2) return -1;
    fputs("perigee: cp needs what to copy, and where to.\n", stderr);
    return peri_cli_usage("cp");
}

static int run(const options_t *o, char **words, size_t n)
{
    peri_err_t err = {0};
    peri_cpplan_t plan = {0};
    peri_client_t *c = peri_client_new(&err);
    if (!c) return peri_cli_fail(&err);
    peri_cli_catch_interrupts();
    int status = 0;
    if (peri_cp_plan(c, words, n - 1, words[n - 1], &o->plan, &plan, &err)) {
        status = peri_cli_fail(&err);
    } else if (peri_cli_interrupted()) {
        status = 130;
    } else {
        size_t left = peri_transfer_run(c, plan.t, plan.n, &o->move, &err);
        if (o->json) print_json(&plan);
        if (err.code != PERI_OK)
            status = peri_cli_fail(&err);
        else if (left || plan.skipped)
            status = 1;
    }
    peri_cp_plan_free(&plan);
    peri_client_free(c);
    return peri_cli_done(status);
}

int peri_cmd_cp(int argc, char **argv)
{
    options_t o = {
        .move = {.at_once = USUAL_AT_ONCE, .check = true, .patience = USUAL_PATIENCE}};
    int rc = parse(argc, argv, &o);
    return rc < 0 ? run(&o, argv + optind, (size_t)(argc - optind)) : rc;
}
