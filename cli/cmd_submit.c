/* cmd_submit.c - `perigee submit`: options into a spec, and the spec to the daemon, once
 * (post.h).
 */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/follow.h"
#include "cli/kernel_arg.h"
#include "cli/plan_print.h"
#include "cli/post.h"
#include "cli/submit_input.h"
#include "core/base/util.h"

#define MAX_LIST 4096 /* --env, --after, --param */

static const char help_text[] =
    "Usage: perigee submit [OPTION...] \"SQL\"\n"
    "       perigee submit [OPTION...] -f FILE.sql\n"
    "       perigee submit [OPTION...] run KERNEL INPUT [--PARAMETER VALUE...] "
    "[OPTION...]\n"
    "       perigee submit [OPTION...] SCRIPT [ARGUMENT...]\n"
    "       perigee submit [OPTION...] -- COMMAND [ARGUMENT...]\n"
    "       perigee submit [OPTION...] SPEC.json\n"
    "\n"
    "Hands a job to perigee, which runs it where its data is, and returns. A script is a "
    "file\n"
    "that begins with #!; it is copied with the job. \"-\" reads SQL or a spec from "
    "standard\n"
    "input. docs/jobs.md describes specs, arrays and jobs of several steps.\n"
    "\n"
    "What it needs\n"
    "  -n, --ranks N          MPI ranks (SQL, kernels) or processes, over all nodes\n"
    "  -N, --nodes N          nodes\n"
    "  -t, --threads N        cores of each rank\n"
    "      --memory SIZE      on each node, as 4GB\n"
    "      --time TIME        at most so long, as 90s, 15m, 2h\n"
    "      --warn SIGNAL@TIME send a signal so long before that, as USR1@2m\n"
    "      --scheduler NAME   local, slurm, ... (default: the configuration's)\n"
    "      --partition P, --account A, --constraint C\n"
    "                         as in Slurm\n"
    "      --priority N       higher goes first (default 0)\n"
    "\n"
    "What it does\n"
    "      --name NAME        of the job\n"
    "SQL and kernels\n"
    "  -c, --context NAME     dataset of table names that name none\n"
    "  -o, --into FILE        write the rows to FILE (default: in the job's folder)\n"
    "      --format F         csv, tsv, json, ndjson, parquet, hdf5, fits, votable\n"
    "      --overwrite        replace FILE if it exists\n"
    "\n"
    "Scripts and commands\n"
    "      --mpi              start it as MPI ranks\n"
    "      --dir FOLDER       working folder (default: this one)\n"
    "      --env NAME=VALUE   into its environment; may be repeated\n"
    "\n"
    "Many of them\n"
    "      --array RANGE      tasks 0-99, 0-99:5 or 1,4,7; PERIGEE_INDEX says which\n"
    "      --param NAME=V,V   one task for each value (of all parameters' combinations): "
    "as\n"
    "                         {NAME} in the command, PERIGEE_PARAM_NAME; may be "
    "repeated\n"
    "      --parallel N       at most N tasks at a time\n"
    "      --after JOB[:end]  start when JOB has succeeded (or has ended); may be "
    "repeated\n"
    "      --restartable      may be started again when its node failed, or when it has\n"
    "                         saved what it has, warned by --warn\n"
    "\n"
    "At a portal\n"
    "      --output PLACE     its results go there when it has succeeded, as "
    "persistent:run7\n"
    "      --volume V         of all volumes it sees only V, as bob/data:ro; may be\n"
    "                         repeated\n"
    "\n"
    "This command\n"
    "      --check            only say whether it could run, and how\n"
    "      --wait             wait for the end; the exit status follows the job\n"
    "      --follow           show what it prints until it ends; exit status as --wait\n"
    "  -q, --quiet            print only the number of the job\n"
    "      --json             print the job as JSON\n"
    "      --key KEY          the same KEY gives the same job: to repeat safely\n"
    "  -h, --help             show this\n"
    "\n"
    "Examples\n"
    "  perigee submit -n 64 -c tng -o groups.fits \"SELECT * FROM groups WHERE mass > "
    "1e3\"\n"
    "  perigee submit -n 8 run fof sim.dm --snapnum 99 --b 0.2 --into groups.h5\n"
    "  perigee submit --array 0-99 --parallel 10 --time 1h --memory 4GB fit.sh\n"
    "  perigee submit --param b=0.15,0.2,0.25 run fof sim.dm --snapnum 99 --b {b}\n"
    "  perigee submit --mpi -N 2 -n 32 --wait -- ./simulation run.ini\n";

