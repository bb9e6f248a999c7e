/* cmd_user.c - `perigee user`: accounts, for administrators. */
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
    "Usage: perigee user ls [--json]\n"
    "       perigee user create NAME [--full-name TEXT] [--admin]\n"
    "       perigee user invite EMAIL\n"
    "       perigee user link NAME\n"
    "       perigee user approve|reject NAME ...\n"
    "       perigee user disable|enable NAME ...\n"
    "       perigee user quota NAME SIZE|default\n"
    "       perigee user admin NAME yes|no\n"
    "       perigee user delete NAME [--yes]\n"
    "\n"
    "For administrators: the accounts of the portal. A new account gets its first "
    "password by\n"
    "the one-time code that is printed; link makes another one, also for who has lost\n"
    "password and second factor. invite lets somebody sign up. approve and reject "
    "answer\n"
    "sign-ups that wait. A disabled account can do nothing; its files and jobs stay.\n"
    "\n"
    "      --full-name TEXT  of the new account\n"
    "      --admin           the new one is an administrator\n"
    "      --yes             do not ask\n"
    "      --json            print the answers as JSON\n"
    "  -h, --help            show this\n"
    "\n"
    "Examples\n"
    "  perigee user create ana --full-name \"Ana Lopez\"\n"
    "  perigee user quota ana 2TB\n";

typedef struct {
    const char *full_name;
    bool admin, yes, json;
} options_t;

/* -1: go on; the words are behind optind. */
static int read_options(int argc, char **argv, options_t *o, int min, int max,
                        const char *needs)
{
    *o = (options_t){0};
    const peri_option_t options[] = {{"full-name", NULL, &o->full_name, 0},
                                     {"admin", &o->admin, NULL, 0},
                                     {"yes", &o->yes, NULL, 0},
                                     {"json", &o->json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 4);
    return status < 0 ? peri_words_check(argc, argv, min, max, needs) : status;
}

static void print_users(const json_t *users)
{
    static const char *const titles[] = {"NAME",  "STATE",     "",     ">QUOTA",
                                         ">USED", "LAST SEEN", "EMAIL"};
    peri_grid_t *g = peri_grid_new(titles, 7);
    const json_t *u;
    size_t i;
    json_array_foreach(users, i, u)
    {
        char when[PERI_WHEN], quota[16], used[16];
        int64_t q = peri_json_int(u, "quota", -1), n = peri_json_int(u, "used", -1);
        peri_grid_add(g, peri_json_str(u, "name"));
        peri_grid_add(g, peri_json_str(u, "state"));
        peri_grid_add(g, peri_json_true(u, "admin") ? "admin" : "");
        peri_grid_add(g, q < 0 ? "default" : peri_human_bytes((uint64_t)q, quota));
        peri_grid_add(g, n < 0 ? "" : peri_human_bytes((uint64_t)n, used));
        peri_grid_add(g, peri_when_time(peri_json_num(u, "seen", 0), when));
        peri_grid_add(g, peri_json_str(u, "email"));
    }
    peri_grid_print(g, stdout);
    peri_grid_free(g);
}

static int verb_ls(int argc, char **argv)
{
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 0, 0, "no argument");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *all = peri_talk_list(c, &err, "users", "/admin/users");
    if (all && !o.json) print_users(all);
    return peri_talk_end(c, all, &err, o.json, NULL);
}

/* How the account comes to its first password. */
static void say_code(peri_client_t *c, const json_t *j, const char *name)
{
    char *portal = peri_talk_portal(c);
    fprintf(stderr, "perigee: %s sets a password, once, with\n", name);
    printf("perigee password %s%s%s--link %s\n", *portal ? "--portal " : "", portal,
           *portal ? " " : "", peri_json_str(j, "token"));
    free(portal);
}

static int verb_create(int argc, char **argv)
{
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 1, 1, "the account's name");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *body =
        peri_body("{s:s, s:s*}", "name", argv[optind], "full_name", o.full_name);
    if (o.admin) json_object_set_new(body, "admin", json_true());
    json_t *j = peri_client_send(c, &err, "POST", body, "/admin/users");
    if (j && !o.json) say_code(c, j, argv[optind]);
    return peri_talk_end(c, j, &err, o.json, NULL);
}

/* With mail the code goes to the address, else it is here. */
static int verb_invite(int argc, char **argv)
{
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 1, 1, "an address");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *j = peri_client_send(
        c, &err, "POST", peri_body("{s:s}", "email", argv[optind]), "/admin/invitations");
    const char *code = peri_json_str(j, "token");
    char *portal = j ? peri_talk_portal(c) : NULL;
    if (j && !o.json && *code)
        printf("perigee signup --email %s --invitation %s %s\n", argv[optind], code,
               portal);
    else if (j && !o.json)
        printf("an invitation is on its way to %s\n", argv[optind]);
    free(portal);
    return peri_talk_end(c, j, &err, o.json, NULL);
}

