/* session.c - see session.h. */
#include "cli/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/portals.h"
#include "cli/post.h"
#include "core/base/util.h"

json_t *peri_session_post(peri_client_t *c, const char *path, json_t *body,
                          peri_answer_t *a, peri_err_t *err)
{
    char *text = json_is_null(body) ? NULL : json_dumps(body, JSON_COMPACT);
    json_t *j = NULL;
    if (!text) {
        json_decref(body);
        *a = (peri_answer_t){0};
        peri_err_set(err, PERI_EINVAL, "names and passwords are to be UTF-8");
        return NULL;
    }
    if (peri_client_call(
            c,
            &(peri_call_t){
                .method = "POST", .path = path, .body = text, .body_len = strlen(text)},
            a, err) == 0)
        j = peri_answer_json(a, err);
    peri_answer_free(a);
    explicit_bzero(text, strlen(text));
    free(text);
    json_decref(body);
    return j;
}

static json_t *sign_in(peri_client_t *c, const peri_signin_t *s, const char *name,
                       const char *password, peri_err_t *err)
{
    peri_answer_t a;
    char code[PERI_PROMPT_MAX];
    json_t *j = peri_session_post(
        c, "/sign-in", peri_body("{s:s, s:s}", "name", name, "password", password), &a,
        err);
    if (j || strcmp(a.word, "code_needed") != 0) return j;
    if (peri_prompt("code of your second factor", NULL, false, s->from_stdin, code, err))
        return NULL;
    j = peri_session_post(
        c, "/sign-in",
        peri_body("{s:s, s:s, s:s}", "name", name, "password", password, "code", code),
        &a, err);
    explicit_bzero(code, sizeof(code));
    return j;
}

/* Also finds out whether there is a portal at all, before anything is typed. */
static int greet(peri_client_t *c, peri_err_t *err)
{
    json_t *ways = peri_client_get(c, 0, NULL, err, "/sign-in/ways");
    if (!ways) return -1;
    const char *banner = peri_json_str(json_object_get(ways, "banner"), "text");
    if (*banner) fprintf(stderr, "%s\n", banner);
    json_decref(ways);
    return 0;
}

peri_client_t *peri_session_open(const peri_signin_t *s, char **account,
                                 char password[PERI_PROMPT_MAX], peri_err_t *err)
{
    peri_client_t *c = peri_client_new_portal(s->url, NULL, s->cacert);
    char name[PERI_PROMPT_MAX];
    json_t *who = NULL;
    *password = '\0';
    if (greet(c, err) == 0) {
        snprintf(name, sizeof(name), "%s", s->name ? s->name : "");
        if ((s->name ||
             peri_prompt("name", s->usual, false, s->from_stdin, name, err) == 0) &&
            peri_prompt("password", NULL, true, s->from_stdin, password, err) == 0)
            who = sign_in(c, s, name, password, err);
    }
    if (who) {
        peri_client_set_csrf(c, peri_json_str(who, "csrf"));
        *account = peri_xstrdup(peri_json_str(who, "name"));
        json_decref(who);
        return c;
    }
    peri_client_free(c);
    return NULL;
}

peri_client_t *peri_session_now(bool from_stdin, char password[PERI_PROMPT_MAX],
                                peri_err_t *err)
{
    peri_login_t login = {0};
    char *account = NULL;
    *password = '\0';
    peri_client_t *c = peri_client_new(err);
    if (!c || !peri_client_portal(c)) return c;
    (void)peri_portals_find(peri_client_portal(c), &login, NULL);
    const peri_signin_t s = {.url = peri_client_portal(c),
                             .cacert = login.cacert,
                             .name = login.account,
                             .from_stdin = from_stdin};
    peri_client_t *session = peri_session_open(&s, &account, password, err);
    free(account);
    peri_login_free(&login);
    peri_client_free(c);
    return session;
}

void peri_session_close(peri_client_t *c)
{
    peri_err_t ignored = {0};
    if (c && peri_client_portal(c))
        json_decref(peri_client_send(c, &ignored, "POST", NULL, "/sign-out"));
    peri_client_free(c);
}
