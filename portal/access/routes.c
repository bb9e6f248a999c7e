/* routes.c - the table of requests about teams, grants and links. */
#include "portal/access/routes.h"

#define READ  .scope = PERI_SCOPE_TEAMS_READ
#define WRITE .scope = PERI_SCOPE_TEAMS_WRITE

const peri_route_t peri_access_routes[] = {
    {"GET", "/api/v1/teams", peri_api_teams, READ},
    {"POST", "/api/v1/teams", peri_api_team_make, WRITE},
    {"GET", "/api/v1/teams/*", peri_api_team, READ},
    {"PATCH", "/api/v1/teams/*", peri_api_team_edit, WRITE},
    {"DELETE", "/api/v1/teams/*", peri_api_team_delete, WRITE},
    {"GET", "/api/v1/teams/*/members", peri_api_team_members, READ},
    {"PATCH", "/api/v1/teams/*/members/*", peri_api_team_member_edit, WRITE},
    {"DELETE", "/api/v1/teams/*/members/*", peri_api_team_member_remove, WRITE},
    {"POST", "/api/v1/teams/*/invitations", peri_api_team_invite, WRITE},
    {"POST", "/api/v1/teams/*/join", peri_api_team_join, WRITE},
    {"POST", "/api/v1/teams/*/leave", peri_api_team_leave, WRITE},
    {"GET", "/api/v1/invitations", peri_api_invitations, READ},
    {"POST", "/api/v1/invitations/*/accept", peri_api_invitation_accept, WRITE},
    {"POST", "/api/v1/invitations/*/decline", peri_api_invitation_decline, WRITE},
    {"GET", "/api/v1/grants", peri_api_grants, READ},
    {"POST", "/api/v1/grants", peri_api_grant_make, WRITE},
    {"DELETE", "/api/v1/grants/*", peri_api_grant_remove, WRITE},
    {"GET", "/api/v1/shared", peri_api_shared, READ},
    {"GET", "/api/v1/links", peri_api_links, READ},
    {"POST", "/api/v1/links", peri_api_link_make, WRITE},
    {"DELETE", "/api/v1/links/*", peri_api_link_remove, WRITE},
};
const size_t peri_access_nroutes =
    sizeof(peri_access_routes) / sizeof(peri_access_routes[0]);
