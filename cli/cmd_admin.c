/* cmd_admin.c - `perigee admin`: the portal as its administrators see it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/options.h"
#include "cli/talk.h"
#include "cli/when.h"
#include "core/base/util.h"

static const char help_text[] =
    "Usage: perigee admin overview [--json]\n"
    "       perigee admin approvals [--json]\n"
    "       perigee admin audit [--user NAME] [--action ACTION] [--since WHEN] [-n N] "
    "[--json]\n"
    "       perigee admin banner [TEXT [--level LEVEL]|--clear]\n"
    "\n"
    "For administrators ('perigee login --admin', or on the portal's own machine). "
    "overview\n"
    "says how the portal is; approvals lists sign-ups that wait ('perigee user "
    "approve');\n"
    "audit shows who signed in, shared, and administered; banner shows or sets the "
    "sentence\n"
    "that everybody sees. 'perigee jobs --all' lists the jobs of all users.\n"
    "\n"
    "      --user NAME      what this account did\n"
    "      --action ACTION  only such entries, as sign-in or grant\n"
    "      --since WHEN     90s, 2h, 3d ago, or a date\n"
    "  -n, --limit N        at most so many (default 50)\n"
    "      --level LEVEL    of the banner: info (default) or warning\n"
    "      --clear          no banner\n"
    "      --json           print the answers as JSON\n"
    "  -h, --help           show this\n"
    "\n"
    "Examples\n"
    "  perigee admin audit --since 1d\n"
    "  perigee admin banner \"The cluster is down on Friday from 9 to 12\"\n";

typedef struct {
    const char *user, *action, *since, *limit, *level;
    bool clear, json;
} options_t;

static int read_options(int argc, char **argv, options_t *o, int max)
{
    *o = (options_t){.limit = "50"};
    const peri_option_t options[] = {
        {"user", NULL, &o->user, 0},   {"action", NULL, &o->action, 0},
        {"since", NULL, &o->since, 0}, {"limit", NULL, &o->limit, 'n'},
        {"level", NULL, &o->level, 0}, {"clear", &o->clear, NULL, 0},
        {"json", &o->json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 7);
    return status < 0 ? peri_words_check(argc, argv, 0, max, "no argument") : status;
}

/* "name: text" for every simple member; those of objects below, indented. */
static void print_members(const json_t *o, int indent)
{
    const char *key;
    const json_t *v;
    json_object_foreach((json_t *)o, key, v)
    {
        char when[32];
        if (json_is_object(v)) {
            printf("%*s%s\n", indent, "", key);
            print_members(v, indent + 2);
        } else if (json_is_string(v)) {
            printf("%*s%-16s %s\n", indent, "", key, json_string_value(v));
        } else if (json_is_integer(v)) {
            printf("%*s%-16s %s\n", indent, "", key,
                   peri_human_count((uint64_t)json_integer_value(v), when));
        } else if (json_is_real(v)) {
            printf("%*s%-16s %g\n", indent, "", key, json_real_value(v));
        } else if (json_is_boolean(v)) {
            printf("%*s%-16s %s\n", indent, "", key, json_is_true(v) ? "yes" : "no");
        }
    }
}

static int verb_overview(int argc, char **argv)
{
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 0);
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *j = peri_client_get(c, 0, NULL, &err, "/admin/overview");
    if (j && !o.json) print_members(j, 0);
    return peri_talk_end(c, j, &err, o.json, NULL);
}

static int verb_approvals(int argc, char **argv)
{
    static const char *const titles[] = {"NAME", "SINCE", "EMAIL", "FULL NAME"};
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 0);
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *all = peri_talk_list(c, &err, "users", "/admin/approvals");
    if (all && !o.json) {
        peri_grid_t *g = peri_grid_new(titles, 4);
        const json_t *u;
        size_t i;
        json_array_foreach(all, i, u)
        {
            char when[PERI_WHEN];
            peri_grid_add(g, peri_json_str(u, "name"));
            peri_grid_add(g, peri_when_time(peri_json_num(u, "created", 0), when));
            peri_grid_add(g, peri_json_str(u, "email"));
            peri_grid_add(g, peri_json_str(u, "full_name"));
        }
        peri_grid_print(g, stdout);
        peri_grid_free(g);
    }
    return peri_talk_end(c, all, &err, o.json, NULL);
}

