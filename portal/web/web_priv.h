/* web_priv.h - what the files of portal/web share. Private. */
#ifndef PORTAL_WEB_PRIV_H
#define PORTAL_WEB_PRIV_H

#include "core/base/buf.h"
#include "portal/web/server.h"
#include "portal/web/waiting.h"

struct peri_server {
    peri_portal_t *portal;
    const peri_routes_t *tables;
    peri_door_t door;
    peri_who_f who;
    struct MHD_Daemon *mhd;
    int fd;
    char *path;
    atomic_int under_way;
};

/* What libmicrohttpd keeps for us between its calls for one request. */
typedef struct {
    peri_request_t r; /* first */
    peri_server_t *server;
    peri_buf_t body;
    bool answered; /* before all of the body was there */
    bool too_large;
    size_t wasted; /* bytes of a body that came after it was refused */
    peri_waiter_t waiter;
    int64_t counted; /* of this account's that are under way; 0: of nobody's */
} peri_callstate_t;

/* routes.c: sets r->route and r->param, or a problem. */
void peri_route_find(const peri_routes_t *tables, peri_request_t *r);
/* who.c: fills r->actor, or a problem. Before the route is looked at. */
void peri_who(const peri_server_t *s, peri_request_t *r);
/* who.c: whether the actor may use r->route at all, or a problem. */
void peri_who_check(peri_request_t *r);
/* limit.c: counts the request; a problem (429) if there were too many. */
void peri_limit_count(peri_request_t *r);
/* limit.c: it is one of those of its account that are under way, until _leave; a problem
 * (429) if there are too many. */
void peri_limit_enter(peri_callstate_t *c);
void peri_limit_leave(peri_callstate_t *c);

/* problem.c */
void peri_problem_make(peri_request_t *r, int status, const char *word,
                       const char *detail);
void peri_problem_of(peri_request_t *r, const peri_err_t *err);

#endif
