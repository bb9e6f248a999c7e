/* post.c - see post.h. */
#include "mpi/post.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define TAG        1
#define WINDOW     (8u << 20)
#define WINDOW_MIN (1u << 20)
#define WINDOWS_ALL                                                                      \
    (256u << 20)       /* what all senders together may have under way to one            \
                        */
#define MAX_PENDING 64 /* receives at a time */

typedef struct waiting {
    struct waiting *next;
    peri_batch_t *batch;
} waiting_t;

typedef struct {
    waiting_t *first, **last; /* batches that wait for the window */
    size_t in_flight;         /* DATA bytes sent and not acknowledged */
} peer_t;

typedef struct {
    peri_batch_t *batch; /* from the outbox, or NULL: */
    char *own;           /* a small message */
} sending_t;

typedef struct {
    MPI_Request req;
    peri_inmsg_t *msg;
    bool arrived;
} pending_t;

struct peri_post {
    MPI_Comm comm;
    peri_outbox_t *outbox;
    int rank, nranks;
    size_t window;
    peer_t *peers;
    size_t nwaiting;
    MPI_Request *reqs; /* of the sends; parallel to sends */
    sending_t *sends;
    int *finished; /* scratch of MPI_Testsome */
    size_t nsends, cap;
    pending_t pending[MAX_PENDING];
    size_t npending;
};

peri_post_t *peri_post_new(MPI_Comm comm, peri_outbox_t *outbox)
{
    peri_post_t *p = peri_xcalloc(1, sizeof(*p));
    p->comm = comm;
    p->outbox = outbox;
    MPI_Comm_rank(comm, &p->rank);
    MPI_Comm_size(comm, &p->nranks);
    p->peers = peri_xcalloc((size_t)p->nranks, sizeof(*p->peers));
    for (int i = 0; i < p->nranks; i++) p->peers[i].last = &p->peers[i].first;
    size_t share = WINDOWS_ALL / (size_t)p->nranks;
    p->window = share > WINDOW ? WINDOW : share < WINDOW_MIN ? WINDOW_MIN : share;
    return p;
}

static void batch_unref(peri_post_t *p, peri_batch_t *b)
{
    if (--b->refs == 0) peri_outbox_release(p->outbox, b);
}

static void send_finished(peri_post_t *p, size_t i)
{
    if (p->sends[i].batch) batch_unref(p, p->sends[i].batch);
    free(p->sends[i].own);
}

void peri_post_free(peri_post_t *p)
{
    if (!p) return;
    peri_post_drop(p);
    for (size_t i = 0; i < p->nsends; i++) {
        MPI_Cancel(&p->reqs[i]);
        MPI_Request_free(&p->reqs[i]);
        /* MPI may still read the bytes: they are left to the end of the process. */
    }
    for (size_t i = 0; i < p->npending; i++) {
        if (p->pending[i].arrived) free(p->pending[i].msg);
    }
    free(p->reqs);
    free(p->sends);
    free(p->finished);
    free(p->peers);
    free(p);
}

static void send_start(peri_post_t *p, int dst, const char *bytes, size_t len,
                       sending_t what)
{
    if (p->nsends == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 64;
        p->reqs = peri_xrealloc(p->reqs, p->cap, sizeof(*p->reqs));
        p->sends = peri_xrealloc(p->sends, p->cap, sizeof(*p->sends));
        p->finished = peri_xrealloc(p->finished, p->cap, sizeof(*p->finished));
    }
    MPI_Isend(bytes, (int)len, MPI_BYTE, dst, TAG, p->comm, &p->reqs[p->nsends]);
    p->sends[p->nsends++] = what;
}

void peri_post_send(peri_post_t *p, int dst, const peri_msg_t *head, const void *payload,
                    size_t len)
{
    char *own = peri_xmalloc(sizeof(*head) + len);
    memcpy(own, head, sizeof(*head));
    if (len) memcpy(own + sizeof(*head), payload, len);
    send_start(p, dst, own, sizeof(*head) + len, (sending_t){.own = own});
}

static void wait_for_window(peri_post_t *p, int dst, peri_batch_t *b)
{
    waiting_t *w = peri_xmalloc(sizeof(*w));
    *w = (waiting_t){NULL, b};
    *p->peers[dst].last = w;
    p->peers[dst].last = &w->next;
    p->nwaiting++;
}

static void address(peri_post_t *p, peri_batch_t *b)
{
    if (b->dst != PERI_TO_OTHERS) {
        b->refs = 1;
        wait_for_window(p, b->dst, b);
        return;
    }
    b->refs = p->nranks - 1;
    for (int i = 0; i < p->nranks; i++)
        if (i != p->rank) wait_for_window(p, i, b);
    if (b->refs == 0) peri_outbox_release(p->outbox, b);
}

