/* spool.c - see spool.h. */
#include "portal/quick/spool.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/quick/folder.h"

#define AT_ONCE    64 /* spools of all accounts, but for the first of each */
#define AT_ONCE_OF 4
#define LOOK_EVERY (32 << 20) /* bytes between looks at the disk */

struct peri_spool {
    peri_spool_t *next; /* under the lock */
    int64_t account;
    int fd; /* -1: taken */
    int64_t max, looked;
    atomic_int_least64_t size; /* at least what is announced */
    int64_t written;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static peri_spool_t *first;

/* Bytes of all that an account sends; under the lock. */
static int64_t bytes_of(int64_t account)
{
    int64_t n = 0;
    for (const peri_spool_t *o = first; o; o = o->next)
        if (o->account == account) n += atomic_load(&o->size);
    return n;
}

static int too_much(int64_t max, peri_err_t *err)
{
    char most[16];
    return peri_err_set(err, PERI_EBUSY,
                        "what you send at once to become tables has %s at most together: "
                        "send one file after the other",
                        peri_human_bytes((uint64_t)max, most));
}

static int look_at_others(const peri_spool_t *s, peri_err_t *err)
{
    pthread_mutex_lock(&lock);
    const bool much = bytes_of(s->account) > s->max;
    pthread_mutex_unlock(&lock);
    return much ? too_much(s->max, err) : 0;
}

static int enlist(peri_spool_t *s, peri_err_t *err)
{
    int all = 0, hers = 0;
    pthread_mutex_lock(&lock);
    for (const peri_spool_t *o = first; o; o = o->next) {
        all++;
        hers += o->account == s->account;
    }
    const bool much = bytes_of(s->account) > s->max - atomic_load(&s->size);
    /* A few accounts do not keep out one that sends nothing else. */
    const bool room = hers < AT_ONCE_OF && (!hers || all < AT_ONCE);
    if (room && !much) {
        s->next = first;
        first = s;
    }
    pthread_mutex_unlock(&lock);
    if (!room)
        return peri_err_set(err, PERI_EBUSY,
                            "too many files are sent at once: wait until one is loaded");
    return much ? too_much(s->max, err) : 0;
}

static void unlist(peri_spool_t *s)
{
    pthread_mutex_lock(&lock);
    for (peri_spool_t **p = &first; *p; p = &(*p)->next)
        if (*p == s) {
            *p = s->next;
            break;
        }
    pthread_mutex_unlock(&lock);
}

static int look_at_disk(int fd, uint64_t more, peri_err_t *err)
{
    uint64_t room;
    char left[16];
    if (peri_quickfolder_room(fd, more, &room)) return 0;
    return peri_err_set(err, PERI_EFULL,
                        "the portal's disk has room for %s more: try a smaller file, or "
                        "later, or tell its administrator",
                        peri_human_bytes(room, left));
}

static int too_large(int64_t max, peri_err_t *err)
{
    char most[16];
    return peri_err_set(err, PERI_EINVAL,
                        "a file that is sent to become a table has %s at most here: "
                        "upload it to a volume, then load it from there",
                        peri_human_bytes((uint64_t)max, most));
}

peri_spool_t *peri_spool_new(const peri_portal_t *p, int64_t account, int64_t length,
                             int64_t max, peri_err_t *err)
{
    if (length > max) {
        too_large(max, err);
        return NULL;
    }
    peri_spool_t *s = peri_xcalloc(1, sizeof(*s));
    *s = (peri_spool_t){.account = account, .fd = -1, .max = max};
    atomic_store(&s->size, length > 0 ? length : 0);
    if (enlist(s, err)) {
        free(s);
        return NULL;
    }
    s->fd = peri_quickfolder_file(p, err);
    /* It has no name; a command of another user opens it anew by its descriptor. */
    if (s->fd >= 0) fchmod(s->fd, 0444);
    if (s->fd >= 0 && look_at_disk(s->fd, length > 0 ? (uint64_t)length : 0, err) == 0)
        return s;
    peri_spool_free(s);
    return NULL;
}

int peri_spool_write(peri_spool_t *s, const char *data, size_t len, peri_err_t *err)
{
    if (len > (uint64_t)(s->max - s->written)) return too_large(s->max, err);
    if (s->written - s->looked >= LOOK_EVERY) {
        s->looked = s->written;
        if (look_at_disk(s->fd, LOOK_EVERY, err) || look_at_others(s, err)) return -1;
    }
    while (len) {
        const ssize_t n = write(s->fd, data, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return peri_err_set(
                err, errno == ENOSPC || errno == EDQUOT ? PERI_EFULL : PERI_EIO,
                "the file cannot be kept here: %m");
        data += n;
        len -= (size_t)n;
        s->written += n;
    }
    if (s->written > atomic_load(&s->size)) atomic_store(&s->size, s->written);
    return 0;
}

int peri_spool_take(peri_spool_t *s, peri_err_t *err)
{
    const int fd = s->fd;
    if (lseek(fd, 0, SEEK_SET))
        return peri_err_set(err, PERI_EIO, "the file cannot be read again: %m");
    s->fd = -1;
    return fd;
}

void peri_spool_free(peri_spool_t *s)
{
    if (!s) return;
    unlist(s);
    if (s->fd >= 0) close(s->fd);
    free(s);
}
