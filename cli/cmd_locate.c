/* cmd_locate.c - `perigee locate`: tells perigee which files of a dataset are on which
 * node.
 *
 * The same as `perigee index` tells, without reading the files.
 */
#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/replicas.h"
#include "core/h5/h5.h"

static const char help_text[] =
    "Usage: perigee locate [OPTION...] DATASET\n"
    "\n"
    "Tells perigee which files of a dataset this machine sees, so that jobs run where "
    "their\n"
    "data is; opens none of them. Again after files have moved. 'perigee replicas' shows "
    "what\n"
    "is known.\n"
    "\n"
    "      --all-nodes       look on every node of the cluster, with a job\n"
    "      --scheduler NAME  whose nodes (default: the configuration's)\n"
    "      --save FOLDER     only write the list to FOLDER/NODE.json (what that job "
    "does)\n"
    "  -h, --help            show this\n"
    "\n"
    "Example\n"
    "  perigee locate --all-nodes tng && perigee replicas tng\n";

typedef struct {
    bool all;
    const char *scheduler, *save;
} options_t;

static int tell(const json_t *seen)
{
    peri_err_t err = {0};
    peri_client_t *c = peri_client_new(&err);
    int status =
        c && peri_replicas_tell(c, seen, NULL, &err) == 0 ? 0 : peri_cli_fail(&err);
    peri_client_free(c);
    return status;
}

static int locate(const char *dataset, const options_t *o)
{
    peri_err_t err = {0};
    peri_h5_init(NULL);
    peri_dataset_t *d = peri_catalog_find(dataset, &err);
    json_t *seen = d ? peri_replicas_look(d, NULL, &err) : NULL;
    peri_dataset_free(d);
    if (!seen) return peri_cli_fail(&err);
    int status = 0;
    if (o->save)
        status = peri_replicas_save(seen, o->save, &err) ? peri_cli_fail(&err) : 0;
    else if (o->all)
        status = peri_replicas_everywhere(
            &(peri_everywhere_t){.words = (const char *[]){"locate", dataset},
                                 .nwords = 2,
                                 .scheduler = o->scheduler});
    else
        status = tell(seen);
    json_decref(seen);
    return peri_cli_done(status);
}

int peri_cmd_locate(int argc, char **argv)
{
    options_t o = {0};
    const peri_option_t options[] = {{"all-nodes", &o.all, NULL, 0},
                                     {"scheduler", NULL, &o.scheduler, 0},
                                     {"save", NULL, &o.save, 0}};
    int status = peri_options_read(argc, argv, help_text, options,
                                   sizeof(options) / sizeof(*options));
    if (status >= 0) return status;
    if (argc - optind == 1) return locate(argv[optind], &o);
    fputs("perigee: locate needs one dataset.\n", stderr);
    return peri_cli_usage("locate");
}
