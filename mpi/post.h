/* post.h - sending and receiving without ever blocking, with flow control.
 *
 * A rank sends at most a window of DATA bytes to another one ahead of its
 * acknowledgements (8 MB, less with many ranks), so the memory that a slow receiver needs
 * is bounded. Messages from one rank come out in the order they were sent.
 *
 * Threads: all of it belongs to the thread that initialised MPI.
 */
#ifndef MPI_POST_H
#define MPI_POST_H

#include <mpi.h>

#include "mpi/outbox.h"

typedef struct peri_post peri_post_t;

/* comm and outbox are borrowed. */
peri_post_t *peri_post_new(MPI_Comm comm, peri_outbox_t *outbox);
/* Call when idle; else unfinished sends are cancelled. */
void peri_post_free(peri_post_t *p);

/* A small message that overtakes rows that wait for the window. Payload is copied. */
void peri_post_send(peri_post_t *p, int dst, const peri_msg_t *head, const void *payload,
                    size_t len);
/* Move batches from the outbox onto the wire as the windows allow, notice finished sends.
 * True if anything moved. */
bool peri_post_pump(peri_post_t *p);
/* The next message, or NULL; free() it. ACKs are dealt with inside. */
peri_inmsg_t *peri_post_receive(peri_post_t *p);
/* Nothing is waiting to be sent or on its way out. */
bool peri_post_idle(const peri_post_t *p);
/* Forget the batches that are not on their way yet. */
void peri_post_drop(peri_post_t *p);

#endif
