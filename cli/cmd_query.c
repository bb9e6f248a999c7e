/* cmd_query.c - `perigee query`: options into a query's specification, then run it here,
 * start it on many ranks, or have a portal answer it. Rows go to stdout or to --into;
 * everything else to stderr.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/param.h"
#include "cli/query_portal.h"
#include "cli/query_script.h"
#include "core/base/util.h"
#include "core/query/query.h"

#define MAX_SQL (1u << 20)

static const char help_text[] =
    "Usage: perigee query [OPTION...] SQL\n"
    "       perigee query [OPTION...] -f FILE\n"
    "       perigee query [OPTION...] -          (SQL from standard input)\n"
    "\n"
    "Runs a SELECT over HDF5 files where they are. A table is dataset.table of a "
    "registered\n"
    "dataset, one of your own (mydb.NAME), or a file:\n"
    "FROM 'groups_099/fof_subhalo_tab_099.*.hdf5:/Subhalo'.\n"
    "Tables and views of your own are made and changed by SELECT ... INTO mydb.x, "
    "CREATE,\n"
    "INSERT, UPDATE, DELETE, ALTER, DROP, COMMENT (docs/mydb.md). Several statements, "
    "with ;\n"
    "between them, run in order; the rows of the last SELECT come out.\n"
    "\n"
    "Where: the portal that you are logged in to answers at once, within its limits; "
    "without a\n"
    "login, and in a job, it runs here.\n"
    "      --here           here, although there is a login\n"
    "      --portal URL     at this portal\n"
    "      --job            as a job, without the limits ('perigee submit' has more "
    "options)\n"
    "      --param NAME=VALUE  the value of $NAME in the SQL; may be repeated\n"
    "      --save NAME      when it went well, keep it at the portal under NAME\n"
    "      --saved NAME     run what is kept there under NAME\n"
    "\n"
    "How (here; -n, -t and --memory with --job, too)\n"
    "  -n, --ranks N        spread it over N MPI ranks (default: 1, in a Slurm "
    "allocation\n"
    "                       its number of tasks; for kernels as many as there are "
    "cores)\n"
    "  -t, --threads N      threads of each rank (default: its cores)\n"
    "      --explain        print the plan, what is read and what is skipped; run "
    "nothing\n"
    "      --no-index       read everything, as if there were no index\n"
    "      --allow-missing  take numbered sets of files that have gaps\n"
    "      --root FOLDER    refuse files and links that lead out of FOLDER\n"
    "\n"
    "What comes out\n"
    "  -c, --context NAME   dataset of table names that name none\n"
    "  -o, --into FILE      write the rows to FILE: .csv .tsv .json .ndjson .parquet "
    ".h5\n"
    "                       .fits .vot; or into a table of your own: mydb.x\n"
    "      --overwrite      replace FILE, or the table, if it exists\n"
    "      --format F       table, csv, tsv, json, ndjson, parquet, hdf5, fits or "
    "votable\n"
    "      --limit N        at most N rows of the answer; tables of your own are "
    "written whole\n"
    "      --rows N         rows that a table on the terminal shows (default 40)\n"
    "  -q, --quiet          no progress, no closing line\n"
    "\n"
    "Limits\n"
    "      --memory SIZE    of each rank, as 512MB or 4GiB (default: 70 % of the "
    "machine)\n"
    "      --timeout TIME   give up after TIME, as 90s, 15m or 2h\n"
    "      --max-rows N     fail if the result has more rows\n"
    "      --max-bytes SIZE fail if what is written is larger\n"
    "      --cut            do not fail at these limits (at that of time, once there "
    "are\n"
    "                       rows): end the result there, and say so\n"
    "      --temp-dir DIR   folder for what does not fit into memory (default: $TMPDIR)\n"
    "      --temp-size SIZE at most so much there, for each rank (default 10GB)\n"
    "      --broadcast-limit SIZE  largest table that a join sends to every rank\n"
    "                       (default 256MB)\n"
    "      --checkpoint FOLDER  where kernels save what they have when time runs out, "
    "and\n"
    "                       look for it when they start\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong SQL or option, 75 a kernel has saved what it "
    "has\n"
    "and goes on when it is called again, 130 cancelled.\n"
    "\n"
    "Example: the ten most massive groups, on two ranks\n"
    "  perigee query -n 2 \"SELECT GroupMass, GroupPos FROM gadget.groups\n"
    "                      WHERE snapnum = 23 ORDER BY GroupMass DESC LIMIT 10\"\n";

enum {
    OPT_EXPLAIN = 256,
    OPT_NO_INDEX,
    OPT_ALLOW_MISSING,
    OPT_ROOT,
    OPT_OVERWRITE,
    OPT_FORMAT,
    OPT_LIMIT,
    OPT_ROWS,
    OPT_MEMORY,
    OPT_TIMEOUT,
    OPT_TEMP_DIR,
    OPT_TEMP_SIZE,
    OPT_BROADCAST,
    OPT_CHECKPOINT,
    OPT_CUT,
    OPT_MAX_ROWS,
    OPT_MAX_BYTES,
    OPT_HERE,
    OPT_JOB,
    OPT_PARAM,
    OPT_SAVE,
    OPT_SAVED
};

static const struct option options[] = {
    {"ranks", required_argument, NULL, 'n'},
    {"threads", required_argument, NULL, 't'},
    {"context", required_argument, NULL, 'c'},
    {"into", required_argument, NULL, 'o'},
    {"file", required_argument, NULL, 'f'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"explain", no_argument, NULL, OPT_EXPLAIN},
    {"no-index", no_argument, NULL, OPT_NO_INDEX},
    {"allow-missing", no_argument, NULL, OPT_ALLOW_MISSING},
    {"root", required_argument, NULL, OPT_ROOT},
    {"overwrite", no_argument, NULL, OPT_OVERWRITE},
    {"format", required_argument, NULL, OPT_FORMAT},
    {"limit", required_argument, NULL, OPT_LIMIT},
    {"rows", required_argument, NULL, OPT_ROWS},
    {"memory", required_argument, NULL, OPT_MEMORY},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"temp-dir", required_argument, NULL, OPT_TEMP_DIR},
    {"temp-size", required_argument, NULL, OPT_TEMP_SIZE},
    {"broadcast-limit", required_argument, NULL, OPT_BROADCAST},
    {"checkpoint", required_argument, NULL, OPT_CHECKPOINT},
    {"cut", no_argument, NULL, OPT_CUT},
    {"max-rows", required_argument, NULL, OPT_MAX_ROWS},
    {"max-bytes", required_argument, NULL, OPT_MAX_BYTES},
    {"here", no_argument, NULL, OPT_HERE},
    {"job", no_argument, NULL, OPT_JOB},
    {"param", required_argument, NULL, OPT_PARAM},
    {"save", required_argument, NULL, OPT_SAVE},
    {"saved", required_argument, NULL, OPT_SAVED},
    {NULL, 0, NULL, 0}};

/* These make sense only where we see the files ourselves; the others of them, in a job.
 */
