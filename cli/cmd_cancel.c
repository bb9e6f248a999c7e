/* cmd_cancel.c - `perigee cancel` and `perigee resubmit`: one request a job. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/follow.h"
#include "cli/post.h"
#include "core/base/util.h"

static const char cancel_help[] =
    "Usage: perigee cancel JOB ...\n"
    "\n"
    "Ends jobs: what has not started never will, what runs is told with SIGTERM and, a "
    "little\n"
    "later, killed. What it has printed and written is kept. A job that is over stays as "
    "it is.\n"
    "\n"
    "  -q, --quiet  say nothing of what went well\n"
    "      --json   print the jobs as JSON\n"
    "  -h, --help   show this\n"
    "\n"
    "Example\n"
    "  perigee cancel 42 43\n";

static const char resubmit_help[] = "Usage: perigee resubmit JOB ...\n"
                                    "\n"
                                    "Submits new jobs with the specifications of these.\n"
                                    "\n"
                                    "  -q, --quiet  print only the new numbers\n"
                                    "      --json   print the new jobs as JSON\n"
                                    "  -h, --help   show this\n"
                                    "\n"
                                    "Example\n"
                                    "  perigee resubmit 42\n";

typedef struct {
    bool quiet, json;
} options_t;

static void say_cancelled(const json_t *job)
{
    char *s = peri_job_sentence(job);
    bool over = peri_state_is_final(peri_json_str(job, "state"));
    if (!over || !strcmp(peri_json_str(job, "state"), "cancelled"))
        printf("job %lld: cancelled%s\n", (long long)peri_json_int(job, "number", 0),
               over ? "" : "; what runs is being ended");
    else
        printf("job %lld was over already: %s\n",
               (long long)peri_json_int(job, "number", 0), s);
    free(s);
}

static void say_new(const json_t *job, const char *from, const options_t *o)
{
    if (o->quiet)
        printf("%lld\n", (long long)peri_json_int(job, "number", 0));
    else
        printf("job %lld (%.8s...): %s, as job %s\n",
               (long long)peri_json_int(job, "number", 0), peri_json_str(job, "id"),
               peri_json_str(job, "state"), from);
}

static int each_job(const char *verb, int n, char **ids, const options_t *o)
{
    peri_err_t err = {0};
    peri_client_t *client = peri_client_new(&err);
    if (!client) return peri_cli_fail(&err);
    bool cancel = !strcmp(verb, "cancel");
    int status = 0;
    for (int i = 0; i < n; i++) {
        char *id = peri_url_escape(ids[i]), *key = peri_key_new();
        char *path = peri_xasprintf("/jobs/%s/%s", id, verb);
        json_t *job =
            peri_client_post(client, &(peri_post_t){.path = path, .key = key}, &err);
        free(path);
        free(key);
        free(id);
        if (!job) {
            int s = peri_cli_fail(&err);
            if (!status) status = s;
            continue;
        }
        if (o->json) {
            json_dumpf(job, stdout, JSON_INDENT(2));
            putchar('\n');
        } else if (!cancel) {
            say_new(job, ids[i], o);
        } else if (!o->quiet) {
            say_cancelled(job);
        }
        json_decref(job);
    }
    peri_client_free(client);
    return peri_cli_done(status);
}

static int run(const char *verb, const char *help, int argc, char **argv)
{
    static const struct option options[] = {{"quiet", no_argument, NULL, 'q'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    options_t o = {0};
    int c;
    while ((c = getopt_long(argc, argv, "qh", options, NULL)) != -1) {
        switch (c) {
        case 'q':
            o.quiet = true;
            break;
        case 'j':
            o.json = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            return peri_cli_usage(verb);
        }
    }
    if (optind < argc) return each_job(verb, argc - optind, argv + optind, &o);
    fprintf(stderr, "perigee: %s needs a job.\n", verb);
    return peri_cli_usage(verb);
}

int peri_cmd_cancel(int argc, char **argv)
{
    return run("cancel", cancel_help, argc, argv);
}

int peri_cmd_resubmit(int argc, char **argv)
{
    return run("resubmit", resubmit_help, argc, argv);
}
