/* oidc_fetch.h - one HTTPS exchange with a provider. Blocks, for PERI_FETCH_SECONDS at
 * most: only for the threads of oidc.c.
 *
 * No redirects, no cookies, certificates are checked, answers bounded.
 */
#ifndef PORTAL_ACCOUNT_OIDC_FETCH_H
#define PORTAL_ACCOUNT_OIDC_FETCH_H

#include <stdatomic.h>
#include <stddef.h>

#include "core/base/buf.h"

#define PERI_FETCH_SECONDS 5L

typedef struct {
    const char *url;
    const char *form;          /* to post; NULL: GET */
    const char *authorization; /* of the header of that name, or NULL */
    const char *ca_file;       /* NULL: the system's */
    const atomic_bool *stop;   /* ends it early */
} peri_fetch_t;

/* 0 with any status of HTTP; PERI_EIO. out: initialised with the most that is taken. */
int peri_oidc_fetch(const peri_fetch_t *f, peri_buf_t *out, long *status,
                    peri_err_t *err);

#endif
