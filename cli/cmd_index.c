/* cmd_index.c - `perigee index`: make, check or remove the indexes of tables. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/replicas.h"
#include "core/base/util.h"
#include "core/index/index.h"
#include "core/table/dataset.h"

static const char help_text[] =
    "Usage: perigee index [OPTION...] DATASET|DATASET.TABLE|FILE:/path ...\n"
    "\n"
    "Reads the numeric columns of tables once and notes where their chunks lie and "
    "which\n"
    "values they hold, so that queries skip what cannot match. Files that have not "
    "changed\n"
    "since the last time are not read again. The index lies beside the data in "
    ".perigee/,\n"
    "or, where that cannot be written, in Perigee's own folder.\n"
    "\n"
    "  -t, --threads N      threads that read (default: all cores)\n"
    "      --check          say of each table whether its index is fresh, stale, damaged "
    "or\n"
    "                       missing; read no data\n"
    "      --remove         delete the index\n"
    "      --allow-missing  take numbered sets of files that have gaps\n"
    "      --report         when done, print which files of the datasets this machine "
    "sees,\n"
    "                       as JSON\n"
    "      --where          print that and do nothing else; opens no file\n"
    "      --all-nodes      on every node of the cluster, with a job: one dataset\n"
    "      --save FOLDER    write which files this machine sees to FOLDER/NODE.json, "
    "and\n"
    "                       tell nobody (what that job does)\n"
    "\n"
    "Of a dataset whose files lie on several nodes, each node indexes its own. Where a\n"
    "perigeed runs it is told which files this machine sees, so that jobs run where "
    "their\n"
    "data is ('perigee replicas').\n"
    "\n"
    "Exit status: 0 done (--check: all fresh), 1 failed, 2 wrong option, 130 cancelled.\n"
    "\n"
    "Examples\n"
    "  perigee index tng.subhalos\n"
    "  perigee index 'groups_099/fof_subhalo_tab_099.*.hdf5:/Subhalo'\n";

typedef enum { DO_BUILD, DO_CHECK, DO_REMOVE, DO_LIST } action_t;

typedef struct {
    action_t action;
    int threads;
    bool allow_missing;
    json_t *listing;  /* of --report and --where, or NULL */
    const char *save; /* folder, or NULL */
} request_t;

/* ---- one table; each returns an exit status ---- */

static int on_progress(uint64_t rows_done, uint64_t rows_all, uint64_t bytes, void *arg)
{
    peri_bar_update(arg, rows_done, rows_all, bytes);
    return peri_cli_interrupted();
}

static void print_summary(const peri_table_t *t, const peri_index_stats_t *s,
                          const char *path, double seconds)
{
    char rows[32], zones[32], size[16], kept[64] = "";
    uint64_t data = 0;
    for (size_t i = 0; i < t->nfiles; i++) data += t->files[i].size;
    double part = data ? 100.0 * (double)s->index_bytes / (double)data : 0;
    if (s->files_kept)
        snprintf(kept, sizeof(kept), " (%" PRIu64 " unchanged)", s->files_kept);
    fprintf(stderr,
            "%s: %s rows, %s zones of %" PRIu64 " column%s in %" PRIu64
            " file%s%s, %s (%.2g %% of the data), %.1f s, in %s\n",
            t->name, peri_human_count(t->rows, rows), peri_human_count(s->zones, zones),
            s->columns, s->columns == 1 ? "" : "s", s->files, s->files == 1 ? "" : "s",
            kept, peri_human_bytes(s->index_bytes, size), part, seconds, path);
}

static int build_part(const peri_table_t *t, const request_t *r)
{
    char *label = peri_xasprintf("index %.40s", t->name);
    char *path = peri_index_path(t, true);
    peri_bar_t *bar = peri_bar_new(stderr, label, "rows");
    peri_index_opts_t opts = {.threads = r->threads, .progress = on_progress, .arg = bar};
    peri_index_stats_t stats;
    peri_err_t err = {0};
    double started = peri_now();
    int rc = peri_index_build(t, path, &opts, &stats, &err);
    peri_bar_finish(bar);
    if (rc == 0) print_summary(t, &stats, path, peri_now() - started);
    free(label);
    free(path);
    return rc ? peri_cli_fail(&err) : 0;
}

static int check_part(const peri_table_t *t, const request_t *r)
{
    (void)r;
    char *path = peri_index_path(t, false);
    peri_err_t err = {0};
    peri_index_t *x = peri_index_open(path, &err);
    size_t fresh = peri_index_fresh_files(x, t);
    if (x == NULL && err.code == PERI_ENOTFOUND)
        printf("%s: missing\n", t->name);
    else if (x == NULL || peri_index_verify(x, &err))
        printf("%s: damaged (%s)\n", t->name, err.text);
    else if (fresh < t->nfiles)
        printf("%s: stale for %zu of %zu files (%s)\n", t->name, t->nfiles - fresh,
               t->nfiles, path);
    else
        printf("%s: fresh (%s)\n", t->name, path);
    int status = x && err.code == 0 && fresh == t->nfiles ? 0 : 1;
    peri_index_unref(x);
    free(path);
    return status;
}

