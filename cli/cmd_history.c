/* cmd_history.c - `perigee history`: what was asked of the portal at once, and what
 * became of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/harmless.h"
#include "cli/options.h"
#include "cli/query_portal.h"
#include "cli/talk.h"
#include "cli/when.h"
#include "core/base/util.h"

#define SHOWN    20 /* of `ls` without --all */
#define PAGE     500
#define LIST_MAX 100000
#define ID_LEN   36
#define ID_MIN   4 /* characters of a shortened one */

static const char help_text[] =
    "Usage: perigee history [ls] [--search TEXT] [--all]\n"
    "       perigee history show ID\n"
    "       perigee history run ID [--format F] [--into FILE]\n"
    "       perigee history job ID [--ranks N] [--output PLACE]\n"
    "       perigee history rm ID ...\n"
    "\n"
    "The queries that you asked the portal, the newest first. An ID may be cut, as ls "
    "does\n"
    "it. run asks again; job makes a job of it, without the limits of a quick query; rm\n"
    "forgets it.\n"
    "\n"
    "      --search TEXT   only those whose SQL has TEXT\n"
    "      --all           all that is kept, not only the last 20\n"
    "      --format F      table, csv, tsv, json, ndjson, parquet, hdf5, fits, votable\n"
    "  -o, --into FILE     write the rows to FILE\n"
    "      --overwrite     replace FILE if it exists\n"
    "  -n, --ranks N       MPI ranks of the job\n"
    "      --output PLACE  where its results go, as persistent:run7\n"
    "      --scheduler S   local, slurm, ... (default: the portal's)\n"
    "      --json          print the answers as JSON\n"
    "  -h, --help          show this\n"
    "\n"
    "Examples\n"
    "  perigee history --search GroupMass\n"
    "  perigee history job 3f2a91bc --ranks 8\n";

/* ---- which one ---- */

/* A page of them, those that began before `before` (NULL: now); NULL: an error. */
static json_t *page_of(peri_client_t *c, const char *search, const char *before,
                       int limit, peri_err_t *err)
{
    return peri_client_get(c, 0, NULL, err, "/queries?limit=%d%s%s%s%s", limit,
                           search ? "&q=" : "", search ? search : "",
                           before ? "&before=" : "", before ? before : "");
}

/* "next" of a page, for the URL; NULL: it is the last. The caller frees. */
static char *next_of(const json_t *page)
{
    const json_t *next = json_object_get(page, "next");
    char *text = json_is_string(next)   ? peri_xstrdup(json_string_value(next))
                 : json_is_number(next) ? json_dumps(next, JSON_ENCODE_ANY)
                                        : NULL,
         *out = text ? peri_url_escape(text) : NULL;
    free(text);
    return out;
}

/* All of them, or the first page; NULL: an error. */
static json_t *list(peri_client_t *c, const char *search, bool all, peri_err_t *err)
{
    json_t *out = json_array();
    char *word = search ? peri_url_escape(search) : NULL, *before = NULL;
    bool ok;
    do {
        json_t *page = page_of(c, word, before, all ? PAGE : SHOWN, err);
        const json_t *some = json_object_get(page, "queries");
        free(before);
        before = all ? next_of(page) : NULL;
        ok = json_is_array(some) && json_array_size(out) < LIST_MAX;
        if (page && !ok)
            peri_err_set(err, PERI_EFORMAT, "the portal's list of queries is none");
        if (ok) json_array_extend(out, (json_t *)some);
        json_decref(page);
    } while (ok && before);
    free(before);
    free(word);
    if (ok) return out;
    json_decref(out);
    return NULL;
}

/* Could it begin an id? The portal finds the one that it begins. */
static bool check_id(const char *word, peri_err_t *err)
{
    const size_t n = strlen(word);
    if (n >= ID_MIN && n <= ID_LEN &&
        word[strspn(word, "0123456789abcdefABCDEF-")] == '\0')
        return true;
    peri_err_set(err, PERI_EINVAL,
                 "\"%.60s\" is no ID of a query: 'perigee history' lists them, and at "
                 "least %d of its digits are needed",
                 word, ID_MIN);
    return false;
}

