/* manager_parts.c - what the manager's parts ask of it: an event to be stored, when to
 * look again, what a scheduler offers.
 */
#include "core/base/util.h"
#include "portal/jobs/deliver.h"
#include "portal/jobs/manager.h"

#define CAPS_EVERY 60.0 /* seconds */

void peri_manager_due(peri_manager_t *m, double at)
{
    if (at < m->next) m->next = at;
}

int peri_manager_append(peri_manager_t *m, const peri_event_t *ev, size_t *applied,
                        peri_err_t *err)
{
    if (peri_store_append(m->db, ev, applied, err)) return -1;
    peri_portal_news(ev->job);
    if (ev->kind == PERI_EV_ENDED) peri_deliverer_wake();
    return 0;
}

const peri_schedcaps_t *peri_manager_caps(peri_manager_t *m, size_t i)
{
    peri_err_t err = {0};
    if (!m->back[i].known || peri_now() > m->back[i].caps_at) {
        peri_schedcaps_t caps = {0};
        if (peri_sched_caps(m->portal->backends[i].sched, &caps, &err) == 0) {
            m->back[i].caps = caps;
            m->back[i].known = true;
            m->back[i].caps_at = peri_now() + CAPS_EVERY;
        }
    }
    return m->back[i].known ? &m->back[i].caps : NULL;
}