static bool is_data(const peri_batch_t *b)
{
    peri_msg_t head;
    memcpy(&head, b->bytes, sizeof(head));
    return head.kind == PERI_MSG_DATA;
}

static bool peer_pump(peri_post_t *p, int dst)
{
    peer_t *peer = &p->peers[dst];
    bool moved = false;
    while (peer->first) {
        waiting_t *w = peer->first;
        peri_batch_t *b = w->batch;
        if (is_data(b)) {
            if (peer->in_flight && peer->in_flight + b->len > p->window) break;
            peer->in_flight += b->len;
        }
        send_start(p, dst, b->bytes, b->len, (sending_t){.batch = b});
        peer->first = w->next;
        if (!peer->first) peer->last = &peer->first;
        free(w);
        p->nwaiting--;
        moved = true;
    }
    return moved;
}

bool peri_post_pump(peri_post_t *p)
{
    bool moved = false;
    for (peri_batch_t *b = peri_outbox_take(p->outbox), *next; b; b = next) {
        next = b->next;
        address(p, b);
        moved = true;
    }
    for (int i = 0; i < p->nranks && p->nwaiting; i++) moved |= peer_pump(p, i);
    if (!p->nsends) return moved;

    int n = 0;
    MPI_Testsome((int)p->nsends, p->reqs, &n, p->finished, MPI_STATUSES_IGNORE);
    if (n <= 0) return moved;
    for (int i = 0; i < n; i++) send_finished(p, (size_t)p->finished[i]);
    size_t kept = 0;
    for (size_t i = 0; i < p->nsends; i++) {
        if (p->reqs[i] == MPI_REQUEST_NULL) continue;
        p->reqs[kept] = p->reqs[i];
        p->sends[kept++] = p->sends[i];
    }
    p->nsends = kept;
    return true;
}

/* Start receiving what has been announced. */
static void receives_start(peri_post_t *p)
{
    while (p->npending < MAX_PENDING) {
        int there = 0, len = 0;
        MPI_Message m;
        MPI_Status st;
        MPI_Improbe(MPI_ANY_SOURCE, TAG, p->comm, &there, &m, &st);
        if (!there) return;
        MPI_Get_count(&st, MPI_BYTE, &len);
        size_t size = (size_t)len < sizeof(peri_msg_t) ? sizeof(peri_msg_t) : (size_t)len;
        peri_inmsg_t *in = peri_xmalloc(offsetof(peri_inmsg_t, head) + size);
        in->next = NULL;
        in->src = st.MPI_SOURCE;
        in->len = size - sizeof(peri_msg_t);
        memset(&in->head, 0xff, sizeof(in->head));
        pending_t *q = &p->pending[p->npending++];
        q->msg = in;
        q->arrived = false;
        MPI_Imrecv(&in->head, len, MPI_BYTE, &m, &q->req);
    }
}

/* True if a message from the same rank that came before the i-th is not complete yet. */
static bool held_back(const peri_post_t *p, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (p->pending[k].msg->src == p->pending[i].msg->src) return true;
    return false;
}

static peri_inmsg_t *next_arrived(peri_post_t *p)
{
    for (size_t i = 0; i < p->npending; i++) {
        pending_t *q = &p->pending[i];
        int arrived = q->arrived;
        if (!arrived) MPI_Test(&q->req, &arrived, MPI_STATUS_IGNORE);
        q->arrived = arrived;
        if (!arrived || held_back(p, i)) continue;
        peri_inmsg_t *msg = q->msg;
        memmove(q, q + 1, (p->npending - i - 1) * sizeof(*q));
        p->npending--;
        return msg;
    }
    return NULL;
}

peri_inmsg_t *peri_post_receive(peri_post_t *p)
{
    for (;;) {
        receives_start(p);
        peri_inmsg_t *msg = next_arrived(p);
        if (!msg || msg->head.kind != PERI_MSG_ACK) return msg;
        peer_t *peer = &p->peers[msg->src];
        peer->in_flight -= msg->head.a < peer->in_flight ? msg->head.a : peer->in_flight;
        free(msg);
    }
}

bool peri_post_idle(const peri_post_t *p)
{
    return !p->nwaiting && !p->nsends;
}

void peri_post_drop(peri_post_t *p)
{
    for (int i = 0; i < p->nranks; i++) {
        peer_t *peer = &p->peers[i];
        while (peer->first) {
            waiting_t *w = peer->first;
            peer->first = w->next;
            batch_unref(p, w->batch);
            free(w);
        }
        peer->last = &peer->first;
    }
    p->nwaiting = 0;
}