typedef struct {
    const char **v;
    size_t n;
} list_t;

typedef struct {
    peri_specopts_t spec;
    list_t env, after, params, volumes;
    const char *output;
    peri_input_t in;
    const char *given; /* the first option that is not for spec files */
    const char *key;
    bool check, wait, follow, quiet, json;
} options_t;

/* ---- options ---- */

enum { TEXT, COUNT, PRIORITY, FLAG, LIST };

/* The options that go into a spec: where each one's value is. */
static const struct {
    const char *name;
    int what;
    size_t at; /* in options_t */
} spec_options[] = {
#define S(member) offsetof(options_t, spec.member)
    {"ranks", COUNT, S(ranks)},
    {"nodes", COUNT, S(nodes)},
    {"threads", COUNT, S(cpus)},
    {"memory", TEXT, S(memory)},
    {"time", TEXT, S(time)},
    {"warn", TEXT, S(warn)},
    {"scheduler", TEXT, S(scheduler)},
    {"partition", TEXT, S(partition)},
    {"account", TEXT, S(account)},
    {"constraint", TEXT, S(constraint)},
    {"priority", PRIORITY, S(priority)},
    {"name", TEXT, S(name)},
    {"context", TEXT, S(context)},
    {"into", TEXT, S(into)},
    {"format", TEXT, S(format)},
    {"overwrite", FLAG, S(overwrite)},
    {"mpi", FLAG, S(mpi)},
    {"dir", TEXT, S(dir)},
    {"array", TEXT, S(array)},
    {"parallel", COUNT, S(parallel)},
    {"restartable", FLAG, S(restartable)},
    {"env", LIST, offsetof(options_t, env)},
    {"after", LIST, offsetof(options_t, after)},
    {"param", LIST, offsetof(options_t, params)},
    {"volume", LIST, offsetof(options_t, volumes)},
    {"output", TEXT, offsetof(options_t, output)},
#undef S
};
#define NSPEC (sizeof(spec_options) / sizeof(*spec_options))

static int add_to_list(list_t *l, const char *name, const char *value)
{
    if (l->n == MAX_LIST) {
        fprintf(stderr, "perigee: --%s may be given at most %d times.\n", name, MAX_LIST);
        return 2;
    }
    if (!l->v) l->v = peri_xcalloc(MAX_LIST, sizeof(*l->v));
    l->v[l->n++] = value;
    return 0;
}

static int set_option(options_t *o, size_t i, char *value)
{
    const char *name = spec_options[i].name;
    char *at = (char *)o + spec_options[i].at;
    int64_t n;
    int rc;
    if (!o->given) o->given = name;
    switch (spec_options[i].what) {
    case COUNT:
        rc = peri_cli_count("submit", name, value, 1, 1000000, &n);
        if (rc == 0) *(uint32_t *)(void *)at = (uint32_t)n;
        return rc;
    case PRIORITY:
        rc = peri_cli_count("submit", name, value, -1000, 1000, &n);
        if (rc == 0) *(int32_t *)(void *)at = (int32_t)n;
        return rc;
    case FLAG:
        *(bool *)(void *)at = true;
        return 0;
    case LIST:
        return add_to_list((list_t *)(void *)at, name, value);
    default:
        *(const char **)(void *)at = value;
        return 0;
    }
}

static const struct option own_options[] = {
    {"file", required_argument, NULL, 'f'}, {"check", no_argument, NULL, 'C'},
    {"wait", no_argument, NULL, 'W'},       {"follow", no_argument, NULL, 'F'},
    {"quiet", no_argument, NULL, 'q'},      {"json", no_argument, NULL, 'j'},
    {"key", required_argument, NULL, 'k'},  {"help", no_argument, NULL, 'h'}};
#define NOWN       (sizeof(own_options) / sizeof(*own_options))
#define FIRST_SPEC 1000 /* getopt's value of spec_options[0] */

static size_t spec_index(const char *name)
{
    size_t i = 0;
    while (strcmp(spec_options[i].name, name) != 0) i++;
    return i;
}

