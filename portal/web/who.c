/* who.c - who asks: the process at the other end of the local socket, or behind nginx a
 * session's cookie or a token.
 */
#include <microhttpd.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/web/web_priv.h"

static const struct {
    unsigned bit;
    const char *name;
} scopes[] = {
    {PERI_SCOPE_FILES_READ, "files:read"},
    {PERI_SCOPE_FILES_WRITE, "files:write"},
    {PERI_SCOPE_JOBS_READ, "jobs:read"},
    {PERI_SCOPE_JOBS_WRITE, "jobs:write"},
    {PERI_SCOPE_TEAMS_READ, "teams:read"},
    {PERI_SCOPE_TEAMS_WRITE, "teams:write"},
    {PERI_SCOPE_ACCOUNT_READ, "account:read"},
    {PERI_SCOPE_ACCOUNT_WRITE, "account:write"},
    {PERI_SCOPE_SQL, "sql"},
    {PERI_SCOPE_ADMIN, "admin"},
};
#define NSCOPES (sizeof(scopes) / sizeof(scopes[0]))

const char *peri_scope_name(unsigned bit)
{
    for (size_t i = 0; i < NSCOPES; i++)
        if (scopes[i].bit == bit) return scopes[i].name;
    return NULL;
}

unsigned peri_scope_of(const char *name)
{
    if (!strcmp(name, "all")) return PERI_SCOPE_ALL & ~(unsigned)PERI_SCOPE_ADMIN;
    for (size_t i = 0; i < NSCOPES; i++)
        if (!strcmp(scopes[i].name, name)) return scopes[i].bit;
    return 0;
}

/* ---- the local socket ---- */

static void from_peer(peri_request_t *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t len = sizeof(peer);
    peri_actor_t *a = &r->actor;
    if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len)) {
        peri_problem_make(r, 500, "internal",
                          "the process at the other end of the socket is unknown");
        return;
    }
    a->local = true;
    a->uid = peer.uid;
    a->gid = peer.gid;
    a->scopes = PERI_SCOPE_ALL;
    a->admin = a->uid == geteuid() || a->uid == 0;
    if (!a->admin && !r->portal->config->all_users) {
        peri_problem_make(r, 403, "denied",
                          "this Perigee is another user's; start your own with 'perigee "
                          "up', or ask its administrator for \"users: all\"");
        return;
    }
    struct passwd pw, *found = NULL;
    char *buf = peri_arena_alloc(r->arena, 8192);
    getpwuid_r(a->uid, &pw, buf, 8192, &found);
    a->name =
        found ? found->pw_name : peri_arena_printf(r->arena, "%u", (unsigned)a->uid);
}

/* ---- behind nginx ---- */

static void from_web(peri_request_t *r)
{
    const char *proto = peri_request_header(r, "X-Forwarded-Proto");
    const char *client = peri_request_header(r, "X-Perigee-Client");
    const char *id = peri_request_header(r, "X-Request-Id");
    r->https = proto && !strcmp(proto, "https");
    r->client = client ? client : "unknown";
    if (id && strlen(id) < sizeof(r->id)) memcpy(r->id, id, strlen(id) + 1);
    r->actor = (peri_actor_t){.name = "", .uid = geteuid(), .gid = getegid()};
}

void peri_who(const peri_server_t *s, peri_request_t *r)
{
    peri_err_t err = {0};
    r->client = "";
    r->actor.name = "";
    if (s->door == PERI_DOOR_LOCAL)
        from_peer(r);
    else
        from_web(r);
    if (!r->status && s->who && s->who(r, &err)) peri_problem_of(r, &err);
}

/* ---- what she may do at all ---- */

void peri_who_check(peri_request_t *r)
{
    const peri_route_t *route = r->route;
    const peri_actor_t *a = &r->actor;
    char text[160];
    if ((route->flags & PERI_ROUTE_LOCAL) && !a->local) {
        peri_problem_make(r, 403, "denied",
                          "this is possible on the portal's own machine only");
        return;
    }
    if (!a->account && !(route->flags & PERI_ROUTE_OPEN)) {
        peri_problem_make(r, 401, "unauthenticated",
                          "sign in first: 'perigee login', or send a token as "
                          "\"Authorization: Bearer TOKEN\"");
        return;
    }
    for (size_t i = 0; i < NSCOPES && !(route->flags & PERI_ROUTE_OPEN); i++) {
        if (!(route->scope & ~a->scopes & scopes[i].bit)) continue;
        snprintf(text, sizeof(text),
                 "this token may not do that: it lacks the scope \"%s\"", scopes[i].name);
        peri_problem_make(r, 403, "denied", text);
        return;
    }
    if ((route->flags & PERI_ROUTE_ADMIN) && !a->admin)
        peri_problem_make(r, 403, "denied", "this is for administrators of the portal");
}
