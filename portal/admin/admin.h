/* admin.h - what administrators of the portal ask: users, quotas, banner, audit log,
 * metrics.
 */
#ifndef PORTAL_ADMIN_H
#define PORTAL_ADMIN_H

#include "portal/web/server.h"

extern const peri_route_t peri_admin_routes[];
extern const size_t peri_admin_nroutes;

/* api_users.c */
int peri_api_users(peri_request_t *r, peri_err_t *err);
int peri_api_user_make(peri_request_t *r, peri_err_t *err);
int peri_api_user(peri_request_t *r, peri_err_t *err);
int peri_api_user_edit(peri_request_t *r, peri_err_t *err);
int peri_api_user_delete(peri_request_t *r, peri_err_t *err);
int peri_api_user_link(peri_request_t *r, peri_err_t *err);
int peri_api_approvals(peri_request_t *r, peri_err_t *err);
int peri_api_approval(peri_request_t *r, peri_err_t *err);
/* api_admin.c */
int peri_api_overview(peri_request_t *r, peri_err_t *err);
int peri_api_audit(peri_request_t *r, peri_err_t *err);
int peri_api_banner(peri_request_t *r, peri_err_t *err);
int peri_api_banner_put(peri_request_t *r, peri_err_t *err);
/* api_metrics.c */
int peri_api_metrics(peri_request_t *r, peri_err_t *err);

#endif
