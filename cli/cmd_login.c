/* cmd_login.c - `perigee login` and `logout`: a password becomes a personal
 * access token, which is kept (portals.h); the password is not.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/portals.h"
#include "cli/session.h"
#include "cli/talk.h"
#include "cli/when.h"
#include "core/base/util.h"

#define DAYS      90
#define TOKEN_MAX 4096

static const char login_help[] =
    "Usage: perigee login [OPTION...] URL\n"
    "\n"
    "Logs in to a portal: asks for your name, password and, if you have one, the code of "
    "your\n"
    "second factor, and keeps a token that is good for 90 days. From then on commands go "
    "to\n"
    "this portal. Where you sign in without a password, make a token in the browser and "
    "give\n"
    "it with --token-file.\n"
    "\n"
    "      --name NAME        who you are there\n"
    "      --token-file FILE  keep the token in FILE (\"-\": standard input)\n"
    "      --stdin            read name, password and code from standard input, a line "
    "each\n"
    "      --admin            for administrators: the token may do what they may\n"
    "      --json             print who you are as JSON\n"
    "  -h, --help             show this\n"
    "\n"
    "Example\n"
    "  perigee login https://perigee.example.org\n";

static const char logout_help[] =
    "Usage: perigee logout [OPTION...]\n"
    "\n"
    "Forgets the token of a login, here and at the portal.\n"
    "\n"
    "      --force  forget it here also when the portal does not answer\n"
    "      --json   print what was forgotten as JSON\n"
    "  -h, --help   show this\n"
    "\n"
    "Example\n"
    "  perigee logout --portal https://perigee.example.org\n";

/* ---- login ---- */

typedef struct {
    char *url;
    const char *name, *token_file, *cacert;
    bool from_stdin, admin, json;
} login_t;

static json_t *make_token(peri_client_t *c, bool admin, peri_err_t *err)
{
    char host[HOST_NAME_MAX + 1] = "";
    gethostname(host, sizeof(host) - 1);
    peri_answer_t a;
    json_t *scopes =
        admin ? json_pack("[s, s]", "all", "admin") : json_pack("[s]", "all");
    return peri_session_post(c, "/account/tokens",
                             peri_body("{s:s, s:o, s:i}", "name",
                                       *host ? host : "perigee", "scopes", scopes, "days",
                                       DAYS),
                             &a, err);
}

static void revoke_token(peri_client_t *c, int64_t id)
{
    peri_err_t err = {0};
    if (id > 0)
        json_decref(peri_client_send(c, &err, "DELETE", NULL, "/account/tokens/%lld",
                                     (long long)id));
}

/* The old token of this portal is of no use any more once the new one is kept. */
static int keep(const login_t *l, const char *account, const char *token, int64_t id,
                double expires, peri_client_t *session, peri_err_t *err)
{
    peri_login_t old = {0};
    char *cacert = l->cacert ? realpath(l->cacert, NULL) : NULL;
    (void)peri_portals_find(l->url, &old, NULL);
    const peri_login_t login = {.url = l->url,
                                .account = (char *)account,
                                .token = (char *)token,
                                .token_id = id,
                                .expires = expires,
                                .cacert = cacert};
    int rc = peri_portals_put(&login, err);
    if (rc == 0 && session && old.token_id != id) revoke_token(session, old.token_id);
    if (rc != 0 && session) revoke_token(session, id); /* nobody would know it */
    peri_login_free(&old);
    free(cacert);
    return rc;
}

static int with_password(const login_t *l, char **account, peri_err_t *err)
{
    char password[PERI_PROMPT_MAX];
    peri_login_t old = {0};
    (void)peri_portals_find(l->url, &old, NULL);
    const peri_signin_t how = {.url = l->url,
                               .cacert = l->cacert,
                               .name = l->name,
                               .usual = old.account ? old.account : getenv("USER"),
                               .from_stdin = l->from_stdin};
    peri_client_t *c = peri_session_open(&how, account, password, err);
    explicit_bzero(password, sizeof(password));
    peri_login_free(&old);
    json_t *t = c ? make_token(c, l->admin, err) : NULL;
    int rc = -1;
    if (t && !*peri_json_str(t, "token"))
        peri_err_set(err, PERI_EFORMAT, "the portal's answer has no token");
    else if (t)
        rc = keep(l, *account, peri_json_str(t, "token"), peri_json_int(t, "id", 0),
                  peri_json_num(t, "expires", 0), c, err);
    json_decref(t);
    peri_session_close(c);
    return rc;
}

static int read_token(const char *file, char out[PERI_PROMPT_MAX], peri_err_t *err)
{
    char *text = NULL;
    if (!strcmp(file, "-")) return peri_prompt("token", NULL, true, true, out, err);
    if (peri_file_slurp(file, TOKEN_MAX, &text, NULL, err)) return -1;
    text[strcspn(text, "\r\n")] = '\0';
    snprintf(out, PERI_PROMPT_MAX, "%s", text);
    explicit_bzero(text, strlen(text));
    free(text);
    return 0;
}

