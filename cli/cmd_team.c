/* cmd_team.c - `perigee team`: who works together. */
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
    "Usage: perigee team ls [--public] [--json]\n"
    "       perigee team create NAME [--title TEXT] [--about TEXT] [--public] [--class]\n"
    "       perigee team show NAME [--json]\n"
    "       perigee team invite NAME USER|EMAIL ... [--role ROLE]\n"
    "       perigee team accept|decline NAME\n"
    "       perigee team join|leave NAME\n"
    "       perigee team role NAME USER ROLE\n"
    "       perigee team remove NAME USER ...\n"
    "       perigee team delete NAME [--yes]\n"
    "\n"
    "Teams share volumes, files and jobs. Who makes a team owns it; owners and admins "
    "invite,\n"
    "who is invited accepts or declines. A public team can be joined by everybody. In a "
    "class\n"
    "owners and admins are teachers, members are students, each with a volume that only "
    "she\n"
    "and the teachers see.\n"
    "\n"
    "      --title TEXT   its name for people\n"
    "      --about TEXT   what it is for\n"
    "      --public       everybody may see and join it; with ls: also those\n"
    "      --class        teachers and students\n"
    "      --role ROLE    owner, admin or member (default)\n"
    "      --yes          do not ask\n"
    "      --json         print the answers as JSON\n"
    "  -h, --help         show this\n"
    "\n"
    "Examples\n"
    "  perigee team create cosmo --title \"Cosmology\"\n"
    "  perigee team invite cosmo ben\n"
    "  perigee share persistent:halos --with team:cosmo --read\n";

typedef struct {
    const char *title, *about, *role;
    bool public, class, yes, json;
} options_t;

/* -1: go on; the words are behind optind. */
static int read_options(int argc, char **argv, options_t *o, int min, int max,
                        const char *needs)
{
    *o = (options_t){0};
    const peri_option_t options[] = {
        {"title", NULL, &o->title, 0}, {"about", NULL, &o->about, 0},
        {"role", NULL, &o->role, 0},   {"public", &o->public, NULL, 0},
        {"class", &o->class, NULL, 0}, {"yes", &o->yes, NULL, 0},
        {"json", &o->json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 7);
    if (status < 0) status = peri_words_check(argc, argv, min, max, needs);
    return status;
}

static json_t *get_teams(peri_client_t *c, bool all, peri_err_t *err)
{
    return peri_talk_list(c, err, "teams", "/teams%s", all ? "?public=1" : "");
}

static int verb_ls(int argc, char **argv)
{
    static const char *const titles[] = {"TEAM", "ROLE", "KIND", ">MEMBERS", "TITLE"};
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 0, 0, "no argument");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *all = get_teams(c, o.public, &err);
    if (all && !o.json) {
        peri_grid_t *g = peri_grid_new(titles, 5);
        const json_t *t;
        size_t i;
        json_array_foreach(all, i, t)
        {
            const char *state = peri_json_str(t, "state");
            bool invited = !strcmp(state, "invited");
            peri_grid_add(g, peri_json_str(t, "name"));
            peri_grid_add(g, invited ? "invited" : peri_json_str(t, "role"));
            peri_grid_addf(g, "%s%s", peri_json_str(t, "kind"),
                           peri_json_true(t, "public") ? ", public" : "");
            peri_grid_addf(g, "%lld", (long long)peri_json_int(t, "members", 0));
            peri_grid_add(g, peri_json_str(t, "title"));
        }
        peri_grid_print(g, stdout);
        peri_grid_free(g);
    }
    return peri_talk_end(c, all, &err, o.json, NULL);
}

static int verb_create(int argc, char **argv)
{
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 1, 1, "the team's name");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *body = peri_body("{s:s, s:s*, s:s*}", "name", argv[optind], "title", o.title,
                             "description", o.about);
    if (o.public) json_object_set_new(body, "public", json_true());
    if (o.class) json_object_set_new(body, "kind", json_string("class"));
    json_t *j = peri_client_send(c, &err, "POST", body, "/teams");
    return peri_talk_end(
        c, j, &err, o.json,
        "the team %s is made; 'perigee team invite %s USER' asks others in", argv[optind],
        argv[optind]);
}

static void print_members(const json_t *members)
{
    static const char *const titles[] = {"MEMBER", "ROLE", "SINCE", "NAME"};
    peri_grid_t *g = peri_grid_new(titles, 4);
    const json_t *m;
    size_t i;
    json_array_foreach(members, i, m)
    {
        char when[PERI_WHEN];
        bool invited = !strcmp(peri_json_str(m, "state"), "invited");
        peri_grid_add(g, peri_json_str(m, "account"));
        peri_grid_addf(g, "%s%s", peri_json_str(m, "role"), invited ? " (invited)" : "");
        peri_grid_add(g, peri_when_time(peri_json_num(m, "since", 0), when));
        peri_grid_add(g, peri_json_str(m, "full_name"));
    }
    peri_grid_print(g, stdout);
    peri_grid_free(g);
}

