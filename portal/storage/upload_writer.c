/* upload_writer.c - see upload_writer.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"
#include "portal/storage/upload_entry.h"

#define FLUSH (8 << 20) /* bytes after which the kernel is told to write them back */

struct peri_writer {
    peri_uploadtable_t *table;
    peri_uploadentry_t *e;
    uint64_t token;
    int64_t length, start, offset;
    peri_hash_t *chunk_hash;
    peri_sum_t chunk;
};

/* ---- one writer ---- */

int peri_uploadfile_offset(peri_uploadtable_t *t, const peri_uploadfile_t *f,
                           int64_t *offset, peri_err_t *err)
{
    peri_uploadentry_t *e = peri_uploadentry_get(t, f->id);
    pthread_mutex_lock(&e->lock);
    int rc = peri_uploadentry_busy(t, e, err) ? -1 : 0;
    if (rc == 0) {
        e->owner = 0;
        rc = peri_uploadentry_ready(e, f, false, err);
        *offset = e->size;
    }
    pthread_mutex_unlock(&e->lock);
    peri_uploadentry_put(t, e);
    return rc;
}

static int take_over(peri_writer_t *w, const peri_uploadfile_t *f, int64_t *actual,
                     peri_err_t *err)
{
    peri_uploadentry_t *e = w->e;
    if (peri_uploadentry_busy(w->table, e, err)) return -1;
    if (e->owner == 0 || e->fd < 0) {
        if (peri_uploadentry_ready(e, f, f->create, err)) return -1;
    }
    if (e->fd < 0)
        return peri_err_set(err, PERI_ENOTFOUND, "nothing of the upload is there yet");
    int64_t counts = peri_uploadentry_counts(e);
    if (counts != w->start) {
        *actual = counts;
        return peri_err_set(err, PERI_ECONFLICT,
                            "the upload is at byte %lld, not at %lld: go on from there",
                            (long long)counts, (long long)w->start);
    }
    e->owner = w->token;
    if (peri_uploadentry_ready(e, f, f->create, err)) return -1;
    if (e->fd < 0)
        return peri_err_set(err, PERI_EIO, "the upload's file was removed just now");
    return w->chunk_hash ? peri_uploadentry_doubt(e, err) : 0;
}

peri_writer_t *peri_writer_open(peri_uploadtable_t *t, const peri_uploadfile_t *f,
                                int64_t offset, const peri_sum_t *chunk, int64_t *actual,
                                peri_err_t *err)
{
    *actual = -1;
    peri_writer_t *w = peri_xcalloc(1, sizeof(*w));
    w->table = t;
    w->e = peri_uploadentry_get(t, f->id);
    w->length = f->length;
    w->start = w->offset = offset;
    if (chunk) {
        w->chunk = *chunk;
        w->chunk_hash = peri_hash_new(chunk->kind);
    }
    pthread_mutex_lock(&t->lock);
    w->token = ++t->serial;
    pthread_mutex_unlock(&t->lock);
    pthread_mutex_lock(&w->e->lock);
    int rc = take_over(w, f, actual, err);
    if (rc && w->e->owner == w->token) w->e->owner = 0;
    pthread_mutex_unlock(&w->e->lock);
    if (rc == 0) return w;
    peri_uploadentry_put(t, w->e);
    peri_hash_free(w->chunk_hash);
    free(w);
    return NULL;
}

static int lost(const peri_writer_t *w, peri_err_t *err)
{
    if (w->e->owner == w->token) return 0;
    return peri_err_set(err, PERI_ECANCEL,
                        "another request goes on with this upload; this one ended");
}

/* Bytes are on their way to the disk while more come: the end need not wait for all. */
static void start_flush(peri_uploadentry_t *e)
{
    if (e->size - e->flushed < FLUSH) return;
    sync_file_range(e->fd, e->flushed, e->size - e->flushed, SYNC_FILE_RANGE_WRITE);
    e->flushed = e->size;
}

