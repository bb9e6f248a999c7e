/* transfer_priv.h - what the files of transfer.c share. Private.
 *
 * A slot is one transfer under way: a step, which is one request or a piece of reading,
 * after the other. transfer.c runs the requests of all slots; transfer_up.c and
 * transfer_down.c say what each step asks and what follows from its answer, by means of
 * transfer_slot.c.
 */
#ifndef CLI_TRANSFER_PRIV_H
#define CLI_TRANSFER_PRIV_H

#include <sys/stat.h>

#include "cli/client_curl.h"
#include "cli/transfer.h"
#include "portal/storage/checksum.h"

typedef enum {
    PERI_STEP_NONE, /* the slot is free */
    PERI_STEP_OVER, /* done or given up */
    PERI_STEP_READ, /* reads what an earlier command moved, for the checksum */
    /* up */
    PERI_STEP_CREATE, /* POST, with all of a small file */
    PERI_STEP_ASK,    /* HEAD: how far is it? */
    PERI_STEP_SEND,   /* PATCH: all but the end */
    PERI_STEP_LAST,   /* PATCH: the end, with the checksum of the whole */
    /* down */
    PERI_STEP_LOOK, /* what is there: size, tag */
    PERI_STEP_GET,  /* its bytes */
    PERI_STEP_SUM,  /* its checksum there */
} peri_step_t;

typedef struct {
    struct peri_transfers *all;
    peri_transfer_t *t;
    peri_step_t step;
    char *name; /* for messages */
    double started, not_before, progress;
    int tries;
    bool told; /* that it is tried again */
    /* the file here */
    int fd;
    struct stat st;
    int64_t size, at;  /* bytes that both sides have, and that are on their way */
    peri_hash_t *hash; /* or NULL */
    int64_t hashed, read_to;
    peri_step_t after; /* PERI_STEP_READ */
    /* the request */
    CURL *easy;
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
    peri_answer_t answer;
    int64_t from, to;    /* bytes of the file that it sends; or gets, to < 0: no body */
    int64_t told_offset; /* Upload-Offset; -1: none */
    char id[40], range[80]; /* of Location; Content-Range */
    int write_errno;
    /* up */
    int state_fd;     /* the file that remembers it, locked; -1: none */
    char *state_path; /* or NULL */
    char upload[40];  /* its id */
    int64_t reached;  /* the most that the portal had */
    int begun;        /* how often it had to be begun again, or asked again */
    /* down */
    char *part; /* the hidden file */
    bool fresh; /* no byte of the answer was seen yet */
} peri_slot_t;

typedef struct peri_transfers {
    peri_client_t *c;
    const char *account;
    const peri_transferopts_t *o;
    CURLM *multi;
    int64_t total, done, moved; /* bytes: of all, of files that are over, over the wire */
    peri_slot_t slot[PERI_TRANSFER_MAX];
} peri_transfers_t;

/* transfer_slot.c: for the steps. The next request: a handle with its headers; the caller
 * adds what is special. NULL: the slot is over. */
CURL *peri_slot_request(peri_slot_t *s, const char *path, const char *method);
void peri_slot_header(peri_slot_t *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* libcurl's way to give the answer, kept in s->answer.body. */
size_t peri_slot_on_answer(char *data, size_t size, size_t n, void *slot);
/* It sends bytes [from, to) of the file. */
void peri_slot_send(peri_slot_t *s, int64_t from, int64_t to);
/* Next comes `after`, when all bytes before `to` are in the hash. */
void peri_slot_read(peri_slot_t *s, int64_t to, peri_step_t after);
/* Bytes of the file at s->at, just sent or received. */
void peri_slot_moved(peri_slot_t *s, const void *data, size_t len);
void peri_slot_fail(peri_slot_t *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void peri_slot_done(peri_slot_t *s);

/* _begin: the slot has its transfer; sets the first step. _start: makes the request of
 * its step. _ended: it has an answer; status 0: none, or "not now", and it is to be tried
 * again. _close: lets go of what it has besides. */
void peri_up_begin(peri_slot_t *s);
void peri_up_start(peri_slot_t *s);
void peri_up_ended(peri_slot_t *s, long status, const peri_err_t *err);
void peri_up_close(peri_slot_t *s);
void peri_down_begin(peri_slot_t *s);
void peri_down_start(peri_slot_t *s);
void peri_down_ended(peri_slot_t *s, long status, const peri_err_t *err);
void peri_down_close(peri_slot_t *s);

/* transfer_state.c: what is remembered of an upload, by the identity of the file. Opens
 * and locks it; 1: id is that of an earlier command, 0: there was none, -1: it is locked,
 * another command sends this file (or *err). */
int peri_upstate_open(peri_slot_t *s, char id[40], peri_err_t *err);
int peri_upstate_write(peri_slot_t *s, const char *id, peri_err_t *err);
void peri_upstate_forget(peri_slot_t *s);
void peri_upstate_close(peri_slot_t *s); /* it stays */

#endif
