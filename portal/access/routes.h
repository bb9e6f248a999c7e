/* routes.h - the requests about teams, grants and links. */
#ifndef PORTAL_ACCESS_ROUTES_H
#define PORTAL_ACCESS_ROUTES_H

#include "portal/web/server.h"

extern const peri_route_t peri_access_routes[];
extern const size_t peri_access_nroutes;

/* api_team.c */
int peri_api_teams(peri_request_t *r, peri_err_t *err);
int peri_api_team_make(peri_request_t *r, peri_err_t *err);
int peri_api_team(peri_request_t *r, peri_err_t *err);
int peri_api_team_edit(peri_request_t *r, peri_err_t *err);
int peri_api_team_delete(peri_request_t *r, peri_err_t *err);
int peri_api_team_members(peri_request_t *r, peri_err_t *err);
int peri_api_team_invite(peri_request_t *r, peri_err_t *err);
int peri_api_team_member_edit(peri_request_t *r, peri_err_t *err);
int peri_api_team_member_remove(peri_request_t *r, peri_err_t *err);
int peri_api_team_leave(peri_request_t *r, peri_err_t *err);
int peri_api_team_join(peri_request_t *r, peri_err_t *err);
int peri_api_invitations(peri_request_t *r, peri_err_t *err);
int peri_api_invitation_accept(peri_request_t *r, peri_err_t *err);
int peri_api_invitation_decline(peri_request_t *r, peri_err_t *err);
/* api_grant.c */
int peri_api_grants(peri_request_t *r, peri_err_t *err);
int peri_api_grant_make(peri_request_t *r, peri_err_t *err);
int peri_api_grant_remove(peri_request_t *r, peri_err_t *err);
int peri_api_shared(peri_request_t *r, peri_err_t *err);
/* api_link.c */
int peri_api_links(peri_request_t *r, peri_err_t *err);
int peri_api_link_make(peri_request_t *r, peri_err_t *err);
int peri_api_link_remove(peri_request_t *r, peri_err_t *err);

#endif