static int with_token(const login_t *l, char **account, peri_err_t *err)
{
    char token[PERI_PROMPT_MAX];
    if (read_token(l->token_file, token, err)) return -1;
    if (!*token || strlen(token) != strcspn(token, " \t\r\n"))
        return peri_err_set(err, PERI_EINVAL, "%s has no token: it is one word, pgt_...",
                            l->token_file);
    peri_client_t *c = peri_client_new_portal(l->url, token, l->cacert);
    json_t *who = peri_client_get(c, 0, NULL, err, "/account");
    int rc = -1;
    if (who) {
        *account = peri_xstrdup(peri_json_str(who, "name"));
        const json_t *t = json_object_get(who, "token");
        rc = keep(l, *account, token, peri_json_int(t, "id", 0),
                  peri_json_num(t, "expires", 0), NULL, err);
    }
    json_decref(who);
    peri_client_free(c);
    explicit_bzero(token, sizeof(token));
    return rc;
}

static void say_json(const char *url, const char *account)
{
    json_t *j = json_pack("{s:s, s:s}", "portal", url, "account", account);
    peri_talk_print(j);
    json_decref(j);
}

int peri_cmd_login(int argc, char **argv)
{
    login_t l = {.cacert = getenv("PERIGEE_CACERT")};
    const peri_option_t options[] = {{"name", NULL, &l.name, 0},
                                     {"token-file", NULL, &l.token_file, 0},
                                     {"stdin", &l.from_stdin, NULL, 0},
                                     {"admin", &l.admin, NULL, 0},
                                     {"json", &l.json, NULL, 0}};
    int status = peri_options_read(argc, argv, login_help, options, 5);
    const char *portal = getenv("PERIGEE_PORTAL");
    bool given = portal && *portal && strcmp(portal, "local") != 0;
    if (status < 0) status = peri_words_check(argc, argv, !given, 1, "a portal's URL");
    if (status >= 0) return status;
    peri_err_t err = {0};
    char *account = NULL;
    l.url = peri_portal_url(optind < argc ? argv[optind] : portal, &err);
    int rc = !l.url         ? -1
             : l.token_file ? with_token(&l, &account, &err)
                            : with_password(&l, &account, &err);
    if (rc)
        status = peri_cli_fail(&err);
    else if (l.json)
        say_json(l.url, account);
    else
        printf("logged in to %s as %s\n", l.url, account);
    free(account);
    free(l.url);
    return rc ? status : peri_cli_done(0);
}

/* ---- logout ---- */

/* The login that commands use now. */
static int chosen(peri_login_t *login, peri_err_t *err)
{
    const char *given = getenv("PERIGEE_PORTAL");
    char *url = given && *given ? peri_portal_url(given, err) : NULL;
    if (given && *given && !url) return -1;
    int rc = peri_portals_find(url, login, err);
    if (rc == 0)
        peri_err_set(err, PERI_ENOTFOUND, "you are not logged in%s%s", url ? " to " : "",
                     url ? url : "");
    free(url);
    return rc == 1 ? 0 : -1;
}

static int sign_off(const peri_login_t *login, peri_err_t *err)
{
    if (!login->token_id) {
        fputs(
            "perigee: the token came from you and is still good: 'perigee token revoke' "
            "ends it\n",
            stderr);
        return 0;
    }
    peri_client_t *c = peri_client_new_portal(login->url, login->token, login->cacert);
    peri_answer_t a;
    char *path = peri_xasprintf("/account/tokens/%lld", (long long)login->token_id);
    int rc =
        peri_client_call(c, &(peri_call_t){.method = "DELETE", .path = path}, &a, err);
    if (rc && (a.status == 401 || a.status == 404)) rc = 0; /* it is gone already */
    peri_answer_free(&a);
    free(path);
    peri_client_free(c);
    return rc;
}

int peri_cmd_logout(int argc, char **argv)
{
    bool force = false, json = false;
    peri_err_t err = {0};
    peri_login_t login = {0};
    const peri_option_t options[] = {{"force", &force, NULL, 0},
                                     {"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, logout_help, options, 2);
    if (status < 0) status = peri_words_check(argc, argv, 0, 0, "no argument");
    if (status >= 0) return status;
    int rc = chosen(&login, &err);
    if (rc == 0 && sign_off(&login, &err)) {
        rc = force ? 0 : -1;
        if (!force)
            peri_err_prefix(&err, "the token is not revoked (--force forgets it here all "
                                  "the same)");
    }
    if (rc == 0) rc = peri_portals_remove(login.url, &err);
    status = rc ? peri_cli_fail(&err) : 0;
    if (rc == 0 && json)
        say_json(login.url, login.account ? login.account : "");
    else if (rc == 0)
        printf("logged out of %s\n", login.url);
    peri_login_free(&login);
    return rc ? status : peri_cli_done(0);
}
