/* ask.h - the worker thread of rank 0 asks other ranks something and waits for what they
 * say; their worker threads answer before they have a query. The main threads carry it.
 */
#ifndef MPI_ASK_H
#define MPI_ASK_H

#include "mpi/exec_private.h"

/* On other ranks, a message for the worker: the query, or a question; NULL if the run was
 * stopped. The caller frees it. */
peri_inmsg_t *peri_ask_next(peri_exec_t *x);
/* Answer with what is in the buffer (peri_outbox_begin, then the payload). */
int peri_ask_reply(peri_exec_t *x, peri_buf_t *b, peri_err_t *err);
/* On other ranks: see to a question (head.kind is PERI_MSG_ASK). */
int peri_ask_see_to(peri_exec_t *x, const peri_inmsg_t *m, peri_err_t *err);

/* On rank 0: the function of a peri_locator_t; arg is the peri_exec_t. */
int peri_ask_hosts(void *arg, const void *question, size_t len, peri_buf_t *answers,
                   peri_err_t *err);
/* On rank 0: wait for one answer of each of these ranks; answers[i] gets that of
 * ranks[i]. */
int peri_ask_collect(peri_exec_t *x, const int *ranks, size_t n, peri_buf_t **answers,
                     peri_err_t *err);

#endif
