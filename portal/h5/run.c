/* run.c - see run.h. */
#include "portal/h5/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/h5/process.h"
#include "portal/h5/view/status.h"
#include "portal/queue/queue.h"

#define SAID "too many look into HDF5 files now: try again in a moment"

static peri_queue_t queue = PERI_QUEUE({
    .running = 4,
    .running_of = 2,
    .waiting = 256,
    .waiting_of = 32, /* a page of a viewer asks for a dozen things at once */
    .held = 1024ull << 20,
    .held_of = 512ull << 20,
    .patience = 30,
});

typedef struct {
    peri_turn_t turn; /* held: the answer's size, until the request has ended */
    char *program, *question;
    int file, answer; /* -1: none (any more) */
    uint64_t size;
    int rc;
    peri_err_t err;
} item_t;

static void item_free(peri_turn_t *t)
{
    item_t *i = (item_t *)t;
    if (i->file >= 0) close(i->file);
    if (i->answer >= 0) close(i->answer);
    free(i->program);
    free(i->question);
    free(i);
}

static void run(peri_turn_t *t)
{
    item_t *i = (item_t *)t;
    const peri_h5process_t p = {i->program, i->file, i->question, PERI_H5VIEW_SECONDS,
                                &t->stop};
    i->rc = peri_h5process_run(&p, &i->answer, &i->size, &i->err);
    atomic_store(&t->held, i->size);
    close(i->file);
    i->file = -1;
}

/* The request has ended, perhaps before the process. */
static void let_go(void *arg)
{
    peri_queue_leave(&queue, arg);
}

static int answer(peri_request_t *r, item_t *i, peri_err_t *err)
{
    if (i->rc) {
        if (err) *err = i->err;
        return -1;
    }
    r->fd = i->answer;
    i->answer = -1;
    r->fd_from = 0;
    r->fd_len = (int64_t)i->size;
    return 0;
}

bool peri_h5run_again(peri_request_t *r, int *rc, peri_err_t *err)
{
    if (r->ctx_free != let_go) return false;
    peri_turnstate_t state;
    *rc = peri_queue_look(&queue, r->ctx, r, SAID, &state, err);
    if (*rc == 0 && state == PERI_TURN_OVER) *rc = answer(r, r->ctx, err);
    return true;
}

int peri_h5run_start(peri_request_t *r, int file, json_t *question, peri_err_t *err)
{
    static atomic_ullong count;
    int rc;
    item_t *i = peri_xcalloc(1, sizeof(*i));
    *i = (item_t){.turn = {.account = r->actor.account, .run = run, .free = item_free},
                  .program = peri_xasprintf("%s/perigee-h5", r->portal->config->bin),
                  .question = json_dumps(question, JSON_COMPACT),
                  .file = file,
                  .answer = -1};
    snprintf(i->turn.id, sizeof(i->turn.id), "h5-%llu", atomic_fetch_add(&count, 1));
    json_decref(question);
    if (!i->question || !peri_queue_put(&queue, &i->turn)) {
        item_free(&i->turn);
        return peri_err_set(err, PERI_EBUSY,
                            "too many questions about HDF5 files wait for an answer: try "
                            "again in a moment");
    }
    if (r->ctx_free) r->ctx_free(r->ctx);
    r->ctx = i;
    r->ctx_free = let_go;
    peri_h5run_again(r, &rc, err);
    return rc;
}

void peri_h5run_stop_all(void)
{
    peri_queue_stop(&queue);
}