static const int local_options[] = {OPT_EXPLAIN,   OPT_NO_INDEX,   OPT_ALLOW_MISSING,
                                    OPT_ROOT,      OPT_TEMP_DIR,   OPT_TEMP_SIZE,
                                    OPT_BROADCAST, OPT_CHECKPOINT, OPT_CUT,
                                    OPT_MAX_ROWS,  OPT_MAX_BYTES};
static const int own_options[] = {'n', 't', OPT_MEMORY};

typedef struct {
    peri_queryspec_t spec;
    int ranks; /* 0: not said */
    bool format_said, quiet, help;
    bool here, job;
    const char *save, *saved, *table;      /* table: that --into names */
    const char *memory, *timeout;          /* as they were written */
    const char *local_option, *own_option; /* one that was given, or NULL */
    json_t *params;                        /* owned; NULL: none */
    const char *sql_file;
    char *root, *base, *sql, *checkpoint; /* owned */
} request_t;

static int parse_count(const char *option, const char *s, int64_t min, int64_t max,
                       int64_t *out, peri_err_t *err)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (errno || end == s || *end || v < min || v > max)
        return peri_err_set(err, PERI_EINVAL,
                            "%s needs a whole number from %lld to %lld, not \"%s\"",
                            option, (long long)min, (long long)max, s);
    *out = v;
    return 0;
}

static bool is_among(int c, const int *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == c) return true;
    return false;
}

static void note_option(request_t *r, int c)
{
    const struct option *o = options;
    while (o->name && o->val != c) o++;
    if (is_among(c, local_options, sizeof(local_options) / sizeof(*local_options)))
        r->local_option = o->name;
    if (is_among(c, own_options, sizeof(own_options) / sizeof(*own_options)))
        r->own_option = o->name;
}

