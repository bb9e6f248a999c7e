/* routes.c - the table of requests about accounts. */
#include "portal/account/routes.h"

#include "portal/account/api.h"

#define OPEN  .flags = PERI_ROUTE_OPEN
#define READ  .scope = PERI_SCOPE_ACCOUNT_READ
#define WRITE .scope = PERI_SCOPE_ACCOUNT_WRITE

const peri_route_t peri_account_routes[] = {
    {"GET", "/api/v1/sign-in/ways", peri_api_ways, OPEN},
    {"POST", "/api/v1/sign-in", peri_api_sign_in, OPEN},
    {"POST", "/api/v1/sign-out", peri_api_sign_out, OPEN},
    {"POST", "/api/v1/setup-link", peri_api_setup_link,
     .flags = PERI_ROUTE_LOCAL | PERI_ROUTE_ADMIN},
    {"POST", "/api/v1/admin/invitations", peri_api_invite, .flags = PERI_ROUTE_ADMIN,
     .scope = PERI_SCOPE_ADMIN},
    {"POST", "/api/v1/account/sign-up", peri_api_sign_up, OPEN},
    {"GET", "/api/v1/account/verify", peri_api_verify_page, OPEN},
    {"POST", "/api/v1/account/verify", peri_api_verify, OPEN},
    {"POST", "/api/v1/account/reset-request", peri_api_forgot, OPEN},
    {"GET", "/api/v1/account/reset", peri_api_reset_page, OPEN},
    {"POST", "/api/v1/account/reset", peri_api_reset, OPEN},
    {"GET", "/api/v1/account", peri_api_account, .scope = 0},
    {"PATCH", "/api/v1/account", peri_api_account_edit, WRITE},
    {"DELETE", "/api/v1/account", peri_api_account_delete, WRITE},
    {"POST", "/api/v1/account/password", peri_api_password, WRITE},
    {"GET", "/api/v1/account/sessions", peri_api_sessions, READ},
    {"DELETE", "/api/v1/account/sessions", peri_api_sessions_revoke, WRITE},
    {"DELETE", "/api/v1/account/sessions/*", peri_api_session_revoke, WRITE},
    {"GET", "/api/v1/account/tokens", peri_api_tokens, READ},
    {"POST", "/api/v1/account/tokens", peri_api_token_make, WRITE},
    {"DELETE", "/api/v1/account/tokens/*", peri_api_token_revoke, .scope = 0},
    {"POST", "/api/v1/account/totp", peri_api_totp_start, WRITE},
    {"PUT", "/api/v1/account/totp", peri_api_totp_confirm, WRITE},
    {"DELETE", "/api/v1/account/totp", peri_api_totp_remove, WRITE},
    {"GET", "/api/v1/account/identities", peri_api_identities, READ},
    {"GET", "/api/v1/accounts", peri_api_accounts, .scope = PERI_SCOPE_TEAMS_READ},
};
const size_t peri_account_nroutes =
    sizeof(peri_account_routes) / sizeof(peri_account_routes[0]);