static int remove_part(const peri_table_t *t, const request_t *r)
{
    (void)r;
    bool any = false;
    /* There may be one beside the data and one in the state folder. */
    for (int i = 0; i < 2; i++) {
        char *path = peri_index_path(t, false);
        int rc = unlink(path);
        if (rc == 0)
            fprintf(stderr, "%s: removed %s\n", t->name, path);
        else if (access(path, F_OK) == 0) {
            peri_err_t err;
            peri_err_set(&err, PERI_EIO, "cannot remove %s: %m", path);
            free(path);
            return peri_cli_fail(&err);
        }
        free(path);
        if (rc) break;
        any = true;
    }
    if (!any) fprintf(stderr, "%s: there is no index\n", t->name);
    return 0;
}

static int worse(int a, int b)
{
    return a > b ? a : b;
}

/* A table has an index for each storage that it lies in: what is on a node is that node's
 * to index, what is shared anybody's. */
static int do_table(peri_table_t *t, const request_t *r, const peri_err_t *why)
{
    static int (*const actions[])(const peri_table_t *, const request_t *) = {
        [DO_BUILD] = build_part, [DO_CHECK] = check_part, [DO_REMOVE] = remove_part};
    if (t == NULL) return peri_cli_fail(why);
    int status = 0;
    if (t->nstorages && (t->nfiles == 0 || t->ncolumns == 0))
        fprintf(stderr, "%s: no rows on %s\n", t->name, peri_node_name());
    else if (t->nstorages == 0)
        status = actions[r->action](t, r);
    for (size_t i = 0; i < t->nstorages && t->ncolumns && !peri_cli_interrupted(); i++) {
        peri_table_t *part = peri_table_in_storage(t, i);
        if (part) status = worse(status, actions[r->action](part, r));
        peri_table_unref(part);
    }
    peri_table_unref(t);
    return status;
}

/* ---- which files are here ---- */

static int add_listing(const peri_dataset_t *d, const char *table, json_t *all,
                       peri_err_t *err)
{
    peri_seenlist_t l;
    if (peri_dataset_places(d, table, &l, err)) return -1;
    json_t *files = json_array();
    for (size_t i = 0; i < l.n; i++) {
        const peri_seenfile_t *f = &l.v[i];
        json_t *o =
            json_pack("{s:s, s:s, s:I, s:I, s:s}", "file", f->file, "path", f->path,
                      "size", (json_int_t)f->size, "mtime_ns", (json_int_t)f->mtime_ns,
                      "on", f->on_node ? "nodes" : "shared");
        /* NULL where a name is not UTF-8: JSON cannot tell it. */
        if (o) json_array_append_new(files, o);
    }
    json_array_append_new(all, json_pack("{s:s, s:s, s:o}", "dataset", d->name, "node",
                                         peri_node_name(), "files", files));
    peri_seenlist_free(&l);
    return 0;
}

/* To perigeed, if there is one: that is a service, and no failure of ours. Always of all
 * tables, as it replaces what was known. */
static int tell_files(const peri_dataset_t *d, const request_t *r)
{
    peri_err_t err = {0};
    bool absent = false;
    json_t *seen = peri_replicas_look(d, NULL, &err);
    if (!seen) return peri_cli_fail(&err);
    int status = 0;
    peri_client_t *c = r->save ? NULL : peri_client_new_local(&err);
    if (r->save)
        status = peri_replicas_save(seen, r->save, &err) ? peri_cli_fail(&err) : 0;
    else if (c && peri_replicas_tell(c, seen, &absent, &err) && !absent)
        fprintf(stderr, "perigee: perigeed does not take note of where %s lies: %s\n",
                d->name, err.text);
    else if (absent && d->nstorages)
        fprintf(stderr,
                "perigee: there is no perigeed on %s to be told which files are here; "
                "'perigee locate --all-nodes %s' where it runs does that\n",
                peri_node_name(), d->name);
    peri_client_free(c);
    json_decref(seen);
    return status;
}

/* ---- arguments ---- */

static int do_tables(const peri_dataset_t *d, const char *table, const request_t *r)
{
    peri_err_t err = {0};
    int status = 0;
    for (size_t i = 0; i < d->ntables && !peri_cli_interrupted(); i++) {
        const char *name = table ? table : d->tables[i].name;
        peri_table_t *t = peri_dataset_table_here(d, name, r->allow_missing, &err);
        status = worse(status, do_table(t, r, &err));
        if (table) break;
    }
    return status;
}

