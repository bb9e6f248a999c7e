/* routes.c - the table of requests of administrators. */
#include "portal/admin/admin.h"

#define ADMIN .flags = PERI_ROUTE_ADMIN, .scope = PERI_SCOPE_ADMIN

const peri_route_t peri_admin_routes[] = {
    {"GET", "/api/v1/banner", peri_api_banner, .flags = PERI_ROUTE_OPEN},
    {"PUT", "/api/v1/admin/banner", peri_api_banner_put, ADMIN},
    {"GET", "/api/v1/admin/overview", peri_api_overview, ADMIN},
    {"GET", "/api/v1/admin/audit", peri_api_audit, ADMIN},
    {"GET", "/api/v1/admin/users", peri_api_users, ADMIN},
    {"POST", "/api/v1/admin/users", peri_api_user_make, ADMIN},
    {"GET", "/api/v1/admin/users/*", peri_api_user, ADMIN},
    {"PATCH", "/api/v1/admin/users/*", peri_api_user_edit, ADMIN},
    {"DELETE", "/api/v1/admin/users/*", peri_api_user_delete, ADMIN},
    {"POST", "/api/v1/admin/users/*/link", peri_api_user_link, ADMIN},
    {"GET", "/api/v1/admin/approvals", peri_api_approvals, ADMIN},
    {"POST", "/api/v1/admin/approvals/*", peri_api_approval, ADMIN},
    {"GET", "/api/v1/metrics", peri_api_metrics, ADMIN},
};
const size_t peri_admin_nroutes =
    sizeof(peri_admin_routes) / sizeof(peri_admin_routes[0]);