/* -1: go on; else the exit status. */
static int set_own(options_t *o, int c)
{
    static const struct {
        int c;
        const char *name;
    } letters[] = {{'n', "ranks"},
                   {'N', "nodes"},
                   {'t', "threads"},
                   {'c', "context"},
                   {'o', "into"}};
    for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++) {
        if (letters[i].c != c) continue;
        int rc = set_option(o, spec_index(letters[i].name), optarg);
        return rc ? rc : -1;
    }
    switch (c) {
    case 'f':
        o->in.sql_file = optarg;
        return -1;
    case 'C':
        o->check = true;
        return -1;
    case 'W':
        o->wait = true;
        return -1;
    case 'F':
        o->follow = true;
        return -1;
    case 'q':
        o->quiet = true;
        return -1;
    case 'j':
        o->json = true;
        return -1;
    case 'k':
        o->key = optarg;
        return -1;
    case 'h':
        fputs(help_text, stdout);
        return 0;
    default:
        return peri_cli_usage("submit");
    }
}

/* A word of `run KERNEL INPUT`, if it is one. -1: go on, -2: it is none; else the
 * status. */
static int set_kernel_word(options_t *o, int argc, char **argv, bool only)
{
    peri_err_t err = {0};
    int used =
        peri_submit_kernel_take(&o->in.kernel, argv + optind, argc - optind, only, &err);
    if (used < 0) return peri_cli_fail(&err);
    optind += used;
    return used ? -1 : -2;
}

/* What is not an option, at optind. -1: go on, -2: that was all of it; else the status.
 */
static int set_argument(options_t *o, int argc, char **argv)
{
    bool command = !strcmp(argv[optind - 1], "--");
    if (o->in.kernel.wanted) {
        int rc = set_kernel_word(o, argc, argv, command);
        while (command && rc == -1 && optind < argc)
            rc = set_kernel_word(o, argc, argv, true);
        return rc;
    }
    if (o->in.what || o->in.sql_file) {
        fprintf(stderr, "perigee: one thing at a time: \"%s\" is too much.\n",
                argv[optind]);
        return peri_cli_usage("submit");
    }
    if (!command && !strcmp(argv[optind], "run")) {
        o->in.what = argv[optind++];
        o->in.kernel.wanted = true;
        return -1;
    }
    if (!command) {
        o->in.what = argv[optind++];
        if (!peri_input_takes_words(o->in.what)) return -1;
    }
    o->in.command = command;
    o->in.args = argv + optind;
    o->in.nargs = argc - optind;
    return -2;
}

/* Is it an option of ours, or the beginning of one? */
static bool is_option(const char *word, const struct option *all)
{
    const size_t len = strcspn(word + 2, "=");
    for (; all->name; all++)
        if (!strncmp(all->name, word + 2, len)) return true;
    return false;
}

static int unknown_parameter(const options_t *o, const char *word)
{
    peri_err_t err = {0};
    peri_kernel_arg_unknown(o->in.kernel.all, o->in.kernel.kernel, word, &err);
    return peri_cli_fail(&err);
}

/* Options stand before and behind SQL text, a kernel or a spec, but only before a script
 * or command, whose words are its own. -1: all is well. */
static int parse(int argc, char **argv, options_t *o)
{
    struct option all[NOWN + NSPEC + 1] = {0};
    memcpy(all, own_options, sizeof(own_options));
    for (size_t i = 0; i < NSPEC; i++)
        all[NOWN + i] = (struct option){spec_options[i].name,
                                        spec_options[i].what == FLAG ? no_argument
                                                                     : required_argument,
                                        NULL, FIRST_SPEC + (int)i};
    for (int rc = -1; rc != -2;) {
        const char *word = optind < argc ? argv[optind] : "";
        if (o->in.kernel.kernel && !strncmp(word, "--", 2) && word[2]) {
            rc = set_kernel_word(o, argc, argv, false);
            if (rc == -2 && !is_option(word, all)) rc = unknown_parameter(o, word + 2);
            if (rc == -1) continue;
            if (rc >= 0) return rc;
        }
        int c = getopt_long(argc, argv, "+n:N:t:c:o:f:qh", all, NULL);
        if (c >= FIRST_SPEC)
            rc = set_option(o, (size_t)(c - FIRST_SPEC), optarg) ? 2 : -1;
        else if (c != -1)
            rc = set_own(o, c);
        else
            rc = optind < argc ? set_argument(o, argc, argv) : -2;
        if (rc >= 0) return rc;
    }
    if (o->in.what || o->in.sql_file || o->in.command) return -1;
    fputs("perigee: submit needs SQL, run KERNEL INPUT, a script, a spec or a command "
          "behind \"--\".\n",
          stderr);
    return peri_cli_usage("submit");
}

