/* cmd_saved.c - `perigee saved`: queries that the portal keeps under a name. They are
 * made and run by `perigee query`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/harmless.h"
#include "cli/options.h"
#include "cli/saved.h"
#include "cli/talk.h"
#include "cli/when.h"
#include "core/base/util.h"

static const char help_text[] =
    "Usage: perigee saved ls [OPTION...]\n"
    "       perigee saved show [OPTION...] NAME\n"
    "       perigee saved share [OPTION...] NAME TEAM\n"
    "       perigee saved unshare [OPTION...] NAME\n"
    "       perigee saved rm [OPTION...] NAME ...\n"
    "\n"
    "Queries that the portal keeps under a name: yours, and those that your teams "
    "share.\n"
    "'perigee query --save NAME' makes one, 'perigee query --saved NAME' runs it, with\n"
    "--param NAME=VALUE for the parameters ($NAME) in its SQL. share lets the members of "
    "a\n"
    "team see and run one of yours, as OWNER/NAME; it is of one team at a time.\n"
    "\n"
    "      --json  print the answers as JSON\n"
    "  -h, --help  show this\n"
    "\n"
    "Example\n"
    "  perigee query --save heavy --param m=100 \\\n"
    "      'SELECT * FROM tng.groups WHERE GroupMass > $m'\n"
    "  perigee query --saved heavy --param m=500\n"
    "  perigee saved share heavy cosmo\n"
    "  perigee saved ls\n";

/* "NAME", or "OWNER/NAME" of a team's, as part of an address; the caller frees. */
static char *address_of(const char *name)
{
    const char *slash = strchr(name, '/');
    char *owner =
        slash ? peri_xasprintf("%.*s", (int)(slash - name), name) : peri_xstrdup("");
    char *a = peri_url_escape(owner), *b = peri_url_escape(slash ? slash + 1 : name),
         *out = peri_xasprintf("/saved-queries/%s%s%s", a, slash ? "/" : "", b);
    free(owner);
    free(a);
    free(b);
    return out;
}

json_t *peri_saved_get(peri_client_t *c, const char *name, peri_err_t *err)
{
    char *path = address_of(name);
    json_t *q = peri_client_get(c, 0, NULL, err, "%s", path);
    free(path);
    return q;
}

/* The declaration of a parameter whose value was this. */
static json_t *declare(const char *name, json_t *v)
{
    const char *type = json_is_number(v)    ? "number"
                       : json_is_boolean(v) ? "boolean"
                                            : "text";
    return json_pack("{s:s, s:s, s:O}", "name", name, "type", type, "default", v);
}

/* *old: what she has under the name, or NULL; another one's of this name is none. */
static int find_own(peri_client_t *c, const char *name, json_t **old, peri_err_t *err)
{
    peri_err_t why = {0};
    const char *me = peri_client_account(c, err);
    *old = me ? peri_saved_get(c, name, &why) : NULL;
    if (!me) return -1;
    if (!*old && why.code != PERI_ENOTFOUND)
        return peri_err_set(err, why.code, "%s", why.text);
    if (*old && strcasecmp(peri_json_str(*old, "owner"), me) != 0) {
        json_decref(*old);
        *old = NULL;
    }
    return 0;
}

int peri_saved_put(peri_client_t *c, const peri_portalquery_t *q, peri_err_t *err)
{
    const char *name;
    json_t *v, *old;
    /* What it is for stays, and who sees it. */
    if (find_own(c, q->save, &old, err))
        return peri_err_prefix(err, "it is not saved as %s", q->save);
    json_t *list = json_array();
    json_object_foreach(q->params, name, v) json_array_append_new(list, declare(name, v));
    char *path = address_of(q->save);
    json_t *j = peri_client_send(
        c, err, "PUT",
        peri_body("{s:s, s:s*, s:o, s:O*, s:O*}", "sql", q->sql, "context", q->context,
                  "parameters", list, "description", json_object_get(old, "description"),
                  "team", json_object_get(old, "team")),
        "%s", path);
    free(path);
    json_decref(old);
    if (!j) return peri_err_prefix(err, "it is not saved as %s", q->save);
    json_decref(j);
    return 0;
}

/* ---- verbs ---- */