static int take_option(request_t *r, int c, const char *arg, peri_err_t *err)
{
    note_option(r, c);
    peri_queryspec_t *s = &r->spec;
    int64_t v = 0;
    int rc = 0;
    switch (c) {
    case 'n':
        rc = parse_count("--ranks", arg, 1, 65536, &v, err);
        r->ranks = (int)v;
        break;
    case 't':
        rc = parse_count("--threads", arg, 1, 1024, &v, err);
        s->threads = (int)v;
        break;
    case 'c':
        s->context = arg;
        break;
    case 'o':
        s->into = arg;
        break;
    case 'f':
        r->sql_file = arg;
        break;
    case 'q':
        r->quiet = true;
        break;
    case 'h':
        r->help = true;
        break;
    case OPT_EXPLAIN:
        s->explain = true;
        break;
    case OPT_NO_INDEX:
        s->use_index = false;
        break;
    case OPT_ALLOW_MISSING:
        s->allow_missing = true;
        break;
    case OPT_ROOT:
        free(r->root);
        r->root = realpath(arg, NULL);
        s->root = r->root;
        if (!r->root) rc = peri_err_set(err, PERI_ENOTFOUND, "--root %s: %m", arg);
        break;
    case OPT_OVERWRITE:
        s->overwrite = true;
        break;
    case OPT_FORMAT:
        rc = peri_format_parse(arg, &s->format, err);
        r->format_said = true;
        break;
    case OPT_LIMIT:
        rc = parse_count("--limit", arg, 0, INT64_MAX, &s->limit, err);
        break;
    case OPT_ROWS:
        rc = parse_count("--rows", arg, 1, 10000000, &s->table_rows, err);
        break;
    case OPT_MEMORY:
        rc = peri_parse_size(arg, &s->memory, err);
        r->memory = arg;
        break;
    case OPT_TIMEOUT:
        rc = peri_parse_seconds(arg, &s->time_limit, err);
        r->timeout = arg;
        break;
    case OPT_TEMP_DIR:
        s->temp_dir = arg;
        break;
    case OPT_TEMP_SIZE:
        rc = peri_parse_size(arg, &s->temp_size, err);
        break;
    case OPT_CHECKPOINT:
        free(r->checkpoint);
        r->checkpoint = realpath(arg, NULL);
        s->checkpoint = r->checkpoint;
        if (!r->checkpoint)
            rc = peri_err_set(err, PERI_ENOTFOUND, "--checkpoint %s: %m", arg);
        break;
    case OPT_BROADCAST:
        rc = peri_parse_size(arg, &s->broadcast_limit, err);
        break;
    case OPT_CUT:
        s->cut = true;
        break;
    case OPT_MAX_ROWS:
        rc = parse_count("--max-rows", arg, 1, INT64_MAX, &v, err);
        s->max_rows = (uint64_t)v;
        break;
    case OPT_MAX_BYTES:
        rc = peri_parse_size(arg, &s->max_bytes, err);
        break;
    case OPT_HERE:
        r->here = true;
        break;
    case OPT_JOB:
        r->job = true;
        break;
    case OPT_PARAM:
        rc = peri_param_add(&r->params, arg, err);
        break;
    case OPT_SAVE:
        r->save = arg;
        break;
    case OPT_SAVED:
        r->saved = arg;
        break;
    }
    return rc;
}

static int read_stdin(char **out, peri_err_t *err)
{
    return peri_file_slurp("/dev/stdin", MAX_SQL, out, NULL, err);
}

static int take_sql(request_t *r, int argc, char **argv, peri_err_t *err)
{
    if (argc > 1)
        return peri_err_set(err, PERI_EINVAL,
                            "the SQL must be one argument: put it in quotes (\"%s\" and "
                            "\"%s\" came apart)",
                            argv[0], argv[1]);
    if (r->sql_file && argc)
        return peri_err_set(err, PERI_EINVAL, "give SQL or -f FILE, not both");
    if (r->saved && (argc || r->sql_file || r->save))
        return peri_err_set(
            err, PERI_EINVAL,
            "--saved %s has its SQL already: give no other, and no --save", r->saved);
    if (r->saved) return 0;
    int rc = 0;
    if (r->sql_file && strcmp(r->sql_file, "-"))
        rc = peri_file_slurp(r->sql_file, MAX_SQL, &r->sql, NULL, err);
    else if (r->sql_file || (argc && !strcmp(argv[0], "-")) || (!argc && !isatty(0)))
        rc = read_stdin(&r->sql, err);
    else if (argc)
        r->sql = peri_xstrdup(argv[0]);
    else
        rc = peri_err_set(err, PERI_EINVAL, "there is no SQL to run");
    if (rc) return rc;
    if (r->sql[strspn(r->sql, " \t\r\n;")] == '\0')
        return peri_err_set(err, PERI_EINVAL, "the SQL is empty");
    if (!peri_utf8_valid(r->sql, strlen(r->sql)))
        return peri_err_set(err, PERI_EINVAL, "the SQL is not valid UTF-8");
    r->spec.sql = r->sql;
    return 0;
}

