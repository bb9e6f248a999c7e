/* manager.h - the loop that carries jobs from "stored" to "over".
 *
 * One thread. Every round: tasks whose turn has come get an intent (intents.c), due
 * outbox entries are carried out (submit.c), schedulers and records are looked at
 * (watch.c), what is certain becomes an event (verdict.c decides). All it knows is a
 * cache of the database, the folders and the schedulers: whenever a transaction fails it
 * forgets everything and reads it again, which is also how it starts.
 */
#ifndef PORTAL_JOBS_MANAGER_H
#define PORTAL_JOBS_MANAGER_H

#include "portal/jobs/entry.h"
#include "portal/portal.h"

typedef struct {
    peri_portal_t *portal;
    peri_db_t *db; /* in a round; else NULL */
    peri_entries_t *entries;
    bool stale;       /* the cache is to be read anew */
    double ready_at;  /* peri_now() of the next look for waiting tasks */
    double outbox_at; /* ... of the next look into the outbox */
    double rights_at; /* ... of the next look at whether rights have changed */
    char rights[160]; /* what they were: a stamp; "": not known */
    char ended[PERI_UUID_LEN + 1]; /* tasks of this job have just ended; "": of none */
    struct {
        double poll_at;
        uint32_t round;
        bool all;   /* the next poll asks for all */
        bool known; /* caps is filled */
        peri_schedcaps_t caps;
        double caps_at;
        double chain_at; /* until then dependencies are not handed to the scheduler */
    } * back;            /* one a backend */
    double next;         /* peri_now() by which the next round is due */
} peri_manager_t;

/* pthread's start routine; arg: peri_portal_t. Returns when portal->stop. */
void *peri_manager_run(void *arg);

/* Each returns 0, or -1 when the database has failed (the round ends there). */
int peri_manager_intents(peri_manager_t *m, peri_err_t *err);
int peri_manager_outbox(peri_manager_t *m, peri_err_t *err);
int peri_manager_poll(peri_manager_t *m, size_t backend, peri_err_t *err);
int peri_manager_look(peri_manager_t *m, peri_err_t *err);
int peri_manager_recheck(peri_manager_t *m, peri_err_t *err);

/* ---- manager_parts.c ---- */

/* What a scheduler offers, as of a minute ago at most; NULL while it has not said. */
const peri_schedcaps_t *peri_manager_caps(peri_manager_t *m, size_t backend);
/* The next round is due at that time or before. */
void peri_manager_due(peri_manager_t *m, double at);
/* Append an event and tell who waits for news. */
int peri_manager_append(peri_manager_t *m, const peri_event_t *ev, size_t *applied,
                        peri_err_t *err);
/* A task will not run in this attempt, now that we hold its claim (or is over for another
 * reason): its event, and out of the cache. */
int peri_manager_end(peri_manager_t *m, peri_entry_t *e, peri_taskstate_t final,
                     peri_why_t why, const char *text, peri_err_t *err);

#endif
