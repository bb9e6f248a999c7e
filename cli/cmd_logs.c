/* cmd_logs.c - `perigee logs`: what a job's program printed, or prints. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/follow.h"

static const char help_text[] =
    "Usage: perigee logs [OPTION...] JOB\n"
    "\n"
    "Prints what the program of a job has written so far: its standard output to "
    "stdout,\n"
    "its standard error to stderr. JOB is a number or the start of a uuid.\n"
    "\n"
    "  -f, --follow      go on until the task is over, also when perigee is restarted\n"
    "      --step S      of this step (when the job has several)\n"
    "      --index N     of this task of an array\n"
    "      --attempt N   of an earlier start of it (default: the newest)\n"
    "      --stdout      only its standard output\n"
    "      --stderr      only its standard error, to stdout\n"
    "  -h, --help        show this\n"
    "\n"
    "Examples\n"
    "  perigee logs -f 42\n"
    "  perigee logs --step fit --index 7 --stderr 42 | tail\n";

int peri_cmd_logs(int argc, char **argv)
{
    static const struct option options[] = {{"follow", no_argument, NULL, 'f'},
                                            {"step", required_argument, NULL, 's'},
                                            {"index", required_argument, NULL, 'i'},
                                            {"attempt", required_argument, NULL, 'a'},
                                            {"stdout", no_argument, NULL, 'o'},
                                            {"stderr", no_argument, NULL, 'e'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    peri_logopts_t o = {.index = -1};
    int c, rc = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, "fh", options, NULL)) != -1) {
        switch (c) {
        case 'f':
            o.follow = true;
            break;
        case 's':
            o.step = optarg;
            break;
        case 'i':
            rc = peri_cli_count("logs", "index", optarg, 0, INT32_MAX, &o.index);
            break;
        case 'a':
            rc = peri_cli_count("logs", "attempt", optarg, 1, INT32_MAX, &o.attempt);
            break;
        case 'o':
            o.out = true;
            break;
        case 'e':
            o.err = true;
            break;
        case 'h':
            fputs(help_text, stdout);
            return 0;
        default:
            return peri_cli_usage("logs");
        }
    }
    if (rc) return rc;
    if (argc - optind != 1) {
        fputs("perigee: logs needs one job.\n", stderr);
        return peri_cli_usage("logs");
    }
    if (!o.out && !o.err) o.out = o.err = true;
    peri_err_t err = {0};
    peri_client_t *client = peri_client_new(&err);
    if (!client) return peri_cli_fail(&err);
    rc = peri_follow_logs(client, argv[optind], &o);
    peri_client_free(client);
    return rc;
}