/* ---- audit ---- */

static char *audit_query(const options_t *o, int64_t limit, peri_err_t *err)
{
    peri_buf_t b;
    double since = 0;
    if (o->since && peri_when_parse(o->since, &since, err)) return NULL;
    char *user = o->user ? peri_url_escape(o->user) : NULL,
         *action = o->action ? peri_url_escape(o->action) : NULL;
    peri_buf_init(&b, 1u << 16);
    peri_buf_printf(&b, "/admin/audit?limit=%lld", (long long)limit);
    if (user) peri_buf_printf(&b, "&account=%s", user);
    if (action) peri_buf_printf(&b, "&action=%s", action);
    if (since > 0) peri_buf_printf(&b, "&since=%.0f", since);
    free(user);
    free(action);
    return peri_buf_take(&b, NULL);
}

static void print_audit(const json_t *all)
{
    static const char *const titles[] = {"TIME", "WHO", "ACTION", "", "THING", "FROM"};
    peri_grid_t *g = peri_grid_new(titles, 6);
    const json_t *a;
    size_t i;
    json_array_foreach(all, i, a)
    {
        char when[PERI_WHEN];
        const json_t *ok = json_object_get(a, "ok");
        peri_grid_add(g, peri_when_exact(peri_json_num(a, "time", 0), when));
        peri_grid_add(g, peri_json_str(a, "account"));
        peri_grid_add(g, peri_json_str(a, "action"));
        peri_grid_add(g, json_is_false(ok) ? "refused" : "");
        peri_grid_add(g, peri_json_str(a, "thing"));
        peri_grid_add(g, peri_json_str(a, "client"));
    }
    peri_grid_print(g, stdout);
    peri_grid_free(g);
}

static int verb_audit(int argc, char **argv)
{
    options_t o;
    peri_err_t err = {0};
    int64_t limit;
    int status = read_options(argc, argv, &o, 0);
    if (status < 0 && peri_cli_count("admin", "limit", o.limit, 1, 1000, &limit))
        return 2;
    if (status >= 0) return status;
    char *path = audit_query(&o, limit, &err);
    if (!path) return peri_cli_fail(&err);
    peri_client_t *c = peri_talk(&status);
    json_t *j = c ? peri_client_get(c, 0, NULL, &err, "%s", path) : NULL;
    free(path);
    if (!c) return status;
    const json_t *all = json_object_get(j, "audit");
    if (j && !o.json) print_audit(all);
    return peri_talk_end(c, j, &err, o.json, NULL);
}

static int verb_banner(int argc, char **argv)
{
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 1);
    if (status >= 0) return status;
    const char *text = o.clear ? "" : optind < argc ? argv[optind] : NULL;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *j =
        text ? peri_client_send(c, &err, "PUT",
                                peri_body("{s:s, s:s*}", "text", text, "level", o.level),
                                "/admin/banner")
             : peri_client_get(c, 0, NULL, &err, "/banner");
    const char *now = peri_json_str(j, "text");
    if (j && !o.json && !text && *now) printf("%s\n", now);
    if (j && !o.json && text) printf("the banner is %s\n", *text ? "set" : "taken away");
    return peri_talk_end(c, j, &err, o.json, NULL);
}

int peri_cmd_admin(int argc, char **argv)
{
    static const peri_verb_t verbs[] = {{"overview", verb_overview},
                                        {"approvals", verb_approvals},
                                        {"audit", verb_audit},
                                        {"banner", verb_banner}};
    return peri_verbs_run(argc, argv, help_text, verbs, 4, verb_overview);
}
