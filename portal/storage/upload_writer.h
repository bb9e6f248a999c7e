/* upload_writer.h - the files of uploads that are not complete: appended to by one
 * request at a time, at the offset that both sides agree on. No database, no HTTP.
 *
 * An upload is the file ID in a folder (DIR/ID); its offset is that file's size, so that
 * what was written before a cut, a kill or a full disk counts. Bytes whose checksum is
 * not known to be right yet do not count: while they are written there is DIR/ID.from
 * with the offset where they start, and whoever comes next cuts the file there.
 *
 * One writer: a new one takes the upload away from an older one, whose next write fails
 * with PERI_ECANCEL; the connection behind it is usually dead without the server knowing.
 * Nothing waits longer than for one write(). Other processes are kept away by flock().
 *
 * Offsets and file descriptors of some uploads are kept between requests (a table with a
 * maximum), and with them the checksum of what has come, so that it needs no second
 * reading. Threads: all functions, any number; one peri_writer_t belongs to one thread at
 * a time.
 */
#ifndef PORTAL_STORAGE_UPLOAD_WRITER_H
#define PORTAL_STORAGE_UPLOAD_WRITER_H

#include "portal/storage/checksum.h"

#define PERI_UPLOAD_ID 36 /* characters of a UUID */

typedef struct peri_uploadtable peri_uploadtable_t;
typedef struct peri_writer peri_writer_t;

peri_uploadtable_t *peri_uploadtable_new(void);
/* No writer may be left. Accepts NULL. */
void peri_uploadtable_free(peri_uploadtable_t *t);

/* What is asked of an upload. */
typedef struct {
    const char *id;       /* a UUID */
    int dir;              /* its folder; needed during the call only */
    int64_t length;       /* that it will have */
    peri_sumkind_t whole; /* the checksum that will be asked of it in the end, or NONE */
    bool create;          /* for a writer: make the file if it is not there */
} peri_uploadfile_t;

/* Ends any writer and tells the offset: 0 if there is no file yet. PERI_EBUSY: it is
 * being completed just now, ask again. */
int peri_uploadfile_offset(peri_uploadtable_t *t, const peri_uploadfile_t *f,
                           int64_t *offset, peri_err_t *err);

/* Write from `offset` on. PERI_ECONFLICT: it is not the upload's, which is in *actual
 * (-1 for all other errors); any writer goes on then. PERI_ENOTFOUND:
 * there is no file. chunk: checksum of what will be
 * written, or NULL. */
peri_writer_t *peri_writer_open(peri_uploadtable_t *t, const peri_uploadfile_t *f,
                                int64_t offset, const peri_sum_t *chunk, int64_t *actual,
                                peri_err_t *err);
/* PERI_ECANCEL: another writer took over. PERI_EINVAL: more than the length, nothing of
 * data is written. PERI_EFULL, PERI_EIO: what could be written counts. */
int peri_writer_write(peri_writer_t *w, const void *data, size_t len, peri_err_t *err);
int64_t peri_writer_offset(const peri_writer_t *w);
/* All of the request has come: compares the checksum. PERI_EFORMAT: it differs, nothing
 * of it counts. */
int peri_writer_check(peri_writer_t *w, peri_err_t *err);
/* Frees. Without peri_writer_check() bytes with a checksum do not count, others do.
 * Accepts NULL. */
void peri_writer_close(peri_writer_t *w);

/* The file is complete: bring it to the disk and compute its checksum (if whole is not
 * NONE), reading what was not seen as it came. No writer gets it meanwhile. Then call
 * peri_uploadfile_done() in any case; gone: it has got its name, or is to be forgotten.
 */
int peri_uploadfile_finish(peri_uploadtable_t *t, const peri_uploadfile_t *f,
                           peri_sum_t *sum, const atomic_bool *stop, peri_err_t *err);
void peri_uploadfile_done(peri_uploadtable_t *t, const char *id, bool gone);

/* Ends any writer and removes the file; none is no error. PERI_EBUSY as above. */
int peri_uploadfile_remove(peri_uploadtable_t *t, const peri_uploadfile_t *f,
                           peri_err_t *err);

#endif