static int verb_show(int argc, char **argv)
{
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 1, 1, "the team's name");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *name = peri_url_escape(argv[optind]);
    json_t *t = peri_client_get(c, 0, NULL, &err, "/teams/%s", name), *members = NULL;
    if (t) members = peri_talk_list(c, &err, "members", "/teams/%s/members", name);
    if (members) json_object_set(t, "members", members);
    if (members && !o.json) {
        const char *title = peri_json_str(t, "title"),
                   *about = peri_json_str(t, "description");
        peri_grid_label(stdout, "team", "%s%s%s%s", peri_json_str(t, "name"),
                        *title ? " (" : "", title, *title ? ")" : "");
        if (*about) peri_grid_label(stdout, "about", "%s", about);
        peri_grid_label(stdout, "kind", "%s%s", peri_json_str(t, "kind"),
                        peri_json_true(t, "public") ? ", public" : "");
        putchar('\n');
        print_members(members);
    }
    if (!members) {
        json_decref(t);
        t = NULL;
    }
    json_decref(members);
    free(name);
    return peri_talk_end(c, t, &err, o.json, NULL);
}

/* ---- members ---- */

static json_t *invite(peri_client_t *c, const char *team, const char *who,
                      const options_t *o, peri_err_t *err)
{
    return peri_client_send(c, err, "POST",
                            peri_body("{s:s, s:s}",
                                      strchr(who, '@') ? "email" : "account", who, "role",
                                      o->role ? o->role : "member"),
                            "/teams/%s/invitations", team);
}

static json_t *put_out(peri_client_t *c, const char *team, const char *who,
                       const options_t *o, peri_err_t *err)
{
    (void)o;
    char *name = peri_url_escape(who);
    json_t *j =
        peri_client_send(c, err, "DELETE", NULL, "/teams/%s/members/%s", team, name);
    free(name);
    return j;
}

typedef json_t *(*member_f)(peri_client_t *c, const char *team, const char *who,
                            const options_t *o, peri_err_t *err);

/* To every user that is named behind the team; goes on after an error. */
static int each_member(int argc, char **argv, const char *done, member_f f)
{
    options_t o;
    int status = read_options(argc, argv, &o, 2, argc, "a team and who");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *team = peri_url_escape(argv[optind]);
    for (int i = optind + 1; i < argc; i++) {
        peri_err_t err = {0};
        json_t *j = f(c, team, argv[i], &o, &err);
        if (!j)
            status = peri_cli_fail(&err);
        else if (o.json)
            peri_talk_print(j);
        else
            printf("%s %s\n", argv[i], done);
        if (j && !o.json && *peri_json_str(j, "token")) {
            char *portal = peri_talk_portal(c);
            printf("  there is no account of this address; hand on:\n"
                   "  perigee signup --invitation %s %s\n",
                   peri_json_str(j, "token"), portal);
            free(portal);
        }
        json_decref(j);
    }
    free(team);
    peri_client_free(c);
    return peri_cli_done(status);
}

static int verb_invite(int argc, char **argv)
{
    return each_member(argc, argv, "is invited", invite);
}

static int verb_remove(int argc, char **argv)
{
    return each_member(argc, argv, "is no member any more", put_out);
}

static int verb_role(int argc, char **argv)
{
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 3, 3, "a team, a member and a role");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char **w = argv + optind, *team = peri_url_escape(w[0]), *who = peri_url_escape(w[1]);
    json_t *j = peri_client_send(c, &err, "PATCH", peri_body("{s:s}", "role", w[2]),
                                 "/teams/%s/members/%s", team, who);
    free(team);
    free(who);
    return peri_talk_end(c, j, &err, o.json, "%s is %s of %s", w[1], w[2], w[0]);
}

/* ---- invitations ---- */

/* POST /BEFORE/TEAM/AFTER, and says what is done. */
static int to_team(int argc, char **argv, const char *before, const char *after,
                   const char *done)
{
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 1, 1, "the team's name");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *team = peri_url_escape(argv[optind]);
    json_t *j = peri_client_send(c, &err, "POST", NULL, "/%s/%s/%s", before, team, after);
    free(team);
    return peri_talk_end(c, j, &err, o.json, "%s %s", done, argv[optind]);
}

static int verb_accept(int argc, char **argv)
{
    return to_team(argc, argv, "invitations", "accept", "you are a member of");
}

static int verb_decline(int argc, char **argv)
{
    return to_team(argc, argv, "invitations", "decline", "you have declined to join");
}

static int verb_join(int argc, char **argv)
{
    return to_team(argc, argv, "teams", "join", "you are a member of");
}

static int verb_leave(int argc, char **argv)
{
    return to_team(argc, argv, "teams", "leave", "you have left");
}

static int verb_delete(int argc, char **argv)
{
    options_t o;
    peri_err_t err = {0};
    int status = read_options(argc, argv, &o, 1, 1, "the team's name");
    if (status >= 0) return status;
    if (!o.yes && !peri_talk_sure("Delete the team %s with all files of its volumes?",
                                  argv[optind])) {
        fputs("perigee: nothing was deleted (--yes does not ask)\n", stderr);
        return 1;
    }
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *team = peri_url_escape(argv[optind]);
    json_t *j = peri_client_send(c, &err, "DELETE", NULL, "/teams/%s?files=1", team);
    free(team);
    return peri_talk_end(c, j, &err, o.json, "the team %s is deleted", argv[optind]);
}

int peri_cmd_team(int argc, char **argv)
{
    static const peri_verb_t verbs[] = {
        {"ls", verb_ls},         {"create", verb_create}, {"show", verb_show},
        {"invite", verb_invite}, {"accept", verb_accept}, {"decline", verb_decline},
        {"join", verb_join},     {"leave", verb_leave},   {"role", verb_role},
        {"remove", verb_remove}, {"delete", verb_delete}};
    return peri_verbs_run(argc, argv, help_text, verbs, sizeof(verbs) / sizeof(*verbs),
                          verb_ls);
}
