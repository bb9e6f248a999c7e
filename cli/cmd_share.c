/* cmd_share.c - `perigee share`, `unshare` and `link`: who else may do what with one's
 * files, jobs and datasets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/options.h"
#include "cli/talk.h"
#include "cli/thing.h"
#include "cli/when.h"
#include "core/base/util.h"

static const char share_help[] =
    "Usage: perigee share THING --with WHOM [OPTION...]\n"
    "       perigee share ls [THING|--with-me] [--json]\n"
    "\n"
    "Lets others use something of yours. THING is a place in your storage (VOLUME:PATH, "
    "with\n"
    "all that is in it), job:NUMBER or dataset:NAME. WHOM is a user, team:NAME or "
    "everyone.\n"
    "\n"
    "      --with WHOM   who gets it\n"
    "      --read        see and read it (default)\n"
    "      --write       change it, too\n"
    "      --run         run jobs over it\n"
    "      --grant       share it on\n"
    "      --until WHEN  not longer than until then: a date, or 90s, 2h, 7d from now\n"
    "      --with-me     with ls: what others share with you\n"
    "      --json        print the answers as JSON\n"
    "  -h, --help        show this\n"
    "\n"
    "Examples\n"
    "  perigee share persistent:halos --with team:cosmo --read --run\n"
    "  perigee share job:42 --with ben --until 30d\n"
    "  perigee share ls\n";

static const char unshare_help[] =
    "Usage: perigee unshare ID ...\n"
    "       perigee unshare THING [--with WHOM]\n"
    "\n"
    "Takes back what 'perigee share' gave: the grant with that number ('perigee share "
    "ls'), or\n"
    "those on a thing, of WHOM or of all.\n"
    "\n"
    "      --with WHOM  only of this user, team:NAME or everyone\n"
    "      --json       print the answers as JSON\n"
    "  -h, --help       show this\n"
    "\n"
    "Example\n"
    "  perigee unshare persistent:halos --with team:cosmo\n";

static const char link_help[] =
    "Usage: perigee link THING [--for TIME]\n"
    "       perigee link ls [--json]\n"
    "       perigee link revoke ID ...\n"
    "\n"
    "Makes a link by which anyone can fetch one file without an account, if the "
    "portal's\n"
    "administrator allows that. THING is VOLUME:PATH or, of a job's results, "
    "job:NUMBER:PATH.\n"
    "\n"
    "      --for TIME  how long it is good, as 2h or 7d (default)\n"
    "      --json      print the answers as JSON\n"
    "  -h, --help      show this\n"
    "\n"
    "Example\n"
    "  perigee link persistent:halos/mass.png --for 7d\n";

typedef struct {
    const char *with, *until, *span;
    bool read, write, run, grant, with_me, json;
} options_t;

static json_t *rights_of(const options_t *o)
{
    json_t *r = json_array();
    if (o->read || !(o->write || o->run || o->grant) || o->write || o->run)
        json_array_append_new(r, json_string("read"));
    if (o->write) json_array_append_new(r, json_string("write"));
    if (o->run) json_array_append_new(r, json_string("run"));
    if (o->grant) json_array_append_new(r, json_string("grant"));
    return r;
}

/* ---- share ---- */

/* A span is from now on, not back. */
static int until_of(const char *s, double *out, peri_err_t *err)
{
    peri_err_t ignored = {0};
    double span;
    if (peri_when_parse_span(s, &span, &ignored) == 0) {
        *out = peri_epoch() + span;
        return 0;
    }
    return peri_when_parse(s, out, err);
}

static json_t *grant(peri_client_t *c, const char *word, const options_t *o,
                     peri_err_t *err)
{
    double until = 0;
    json_t *to = peri_thing_whom(o->with, err), *body = NULL;
    if (to && (!o->until || until_of(o->until, &until, err) == 0))
        body = peri_thing_json(c, word, err);
    if (!body) {
        json_decref(to);
        return NULL;
    }
    json_object_set_new(body, "to", to);
    json_object_set_new(body, "rights", rights_of(o));
    if (until > 0) json_object_set_new(body, "expires", json_real(until));
    return peri_client_send(c, err, "POST", body, "/grants");
}

