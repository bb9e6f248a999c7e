/* upload_priv.h - what the files of upload.h share. Private. */
#ifndef PORTAL_STORAGE_UPLOAD_PRIV_H
#define PORTAL_STORAGE_UPLOAD_PRIV_H

#include <pthread.h>

#include "portal/storage/upload.h"
#include "portal/storage/usage.h"
#include "portal/storage/volume.h"

#define PERI_UPLOAD_THREADS 8
#define PERI_UPLOAD_TURNS   3 /* of one account */

struct peri_uploads {
    peri_dbpool_t *db;
    const peri_confstorage_t *conf;
    void (*news)(const char *id);
    peri_uploadtable_t *table;
    atomic_bool stop;
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t changed;
    peri_finish_t *jobs; /* all that are not freed */
    pthread_t thread[PERI_UPLOAD_THREADS];
    unsigned nthreads;
    double sweep_at;
};

/* A volume's .perigee/uploads; a descriptor or -1. */
int peri_upload_dir(const peri_uploads_t *u, int64_t volume, peri_err_t *err);

/* upload_db.c */
/* Reserves its size and makes the row: 1; 0: there is one with this id. */
int peri_uploadrow_insert(peri_db_t *db, const peri_confstorage_t *conf,
                          const peri_upload_t *in, const char *label,
                          char id[PERI_UPLOAD_ID + 1], peri_err_t *err);
int peri_uploadrow_state(peri_db_t *db, const char *id, bool done, peri_err_t *err);
/* The row goes; reserved: its bytes are no longer used. */
int peri_uploadrow_delete(peri_db_t *db, const peri_upload_t *up, bool reserved,
                          peri_err_t *err);
/* Some that have expired; number of them or -1. */
int peri_uploadrow_expired(peri_db_t *db, peri_arena_t *a, peri_upload_t *out, int max,
                           peri_err_t *err);

/* upload.c: one round; called by a thread now and then. */
void peri_upload_sweep(peri_uploads_t *u);

#endif
