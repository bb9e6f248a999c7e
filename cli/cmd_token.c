/* cmd_token.c - `perigee token`: personal access tokens for programs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/talk.h"
#include "cli/thing.h"
#include "cli/when.h"
#include "core/base/util.h"

#define ALL_SCOPES 9 /* that "all" stands for */

static const char help_text[] =
    "Usage: perigee token ls [--json]\n"
    "       perigee token create NAME [--scope SCOPES] [--for TIME] [--json]\n"
    "       perigee token revoke ID ...\n"
    "\n"
    "Tokens let programs act for you without your password: give each one only what it "
    "needs.\n"
    "To make one you sign in again; it is shown once. A program takes it from "
    "$PERIGEE_TOKEN,\n"
    "with the portal in $PERIGEE_PORTAL.\n"
    "\n"
    "      --scope SCOPES  what it may do: files:read, files:write, jobs:read, "
    "jobs:write,\n"
    "                      teams:read, teams:write, account:read, account:write, sql, "
    "admin,\n"
    "                      several with commas; all (default): everything but admin\n"
    "      --for TIME      how long it is good, as 7d or 90d (default)\n"
    "      --stdin         read your password from standard input\n"
    "      --json          print the answers as JSON\n"
    "  -h, --help          show this\n"
    "\n"
    "Example\n"
    "  perigee token create nightly --scope files:read,jobs:write --for 30d\n";

static json_t *scopes_of(const char *list)
{
    json_t *a = json_array();
    for (const char *s = list; *s;) {
        size_t n = strcspn(s, ", ");
        if (n) json_array_append_new(a, json_stringn(s, n));
        s += n + (s[n] != '\0');
    }
    return a;
}

/* "all" instead of everything that it stands for. */
static char *scopes_text(const json_t *scopes)
{
    const json_t *one;
    size_t i, admin = 0;
    json_array_foreach(scopes, i, one) admin += !strcmp(json_string_value(one), "admin");
    if (json_array_size(scopes) - admin < ALL_SCOPES) return peri_thing_rights(scopes);
    return peri_xstrdup(admin ? "all,admin" : "all");
}

static int verb_ls(int argc, char **argv)
{
    static const char *const titles[] = {">ID", "NAME", "SCOPES", "USED", "EXPIRES"};
    bool json = false;
    peri_err_t err = {0};
    const peri_option_t options[] = {{"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 1);
    if (status < 0) status = peri_words_check(argc, argv, 0, 0, "no argument");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *all = peri_talk_list(c, &err, "tokens", "/account/tokens");
    if (all && !json) {
        peri_grid_t *g = peri_grid_new(titles, 5);
        const json_t *t;
        size_t i;
        json_array_foreach(all, i, t)
        {
            char when[PERI_WHEN], *scopes = scopes_text(json_object_get(t, "scopes"));
            double used = peri_json_num(t, "used", 0);
            peri_grid_addf(g, "%lld", (long long)peri_json_int(t, "id", 0));
            peri_grid_add(g, peri_json_str(t, "name"));
            peri_grid_add(g, scopes);
            peri_grid_add(g, used > 0 ? peri_when_time(used, when) : "never");
            peri_grid_add(g, peri_when_time(peri_json_num(t, "expires", 0), when));
            free(scopes);
        }
        peri_grid_print(g, stdout);
        peri_grid_free(g);
    }
    return peri_talk_end(c, all, &err, json, NULL);
}

static int verb_create(int argc, char **argv)
{
    bool json = false, from_stdin = false;
    const char *scope = "all", *span = "90d";
    char password[PERI_PROMPT_MAX];
    double seconds = 0;
    peri_err_t err = {0};
    const peri_option_t options[] = {{"scope", NULL, &scope, 0},
                                     {"for", NULL, &span, 0},
                                     {"stdin", &from_stdin, NULL, 0},
                                     {"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 4);
    if (status < 0) status = peri_words_check(argc, argv, 1, 1, "the token's name");
    if (status >= 0) return status;
    if (peri_when_parse_span(span, &seconds, &err)) return peri_cli_fail(&err);
    peri_client_t *c = peri_session_now(from_stdin, password, &err);
    explicit_bzero(password, sizeof(password));
    json_t *j = c ? peri_client_send(c, &err, "POST",
                                     peri_body("{s:s, s:o, s:I}", "name", argv[optind],
                                               "scopes", scopes_of(scope), "days",
                                               (json_int_t)ceil(seconds / 86400)),
                                     "/account/tokens")
                  : NULL;
    peri_session_close(c);
    if (j && !json) {
        fputs("perigee: keep it safe, it is not shown again:\n", stderr);
        printf("%s\n", peri_json_str(j, "token"));
    }
    return peri_talk_end(NULL, j, &err, json, NULL);
}

static int verb_revoke(int argc, char **argv)
{
    bool json = false;
    const peri_option_t options[] = {{"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 1);
    if (status < 0) status = peri_words_check(argc, argv, 1, argc, "a token's number");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    return peri_talk_delete_each(c, argc - optind, argv + optind, "/account/tokens", json,
                                 "token", "is revoked");
}

int peri_cmd_token(int argc, char **argv)
{
    static const peri_verb_t verbs[] = {
        {"ls", verb_ls}, {"create", verb_create}, {"revoke", verb_revoke}};
    return peri_verbs_run(argc, argv, help_text, verbs, 3, verb_ls);
}
