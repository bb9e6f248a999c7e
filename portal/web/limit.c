/* limit.c - how many requests an account, or an address without one, may make in a
 * minute, and how many of an account may be under way: streams and waiting ones stay as
 * long as their client likes. nginx counts connections, but by address.
 *
 * A bucket each that fills evenly, in a table of fixed size: who comes after long silence
 * may take over the place of another who was silent for as long. The local socket is not
 * counted.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/util.h"
#include "portal/web/web_priv.h"

#define SLOTS          4096 /* a power of two */
#define WAYS           4
#define ANONYMOUS_PART 4   /* of the rate of an account */
#define UNDER_WAY_OF   300 /* a quarter of the connections of a door */

typedef struct {
    uint64_t key; /* 0: free */
    double level, at;
} bucket_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bucket_t table[SLOTS];

static uint64_t key_of(const peri_request_t *r)
{
    char text[24];
    const char *s = r->client;
    if (r->actor.account) {
        snprintf(text, sizeof(text), "#%lld", (long long)r->actor.account);
        s = text;
    }
    return peri_hash_add(PERI_HASH_START, s, strlen(s)) | 1;
}

static bucket_t *find(uint64_t key, double full, double now)
{
    bucket_t *first = &table[(key >> 1) % (SLOTS / WAYS) * WAYS], *oldest = first;
    for (bucket_t *b = first; b < first + WAYS; b++) {
        if (b->key == key) return b;
        if (b->at < oldest->at) oldest = b;
    }
    *oldest = (bucket_t){.key = key, .level = full, .at = now};
    return oldest;
}

void peri_limit_count(peri_request_t *r)
{
    char text[64];
    double rate = r->portal->config->requests_per_minute;
    if (rate <= 0 || r->actor.local) return;
    if (!r->actor.account) rate /= ANONYMOUS_PART;
    const double now = peri_now();
    pthread_mutex_lock(&lock);
    bucket_t *b = find(key_of(r), rate, now);
    b->level = fmin(rate, b->level + (now - b->at) * rate / 60);
    b->at = now;
    const bool ok = b->level >= 1;
    if (ok) b->level -= 1;
    const double left = b->level;
    pthread_mutex_unlock(&lock);
    snprintf(text, sizeof(text), "limit=%.0f, remaining=%.0f, reset=%.0f", rate,
             floor(left), ceil((rate - left) * 60 / rate));
    peri_request_set_header(r, "RateLimit", text);
    if (ok) return;
    snprintf(text, sizeof(text), "%.0f", ceil((1 - left) * 60 / rate));
    peri_request_set_header(r, "Retry-After", text);
    peri_problem_make(r, 429, "limited", "too many requests in a minute: slow down");
}

/* ---- under way ---- */

typedef struct entry {
    struct entry *next;
    int64_t account;
    unsigned n; /* never 0 */
} entry_t;

static entry_t *under_way; /* under the lock */

static entry_t **entry_of(int64_t account)
{
    entry_t **e = &under_way;
    while (*e && (*e)->account != account) e = &(*e)->next;
    return e;
}

void peri_limit_enter(peri_callstate_t *c)
{
    const int64_t account = c->r.actor.account;
    if (!account || c->r.actor.local) return;
    pthread_mutex_lock(&lock);
    entry_t **e = entry_of(account);
    if (!*e) {
        *e = peri_xcalloc(1, sizeof(**e));
        (*e)->account = account;
    }
    const bool room = (*e)->n < UNDER_WAY_OF;
    if (room) {
        (*e)->n++;
        c->counted = account;
    }
    pthread_mutex_unlock(&lock);
    if (room) return;
    peri_request_set_header(&c->r, "Retry-After", "10");
    peri_request_set_header(&c->r, "Connection", "close");
    peri_problem_make(&c->r, 429, "limited",
                      "too many requests of this account are under way: close what "
                      "follows logs or events, or wait");
}

void peri_limit_leave(peri_callstate_t *c)
{
    if (!c->counted) return;
    pthread_mutex_lock(&lock);
    entry_t **e = entry_of(c->counted), *one = *e;
    if (--one->n == 0) {
        *e = one->next;
        free(one);
    }
    pthread_mutex_unlock(&lock);
    c->counted = 0;
}