static int begin(int argc, char **argv, bool *json, int min, int max)
{
    const peri_option_t options[] = {{"json", json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 1);
    if (status < 0)
        status = peri_words_check(argc, argv, min, max,
                                  min == 2 ? "the name of a saved query, and a team"
                                           : "the name of a saved query");
    return status;
}

/* "m=100 name". */
static char *params_text(const json_t *q)
{
    const json_t *p;
    size_t i;
    peri_buf_t b;
    peri_buf_init(&b, 64u << 10);
    peri_buf_puts(&b, "");
    json_array_foreach(json_object_get(q, "parameters"), i, p)
    {
        const json_t *d = json_object_get(p, "default");
        char *text = !d || json_is_null(d) ? NULL : json_dumps(d, JSON_ENCODE_ANY);
        peri_buf_printf(&b, "%s%s%s%s", i ? " " : "", peri_json_str(p, "name"),
                        text ? "=" : "", text ? text : "");
        free(text);
    }
    char *s = peri_buf_take(&b, NULL);
    return s ? s : peri_xstrdup("");
}

static void print_list(const json_t *all)
{
    static const char *const titles[] = {"NAME",    "OF",         "TEAM",
                                         "CHANGED", "PARAMETERS", "SQL"};
    const json_t *q;
    size_t i;
    peri_grid_t *g = peri_grid_new(titles, 6);
    json_array_foreach(all, i, q)
    {
        char when[PERI_WHEN], *params = params_text(q);
        const char *text = peri_json_str(q, "description");
        peri_grid_add(g, peri_json_str(q, "name"));
        peri_grid_add(g, peri_json_str(q, "owner"));
        peri_grid_add(g, peri_json_str(q, "team"));
        peri_grid_add(g, peri_when_time(peri_json_num(q, "changed", 0), when));
        peri_grid_add(g, params);
        peri_grid_add(g, *text ? text : peri_json_str(q, "sql"));
        free(params);
    }
    peri_grid_print(g, stdout);
    peri_grid_free(g);
}

static int verb_ls(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    int status = begin(argc, argv, &json, 0, 0);
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *all = peri_talk_list(c, &err, "queries", "/saved-queries");
    if (all && !json && json_array_size(all))
        print_list(all);
    else if (all && !json)
        fputs("No query is saved: 'perigee query --save NAME' does that.\n", stderr);
    return peri_talk_end(c, all, &err, json, NULL);
}

static void print_one(const json_t *q)
{
    static const char *const lines[][2] = {{"Name", "name"},
                                           {"Of", "owner"},
                                           {"Description", "description"},
                                           {"Dataset", "context"},
                                           {"Team", "team"}};
    char when[PERI_WHEN], *params = params_text(q);
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        if (*peri_json_str(q, lines[i][1]))
            peri_grid_label(stdout, lines[i][0], "%s", peri_json_str(q, lines[i][1]));
    if (*params) peri_grid_label(stdout, "Parameters", "%s", params);
    peri_grid_label(stdout, "Changed", "%s",
                    peri_when_exact(peri_json_num(q, "changed", 0), when));
    putchar('\n');
    peri_harmless_print(stdout, peri_json_str(q, "sql"));
    putchar('\n');
    free(params);
}

static int verb_show(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    int status = begin(argc, argv, &json, 1, 1);
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *q = peri_saved_get(c, argv[optind], &err);
    if (q && !json) print_one(q);
    return peri_talk_end(c, q, &err, json, NULL);
}

static int verb_rm(int argc, char **argv)
{
    bool json = false;
    int status = begin(argc, argv, &json, 1, argc);
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    return peri_talk_delete_each(c, argc - optind, argv + optind, "/saved-queries", json,
                                 "the saved query", "is deleted");
}

/* One of her own with another team, NULL: none, if nobody has changed it meanwhile; a new
 * reference, NULL: an error. */
static json_t *set_team(peri_client_t *c, const char *name, const char *team,
                        peri_err_t *err)
{
    peri_answer_t a = {0}, done = {0};
    json_t *q, *out = NULL;
    char *path = address_of(name), *body = NULL;
    const char *me = peri_client_account(c, err);
    q = me ? peri_client_get(c, 0, &a, err, "%s", path) : NULL;
    if (!q) goto out;
    if (strcasecmp(peri_json_str(q, "owner"), me) != 0) {
        peri_err_set(err, PERI_EDENIED, "%s is a query of %s: only %s shares it", name,
                     peri_json_str(q, "owner"), peri_json_str(q, "owner"));
        goto out;
    }
    json_t *all = peri_body(
        "{s:O*, s:O*, s:O*, s:O*, s:s*}", "sql", json_object_get(q, "sql"), "description",
        json_object_get(q, "description"), "context", json_object_get(q, "context"),
        "parameters", json_object_get(q, "parameters"), "team", team);
    body = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    const peri_call_t call = {.method = "PUT",
                              .path = path,
                              .body = body,
                              .body_len = body ? strlen(body) : 0,
                              .match = *a.etag ? a.etag : NULL};
    if (peri_client_call(c, &call, &done, err) == 0) out = peri_answer_json(&done, err);
out:
    peri_answer_free(&a);
    peri_answer_free(&done);
    json_decref(q);
    free(body);
    free(path);
    return out;
}

static int verb_share(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    int status = begin(argc, argv, &json, 2, 2);
    if (status >= 0) return status;
    const char *name = argv[optind], *team = argv[optind + 1];
    if (!strncasecmp(team, "team:", 5)) team += 5;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    return peri_talk_end(c, set_team(c, name, team, &err), &err, json,
                         "%s is shared with the team %s", name, team);
}

static int verb_unshare(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    int status = begin(argc, argv, &json, 1, 1);
    if (status >= 0) return status;
    const char *name = argv[optind];
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    return peri_talk_end(c, set_team(c, name, NULL, &err), &err, json,
                         "%s is yours alone", name);
}

int peri_cmd_saved(int argc, char **argv)
{
    static const peri_verb_t verbs[] = {{"ls", verb_ls},
                                        {"show", verb_show},
                                        {"share", verb_share},
                                        {"unshare", verb_unshare},
                                        {"rm", verb_rm}};
    return peri_verbs_run(argc, argv, help_text, verbs, 5, verb_ls);
}