/* "dataset" or "dataset.table" */
static int do_dataset(const char *arg, const request_t *r)
{
    peri_err_t err = {0};
    const char *dot = strchr(arg, '.');
    char *name = dot ? peri_xasprintf("%.*s", (int)(dot - arg), arg) : peri_xstrdup(arg);
    peri_dataset_t *d = peri_catalog_find(name, &err);
    free(name);
    if (d == NULL) return peri_cli_fail(&err);
    int status = 0;
    if (r->action != DO_LIST) status = do_tables(d, dot ? dot + 1 : NULL, r);
    if (r->action == DO_BUILD && !peri_cli_interrupted())
        status = worse(status, tell_files(d, r));
    if (r->listing && add_listing(d, dot ? dot + 1 : NULL, r->listing, &err))
        status = worse(status, peri_cli_fail(&err));
    peri_dataset_free(d);
    return status;
}

static int do_argument(const char *arg, const request_t *r)
{
    if (!peri_names_a_file(arg)) return do_dataset(arg, r);
    peri_err_t err = {0};
    if (r->listing) {
        peri_err_set(&err, PERI_EINVAL,
                     "--where and --report tell of datasets; %s is a file", arg);
        return peri_cli_fail(&err);
    }
    peri_table_t *t = peri_table_resolve_text(arg, NULL, NULL, r->allow_missing, &err);
    return do_table(t, r, &err);
}

static int print_listing(json_t *all)
{
    int rc = json_dumpf(all, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    if (rc == 0 && printf("\n") > 0 && fflush(stdout) == 0) return 0;
    fprintf(stderr, "perigee: the output could not be written.\n");
    return 1;
}

/* The same command on every node, as a job. */
static int do_everywhere(const char *arg, const request_t *r)
{
    char threads[16];
    const char *words[6] = {"index"};
    size_t n = 1;
    if (r->threads) {
        snprintf(threads, sizeof(threads), "%d", r->threads);
        words[n++] = "--threads";
        words[n++] = threads;
    }
    if (r->allow_missing) words[n++] = "--allow-missing";
    words[n++] = arg;
    return peri_cli_done(peri_replicas_everywhere(&(peri_everywhere_t){
        .words = words, .nwords = n, .threads = (uint32_t)r->threads}));
}

int peri_cmd_index(int argc, char **argv)
{
    enum {
        OPT_CHECK = 256,
        OPT_REMOVE,
        OPT_MISSING,
        OPT_REPORT,
        OPT_WHERE,
        OPT_ALL,
        OPT_SAVE
    };
    static const struct option options[] = {
        {"threads", required_argument, NULL, 't'},
        {"check", no_argument, NULL, OPT_CHECK},
        {"remove", no_argument, NULL, OPT_REMOVE},
        {"allow-missing", no_argument, NULL, OPT_MISSING},
        {"report", no_argument, NULL, OPT_REPORT},
        {"where", no_argument, NULL, OPT_WHERE},
        {"all-nodes", no_argument, NULL, OPT_ALL},
        {"save", required_argument, NULL, OPT_SAVE},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    bool listing = false, everywhere = false;
    request_t r = {0};
    peri_err_t err = {0};
    int64_t threads;
    int c, status = 0;
    while ((c = getopt_long(argc, argv, "t:h", options, NULL)) != -1) {
        switch (c) {
        case 't':
            status = peri_cli_count("index", "threads", optarg, 1, 1024, &threads);
            if (status) return status;
            r.threads = (int)threads;
            break;
        case OPT_CHECK:
            r.action = DO_CHECK;
            break;
        case OPT_REMOVE:
            r.action = DO_REMOVE;
            break;
        case OPT_MISSING:
            r.allow_missing = true;
            break;
        case OPT_WHERE:
            r.action = DO_LIST;
            listing = true;
            break;
        case OPT_REPORT:
            listing = true;
            break;
        case OPT_ALL:
            everywhere = true;
            break;
        case OPT_SAVE:
            r.save = optarg;
            break;
        case 'h':
            fputs(help_text, stdout);
            return 0;
        default:
            return peri_cli_usage("index");
        }
    }
    if (optind == argc) {
        peri_err_set(&err, PERI_EINVAL,
                     "say which tables to index: a dataset, dataset.table or FILE:/path");
        peri_cli_fail(&err);
        return peri_cli_usage("index");
    }
    if ((everywhere || r.save) && (argc - optind > 1 || peri_names_a_file(argv[optind]) ||
                                   r.action != DO_BUILD || listing)) {
        peri_err_set(&err, PERI_EINVAL,
                     "--all-nodes and --save are for making the index of one dataset");
        return peri_cli_fail(&err);
    }
    peri_h5_init(NULL);
    peri_cli_catch_interrupts();
    if (everywhere) return do_everywhere(argv[optind], &r);
    r.listing = listing ? json_array() : NULL;
    for (int i = optind; i < argc && !peri_cli_interrupted(); i++)
        status = worse(status, do_argument(argv[i], &r));
    if (r.listing && !peri_cli_interrupted())
        status = worse(status, print_listing(r.listing));
    json_decref(r.listing);
    return peri_cli_interrupted() ? 130 : status;
}
