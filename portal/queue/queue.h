/* queue.h - work that requests want done by processes, a few at a time: put in line,
 * started in fair turns, each in a thread of its own, stopped when nobody waits for it.
 *
 * Who has the fewest that run comes first, then who waits longest; nobody has more than
 * her part of the places. What a turn has made and nobody has fetched yet counts (held),
 * so that slow readers do not fill the machine. However many wait or have not fetched,
 * who has none of either is taken: a few accounts cannot keep out all others.
 *
 * A turn belongs to its request and, from its start to its end, to its thread; it is
 * freed when both have let go. Threads: all.
 */
#ifndef PORTAL_QUEUE_QUEUE_H
#define PORTAL_QUEUE_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>

#include "portal/web/request.h"

typedef enum { PERI_TURN_WAITS, PERI_TURN_RUNS, PERI_TURN_OVER } peri_turnstate_t;

typedef struct peri_turn peri_turn_t;
/* The first member of what it is the turn of. Zeroed, then the caller's part filled. */
struct peri_turn {
    int64_t account;
    bool alone; /* not while another such one of the account runs */
    bool slow;  /* may take hours: there are places that it does not get */
    char id[PERI_UUID_LEN + 1];  /* of its news */
    void (*run)(peri_turn_t *);  /* in its thread; not called if it was stopped before */
    void (*free)(peri_turn_t *); /* under the queue's lock */
    atomic_bool stop;            /* it is to end */
    atomic_ullong held;          /* bytes */
    /* the queue's */
    peri_turn_t *next;
    peri_turnstate_t state;
    bool old;
    int refs;
    double since;
};

typedef struct {
    unsigned running, running_of; /* at once; of an account */
    unsigned old;                 /* besides `running`: those that have grown old */
    unsigned slow;                /* of both; 0: as many as there are places */
    unsigned waiting, waiting_of;
    uint64_t held, held_of;
    double patience; /* seconds in line */
} peri_queuelimits_t;

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    peri_queuelimits_t limits;
    peri_turn_t *first; /* oldest first */
    bool closing;
} peri_queue_t;

/* A static one: = PERI_QUEUE({.running = ...}). */
#define PERI_QUEUE(...)                                                                  \
    {                                                                                    \
        .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER,            \
        .limits = __VA_ARGS__                                                            \
    }

/* At the end of the line; for the request, which lets go of it by _leave. False: too many
 * wait, or the queue ends: it is still the caller's alone. */
bool peri_queue_put(peri_queue_t *q, peri_turn_t *t);
/* By its thread: it takes long. Gives its place to a new one if there is room for an old
 * one, true; ask again later otherwise. */
bool peri_queue_age(peri_queue_t *q, peri_turn_t *t);
/* It is stopped; true: before it was started, and it will not be. */
bool peri_queue_drop(peri_queue_t *q, peri_turn_t *t);
/* The request has ended: it is stopped. */
void peri_queue_leave(peri_queue_t *q, peri_turn_t *t);

/* A handler's look at it, for the request that waits: r->wait_* are set unless it is
 * over. PERI_EBUSY (said: the sentence): it will not have its turn any more. */
int peri_queue_look(peri_queue_t *q, peri_turn_t *t, peri_request_t *r, const char *said,
                    peri_turnstate_t *state, peri_err_t *err);
/* Wait for news of it, which may come without being noticed. */
void peri_turn_wait(const peri_turn_t *t, peri_request_t *r);

/* The turn of this id and account that is not over: `each` is called under the lock.
 * False: there is none. */
bool peri_queue_with(peri_queue_t *q, int64_t account, const char *id,
                     void (*each)(peri_turn_t *, void *), void *arg);
/* Stops all and takes no more; returns when none runs. */
void peri_queue_stop(peri_queue_t *q);
bool peri_queue_ends(peri_queue_t *q);

#endif