static int verb_link(int argc, char **argv)
{
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 1, 1, "the account's name");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *esc = peri_url_escape(argv[optind]);
    json_t *j = peri_client_send(c, &err, "POST", NULL, "/admin/users/%s/link", esc);
    free(esc);
    if (j && !o.json) say_code(c, j, argv[optind]);
    return peri_talk_end(c, j, &err, o.json, NULL);
}

/* ---- changes ---- */

static json_t *edit(peri_client_t *c, const char *name, json_t *body, peri_err_t *err)
{
    char *esc = peri_url_escape(name);
    json_t *j = peri_client_send(c, err, "PATCH", body, "/admin/users/%s", esc);
    free(esc);
    return j;
}

static json_t *decide(peri_client_t *c, const char *name, bool yes, peri_err_t *err)
{
    char *esc = peri_url_escape(name);
    json_t *j = peri_client_send(c, err, "POST", peri_body("{s:b}", "approve", (int)yes),
                                 "/admin/approvals/%s", esc);
    free(esc);
    return j;
}

typedef enum { APPROVE, REJECT, DISABLE, ENABLE } act_t;

/* The same for every name; goes on after an error. */
static int each(int argc, char **argv, act_t act, const char *done)
{
    options_t o;
    int status = read_options(argc, argv, &o, 1, argc, "the account's name");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    for (int i = optind; i < argc; i++) {
        peri_err_t err = {0};
        json_t *j = act == APPROVE || act == REJECT
                        ? decide(c, argv[i], act == APPROVE, &err)
                        : edit(c, argv[i],
                               peri_body("{s:s}", "state",
                                         act == DISABLE ? "disabled" : "active"),
                               &err);
        if (!j)
            status = peri_cli_fail(&err);
        else if (o.json)
            peri_talk_print(j);
        else
            printf("%s %s\n", argv[i], done);
        json_decref(j);
    }
    peri_client_free(c);
    return peri_cli_done(status);
}

static int verb_approve(int argc, char **argv)
{
    return each(argc, argv, APPROVE, "is approved");
}

static int verb_reject(int argc, char **argv)
{
    return each(argc, argv, REJECT, "is rejected");
}

static int verb_disable(int argc, char **argv)
{
    return each(argc, argv, DISABLE, "is disabled");
}

static int verb_enable(int argc, char **argv)
{
    return each(argc, argv, ENABLE, "is active");
}

static int verb_quota(int argc, char **argv)
{
    options_t o;
    peri_err_t err = {0};
    uint64_t bytes = 0;
    int status = read_options(argc, argv, &o, 2, 2, "a name and a size");
    if (status >= 0) return status;
    const char *name = argv[optind], *size = argv[optind + 1];
    bool usual = !strcmp(size, "default");
    if (!usual && peri_parse_size(size, &bytes, &err)) return peri_cli_fail(&err);
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *j = edit(c, name,
                     peri_body("{s:o}", "quota",
                               usual ? json_null() : json_integer((json_int_t)bytes)),
                     &err);
    return peri_talk_end(c, j, &err, o.json, "%s may store %s", name,
                         usual ? "the default" : size);
}

static int verb_admin(int argc, char **argv)
{
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 2, 2, "a name, and yes or no");
    if (status >= 0) return status;
    const char *name = argv[optind], *word = argv[optind + 1];
    if (strcmp(word, "yes") && strcmp(word, "no")) {
        fprintf(stderr, "perigee: an administrator is \"yes\" or \"no\", not \"%s\".\n",
                word);
        return peri_cli_usage("user");
    }
    bool yes = !strcmp(word, "yes");
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *j = edit(c, name, peri_body("{s:b}", "admin", (int)yes), &err);
    return peri_talk_end(c, j, &err, o.json, "%s is %s administrator", name,
                         yes ? "an" : "no");
}

static int verb_delete(int argc, char **argv)
{
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 1, 1, "the account's name");
    if (status >= 0) return status;
    const char *name = argv[optind];
    if (!o.yes && !peri_talk_sure("Delete the account %s with its files?", name)) {
        fputs("perigee: nothing was deleted (--yes does not ask)\n", stderr);
        return 1;
    }
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *esc = peri_url_escape(name);
    json_t *j = peri_client_send(c, &err, "DELETE", NULL, "/admin/users/%s", esc);
    free(esc);
    return peri_talk_end(c, j, &err, o.json, "the account %s is deleted", name);
}

int peri_cmd_user(int argc, char **argv)
{
    static const peri_verb_t verbs[] = {
        {"ls", verb_ls},           {"create", verb_create},   {"invite", verb_invite},
        {"link", verb_link},       {"approve", verb_approve}, {"reject", verb_reject},
        {"disable", verb_disable}, {"enable", verb_enable},   {"quota", verb_quota},
        {"admin", verb_admin},     {"delete", verb_delete}};
    return peri_verbs_run(argc, argv, help_text, verbs, sizeof(verbs) / sizeof(*verbs),
                          verb_ls);
}
