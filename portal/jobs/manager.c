/* manager.c - see manager.h. */
#include "portal/jobs/manager.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/account/account.h"
#include "portal/handover.h"
#include "portal/log.h"
#include "portal/quick/history.h"

#define IDLE        30.0 /* seconds between rounds when nothing is to do */
#define RETRY       1.0  /* after the database failed */
#define PRUNE_EVERY 3600.0

/* ---- the cache ---- */

static size_t backend_index(const peri_portal_t *p, const char *name)
{
    size_t i = 0;
    while (i < p->nbackends && strcmp(p->backends[i].conf->name, name)) i++;
    return i;
}

static int on_active(const peri_activerow_t *row, void *arg)
{
    peri_manager_t *m = arg;
    if (row->state == PERI_TASK_WAITING) return 0;
    peri_entry_t *e = peri_entries_put(m->entries, row->name, row->index);
    snprintf(e->uuid, sizeof(e->uuid), "%s", row->uuid);
    snprintf(e->step, sizeof(e->step), "%s", row->step);
    snprintf(e->id, sizeof(e->id), "%s", row->id);
    e->backend = backend_index(m->portal, row->scheduler);
    e->is_array = row->is_array;
    e->attempt = row->attempt;
    e->attempts_lost = row->attempts_lost;
    e->state = row->state;
    e->cancel_requested = row->cancel_requested;
    e->restartable = row->restartable;
    e->since = peri_now();
    e->look = e->since; /* it may have ended while nobody looked */
    return 0;
}

static int reload(peri_manager_t *m, peri_err_t *err)
{
    peri_entries_clear(m->entries);
    if (peri_store_active(m->db, on_active, m, err)) return -1;
    m->stale = false;
    m->ready_at = m->outbox_at = 0;
    for (size_t i = 0; i < m->portal->nbackends; i++) {
        m->back[i].all = true;
        m->back[i].poll_at = 0;
    }
    return 0;
}

/* ---- a round ---- */

static int poll_backends(peri_manager_t *m, bool woken, peri_err_t *err)
{
    peri_portal_t *p = m->portal;
    for (size_t i = 0; i < p->nbackends; i++) {
        if (!p->backends[i].sched) continue;
        const bool local = !strcmp(p->backends[i].conf->name, "local");
        /* The local scheduler's news cost nothing; the others are asked at their pace. */
        if (!(woken && local) && peri_now() < m->back[i].poll_at) {
            peri_manager_due(m, m->back[i].poll_at);
            continue;
        }
        if (peri_manager_poll(m, i, err)) return -1;
    }
    return 0;
}

static int run_round(peri_manager_t *m, bool woken, peri_err_t *err)
{
    if (m->stale && reload(m, err)) return -1;
    if (atomic_exchange(&m->portal->asked, false)) m->ready_at = m->outbox_at = 0;
    if (peri_now() >= m->ready_at && peri_manager_intents(m, err)) return -1;
    if (peri_now() >= m->outbox_at && peri_manager_outbox(m, err)) return -1;
    if (poll_backends(m, woken, err)) return -1;
    if (peri_manager_look(m, err)) return -1;
    peri_handover_reap();
    if (peri_now() >= m->rights_at && peri_manager_recheck(m, err)) return -1;
    /* What ended may have been waited for. */
    if (peri_now() >= m->ready_at) {
        if (peri_manager_intents(m, err) || peri_manager_outbox(m, err)) return -1;
    }
    peri_manager_due(m, m->ready_at);
    peri_manager_due(m, m->outbox_at);
    return 0;
}

static int on_pruned(const char *uuid, void *arg)
{
    const peri_portal_t *p = arg;
    peri_err_t err = {0};
    if (peri_folder_remove(p->config->spool, uuid, &err))
        peri_log(PERI_LOG_WARN, "the folder of an old job stays: %s", err.text);
    return 0;
}

static void prune(peri_manager_t *m)
{
    const peri_portal_t *p = m->portal;
    peri_err_t err = {0};
    if (peri_account_sweep(m->db, peri_epoch(), &err))
        peri_log(PERI_LOG_WARN, "what has expired stays: %s", err.text);
    if (peri_history_prune(m->db, p->config->quick.history_days, &err) < 0)
        peri_log(PERI_LOG_WARN, "old queries stay: %s", err.text);
    if (p->config->keep_days <= 0) return;
    double before = peri_epoch() - p->config->keep_days * 86400;
    if (peri_store_prune(m->db, before, 1000, on_pruned, m->portal, &err))
        peri_log(PERI_LOG_WARN, "old jobs could not be removed: %s", err.text);
}

/* The private server is ours to keep alive. */
static void revive_database(const peri_portal_t *p)
{
    peri_err_t err = {0};
    peri_pgstatus_t s = {0};
    if (p->config->database) return;
    if (peri_pg_status(p->config->pg_dir, &s, &err) == 0 && s.running) return;
    if (peri_pg_start(p->config->pg_dir, &err))
        peri_log_seldom(PERI_LOG_ERROR, "pg-start", 30,
                        "the private PostgreSQL does not start: %s", err.text);
    else
        peri_log(PERI_LOG_WARN, "the private PostgreSQL had ended and was started again");
}

/* True if it was woken, and not only the clock. */
static bool sleep_until(peri_manager_t *m)
{
    double wait = m->next - peri_now();
    if (wait < 0) wait = 0;
    struct pollfd fd = {m->portal->wake_fd, POLLIN, 0};
    if (poll(&fd, 1, (int)(wait * 1000) + 1) != 1) return false;
    uint64_t count;
    return read(m->portal->wake_fd, &count, sizeof(count)) == sizeof(count);
}

void *peri_manager_run(void *arg)
{
    peri_portal_t *p = arg;
    peri_manager_t m = {.portal = p, .stale = true};
    double prune_at = peri_now() + 60;
    bool woken = true;
    m.entries = peri_entries_new();
    m.back = peri_xcalloc(p->nbackends, sizeof(*m.back));
    while (!atomic_load(&p->stop)) {
        peri_err_t err = {0};
        m.next = peri_now() + IDLE;
        m.db = peri_dbpool_get(p->db, &err);
        int rc = m.db ? run_round(&m, woken, &err) : -1;
        if (rc == 0 && peri_now() > prune_at) {
            prune(&m);
            prune_at = peri_now() + PRUNE_EVERY;
        }
        if (m.db) peri_dbpool_put(p->db, m.db);
        m.db = NULL;
        if (rc) {
            peri_log_seldom(PERI_LOG_ERROR, "round", 10, "jobs cannot go on now: %s",
                            err.text);
            m.stale = true;
            m.next = peri_now() + RETRY;
            revive_database(p);
        }
        woken = sleep_until(&m);
    }
    peri_entries_free(m.entries);
    free(m.back);
    return NULL;
}