static int append(peri_writer_t *w, const char *data, size_t len, peri_err_t *err)
{
    peri_uploadentry_t *e = w->e;
    while (len > 0) {
        peri_failpoint("upload_write");
        ssize_t n = pwrite(e->fd, data, len, e->size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (n == 0 || errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
                return peri_err_set(err, PERI_EFULL,
                                    "the disk is full; the %lld bytes that fitted are "
                                    "kept: go on from there when there is room",
                                    (long long)peri_uploadentry_counts(e));
            return peri_err_set(err, PERI_EIO, "cannot write the upload's file: %m");
        }
        if (e->hash && e->hashed == e->size) {
            peri_hash_update(e->hash, data, (size_t)n);
            e->hashed += n;
        }
        if (w->chunk_hash) peri_hash_update(w->chunk_hash, data, (size_t)n);
        e->size += n;
        data += n;
        len -= (size_t)n;
    }
    start_flush(e);
    return 0;
}

int peri_writer_write(peri_writer_t *w, const void *data, size_t len, peri_err_t *err)
{
    pthread_mutex_lock(&w->e->lock);
    int rc = lost(w, err);
    if (rc == 0 && (int64_t)len > w->length - w->e->size)
        rc = peri_err_set(err, PERI_EINVAL,
                          "there is more data than the upload's %lld bytes",
                          (long long)w->length);
    if (rc == 0) {
        rc = append(w, data, len, err);
        w->offset = w->e->size;
    }
    pthread_mutex_unlock(&w->e->lock);
    return rc;
}

int64_t peri_writer_offset(const peri_writer_t *w)
{
    return w->offset;
}

int peri_writer_check(peri_writer_t *w, peri_err_t *err)
{
    peri_uploadentry_t *e = w->e;
    peri_sum_t sum;
    if (!w->chunk_hash) return 0;
    peri_hash_sum(w->chunk_hash, &sum);
    bool same = peri_sum_same(&sum, &w->chunk);
    pthread_mutex_lock(&e->lock);
    int rc = lost(w, err);
    if (rc == 0) {
        rc = peri_uploadentry_settle(e, same, err);
        w->offset = e->size;
    }
    if (rc == 0 && !same)
        rc =
            peri_err_set(err, PERI_EFORMAT,
                         "the data arrived damaged: its %s differs from Upload-Checksum; "
                         "send it again from byte %lld",
                         peri_sum_name(w->chunk.kind), (long long)w->start);
    pthread_mutex_unlock(&e->lock);
    return rc;
}

void peri_writer_close(peri_writer_t *w)
{
    if (!w) return;
    pthread_mutex_lock(&w->e->lock);
    if (w->e->owner == w->token) {
        peri_uploadentry_settle(w->e, false, NULL);
        w->e->owner = 0;
    }
    pthread_mutex_unlock(&w->e->lock);
    peri_uploadentry_put(w->table, w->e);
    peri_hash_free(w->chunk_hash);
    free(w);
}

/* ---- the end ---- */

/* The entry with its file, which is complete and belongs to us alone. */
static int begin_finish(peri_uploadtable_t *t, peri_uploadentry_t *e,
                        const peri_uploadfile_t *f, peri_err_t *err)
{
    pthread_mutex_lock(&e->lock);
    int rc = peri_uploadentry_busy(t, e, err) ? -1 : 0;
    if (rc == 0) {
        e->owner = 0;
        rc = peri_uploadentry_ready(e, f, f->length == 0, err);
    }
    if (rc == 0 && e->size != f->length)
        rc = peri_err_set(err, PERI_EINVAL, "the upload has %lld of %lld bytes",
                          (long long)e->size, (long long)f->length);
    if (rc == 0) peri_uploadentry_set_busy(t, e);
    pthread_mutex_unlock(&e->lock);
    return rc;
}

int peri_uploadfile_finish(peri_uploadtable_t *t, const peri_uploadfile_t *f,
                           peri_sum_t *sum, const atomic_bool *stop, peri_err_t *err)
{
    peri_uploadentry_t *e = peri_uploadentry_get(t, f->id);
    if (begin_finish(t, e, f, err)) {
        peri_uploadentry_put(t, e);
        return -1;
    }
    int rc = 0;
    if (fdatasync(e->fd))
        rc = peri_err_set(err, PERI_EIO, "cannot bring the upload to the disk: %m");
    if (rc == 0 && f->whole) {
        rc =
            peri_hash_file(e->hash, e->fd, e->hashed, f->length, "the upload", stop, err);
        e->hashed = rc ? 0 : f->length;
        if (rc) peri_hash_reset(e->hash);
        if (rc == 0) peri_hash_sum(e->hash, sum);
    }
    if (rc) peri_uploadfile_done(t, f->id, false);
    return rc;
}

void peri_uploadfile_done(peri_uploadtable_t *t, const char *id, bool gone)
{
    peri_uploadentry_t *e = peri_uploadentry_get(t, id);
    pthread_mutex_lock(&t->lock);
    if (gone) e->gone = true;
    e->busy = false;
    e->refs--; /* that of _finish() */
    pthread_mutex_unlock(&t->lock);
    peri_uploadentry_put(t, e);
}

int peri_uploadfile_remove(peri_uploadtable_t *t, const peri_uploadfile_t *f,
                           peri_err_t *err)
{
    peri_uploadentry_t *e = peri_uploadentry_get(t, f->id);
    pthread_mutex_lock(&e->lock);
    int rc = peri_uploadentry_busy(t, e, err) ? -1 : 0;
    if (rc == 0) {
        e->owner = 0;
        rc = peri_uploadentry_unlink(e, f->dir, err);
    }
    if (rc == 0) peri_uploadentry_forget(t, e);
    pthread_mutex_unlock(&e->lock);
    peri_uploadentry_put(t, e);
    return rc;
}