static void print_grants(const json_t *all, bool mine, const char *me)
{
    static const char *const titles[] = {">ID", "THING", "WITH", "RIGHTS", "UNTIL"};
    static const char *const theirs[] = {">ID", "THING", "BY", "RIGHTS", "UNTIL"};
    peri_grid_t *g = peri_grid_new(mine ? titles : theirs, 5);
    const json_t *v;
    size_t i;
    json_array_foreach(all, i, v)
    {
        char when[PERI_WHEN];
        char *thing = peri_thing_text(v, me), *whom = peri_thing_whom_text(v),
             *rights = peri_thing_rights(json_object_get(v, "rights"));
        peri_grid_addf(g, "%lld", (long long)peri_json_int(v, "id", 0));
        peri_grid_add(g, thing);
        peri_grid_add(g, mine ? whom : peri_json_str(v, "by"));
        peri_grid_add(g, rights);
        peri_grid_add(g, peri_when_time(peri_json_num(v, "expires", 0), when));
        free(rights);
        free(whom);
        free(thing);
    }
    peri_grid_print(g, stdout);
    peri_grid_free(g);
}

/* Of everybody who shares it, or something in it or above it. */
static json_t *grants_on(peri_client_t *c, const char *word, peri_err_t *err)
{
    json_t *thing = peri_thing_json(c, word, err), *all = NULL;
    if (!thing) return NULL;
    char *name = peri_url_escape(peri_json_str(thing, "thing"));
    all = peri_talk_list(c, err, "grants", "/grants?kind=%s&thing=%s",
                         peri_json_str(thing, "kind"), name);
    free(name);
    json_decref(thing);
    return all;
}

static int verb_ls(int argc, char **argv)
{
    options_t o = {0};
    peri_err_t err = {0};
    const peri_option_t options[] = {{"with-me", &o.with_me, NULL, 0},
                                     {"json", &o.json, NULL, 0}};
    int status = peri_options_read(argc, argv, share_help, options, 2);
    if (status < 0) status = peri_words_check(argc, argv, 0, 1, "");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    const char *me = peri_client_account(c, &err);
    json_t *all = !me             ? NULL
                  : optind < argc ? grants_on(c, argv[optind], &err)
                  : o.with_me     ? peri_talk_list(c, &err, "grants", "/shared")
                                  : peri_talk_list(c, &err, "grants", "/grants");
    if (all && !o.json) print_grants(all, !o.with_me, me);
    return peri_talk_end(c, all, &err, o.json, NULL);
}

static int share(int argc, char **argv)
{
    options_t o = {0};
    peri_err_t err = {0};
    const peri_option_t options[] = {
        {"with", NULL, &o.with, 0}, {"until", NULL, &o.until, 0},
        {"read", &o.read, NULL, 0}, {"write", &o.write, NULL, 0},
        {"run", &o.run, NULL, 0},   {"grant", &o.grant, NULL, 0},
        {"json", &o.json, NULL, 0}, {"with-me", &o.with_me, NULL, 0}};
    int status = peri_options_read(argc, argv, share_help, options, 8);
    if (status < 0) status = peri_words_check(argc, argv, 1, 1, "what to share");
    if (status >= 0) return status;
    if (!o.with) {
        fputs("perigee: share needs --with: a user, team:NAME or everyone.\n", stderr);
        return peri_cli_usage("share");
    }
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *j = grant(c, argv[optind], &o, &err);
    return peri_talk_end(c, j, &err, o.json, "%s is shared with %s", argv[optind],
                         o.with);
}

int peri_cmd_share(int argc, char **argv)
{
    char name[] = "share ls";
    if (argc < 2 || strcmp(argv[1], "ls") != 0) return share(argc, argv);
    argv[1] = name;
    return verb_ls(argc - 1, argv + 1);
}

/* ---- unshare ---- */

static json_t *take_back(peri_client_t *c, int64_t id, peri_err_t *err)
{
    return peri_client_send(c, err, "DELETE", NULL, "/grants/%lld", (long long)id);
}

/* All on a thing: how many were taken back, or -1. */
static int revoke_on(peri_client_t *c, const char *word, const char *with,
                     peri_err_t *err)
{
    json_t *all = NULL, *want = peri_thing_json(c, word, err), *v, *j;
    int n = -1;
    size_t i;
    if (want) all = peri_talk_list(c, err, "grants", "/grants");
    if (all) n = 0;
    json_array_foreach(all, i, v)
    {
        char *whom = peri_thing_whom_text(v);
        bool is = peri_thing_same(v, want) && (!with || !strcmp(whom, with));
        free(whom);
        if (!is || n < 0) continue;
        j = take_back(c, peri_json_int(v, "id", 0), err);
        n = j ? n + 1 : -1;
        json_decref(j);
    }
    json_decref(all);
    json_decref(want);
    if (n == 0)
        return peri_err_set(err, PERI_ENOTFOUND, "%.200s is not shared with %s", word,
                            with ? with : "anyone");
    return n;
}