/* ---- what is said ---- */

static void say(const json_t *job, const options_t *o)
{
    long long number = peri_json_int(job, "number", 0);
    if (o->json) {
        json_dumpf(job, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (o->quiet) {
        printf("%lld\n", number);
    } else {
        printf("job %lld (%.8s...): %s\n", number, peri_json_str(job, "id"),
               peri_json_str(job, "state"));
    }
    fflush(stdout);
    if (!o->quiet && !o->json && !o->wait && !o->follow)
        fprintf(stderr,
                "follow it with 'perigee logs -f %lld', wait for it with 'perigee wait "
                "%lld'\n",
                number, number);
}

static int stay(peri_client_t *c, const json_t *job, const options_t *o)
{
    const char *id = peri_json_str(job, "id");
    if (o->follow) {
        const peri_logopts_t logs = {
            .index = -1, .out = true, .err = true, .follow = true};
        int rc = peri_follow_logs(c, id, &logs);
        if (rc == 130)
            fprintf(stderr, "perigee: job %lld goes on\n",
                    (long long)peri_json_int(job, "number", 0));
        if (rc == 130 || rc == 141) return rc;
    }
    return peri_follow_end(c, id, &(peri_waitopts_t){.quiet = o->quiet});
}

/* Kernels of one's own are found in the job as they are here. */
static void hand_on_kernels(options_t *o)
{
    static char var[PATH_MAX];
    const char *folders = getenv("PERIGEE_KERNELS");
    if (!o->in.kernel.wanted || !folders || !*folders || o->env.n == MAX_LIST) return;
    for (size_t i = 0; i < o->env.n; i++)
        if (!strncmp(o->env.v[i], "PERIGEE_KERNELS=", 16)) return;
    if (snprintf(var, sizeof(var), "PERIGEE_KERNELS=%s", folders) < (int)sizeof(var))
        add_to_list(&o->env, "env", var);
}

static int submit(options_t *o)
{
    peri_err_t err = {0};
    peri_buf_t spec;
    json_t *job = NULL;
    char *key = o->key ? peri_xstrdup(o->key) : peri_key_new();
    peri_buf_init(&spec, PERI_SPEC_MAX + 1);
    hand_on_kernels(o);
    o->spec.env = o->env.v, o->spec.nenv = o->env.n;
    o->spec.after = o->after.v, o->spec.nafter = o->after.n;
    o->spec.params = o->params.v, o->spec.nparams = o->params.n;
    peri_client_t *c = NULL;
    int status = 0;
    if (peri_input_spec(&o->in, &o->spec, o->given, &spec, &err) == 0 &&
        peri_input_storage(o->output, o->volumes.v, o->volumes.n, &spec, &err) == 0 &&
        (c = peri_client_new(&err)))
        job =
            peri_client_post(c,
                             &(peri_post_t){.path = o->check ? "/jobs?check=1" : "/jobs",
                                            .body = &spec,
                                            .key = o->check ? NULL : key,
                                            .again = "the same command with --key"},
                             &err);
    if (!job) {
        status = peri_cli_fail(&err);
    } else if (o->check) {
        if (o->json) {
            json_dumpf(job, stdout, JSON_INDENT(2));
            putchar('\n');
        } else {
            peri_plan_print(job, stdout);
        }
    } else {
        say(job, o);
        if (o->wait || o->follow) status = stay(c, job, o);
    }
    json_decref(job);
    peri_client_free(c);
    peri_buf_free(&spec);
    free(key);
    return peri_cli_done(status);
}

int peri_cmd_submit(int argc, char **argv)
{
    options_t o = {0};
    int rc = parse(argc, argv, &o);
    if (rc < 0) rc = submit(&o);
    free(o.env.v);
    free(o.after.v);
    free(o.params.v);
    free(o.volumes.v);
    peri_submit_kernel_clear(&o.in.kernel);
    return rc;
}
