/* outbox.c - see outbox.h. */
#include "mpi/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

void peri_outbox_init(peri_outbox_t *o, size_t max, peri_bell_t *bell)
{
    memset(o, 0, sizeof(*o));
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->room, NULL);
    o->last = &o->first;
    o->max = max;
    o->bell = bell;
}

static void list_free(peri_batch_t *b)
{
    while (b) {
        peri_batch_t *next = b->next;
        free(b->bytes);
        free(b);
        b = next;
    }
}

void peri_outbox_destroy(peri_outbox_t *o)
{
    list_free(o->first);
    pthread_cond_destroy(&o->room);
    pthread_mutex_destroy(&o->lock);
}

void peri_outbox_begin(peri_buf_t *b)
{
    static const peri_msg_t none;
    peri_buf_clear(b);
    peri_buf_append(b, &none, sizeof(none));
}

int peri_outbox_put(peri_outbox_t *o, int dst, const peri_msg_t *head, peri_buf_t *b)
{
    memcpy(b->data, head, sizeof(*head));
    peri_batch_t *batch = peri_xcalloc(1, sizeof(*batch));
    batch->dst = dst;
    batch->bytes = peri_buf_take(b, &batch->len);

    pthread_mutex_lock(&o->lock);
    /* One that is larger than the box goes through when the box is empty. */
    while (!o->closed && o->bytes && o->bytes + batch->len > o->max)
        pthread_cond_wait(&o->room, &o->lock);
    bool closed = o->closed;
    if (!closed) {
        o->bytes += batch->len;
        *o->last = batch;
        o->last = &batch->next;
    }
    pthread_mutex_unlock(&o->lock);
    if (closed) {
        list_free(batch);
        return -1;
    }
    peri_bell_ring(o->bell);
    return 0;
}

peri_batch_t *peri_outbox_take(peri_outbox_t *o)
{
    pthread_mutex_lock(&o->lock);
    peri_batch_t *b = o->first;
    o->first = NULL;
    o->last = &o->first;
    pthread_mutex_unlock(&o->lock);
    return b;
}

void peri_outbox_release(peri_outbox_t *o, peri_batch_t *b)
{
    pthread_mutex_lock(&o->lock);
    o->bytes -= b->len;
    pthread_cond_broadcast(&o->room);
    pthread_mutex_unlock(&o->lock);
    b->next = NULL;
    list_free(b);
}

void peri_outbox_close(peri_outbox_t *o)
{
    pthread_mutex_lock(&o->lock);
    peri_batch_t *dropped = o->first;
    for (peri_batch_t *b = dropped; b; b = b->next) o->bytes -= b->len;
    o->first = NULL;
    o->last = &o->first;
    o->closed = true;
    pthread_cond_broadcast(&o->room);
    pthread_mutex_unlock(&o->lock);
    list_free(dropped);
}