int peri_cmd_unshare(int argc, char **argv)
{
    options_t o = {0};
    const peri_option_t options[] = {{"with", NULL, &o.with, 0},
                                     {"json", &o.json, NULL, 0}};
    int status = peri_options_read(argc, argv, unshare_help, options, 2);
    if (status < 0)
        status = peri_words_check(argc, argv, 1, argc, "a grant's number, or a thing");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    for (int i = optind; i < argc; i++) {
        peri_err_t err = {0};
        char *end;
        long long id = strtoll(argv[i], &end, 10);
        bool number = end != argv[i] && !*end;
        json_t *j = number ? take_back(c, id, &err) : NULL;
        if (number ? !j : revoke_on(c, argv[i], o.with, &err) < 0)
            status = peri_cli_fail(&err);
        else if (o.json)
            printf("{\"revoked\": true}\n");
        else
            printf("%s%s is not shared any more\n", number ? "grant " : "", argv[i]);
        json_decref(j);
    }
    peri_client_free(c);
    return peri_cli_done(status);
}

/* ---- link ---- */

static int link_make(int argc, char **argv)
{
    options_t o = {.span = "7d"};
    peri_err_t err = {0};
    double span = 0;
    const peri_option_t options[] = {{"for", NULL, &o.span, 0},
                                     {"json", &o.json, NULL, 0}};
    int status = peri_options_read(argc, argv, link_help, options, 2);
    if (status < 0) status = peri_words_check(argc, argv, 1, 1, "a file");
    if (status >= 0) return status;
    if (peri_when_parse_span(o.span, &span, &err)) return peri_cli_fail(&err);
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *body = peri_thing_json(c, argv[optind], &err), *j = NULL;
    if (body) {
        json_object_set_new(body, "days", json_real(span / 86400));
        j = peri_client_send(c, &err, "POST", body, "/links");
    }
    char *portal = j ? peri_talk_portal(c) : NULL,
         *url = peri_xasprintf("%s%s", portal ? portal : "", peri_json_str(j, "url"));
    if (j) json_object_set_new(j, "url", json_string(url));
    status = peri_talk_end(c, j, &err, o.json, "%s", url);
    free(portal);
    free(url);
    return status;
}

static int link_ls(int argc, char **argv)
{
    static const char *const titles[] = {">ID", "THING", "UNTIL", ">USES"};
    options_t o = {0};
    peri_err_t err = {0};
    const peri_option_t options[] = {{"json", &o.json, NULL, 0}};
    int status = peri_options_read(argc, argv, link_help, options, 1);
    if (status < 0) status = peri_words_check(argc, argv, 0, 0, "no argument");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    const char *me = peri_client_account(c, &err);
    json_t *all = me ? peri_talk_list(c, &err, "links", "/links") : NULL;
    if (all && !o.json) {
        peri_grid_t *g = peri_grid_new(titles, 4);
        const json_t *v;
        size_t i;
        json_array_foreach(all, i, v)
        {
            char when[PERI_WHEN], *thing = peri_thing_text(v, me);
            peri_grid_addf(g, "%lld", (long long)peri_json_int(v, "id", 0));
            peri_grid_add(g, thing);
            peri_grid_add(g, peri_when_time(peri_json_num(v, "expires", 0), when));
            peri_grid_addf(g, "%lld", (long long)peri_json_int(v, "uses", 0));
            free(thing);
        }
        peri_grid_print(g, stdout);
        peri_grid_free(g);
    }
    return peri_talk_end(c, all, &err, o.json, NULL);
}

static int link_revoke(int argc, char **argv)
{
    options_t o = {0};
    const peri_option_t options[] = {{"json", &o.json, NULL, 0}};
    int status = peri_options_read(argc, argv, link_help, options, 1);
    if (status < 0) status = peri_words_check(argc, argv, 1, argc, "a link's number");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    return peri_talk_delete_each(c, argc - optind, argv + optind, "/links", o.json,
                                 "link", "is dead");
}

int peri_cmd_link(int argc, char **argv)
{
    char name[32];
    bool ls = argc > 1 && !strcmp(argv[1], "ls"),
         revoke_it = argc > 1 && !strcmp(argv[1], "revoke");
    if (!ls && !revoke_it) return link_make(argc, argv);
    snprintf(name, sizeof(name), "link %s", argv[1]);
    argv[1] = name;
    return (ls ? link_ls : link_revoke)(argc - 1, argv + 1);
}
