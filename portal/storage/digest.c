/* digest.c - the checksum of a file, read in a thread of its own. The last ones are
 * remembered by inode, size and time of change: a file that is the same is not read
 * again. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/api.h"
#include "portal/storage/checksum.h"

#define KNOWN 256
#define BLOCK ((int64_t)64 << 20) /* between two looks at `stop` */

typedef struct {
    char tag[PERI_ETAG_LEN];
    peri_sumkind_t kind;
    dev_t dev;
    peri_sum_t sum;
} known_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static known_t known[KNOWN];
static size_t nknown;

typedef struct {
    int fd;
    known_t k;
    int64_t size;
    char *path;
} digest_t;

static bool recall(known_t *k)
{
    bool found = false;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < KNOWN && !found; i++) {
        if (known[i].kind != k->kind || known[i].dev != k->dev ||
            strcmp(known[i].tag, k->tag) != 0)
            continue;
        k->sum = known[i].sum;
        found = true;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

static void remember(const known_t *k)
{
    pthread_mutex_lock(&lock);
    known[nknown++ % KNOWN] = *k;
    pthread_mutex_unlock(&lock);
}

/* What the file is now. */
static int look(digest_t *d, peri_err_t *err)
{
    struct stat st;
    peri_entry_t e;
    if (fstat(d->fd, &st))
        return peri_err_set(err, PERI_EIO, "cannot read \"%s\"", d->path);
    peri_entry_fill(&e, d->path, &st);
    peri_etag(&e, d->k.tag);
    d->k.dev = st.st_dev;
    d->size = st.st_size;
    return 0;
}

static int run(void *job, const peri_stop_t *stop, peri_err_t *err)
{
    digest_t *d = job;
    int rc = -1;
    known_t before = d->k;
    peri_hash_t *h = peri_hash_new(d->k.kind);
    for (int64_t at = 0; at < d->size; at += BLOCK) {
        int64_t to = d->size - at < BLOCK ? d->size : at + BLOCK;
        if (peri_stop_check(stop, err) ||
            peri_hash_file(h, d->fd, at, to, d->path, NULL, err))
            goto out;
    }
    peri_hash_sum(h, &d->k.sum);
    if (look(d, err)) goto out;
    if (strcmp(before.tag, d->k.tag) != 0) {
        peri_err_set(err, PERI_ECONFLICT,
                     "\"%s\" was changed while it was read: ask again when it is at rest",
                     d->path);
        goto out;
    }
    remember(&d->k);
    rc = 0;
out:
    peri_hash_free(h);
    return rc;
}

static int answer(peri_request_t *r, void *job, peri_err_t *err)
{
    (void)err;
    const digest_t *d = job;
    char text[PERI_SUM_TEXT];
    peri_sum_format(&d->k.sum, text);
    r->json = json_pack("{s:s, s:s, s:s, s:s, s:I}", "path", d->path, "kind",
                        peri_sum_name(d->k.kind), "checksum", strchr(text, ':') + 1,
                        "etag", d->k.tag, "size", (json_int_t)d->size);
    return 0;
}

static void drop(void *job)
{
    digest_t *d = job;
    close(d->fd);
    free(d->path);
    free(d);
}

int peri_file_checksum(peri_request_t *r, peri_spot_t *s, const char *kind,
                       peri_err_t *err)
{
    static const peri_worktype_t type = {run, answer, drop};
    static const peri_sumkind_t kinds[] = {PERI_SUM_SHA256, PERI_SUM_SHA1, PERI_SUM_MD5};
    digest_t *d = NULL;
    int fd = peri_path_open_file(s->root, s->path, O_RDONLY, err), rc;
    if (fd < 0) return -1;
    d = peri_xcalloc(1, sizeof(*d));
    d->fd = fd;
    d->path = peri_xstrdup(s->path);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!strcmp(kind, peri_sum_name(kinds[i]))) d->k.kind = kinds[i];
    if (d->k.kind == PERI_SUM_NONE) {
        peri_err_set(err, PERI_EINVAL,
                     "\"checksum\" is sha256, sha1 or md5, not \"%.40s\"", kind);
        goto fail;
    }
    if (look(d, err)) goto fail;
    if (!recall(&d->k)) return peri_work_start(r, &type, d, err);
    rc = answer(r, d, err);
    drop(d);
    return rc;
fail:
    drop(d);
    return -1;
}
