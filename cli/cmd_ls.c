/* cmd_ls.c - `perigee ls` and `perigee df`: what is in the portal's storage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/options.h"
#include "cli/talk.h"
#include "cli/when.h"
#include "core/base/util.h"

#define BAR 20 /* columns of a quota's bar */

static const char ls_help[] =
    "Usage: perigee ls [OPTION...] [[OWNER/]VOLUME:PATH]\n"
    "\n"
    "Lists a folder of the portal's storage; without one the volumes that you can see. "
    "In "
    "a\n"
    "volume of your own PATH is written VOLUME:PATH, as persistent:halos; elsewhere\n"
    "OWNER/VOLUME:PATH, where the owner is an account, team:NAME or data:.\n"
    "\n"
    "  -l, --long      also size, time of change, and when it expires\n"
    "  -r, --reverse   the other way round\n"
    "      --sort KEY  name (default), size or time\n"
    "      --json      print a JSON array\n"
    "  -h, --help      show this\n"
    "\n"
    "Examples\n"
    "  perigee ls\n"
    "  perigee ls -l --sort time persistent:halos\n";

static const char df_help[] = "Usage: perigee df [OPTION...]\n"
                              "\n"
                              "Shows how much of each volume's quota is used.\n"
                              "\n"
                              "      --json  print a JSON array\n"
                              "  -h, --help  show this\n"
                              "\n"
                              "Example\n"
                              "  perigee df\n";

/* ---- volumes ---- */

/* "[######....]  31 %" */
static void add_bar(peri_grid_t *g, int64_t used, int64_t quota)
{
    char bar[BAR + 1];
    double part = quota > 0 ? (double)used / (double)quota : 0;
    int n = (int)(part * BAR + 0.5);
    if (quota <= 0) {
        peri_grid_add(g, "");
        return;
    }
    if (used > 0 && n == 0) n = 1;
    if (n > BAR) n = BAR;
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)n);
    bar[BAR] = '\0';
    peri_grid_addf(g, "[%s] %3.0f %%", bar, 100 * part);
}

static void add_bytes(peri_grid_t *g, int64_t n)
{
    char text[16];
    peri_grid_add(g, n < 0 ? "" : peri_human_bytes((uint64_t)n, text));
}

/* As one writes it before a path. */
static char *volume_name(const json_t *v, const char *me)
{
    const char *owner = peri_json_str(v, "owner"), *name = peri_json_str(v, "name");
    if (!strcmp(owner, me)) return peri_xasprintf("%s:", name);
    return peri_xasprintf("%s/%s:", owner, name);
}

static const char *what_may_be_done(const json_t *rights)
{
    static const char *const words[] = {"own", "write", "read"};
    const json_t *right;
    size_t i;
    for (size_t k = 0; k < 3; k++)
        json_array_foreach(rights, i, right) if (!strcmp(json_string_value(right),
                                                         words[k])) return words[k];
    return json_array_size(rights) ? "see" : "parts";
}

static void print_volumes(const json_t *volumes, const char *me)
{
    static const char *const titles[] = {"VOLUME", "KIND",   ">USED",  ">QUOTA",
                                         "",       ">FILES", "RIGHTS", "EXPIRES"};
    peri_grid_t *g = peri_grid_new(titles, sizeof(titles) / sizeof(*titles));
    const json_t *v;
    size_t i;
    json_array_foreach(volumes, i, v)
    {
        char *name = volume_name(v, me);
        int64_t used = peri_json_int(v, "used", -1),
                quota = peri_json_int(v, "quota", -1), days = peri_json_int(v, "days", 0);
        peri_grid_add(g, name);
        peri_grid_add(g, peri_json_str(v, "kind"));
        add_bytes(g, used);
        add_bytes(g, quota);
        add_bar(g, peri_json_int(v, "quota_used", used), quota);
        peri_grid_addf(g, "%lld", (long long)peri_json_int(v, "files", 0));
        peri_grid_add(g, what_may_be_done(json_object_get(v, "rights")));
        if (days > 0)
            peri_grid_addf(g, "after %lld days", (long long)days);
        else
            peri_grid_add(g, "");
        free(name);
    }
    peri_grid_print(g, stdout);
    peri_grid_free(g);
}

