/* portal.h - what the parts of the daemon share: configuration, database, schedulers, the
 * means to wake each other.
 *
 * Made once in daemon.c before any thread starts and constant after, but for what says
 * so.
 */
#ifndef PORTAL_PORTAL_H
#define PORTAL_PORTAL_H

#include <stdatomic.h>

#include "jobs/store/store.h"
#include "portal/config/config.h"
#include "scheduler/scheduler.h"

typedef struct {
    peri_sched_t *sched; /* NULL: could not be opened; why says so */
    const peri_confsched_t *conf;
    char why[256];
    atomic_int answers; /* at the last poll: 1 yes, 0 no, -1 never asked */
} peri_backend_t;

typedef struct {
    const peri_config_t *config;
    char *conninfo;
    peri_dbpool_t *db;
    peri_backend_t *backends; /* in the order of config->schedulers */
    size_t nbackends;
    struct peri_uploads *uploads; /* portal/storage/upload.h */
    struct peri_oidc *oidc;       /* portal/account/oidc.h; NULL: no provider */
    int wake_fd;                  /* eventfd of the manager */
    atomic_bool stop;
    atomic_bool asked; /* a request has changed something: waiting tasks, the outbox */
    double started;    /* epoch */
    bool crashed;      /* the process before this one was killed */
} peri_portal_t;

/* A request has changed something that the manager should look at. Any thread. */
void peri_portal_wake(peri_portal_t *p);
/* A scheduler has news: only it is looked at. */
void peri_portal_wake_cb(void *portal);
peri_backend_t *peri_portal_backend(peri_portal_t *p, const char *name);

/* The portal as browsers see it, without a slash at the end. Any thread; good until it
 * asks again. */
const char *peri_portal_url(const peri_portal_t *p);

/* Requests that wait for news of this job go on (uuid NULL: all that wait). Any thread.
 */
void peri_portal_news(const char *uuid);

#endif
