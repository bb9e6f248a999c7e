/* cmd_wait.c - `perigee wait`: until jobs are over. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/follow.h"
#include "cli/when.h"
#include "core/base/util.h"

static const char help_text[] =
    "Usage: perigee wait [OPTION...] JOB ...\n"
    "\n"
    "Waits until the jobs are over. The exit status follows the job: 0 it succeeded, "
    "the\n"
    "program's own exit status if it ended with one from 1 to 125, 130 it was "
    "cancelled,\n"
    "124 it is not over in time, 1 otherwise. With several jobs it is the first one that "
    "is\n"
    "not 0. A restart of perigee is waited for.\n"
    "\n"
    "      --timeout TIME  give up waiting after TIME, as 90s, 15m or 2h; the job goes "
    "on\n"
    "  -q, --quiet         neither progress nor closing line\n"
    "  -h, --help          show this\n"
    "\n"
    "Example\n"
    "  job=$(perigee submit -q script.sh) && perigee wait \"$job\" && echo done\n";

int peri_cmd_wait(int argc, char **argv)
{
    static const struct option options[] = {{"timeout", required_argument, NULL, 't'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    peri_waitopts_t o = {0};
    peri_err_t err = {0};
    double seconds = -1;
    int c, status = 0;
    while ((c = getopt_long(argc, argv, "qh", options, NULL)) != -1) {
        switch (c) {
        case 't':
            if (peri_when_parse_span(optarg, &seconds, &err)) return peri_cli_fail(&err);
            break;
        case 'q':
            o.quiet = true;
            break;
        case 'h':
            fputs(help_text, stdout);
            return 0;
        default:
            return peri_cli_usage("wait");
        }
    }
    if (optind == argc) {
        fputs("perigee: wait needs a job.\n", stderr);
        return peri_cli_usage("wait");
    }
    if (seconds >= 0) o.until = peri_now() + seconds;
    peri_client_t *client = peri_client_new(&err);
    if (!client) return peri_cli_fail(&err);
    for (int i = optind; i < argc && !peri_cli_interrupted(); i++) {
        int s = peri_follow_end(client, argv[i], &o);
        if (!status) status = s;
    }
    peri_client_free(client);
    return status;
}