/* ---- elsewhere ---- */

static int check_elsewhere(const request_t *r, peri_err_t *err)
{
    if (r->local_option || (r->own_option && !r->job))
        return peri_err_set(
            err, PERI_EINVAL, "--%s is for queries that run here, and %s: add --here%s",
            r->local_option ? r->local_option : r->own_option,
            r->job ? "this one becomes a job" : "the portal answers this one",
            r->local_option ? "" : ", or --job to make it a job");
    if (r->job && (r->spec.limit >= 0 || r->save || r->spec.table_rows))
        return peri_err_set(err, PERI_EINVAL,
                            "--job writes all rows into a file: it has no --limit, no "
                            "--rows and no --save");
    return 0;
}

/* The exit status. */
static int run_elsewhere(const request_t *r)
{
    const peri_queryspec_t *s = &r->spec;
    const peri_portalquery_t q = {.sql = r->saved ? NULL : s->sql,
                                  .saved = r->saved,
                                  .params = r->params,
                                  .context = s->context,
                                  .into = s->into,
                                  .table = r->table,
                                  .format = s->format,
                                  .overwrite = s->overwrite,
                                  .quiet = r->quiet,
                                  .limit = s->limit,
                                  .table_rows = s->table_rows,
                                  .width = s->width,
                                  .utf8 = s->utf8,
                                  .timeout = s->time_limit,
                                  .save = r->save};
    const peri_queryjob_t job = {.ranks = (uint32_t)r->ranks,
                                 .threads = (uint32_t)s->threads,
                                 .memory = r->memory,
                                 .time = r->timeout};
    return r->job ? peri_query_job(&q, &job) : peri_query_portal(&q);
}

/* 1: elsewhere, 0: here, -1. */
static int decide(const request_t *r, peri_err_t *err)
{
    if (r->here && r->job)
        return peri_err_set(err, PERI_EINVAL, "--here and --job exclude each other");
    const int away = r->job ? 1 : r->here ? 0 : peri_client_is_away(err);
    if (away > 0 && check_elsewhere(r, err)) return -1;
    if (away == 0 && (r->save || r->saved))
        return peri_err_set(err, PERI_EINVAL,
                            "a portal keeps saved queries, and this runs here: 'perigee "
                            "login URL', or name one with --portal URL");
    return away;
}

static int run_anywhere(request_t *r, peri_err_t *err)
{
    const int away = decide(r, err);
    if (away) return away < 0 ? -1 : run_elsewhere(r);
    /* Ranks may start elsewhere: what is relative is so to this folder. */
    r->base = getcwd(NULL, 0);
    r->spec.base = r->base;
    peri_cli_catch_interrupts();
    const peri_queryscript_t o = {.spec = &r->spec,
                                  .params = r->params,
                                  .table = r->table,
                                  .ranks = r->ranks,
                                  .quiet = r->quiet};
    peri_scriptend_t end;
    const int rc = peri_query_script(&o, &end, err);
    if (rc == 0) peri_query_word(&end);
    json_decref(end.changed);
    return rc;
}

static void clear(request_t *r)
{
    free(r->root);
    free(r->base);
    free(r->sql);
    free(r->checkpoint);
    json_decref(r->params);
}

int peri_cmd_query(int argc, char **argv)
{
    request_t r = {0};
    peri_err_t err = {0};
    int c, rc = -1;
    peri_queryspec_init(&r.spec);
    while ((c = getopt_long(argc, argv, "n:t:c:o:f:qh", options, NULL)) != -1) {
        if (c == '?') {
            clear(&r);
            return peri_cli_usage("query");
        }
        if (take_option(&r, c, optarg, &err)) goto out;
    }
    if (r.help) {
        fputs(help_text, stdout);
        rc = 0;
        goto out;
    }
    if (r.spec.into && !r.format_said && peri_query_into_table(r.spec.into)) {
        r.table = r.spec.into;
        r.spec.into = NULL;
    }
    if (r.spec.into && !r.format_said &&
        peri_format_from_path(r.spec.into, &r.spec.format, &err))
        goto out;
    if (take_sql(&r, argc - optind, argv + optind, &err)) goto out;
    peri_terminal_look(&r.spec.width, &r.spec.utf8);
    rc = run_anywhere(&r, &err);
out:
    clear(&r);
    if (rc < 0) return peri_cli_fail(&err);
    return rc;
}
