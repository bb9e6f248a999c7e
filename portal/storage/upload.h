/* upload.h - uploads: begun, grown, made a file of a volume, given up. No HTTP; who may
 * do it is the caller's to ask before.
 *
 * An upload is a row of `upload` and a file in its volume's .perigee/uploads
 * (upload_writer.h). Its size is reserved in the volume's quota from the beginning. When
 * all bytes are there it is brought to the disk, its checksum compared, the row says
 * "done", and the file gets its name: in this order, so that after a crash either the
 * file is still ours, and it goes on, or it has its name. Rows stay until they expire: a
 * client whose last answer was lost is told that all is well.
 *
 * What takes long (fsync, checksums) is done by threads of this part, which also sweep
 * expired uploads. Threads: all functions, any number.
 */
#ifndef PORTAL_STORAGE_UPLOAD_H
#define PORTAL_STORAGE_UPLOAD_H

#include "jobs/store/db.h"
#include "portal/config/config.h"
#include "portal/storage/upload_writer.h"

#define PERI_UPLOAD_DAYS 7    /* after the last request that brought something */
#define PERI_UPLOAD_OPEN 1000 /* of one account at a time */

typedef struct peri_uploads peri_uploads_t;

/* news: called from a thread of ours when a peri_finish_t of this id is over. conf is
 * kept. */
peri_uploads_t *peri_uploads_start(peri_dbpool_t *db, const peri_confstorage_t *conf,
                                   void (*news)(const char *id), peri_err_t *err);
/* No request may use it any more. Accepts NULL. */
void peri_uploads_stop(peri_uploads_t *u);

typedef struct {
    char id[PERI_UPLOAD_ID + 1];
    int64_t account, volume, size;
    const char *path;     /* clean, in the volume */
    const char *metadata; /* as it came */
    bool overwrite;
    bool done;      /* it has its name, or is about to get it */
    peri_sum_t sum; /* of the whole; kind: which one is asked for, or NONE */
    bool sum_known; /* its bytes, too */
    double expires;
} peri_upload_t;

bool peri_upload_id_ok(const char *id);

/* A new one. in: account, volume, size, path, metadata, overwrite, sum; id: "" or one
 * that the client chose. One that is there with this id is taken if it is the same upload
 * (*old), so that a request may be repeated. PERI_ECONFLICT: the path is taken, or the
 * id; PERI_EFULL: quota or disk; PERI_ENOTFOUND: the folder. */
int peri_upload_create(peri_uploads_t *u, const peri_upload_t *in, const char *label,
                       peri_arena_t *a, peri_upload_t *out, bool *old, peri_err_t *err);

/* PERI_ENOTFOUND: none, or not of this account. db: a transaction of the account. */
int peri_upload_find(peri_db_t *db, const char *id, peri_arena_t *a, peri_upload_t *out,
                     peri_err_t *err);
/* Those of the account that are not complete, by id from `after` ("" at first) on. db: as
 * above. volume: "ana/persistent", "" if she may not see it any more. */
typedef struct {
    peri_upload_t up;
    const char *volume;
    double created;
} peri_uploadlisted_t;
int peri_upload_list(peri_db_t *db, const char *after, int limit, peri_arena_t *a,
                     peri_uploadlisted_t **list, size_t *n, peri_err_t *err);
/* Bytes in its file; nobody is disturbed for it. */
int64_t peri_upload_received(const peri_uploads_t *u, const peri_upload_t *up);
/* The checksum that the whole must have. PERI_EINVAL: another kind was announced. */
int peri_upload_expect(peri_db_t *db, peri_upload_t *up, const peri_sum_t *sum,
                       peri_err_t *err);
/* It goes on: PERI_UPLOAD_DAYS from now. */
int peri_upload_touch(peri_db_t *db, peri_upload_t *up, peri_err_t *err);

/* As in upload_writer.h; the offset of one that is done is its size. */
int peri_upload_offset(peri_uploads_t *u, const peri_upload_t *up, int64_t *offset,
                       peri_err_t *err);
peri_writer_t *peri_upload_write(peri_uploads_t *u, const peri_upload_t *up,
                                 int64_t offset, const peri_sum_t *chunk, int64_t *actual,
                                 peri_err_t *err);
/* Is there room on the disk for so many more bytes? PERI_EFULL */
int peri_upload_room(peri_uploads_t *u, const peri_upload_t *up, int64_t bytes,
                     peri_err_t *err);
/* Give it up: ends a writer, frees what was reserved. Of one that is done only the row
 * goes. PERI_EBUSY: it is being completed just now. */
int peri_upload_remove(peri_uploads_t *u, const peri_upload_t *up, peri_err_t *err);

/* All bytes are there: make it a file. Requests for the same upload share one. */
typedef struct peri_finish peri_finish_t;
peri_finish_t *peri_upload_finish(peri_uploads_t *u, const peri_upload_t *up);
bool peri_finish_over(peri_finish_t *f);
/* When it is over: 0, or PERI_EFORMAT: the checksum differs, the upload is gone;
 * PERI_ECONFLICT, PERI_ENOTFOUND: it cannot get its name, the upload is still there;
 * others: try again. */
int peri_finish_result(peri_finish_t *f, peri_err_t *err);
void peri_finish_unref(peri_finish_t *f); /* accepts NULL */

#endif
