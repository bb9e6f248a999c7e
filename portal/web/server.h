/* server.h - the HTTP servers of the daemon: one on each of its Unix sockets, all with
 * the same routes. libmicrohttpd does the protocol.
 */
#ifndef PORTAL_WEB_SERVER_H
#define PORTAL_WEB_SERVER_H

#include "portal/web/request.h"

typedef struct {
    const peri_route_t *routes;
    const size_t *n;
} peri_routes_t;

typedef enum {
    PERI_DOOR_LOCAL, /* users of this machine, known by the socket */
    PERI_DOOR_WEB    /* nginx: sessions, tokens, and headers that only it sets */
} peri_door_t;

/* Fills r->actor: by the local socket (r->actor.local; uid, gid, the user's name and
 * whether it is root or the daemon's own are there already) the account; by the web from
 * a session or token, 0 and an actor that is nobody if it has none; -1: it has one that
 * does not count. */
typedef peri_handler_f peri_who_f;

typedef struct {
    peri_door_t door;
    peri_who_f who; /* NULL: everybody is nobody */
    const char *path;
    unsigned mode; /* of the socket */
    unsigned threads;
    size_t memory; /* bytes a connection: headers, and pieces of a body */
} peri_listen_t;

typedef struct peri_server peri_server_t;
/* tables: ends with {NULL, NULL}; lives as long as the server. */
peri_server_t *peri_server_start(peri_portal_t *p, const peri_routes_t *tables,
                                 const peri_listen_t *where, peri_err_t *err);
/* No more connections; requests under way have so long to end. The socket stays: its
 * descriptor (the caller's) goes to a successor, for whom new connections wait. */
int peri_server_leave(peri_server_t *s, double seconds); /* NULL: -1 */
/* The same, and the socket is gone. */
void peri_server_stop(peri_server_t *s, double seconds); /* accepts NULL */

#endif