static json_t *get(peri_client_t *c, const char *word, peri_err_t *err)
{
    return check_id(word, err) ? peri_client_get(c, 0, NULL, err, "/queries/%s", word)
                               : NULL;
}

/* ---- ls, show ---- */

/* Of the answer, or of what the last statement did to a table; -1: of neither. */
static int64_t rows_of(const json_t *q)
{
    const int64_t rows = peri_json_int(q, "rows", -1);
    const json_t *changed = json_object_get(q, "changed");
    const size_t n = json_array_size(changed);
    return rows > 0 || !n ? rows
                          : peri_json_int(json_array_get(changed, n - 1), "rows", rows);
}

static void add_rows(peri_grid_t *g, int64_t rows)
{
    char n[32];
    peri_grid_add(g, rows >= 0 ? peri_human_count((uint64_t)rows, n) : "");
}

static void print_list(const json_t *all)
{
    static const char *const titles[] = {"ID",    "STARTED", "STATE", ">ROWS",
                                         ">TIME", ">JOB",    "SQL"};
    const json_t *q;
    size_t i;
    peri_grid_t *g = peri_grid_new(titles, 7);
    json_array_foreach(all, i, q)
    {
        char when[PERI_WHEN], span[PERI_WHEN];
        const int64_t job = peri_json_int(q, "job", 0);
        peri_grid_addf(g, "%.8s", peri_json_str(q, "id"));
        peri_grid_add(g, peri_when_time(peri_json_num(q, "started", 0), when));
        peri_grid_add(g, peri_json_str(q, "state"));
        add_rows(g, rows_of(q));
        peri_grid_add(g, peri_when_span(peri_json_num(q, "seconds", -1), span));
        if (job)
            peri_grid_addf(g, "%lld", (long long)job);
        else
            peri_grid_add(g, "");
        peri_grid_add(g, peri_json_str(q, "sql"));
    }
    peri_grid_print(g, stdout);
    peri_grid_free(g);
}

