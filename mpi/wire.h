/* wire.h - the messages between the ranks of one query, and the batches that carry rows.
 *
 * Every message is a peri_msg_t, then a payload. All travel with one tag, so those from
 * one rank arrive in the order they were sent. Ranks run the same program: no byte
 * swapping.
 */
#ifndef MPI_WIRE_H
#define MPI_WIRE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    PERI_MSG_START,    /* rank 0 to a worker: its packed query */
    PERI_MSG_DATA,     /* rows of `stage` (see rows.h), as many chunks as fit */
    PERI_MSG_DONE,     /* no more rows of `stage` from this rank */
    PERI_MSG_ACK,      /* a: bytes of DATA that were consumed */
    PERI_MSG_PROGRESS, /* a: rows scanned, b: rows in the share; bytes read: c on the
                          rank's node, d shared, e elsewhere. DONE has them too */
    PERI_MSG_ERROR,    /* to rank 0: a failed; a: peri_code_t, payload: the sentence */
    PERI_MSG_ASK,      /* rank 0 to a worker: a question (see ask.h) */
    PERI_MSG_ANSWER,   /* a worker to rank 0 */
    PERI_MSG_CANCEL,   /* from rank 0: stop what you do */
    PERI_MSG_BYE       /* from rank 0: the answer is complete */
} peri_msgkind_t;

typedef struct {
    uint32_t kind, stage;
    uint64_t a, b, c, d, e;
} peri_msg_t;

/* A message on its way out. Bytes start with the peri_msg_t. */
typedef struct peri_batch {
    struct peri_batch *next; /* in the outbox */
    int dst;                 /* a rank, or PERI_TO_OTHERS */
    int refs;                /* sends not finished; the main thread's once it has it */
    size_t len;
    char *bytes; /* owned; malloc */
} peri_batch_t;

#define PERI_TO_OTHERS (-1)

/* A message that came in. */
typedef struct peri_inmsg {
    struct peri_inmsg *next;
    int src;
    size_t len; /* of the payload */
    peri_msg_t head;
    char payload[];
} peri_inmsg_t;

#endif
