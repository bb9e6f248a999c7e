/* upload_entry.c - see upload_entry.h. */
#include "portal/storage/upload_entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"

#define IDLE_MAX 64 /* uploads without a request whose state is kept */

peri_uploadtable_t *peri_uploadtable_new(void)
{
    peri_uploadtable_t *t = peri_xcalloc(1, sizeof(*t));
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

static void close_files(peri_uploadentry_t *e)
{
    if (e->fd >= 0) close(e->fd);
    if (e->dir >= 0) close(e->dir);
    e->fd = e->dir = -1;
}

static void free_entry(peri_uploadentry_t *e)
{
    close_files(e);
    peri_hash_free(e->hash);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

void peri_uploadtable_free(peri_uploadtable_t *t)
{
    if (!t) return;
    while (t->first) {
        peri_uploadentry_t *e = t->first;
        t->first = e->next;
        free_entry(e);
    }
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* ---- the table ---- */

peri_uploadentry_t *peri_uploadentry_get(peri_uploadtable_t *t, const char *id)
{
    pthread_mutex_lock(&t->lock);
    peri_uploadentry_t *e = t->first;
    while (e && (e->gone || strcmp(e->id, id) != 0)) e = e->next;
    if (!e) {
        e = peri_xcalloc(1, sizeof(*e));
        snprintf(e->id, sizeof(e->id), "%s", id);
        pthread_mutex_init(&e->lock, NULL);
        e->fd = e->dir = -1;
        e->unsure = -1;
        e->next = t->first;
        t->first = e;
    } else if (e->refs == 0) {
        t->idle--;
    }
    e->refs++;
    pthread_mutex_unlock(&t->lock);
    return e;
}

/* Under the table's lock: what nobody needs any more is taken out of the list. */
static peri_uploadentry_t *take_out(peri_uploadtable_t *t, peri_uploadentry_t *e)
{
    peri_uploadentry_t **at = &t->first;
    while (*at != e) at = &(*at)->next;
    *at = e->next;
    return e;
}

void peri_uploadentry_put(peri_uploadtable_t *t, peri_uploadentry_t *e)
{
    peri_uploadentry_t *over = NULL;
    pthread_mutex_lock(&t->lock);
    e->used = peri_now();
    if (--e->refs == 0) {
        if (e->gone || e->fd < 0)
            over = take_out(t, e);
        else if (++t->idle > IDLE_MAX) {
            for (peri_uploadentry_t *o = t->first; o; o = o->next)
                if (o->refs == 0 && (!over || o->used < over->used)) over = o;
            take_out(t, over);
            t->idle--;
        }
    }
    pthread_mutex_unlock(&t->lock);
    if (over) free_entry(over);
}

void peri_uploadentry_set_busy(peri_uploadtable_t *t, peri_uploadentry_t *e)
{
    pthread_mutex_lock(&t->lock);
    e->busy = true;
    pthread_mutex_unlock(&t->lock);
}

bool peri_uploadentry_busy(peri_uploadtable_t *t, peri_uploadentry_t *e, peri_err_t *err)
{
    pthread_mutex_lock(&t->lock);
    bool busy = e->busy;
    pthread_mutex_unlock(&t->lock);
    if (busy)
        peri_err_set(err, PERI_EBUSY,
                     "the upload is being completed just now; ask again in a moment");
    return busy;
}

void peri_uploadentry_forget(peri_uploadtable_t *t, peri_uploadentry_t *e)
{
    pthread_mutex_lock(&t->lock);
    e->gone = true;
    pthread_mutex_unlock(&t->lock);
}

/* ---- the file; under the entry's lock ---- */

static void marker_name(const peri_uploadentry_t *e, char out[PERI_UPLOAD_ID + 8])
{
    snprintf(out, PERI_UPLOAD_ID + 8, "%s.from", e->id);
}

static int cut(peri_uploadentry_t *e, int64_t size, peri_err_t *err)
{
    if (ftruncate(e->fd, size))
        return peri_err_set(err, PERI_EIO, "cannot cut the upload's file: %m");
    e->size = size;
    if (e->flushed > size) e->flushed = size;
    if (e->hashed > size) {
        peri_hash_reset(e->hash);
        e->hashed = 0;
    }
    return 0;
}

/* The offset in a marker, or -1: there is none, or it was made and the bytes behind it
 * never were. */
static int64_t read_marker(const peri_uploadentry_t *e)
{
    char name[PERI_UPLOAD_ID + 8], text[32];
    int64_t from = -1;
    marker_name(e, name);
    int fd = openat(e->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n > 1 && text[n - 1] == '\n' &&
        peri_upload_number("", text, (size_t)n - 1, &from, NULL))
        from = -1;
    return from;
}

int peri_uploadentry_doubt(peri_uploadentry_t *e, peri_err_t *err)
{
    char name[PERI_UPLOAD_ID + 8], text[32];
    marker_name(e, name);
    int n = snprintf(text, sizeof(text), "%lld\n", (long long)e->size);
    int fd =
        openat(e->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return peri_err_set(err, PERI_EIO, "cannot write beside the upload: %m");
    int rc = write(fd, text, (size_t)n) == n ? 0 : -1;
    if (rc) peri_err_set(err, PERI_EIO, "cannot write beside the upload: %m");
    close(fd);
    if (rc == 0) e->unsure = e->size;
    return rc;
}

int peri_uploadentry_settle(peri_uploadentry_t *e, bool good, peri_err_t *err)
{
    char name[PERI_UPLOAD_ID + 8];
    if (e->unsure < 0) return 0;
    if (!good && e->unsure < e->size && cut(e, e->unsure, err)) return -1;
    marker_name(e, name);
    unlinkat(e->dir, name, 0);
    e->unsure = -1;
    return 0;
}

int64_t peri_uploadentry_counts(const peri_uploadentry_t *e)
{
    return e->unsure >= 0 && e->unsure < e->size ? e->unsure : e->size;
}

int peri_uploadentry_unlink(peri_uploadentry_t *e, int dir, peri_err_t *err)
{
    char name[PERI_UPLOAD_ID + 8];
    marker_name(e, name);
    unlinkat(dir, name, 0);
    if (unlinkat(dir, e->id, 0) && errno != ENOENT)
        return peri_err_set(err, PERI_EIO, "cannot remove the upload's file: %m");
    close_files(e);
    e->size = 0;
    return 0;
}

static int open_files(peri_uploadentry_t *e, const peri_uploadfile_t *f, bool create,
                      peri_err_t *err)
{
    struct stat st;
    int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (create ? O_CREAT : 0);
    e->fd = openat(f->dir, f->id, flags, 0666);
    if (e->fd < 0 && errno == ENOENT && !create) return 0;
    e->dir = e->fd < 0 ? -1 : fcntl(f->dir, F_DUPFD_CLOEXEC, 0);
    if (e->dir < 0 || fstat(e->fd, &st)) {
        peri_err_set(err, PERI_EIO, "cannot open the upload's file: %m");
        goto fail;
    }
    if (!S_ISREG(st.st_mode)) {
        peri_err_set(err, PERI_EIO,
                     "the upload's file was replaced; remove the upload and begin again");
        goto fail;
    }
    if (flock(e->fd, LOCK_EX | LOCK_NB)) {
        peri_err_set(err, PERI_EIO, "another process has the upload's file: %m");
        goto fail;
    }
    e->size = st.st_size;
    e->flushed = st.st_size;
    e->unsure = read_marker(e);
    if (e->hash) peri_hash_reset(e->hash);
    e->hashed = 0;
    return 0;
fail:
    close_files(e);
    return -1;
}

int peri_uploadentry_ready(peri_uploadentry_t *e, const peri_uploadfile_t *f, bool create,
                           peri_err_t *err)
{
    struct stat st;
    if (e->fd >= 0 && (fstat(e->fd, &st) || st.st_nlink == 0)) close_files(e);
    if (e->fd < 0 && open_files(e, f, create, err)) return -1;
    if (e->fd < 0) {
        e->size = 0;
        return 0;
    }
    if (f->whole && !e->hash) e->hash = peri_hash_new(f->whole);
    if (peri_uploadentry_settle(e, false, err)) return -1;
    if (fstat(e->fd, &st)) return peri_err_set(err, PERI_EIO, "cannot look: %m");
    if (st.st_size == e->size && e->size <= f->length) return 0;
    /* Someone else has written to it: a job of the user, whom it harms alone. */
    if (st.st_size < e->size && st.st_size <= f->length) return cut(e, st.st_size, err);
    return cut(e, e->size <= f->length ? e->size : 0, err);
}
