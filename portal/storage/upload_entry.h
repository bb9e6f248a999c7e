/* upload_entry.h - what is kept of an upload between its requests, and its file. Used by
 * upload_writer.c only; see upload_writer.h.
 *
 * Locks: the table's, for the list, references, `busy` and `gone`; an entry's, for the
 * rest of it. The table's may be taken while an entry's is held, not the other way.
 */
#ifndef PORTAL_STORAGE_UPLOAD_ENTRY_H
#define PORTAL_STORAGE_UPLOAD_ENTRY_H

#include <pthread.h>

#include "portal/storage/upload_writer.h"

typedef struct peri_uploadentry peri_uploadentry_t;
struct peri_uploadentry {
    peri_uploadentry_t *next;
    char id[PERI_UPLOAD_ID + 1];
    int refs;
    double used;
    bool gone, busy;
    pthread_mutex_t lock;
    int fd, dir;    /* -1: not open */
    uint64_t owner; /* the writer's token; 0: none */
    int64_t size;
    int64_t unsure;  /* bytes from here on have a checksum to come; -1: none */
    int64_t flushed; /* write-back has been started up to here */
    peri_hash_t *hash;
    int64_t hashed; /* bytes that it has seen */
};

struct peri_uploadtable {
    pthread_mutex_t lock;
    peri_uploadentry_t *first;
    size_t idle;
    uint64_t serial;
};

peri_uploadentry_t *peri_uploadentry_get(peri_uploadtable_t *t, const char *id);
void peri_uploadentry_put(peri_uploadtable_t *t, peri_uploadentry_t *e);
void peri_uploadentry_set_busy(peri_uploadtable_t *t, peri_uploadentry_t *e);
/* True with *err: it is being completed. */
bool peri_uploadentry_busy(peri_uploadtable_t *t, peri_uploadentry_t *e, peri_err_t *err);
/* It is not found any more. */
void peri_uploadentry_forget(peri_uploadtable_t *t, peri_uploadentry_t *e);

/* Under the entry's lock: */

/* The file is open (unless it is not there and need not be: fd is -1) and has only bytes
 * that count. One that was removed meanwhile is made anew. */
int peri_uploadentry_ready(peri_uploadentry_t *e, const peri_uploadfile_t *f, bool create,
                           peri_err_t *err);
/* Bytes from the file's end on do not count until _settle. */
int peri_uploadentry_doubt(peri_uploadentry_t *e, peri_err_t *err);
/* good: they do from now on; else they are cut off. */
int peri_uploadentry_settle(peri_uploadentry_t *e, bool good, peri_err_t *err);
/* Bytes that count. */
int64_t peri_uploadentry_counts(const peri_uploadentry_t *e);
/* Remove the file and what is beside it. */
int peri_uploadentry_unlink(peri_uploadentry_t *e, int dir, peri_err_t *err);

#endif
