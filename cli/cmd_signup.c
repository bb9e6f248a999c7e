/* cmd_signup.c - `perigee signup` and `perigee password`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/portals.h"
#include "cli/session.h"
#include "cli/talk.h"
#include "core/base/util.h"

static const char signup_help[] =
    "Usage: perigee signup [OPTION...] URL\n"
    "\n"
    "Makes an account at a portal, where that is open to you: it may want an invitation, "
    "a look\n"
    "at your e-mail, or an administrator's consent, and says so.\n"
    "\n"
    "      --name NAME        the account's name: small letters, digits, - and _\n"
    "      --email ADDRESS    yours; for a forgotten password\n"
    "      --full-name TEXT   what others see beside the name\n"
    "      --invitation CODE  the code of an invitation\n"
    "      --stdin            read what is not given (name, e-mail, password) from "
    "standard\n"
    "                         input, a line each\n"
    "      --json             print the answer as JSON\n"
    "  -h, --help             show this\n"
    "\n"
    "Example\n"
    "  perigee signup --name ana https://perigee.example.org\n";

static const char password_help[] =
    "Usage: perigee password [OPTION...]\n"
    "\n"
    "Changes your password at the portal. All other sessions of yours end, tokens stay.\n"
    "\n"
    "      --link LINK     set it with a one-time link (or its code) instead of the old "
    "one\n"
    "      --forgot EMAIL  have such a link sent to your address\n"
    "      --stdin         read the passwords from standard input: the old one, the new "
    "one\n"
    "  -h, --help          show this\n"
    "\n"
    "Examples\n"
    "  perigee password\n"
    "  perigee password --portal https://perigee.example.org --forgot ana@example.org\n";

/* ---- sign-up ---- */

typedef struct {
    const char *name, *email, *full_name, *invitation;
    bool from_stdin, json;
} signup_t;

static void say_state(const json_t *j, const char *url)
{
    const char *state = peri_json_str(j, "state"), *name = peri_json_str(j, "name");
    if (!strcmp(state, "pending_email"))
        printf("a letter is on its way to you: its link opens the account\n");
    else if (!strcmp(state, "pending_approval"))
        printf("the account waits for an administrator's consent\n");
    else
        printf("the account%s%s is made: 'perigee login %s'\n", *name ? " " : "", name,
               url);
}

static int sign_up(const signup_t *s, const char *url)
{
    peri_err_t err = {0};
    char name[PERI_PROMPT_MAX], email[PERI_PROMPT_MAX], password[PERI_PROMPT_MAX];
    peri_client_t *c = peri_client_new_portal(url, NULL, NULL);
    json_t *j = NULL, *ways = peri_client_get(c, 0, NULL, &err, "/sign-in/ways");
    snprintf(name, sizeof(name), "%s", s->name ? s->name : "");
    snprintf(email, sizeof(email), "%s", s->email ? s->email : "");
    if (ways &&
        (s->name ||
         peri_prompt("name", getenv("USER"), false, s->from_stdin, name, &err) == 0) &&
        (s->email ||
         peri_prompt("e-mail", NULL, false, s->from_stdin, email, &err) == 0) &&
        peri_prompt_new_password("password", s->from_stdin, password, &err) == 0) {
        json_t *body = peri_body("{s:s, s:s, s:s*, s:s*, s:s*}", "name", name, "password",
                                 password, "email", *email ? email : NULL, "full_name",
                                 s->full_name, "invitation", s->invitation);
        j = peri_client_send(c, &err, "POST", body, "/account/sign-up");
        explicit_bzero(password, sizeof(password));
    }
    if (j && !s->json) say_state(j, url);
    json_decref(ways);
    return peri_talk_end(c, j, &err, s->json, NULL);
}

/* The portal of the word at optind, else of --portal; the caller frees. */
static char *portal_of(int argc, char **argv, peri_err_t *err)
{
    const char *given = optind < argc ? argv[optind] : getenv("PERIGEE_PORTAL");
    return peri_portal_url(given ? given : "", err);
}

