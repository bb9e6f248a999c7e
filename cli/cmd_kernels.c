/* cmd_kernels.c - `perigee kernels`: which analyses there are, and what each wants. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/kernels.h"

static const char help_text[] =
    "Usage: perigee kernels [--json | --markdown] [NAME]\n"
    "\n"
    "Lists the kernels: analyses that run in parallel next to the data, from SQL\n"
    "(SELECT * FROM fof('sim.dm', snapnum => 23)) or with perigee run. With a NAME it\n"
    "shows what that kernel does, its inputs, parameters and rows.\n"
    "\n"
    "      --json      everything, for programs\n"
    "      --markdown  as a page\n"
    "\n"
    "Kernels of your own are the files NAME.so in the folders of PERIGEE_KERNELS:\n"
    "docs/kernels.md tells how to write one.\n"
    "\n"
    "Example: perigee kernels fof\n";

enum { OPT_JSON = 256, OPT_MARKDOWN };

static const struct option options[] = {{"json", no_argument, NULL, OPT_JSON},
                                        {"markdown", no_argument, NULL, OPT_MARKDOWN},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

static const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void print_list(const json_t *all)
{
    size_t i;
    json_t *o;
    json_array_foreach(json_object_get(all, "kernels"), i, o)
    {
        printf("%-16s %s\n", text(o, "name"), text(o, "summary"));
    }
}

static void print_page(const json_t *all)
{
    size_t i;
    json_t *o;
    json_array_foreach(json_object_get(all, "kernels"), i, o)
    {
        if (!*text(o, "file")) peri_kernel_print_markdown(stdout, o);
    }
    peri_kernels_print_standard_markdown(stdout, all);
}

int peri_cmd_kernels(int argc, char **argv)
{
    peri_err_t err = {0};
    int c, form = 0;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == '?') return peri_cli_usage("kernels");
        if (c == 'h') {
            fputs(help_text, stdout);
            return peri_cli_done(0);
        }
        form = c;
    }
    if (argc - optind > 1) {
        fprintf(stderr, "perigee: give the name of one kernel\n");
        return 2;
    }
    json_t *all = peri_kernels_load(&err);
    if (!all) return peri_cli_fail(&err);
    const char *name = optind < argc ? argv[optind] : NULL;
    const json_t *kernel = name ? peri_kernels_find(all, name, &err) : NULL;
    int status = 0;
    if (name && !kernel)
        status = peri_cli_fail(&err);
    else if (form == OPT_JSON)
        json_dumpf(name ? kernel : all, stdout, JSON_INDENT(1)), putchar('\n');
    else if (form == OPT_MARKDOWN && name)
        peri_kernel_print_markdown(stdout, kernel);
    else if (form == OPT_MARKDOWN)
        print_page(all);
    else if (name)
        peri_kernel_print(stdout, all, kernel);
    else
        print_list(all);
    size_t i;
    json_t *note;
    json_array_foreach(json_object_get(all, "notes"), i, note)
    {
        fprintf(stderr, "perigee: %s\n", json_string_value(note));
    }
    json_decref(all);
    return peri_cli_done(status);
}