static int verb_ls(int argc, char **argv)
{
    bool all = false, json = false;
    const char *search = NULL;
    peri_err_t err = {0};
    const peri_option_t options[] = {
        {"search", NULL, &search, 0}, {"all", &all, NULL, 0}, {"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 3);
    if (status < 0) status = peri_words_check(argc, argv, 0, 0, "no argument");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *found = list(c, search, all, &err);
    if (found && !json && json_array_size(found))
        print_list(found);
    else if (found && !json)
        fprintf(stderr, "You have asked nothing%s here.\n", search ? " like that" : "");
    return peri_talk_end(c, found, &err, json, NULL);
}

static void print_one(const json_t *q)
{
    char a[PERI_WHEN], n[32], bytes[16];
    const int64_t rows = rows_of(q), size = peri_json_int(q, "bytes", -1),
                  job = peri_json_int(q, "job", 0);
    const char *cut = peri_json_str(q, "cut"), *text = peri_json_str(q, "text"),
               *context = peri_json_str(q, "context"), *name;
    json_t *v;
    peri_grid_label(stdout, "ID", "%s", peri_json_str(q, "id"));
    peri_grid_label(stdout, "State", "%s%s%s%s", peri_json_str(q, "state"),
                    *cut ? " (limit of " : "", cut, *cut ? ")" : "");
    if (*text) peri_grid_label(stdout, "", "%s", text);
    peri_grid_label(stdout, "Started", "%s",
                    peri_when_exact(peri_json_num(q, "started", 0), a));
    if (peri_json_num(q, "seconds", -1) >= 0)
        peri_grid_label(stdout, "Time", "%s",
                        peri_when_span(peri_json_num(q, "seconds", 0), a));
    if (rows >= 0)
        peri_grid_label(stdout, "Rows", "%s%s%s", peri_human_count((uint64_t)rows, n),
                        size >= 0 ? ", " : "",
                        size >= 0 ? peri_human_bytes((uint64_t)size, bytes) : "");
    if (job) peri_grid_label(stdout, "Job", "%lld", (long long)job);
    if (*context) peri_grid_label(stdout, "Dataset", "%s", context);
    json_object_foreach(json_object_get(q, "parameters"), name, v)
    {
        char *s = json_dumps(v, JSON_ENCODE_ANY);
        peri_grid_label(stdout, "Parameter", "%s=%s", name, s ? s : "");
        free(s);
    }
    putchar('\n');
    peri_harmless_print(stdout, peri_json_str(q, "sql"));
    putchar('\n');
}

static int verb_show(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    const peri_option_t options[] = {{"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 1);
    if (status < 0) status = peri_words_check(argc, argv, 1, 1, "the ID of a query");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *q = get(c, argv[optind], &err);
    if (q && !json) print_one(q);
    return peri_talk_end(c, q, &err, json, NULL);
}

/* ---- rm, run, job ---- */

static int verb_rm(int argc, char **argv)
{
    bool json = false;
    const peri_option_t options[] = {{"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 1);
    if (status < 0) status = peri_words_check(argc, argv, 1, argc, "the ID of a query");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    for (int i = optind; i < argc; i++) {
        peri_err_t err = {0};
        const char *id = argv[i];
        json_t *j = check_id(id, &err)
                        ? peri_client_send(c, &err, "DELETE", NULL, "/queries/%s", id)
                        : NULL;
        if (!j)
            status = peri_cli_fail(&err);
        else if (json)
            peri_talk_print(j);
        else
            printf("query %.8s is forgotten\n", id);
        json_decref(j);
    }
    peri_client_free(c);
    return peri_cli_done(status);
}

static int run_again(const json_t *q, const char *format, const char *into,
                     bool overwrite)
{
    peri_err_t err = {0};
    const char *context = peri_json_str(q, "context");
    peri_portalquery_t p = {.sql = peri_json_str(q, "sql"),
                            .params = json_object_get(q, "parameters"),
                            .context = *context ? context : NULL,
                            .into = into,
                            .overwrite = overwrite,
                            .format = PERI_FMT_TABLE,
                            .limit = -1};
    if (format ? peri_format_parse(format, &p.format, &err)
        : into ? peri_format_from_path(into, &p.format, &err)
               : 0)
        return peri_cli_fail(&err);
    peri_terminal_look(&p.width, &p.utf8);
    return peri_query_portal(&p);
}

static int verb_run(int argc, char **argv)
{
    const char *format = NULL, *into = NULL;
    bool overwrite = false;
    peri_err_t err = {0};
    const peri_option_t options[] = {{"format", NULL, &format, 0},
                                     {"into", NULL, &into, 'o'},
                                     {"overwrite", &overwrite, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 3);
    if (status < 0) status = peri_words_check(argc, argv, 1, 1, "the ID of a query");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *q = get(c, argv[optind], &err);
    peri_client_free(c);
    status = q ? run_again(q, format, into, overwrite) : peri_cli_fail(&err);
    json_decref(q);
    return status;
}

static int verb_job(int argc, char **argv)
{
    const char *ranks = NULL, *output = NULL, *scheduler = NULL, *into = NULL;
    bool json = false;
    int64_t n = 0;
    peri_err_t err = {0};
    const peri_option_t options[] = {{"ranks", NULL, &ranks, 'n'},
                                     {"output", NULL, &output, 0},
                                     {"scheduler", NULL, &scheduler, 0},
                                     {"into", NULL, &into, 'o'},
                                     {"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 5);
    if (status < 0) status = peri_words_check(argc, argv, 1, 1, "the ID of a query");
    if (status < 0 && ranks && peri_cli_count(argv[0], "ranks", ranks, 1, 65536, &n))
        status = 2;
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    const char *id = argv[optind];
    json_t *body = peri_body("{s:s*, s:s*, s:s*}", "output", output, "scheduler",
                             scheduler, "into", into),
           *job = NULL;
    if (n && json_is_object(body)) json_object_set_new(body, "ranks", json_integer(n));
    if (check_id(id, &err))
        job = peri_client_send(c, &err, "POST", json_incref(body), "/queries/%s/job", id);
    json_decref(body);
    if (job && !json) peri_query_say_job(job, false);
    return peri_talk_end(c, job, &err, json, NULL);
}

int peri_cmd_history(int argc, char **argv)
{
    static const peri_verb_t verbs[] = {{"ls", verb_ls},
                                        {"show", verb_show},
                                        {"run", verb_run},
                                        {"job", verb_job},
                                        {"rm", verb_rm}};
    return peri_verbs_run(argc, argv, help_text, verbs, 5, verb_ls);
}