int peri_cmd_signup(int argc, char **argv)
{
    signup_t s = {0};
    peri_err_t err = {0};
    const peri_option_t options[] = {
        {"name", NULL, &s.name, 0},           {"email", NULL, &s.email, 0},
        {"full-name", NULL, &s.full_name, 0}, {"invitation", NULL, &s.invitation, 0},
        {"stdin", &s.from_stdin, NULL, 0},    {"json", &s.json, NULL, 0}};
    int status = peri_options_read(argc, argv, signup_help, options, 6);
    bool given = getenv("PERIGEE_PORTAL") != NULL;
    if (status < 0) status = peri_words_check(argc, argv, !given, 1, "a portal's URL");
    if (status >= 0) return status;
    char *url = portal_of(argc, argv, &err);
    if (!url) return peri_cli_fail(&err);
    status = sign_up(&s, url);
    free(url);
    return status;
}

/* ---- password ---- */

/* The code is what stands last in a link. */
static const char *code_of(const char *link)
{
    const char *end = strrchr(link, '=');
    if (!end) end = strrchr(link, '#');
    if (!end) end = strrchr(link, '/');
    return end ? end + 1 : link;
}

/* A client for requests that need no login. */
static peri_client_t *of_stranger(const char *link, peri_err_t *err)
{
    const char *given = getenv("PERIGEE_PORTAL");
    char *origin = NULL, *url = NULL;
    peri_login_t login = {0};
    const char *host = link ? strstr(link, "://") : NULL;
    if (host)
        origin = peri_xasprintf(
            "%.*s", (int)(strcspn(host + 3, "/?#") + (size_t)(host + 3 - link)), link);
    bool somewhere = origin || (given && strcmp(given, "local") != 0);
    if (!somewhere && !given && peri_portals_find(NULL, &login, err) == 1)
        url = peri_xstrdup(login.url);
    else if (somewhere)
        url = peri_portal_url(origin ? origin : given, err);
    peri_client_t *c = url         ? peri_client_new_portal(url, NULL, login.cacert)
                       : somewhere ? NULL
                                   : peri_client_new_local(err);
    peri_login_free(&login);
    free(origin);
    free(url);
    return c;
}

static int by_link(const char *link, bool from_stdin)
{
    peri_err_t err = {0};
    char password[PERI_PROMPT_MAX];
    json_t *j = NULL;
    peri_client_t *c = of_stranger(link, &err);
    if (c && peri_prompt_new_password("new password", from_stdin, password, &err) == 0) {
        j = peri_client_send(
            c, &err, "POST",
            peri_body("{s:s, s:s}", "token", code_of(link), "password", password),
            "/account/reset");
        explicit_bzero(password, sizeof(password));
    }
    return peri_talk_end(c, j, &err, false,
                         "the password is set; log in with 'perigee login'");
}

static int forgotten(const char *email)
{
    peri_err_t err = {0};
    peri_client_t *c = of_stranger(NULL, &err);
    json_t *j = c ? peri_client_send(c, &err, "POST", peri_body("{s:s}", "email", email),
                                     "/account/reset-request")
                  : NULL;
    return peri_talk_end(
        c, j, &err, false,
        "if an account has this address, a link is on its way: set a new "
        "password with 'perigee password --link LINK'");
}

/* Signing in proves the old one; a user of this machine may have none. */
static int change(bool from_stdin)
{
    peri_err_t err = {0};
    char old[PERI_PROMPT_MAX], new[PERI_PROMPT_MAX] = "";
    json_t *j = NULL;
    peri_client_t *c = peri_session_now(from_stdin, old, &err);
    bool local = c && !peri_client_portal(c);
    if (c &&
        (!local || peri_prompt("old password, if you have one", NULL, true, from_stdin,
                               old, &err) == 0) &&
        peri_prompt_new_password("new password", from_stdin, new, &err) == 0)
        j = peri_client_send(
            c, &err, "POST",
            peri_body("{s:s*, s:s}", "old", *old ? old : NULL, "new", new),
            "/account/password");
    explicit_bzero(old, sizeof(old));
    explicit_bzero(new, sizeof(new));
    peri_session_close(c);
    return peri_talk_end(NULL, j, &err, false, "the password is changed");
}

int peri_cmd_password(int argc, char **argv)
{
    bool from_stdin = false;
    const char *link = NULL, *email = NULL;
    const peri_option_t options[] = {{"link", NULL, &link, 0},
                                     {"forgot", NULL, &email, 0},
                                     {"stdin", &from_stdin, NULL, 0}};
    int status = peri_options_read(argc, argv, password_help, options, 3);
    if (status < 0) status = peri_words_check(argc, argv, 0, 0, "no argument");
    if (status >= 0) return status;
    if (link) return by_link(link, from_stdin);
    if (email) return forgotten(email);
    return change(from_stdin);
}
