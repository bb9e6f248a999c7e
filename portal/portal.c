/* portal.c - see portal.h: what all parts ask of the one that is shared. daemon.c makes
 * it.
 */
#include "portal/portal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "portal/front/front.h"

static void ring(const peri_portal_t *p)
{
    const uint64_t one = 1;
    /* It can only fail when it is rung a great many times already. */
    if (write(p->wake_fd, &one, sizeof(one)) < 0) return;
}

void peri_portal_wake(peri_portal_t *p)
{
    atomic_store(&p->asked, true);
    ring(p);
}

void peri_portal_wake_cb(void *portal)
{
    ring(portal);
}

peri_backend_t *peri_portal_backend(peri_portal_t *p, const char *name)
{
    for (size_t i = 0; i < p->nbackends; i++)
        if (!strcmp(p->backends[i].conf->name, name)) return &p->backends[i];
    return NULL;
}

/* Read each time: a door that found its port taken when it opened has another one. */
const char *peri_portal_url(const peri_portal_t *p)
{
    static _Thread_local char url[300];
    peri_front_t f;
    peri_front_init(&f, p->config);
    snprintf(url, sizeof(url), "%s", f.url);
    peri_front_free(&f);
    return url;
}
