/* transfer_down.c - see transfer_priv.h: a download into a hidden file beside its goal.
 *
 * The hidden file's name has a hash of what is fetched in which version, so that one that
 * an earlier command left is taken for what it is: its bytes are the first of just that
 * file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli/transfer_priv.h"
#include "core/base/hash.h"
#include "core/base/util.h"

#define NAME_KEPT 200 /* bytes of the goal's name that its hidden file has */

/* ---- the hidden file ---- */

static bool open_part(peri_slot_t *s)
{
    char *place = peri_place_text(&s->t->remote);
    const char *portal = peri_client_portal(s->all->c),
               *slash = strrchr(s->t->local, '/');
    const char *name = slash ? slash + 1 : s->t->local;
    char *what = peri_xasprintf("%s\n%s\n%s\n%s\n%lld",
                                portal ? portal : peri_client_socket(s->all->c),
                                s->all->account, place, s->t->tag, (long long)s->size);
    s->part = peri_xasprintf("%.*s.%.*s.%016llx.part", (int)(name - s->t->local),
                             s->t->local, NAME_KEPT, name,
                             (unsigned long long)peri_hash_text(PERI_HASH_START, what));
    free(what);
    free(place);
    s->fd = open(s->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (s->fd < 0 || fstat(s->fd, &s->st)) {
        peri_slot_fail(s, "cannot make %s: %s", s->part, strerror(errno));
        return false;
    }
    if (flock(s->fd, LOCK_EX | LOCK_NB)) {
        peri_slot_fail(s, "another perigee cp fetches it to the same place just now");
        free(s->part); /* it is the other's */
        s->part = NULL;
        return false;
    }
    return true;
}

static bool begin_anew(peri_slot_t *s)
{
    if (ftruncate(s->fd, 0)) {
        s->write_errno = errno;
        return false;
    }
    s->at = s->from = s->hashed = 0;
    if (s->hash) peri_hash_reset(s->hash);
    return true;
}

/* Bytes of the file; 0 with s->write_errno if they cannot be written. */
static size_t take(peri_slot_t *s, const char *data, size_t len, long status)
{
    size_t done = 0;
    /* All of it, though a part was asked for. */
    if (s->fresh && status == 200 && s->from > 0 && !begin_anew(s)) return 0;
    s->fresh = false;
    while (done < len) {
        ssize_t n = pwrite(s->fd, data + done, len - done, s->at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            s->write_errno = n ? errno : ENOSPC;
            return 0;
        }
        peri_slot_moved(s, data + done, (size_t)n);
        done += (size_t)n;
    }
    s->progress = peri_now();
    s->tries = 0;
    return len;
}

static void put_in_place(peri_slot_t *s)
{
    const unsigned how = s->all->o->overwrite ? 0 : RENAME_NOREPLACE;
    if (fsync(s->fd)) {
        peri_slot_fail(s, "cannot write %s: %s", s->part, strerror(errno));
        return;
    }
    int rc = renameat2(AT_FDCWD, s->part, AT_FDCWD, s->t->local, how);
    if (rc && errno == EINVAL && how) /* a file system that does not know the flag */
        rc = faccessat(AT_FDCWD, s->t->local, F_OK, AT_SYMLINK_NOFOLLOW) == 0
                 ? (errno = EEXIST, -1)
                 : rename(s->part, s->t->local);
    if (rc) {
        peri_slot_fail(s, "cannot give %s its name: %s", s->t->local, strerror(errno));
        return;
    }
    free(s->part);
    s->part = NULL;
    peri_slot_done(s);
}

/* ---- requests ---- */

static size_t on_bytes(char *data, size_t size, size_t n, void *arg)
{
    peri_slot_t *s = arg;
    long status = 0;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    return status < 300 ? take(s, data, size * n, status)
                        : peri_slot_on_answer(data, size, n, s);
}

void peri_down_start(peri_slot_t *s)
{
    char *url = peri_place_url(&s->t->remote, s->all->account, "/files");
    char *full = peri_xasprintf("%s%s", url,
                                s->step == PERI_STEP_GET   ? "?download=1"
                                : s->step == PERI_STEP_SUM ? "?checksum=sha256"
                                                           : "?stat=1");
    s->from = s->at;
    if (s->step == PERI_STEP_GET && s->at > 0)
        peri_slot_header(s, "Range: bytes=%lld-", (long long)s->at);
    if (peri_slot_request(s, full, "GET") && s->step == PERI_STEP_GET)
        curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    free(full);
    free(url);
}

/* ---- what follows ---- */

static void go_on(peri_slot_t *s)
{
    if (s->at < s->size && s->hash && s->hashed < s->at)
        peri_slot_read(s, s->at, PERI_STEP_GET);
    else if (s->at < s->size)
        s->step = PERI_STEP_GET;
    else if (s->hash)
        peri_slot_read(s, s->size, PERI_STEP_SUM);
    else
        put_in_place(s);
}

/* Size and tag are known: what is there of it? */
static void open_and_go_on(peri_slot_t *s)
{
    if (s->fd < 0 && !open_part(s)) return;
    if (s->st.st_size > s->size && !begin_anew(s)) {
        peri_slot_fail(s, "cannot write %s: %s", s->part, strerror(errno));
        return;
    }
    s->at = s->st.st_size > s->size ? 0 : s->st.st_size;
    s->t->resumed = s->at > 0;
    go_on(s);
}

void peri_down_begin(peri_slot_t *s)
{
    if (!s->all->o->overwrite &&
        faccessat(AT_FDCWD, s->t->local, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        peri_slot_fail(s, "%s exists already; --overwrite replaces it", s->t->local);
    else if (*s->t->tag && s->size >= 0)
        open_and_go_on(s);
    else
        s->step = PERI_STEP_LOOK;
}

static void looked(peri_slot_t *s)
{
    peri_err_t err = {0};
    json_t *j = peri_answer_json(&s->answer, &err);
    const char *kind = peri_json_str(j, "kind");
    s->size = peri_json_int(j, "size", -1);
    snprintf(s->t->tag, sizeof(s->t->tag), "%s", peri_json_str(j, "etag"));
    if (!j)
        peri_slot_fail(s, "%s", err.text);
    else if (strcmp(kind, "file") != 0)
        peri_slot_fail(s, "is not a file%s",
                       strcmp(kind, "folder") ? "" : " but a folder: add --recursive");
    else if (s->size < 0)
        peri_slot_fail(s, "the portal did not tell its size");
    else
        open_and_go_on(s);
    json_decref(j);
}

static void compare(peri_slot_t *s)
{
    peri_err_t err = {0};
    peri_sum_t mine, theirs;
    json_t *j = peri_answer_json(&s->answer, &err);
    char text[PERI_SUM_TEXT];
    snprintf(text, sizeof(text), "%s:%s", peri_json_str(j, "kind"),
             peri_json_str(j, "checksum"));
    peri_hash_sum(s->hash, &mine);
    if (!j || peri_sum_parse(text, strlen(text), &theirs, &err)) {
        peri_slot_fail(s, "%s", err.text);
    } else if (!peri_sum_same(&mine, &theirs)) {
        unlink(s->part);
        peri_slot_fail(s, "it arrived damaged, or changed while it was fetched; fetch it "
                          "again");
    } else {
        put_in_place(s);
    }
    json_decref(j);
}

/* Does "bytes FROM-TO/SIZE" say what was asked for? */
static bool range_fits(const peri_slot_t *s)
{
    long long from, to, size;
    return sscanf(s->range, "bytes %lld-%lld/%lld", &from, &to, &size) == 3 &&
           from == s->from && size == s->size;
}

static void got(peri_slot_t *s, long status)
{
    if (s->at > s->size || (status == 206 && !range_fits(s))) {
        unlink(s->part);
        peri_slot_fail(s, "it changed while it was fetched; fetch it again");
        return;
    }
    go_on(s);
}

void peri_down_ended(peri_slot_t *s, long status, const peri_err_t *err)
{
    if (status == 0) return; /* the same step again, from where it is */
    if (status >= 400) {
        peri_slot_fail(s, "%s", err->text);
        return;
    }
    if (s->step == PERI_STEP_LOOK)
        looked(s);
    else if (s->step == PERI_STEP_GET)
        got(s, status);
    else
        compare(s);
}

void peri_down_close(peri_slot_t *s)
{
    struct stat st;
    /* An empty one is no start. */
    if (s->part && fstat(s->fd, &st) == 0 && st.st_size == 0) unlink(s->part);
    free(s->part);
    s->part = NULL;
}