static int show_volumes(bool json)
{
    int status;
    peri_err_t err = {0};
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    const char *me = peri_client_account(c, &err);
    json_t *all = me ? peri_talk_list(c, &err, "volumes", "/volumes") : NULL;
    if (all && !json) print_volumes(all, me);
    return peri_talk_end(c, all, &err, json, NULL);
}

/* ---- folders ---- */

typedef struct {
    bool full, reverse, json;
    const char *sort;
} options_t;

/* When they go is shown if any of them does. */
static void print_long(const json_t *entries)
{
    static const char *const all[] = {">SIZE", "CHANGED", "EXPIRES", "NAME"};
    static const char *const few[] = {">SIZE", "CHANGED", "NAME"};
    bool expires = false;
    const json_t *e;
    size_t i;
    json_array_foreach(entries, i, e) expires |= peri_json_num(e, "expires", 0) > 0;
    peri_grid_t *g = expires ? peri_grid_new(all, 4) : peri_grid_new(few, 3);
    json_array_foreach(entries, i, e)
    {
        char when[PERI_WHEN];
        bool folder = !strcmp(peri_json_str(e, "kind"), "folder");
        add_bytes(g, folder ? -1 : peri_json_int(e, "size", 0));
        peri_grid_add(g, peri_when_time(peri_json_num(e, "modified", 0), when));
        if (expires)
            peri_grid_add(g, peri_when_time(peri_json_num(e, "expires", 0), when));
        peri_grid_addf(g, "%s%s", peri_json_str(e, "name"), folder ? "/" : "");
    }
    peri_grid_print(g, stdout);
    peri_grid_free(g);
}

/* A name may have anything that is no control character: printed as it is. */
static void print_names(const json_t *entries)
{
    const json_t *e;
    size_t i;
    json_array_foreach(entries, i, e)
        printf("%s%s\n", peri_json_str(e, "name"),
               strcmp(peri_json_str(e, "kind"), "folder") ? "" : "/");
}

/* The entries of a folder, or the file itself as the only one. */
static json_t *entries_of(peri_client_t *c, const char *url, const options_t *o,
                          peri_err_t *err)
{
    const char *order = o->reverse ? "desc" : "asc";
    json_t *first = peri_client_get(c, 0, NULL, err, "%s?limit=1000&sort=%s&order=%s",
                                    url, o->sort, order),
           *files = json_object_get(first, "files"), *all = NULL;
    if (json_is_string(json_object_get(first, "next")))
        all = peri_talk_list(c, err, "files", "%s?sort=%s&order=%s", url, o->sort, order);
    else if (json_is_array(files))
        all = json_incref(files);
    else if (first)
        all = json_pack("[O]", first);
    json_decref(first);
    return all;
}

static int show_folder(const char *word, const options_t *o)
{
    int status;
    peri_err_t err = {0};
    peri_place_t p = {0};
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *url = peri_talk_place(c, word, true, &p, &err);
    json_t *all = url ? entries_of(c, url, o, &err) : NULL;
    if (all && !o->json && o->full) print_long(all);
    if (all && !o->json && !o->full) print_names(all);
    free(url);
    peri_place_free(&p);
    return peri_talk_end(c, all, &err, o->json, NULL);
}

int peri_cmd_ls(int argc, char **argv)
{
    options_t o = {.sort = "name"};
    const peri_option_t options[] = {{"long", &o.full, NULL, 'l'},
                                     {"reverse", &o.reverse, NULL, 'r'},
                                     {"sort", NULL, &o.sort, 0},
                                     {"json", &o.json, NULL, 0}};
    int status = peri_options_read(argc, argv, ls_help, options, 4);
    if (status < 0) status = peri_words_check(argc, argv, 0, 1, "");
    if (status >= 0) return status;
    if (strcmp(o.sort, "name") && strcmp(o.sort, "size") && strcmp(o.sort, "time")) {
        fprintf(stderr, "perigee: --sort needs name, size or time, not \"%s\".\n",
                o.sort);
        return peri_cli_usage("ls");
    }
    return optind < argc ? show_folder(argv[optind], &o) : show_volumes(o.json);
}

int peri_cmd_df(int argc, char **argv)
{
    bool json = false;
    const peri_option_t options[] = {{"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, df_help, options, 1);
    if (status < 0) status = peri_words_check(argc, argv, 0, 0, "no argument");
    return status >= 0 ? status : show_volumes(json);
}
