/* outbox.h - batches from the thread that makes rows to the thread that sends them.
 *
 * Bounded: the bytes of all batches that are not yet sent everywhere count, and whoever
 * puts one in when it is full waits. Threads: any may _put; one _takes and _releases.
 */
#ifndef MPI_OUTBOX_H
#define MPI_OUTBOX_H

#include "core/base/buf.h"
#include "mpi/bell.h"
#include "mpi/wire.h"

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t room;
    peri_batch_t *first, **last;
    size_t bytes, max;
    bool closed;
    peri_bell_t *bell; /* rung for every batch; borrowed */
} peri_outbox_t;

void peri_outbox_init(peri_outbox_t *o, size_t max, peri_bell_t *bell);
void peri_outbox_destroy(peri_outbox_t *o);

/* Start a message in an empty buffer: room for the head, which _put fills in. */
void peri_outbox_begin(peri_buf_t *b);
/* The buffer's content becomes a message to dst; the buffer is empty again. Waits for
 * room. -1 if the box was closed; the message is dropped then. */
int peri_outbox_put(peri_outbox_t *o, int dst, const peri_msg_t *head, peri_buf_t *b);

/* All batches in it, in order, or NULL. */
peri_batch_t *peri_outbox_take(peri_outbox_t *o);
/* A batch that was taken is no longer needed: frees it, makes room. */
void peri_outbox_release(peri_outbox_t *o, peri_batch_t *b);
/* Drop what is in it; every _put fails from now on. */
void peri_outbox_close(peri_outbox_t *o);

#endif
