/* store.c - the files of the local scheduler: STATE/queue/NAME.json, the counter of ids.
 *
 * A file appears whole, by rename, and grows by whole lines (format.c). Nothing is
 * synced: what is lost is lost with the machine's power, then no task lives either, and a
 * submission that is not found is submitted again by the caller. A file that cannot be
 * understood is moved to STATE/lost+found and never stops the start. Under the lock.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"
#include "scheduler/local/local.h"

#define MAX_FILE (256u << 20)
#define SUFFIX   ".json"

static char *path_of(const peri_local_t *l, const peri_sub_t *s)
{
    return peri_xasprintf("%s/%s" SUFFIX, l->queue, s->name);
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* ---- open ---- */

/* A child that is about to become perigee-launch holds the lock of a daemon that was
 * killed for a moment longer. */
static int lock_state(peri_local_t *l, peri_err_t *err)
{
    char *path = peri_xasprintf("%s/lock", l->state);
    int rc = -1;
    l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (l->lock_fd < 0) {
        peri_err_set(err, PERI_EIO, "cannot open %s: %s", path, strerror(errno));
        goto out;
    }
    for (const double until = peri_now() + 2;;) {
        rc = flock(l->lock_fd, LOCK_EX | LOCK_NB);
        if (rc == 0 || (errno != EWOULDBLOCK && errno != EINTR) || peri_now() > until)
            break;
        usleep(20000);
    }
    if (rc && errno == EWOULDBLOCK)
        peri_err_set(err, PERI_EDENIED,
                     "the local scheduler's folder %s is in use by another process: only "
                     "one perigeed may run on it",
                     l->state);
    else if (rc)
        peri_err_set(err, PERI_EIO, "cannot lock %s: %s", path, strerror(errno));
out:
    free(path);
    return rc;
}

static int open_counter(peri_local_t *l, peri_err_t *err)
{
    char text[32] = "";
    char *path = peri_xasprintf("%s/counter", l->state);
    l->counter_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (l->counter_fd < 0)
        peri_err_set(err, PERI_EIO, "cannot open %s: %s", path, strerror(errno));
    else if (pread(l->counter_fd, text, sizeof(text) - 1, 0) > 0)
        l->next_seq = strtoull(text, NULL, 10);
    if (l->next_seq == 0 || l->next_seq > INT64_MAX / 2) l->next_seq = 1;
    free(path);
    return l->counter_fd < 0 ? -1 : 0;
}

int peri_local_store_open(peri_local_t *l, peri_err_t *err)
{
    if (peri_mkdirs(l->queue, err) || lock_state(l, err)) return -1;
    return open_counter(l, err);
}

int peri_local_store_next_seq(peri_local_t *l, uint64_t *seq, peri_err_t *err)
{
    char text[32];
    int n =
        snprintf(text, sizeof(text), "%020llu\n", (unsigned long long)l->next_seq + 1);
    if (pwrite(l->counter_fd, text, (size_t)n, 0) != n)
        return peri_err_set(err, PERI_EIO, "cannot write %s/counter: %s", l->state,
                            strerror(errno));
    *seq = l->next_seq++;
    return 0;
}

/* ---- write ---- */

int peri_local_store_write(peri_local_t *l, const peri_sub_t *s, peri_err_t *err)
{
    peri_buf_t b;
    peri_buf_init(&b, MAX_FILE / 2);
    char *path = path_of(l, s);
    char *tmp = peri_xasprintf("%s/.%s.new", l->queue, s->name);
    int fd = -1, rc = -1;
    if (peri_local_format_sub(s, &b, err)) goto out;
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write_all(fd, b.data, b.len) || (peri_failpoint("local.submit"), 0) ||
        rename(tmp, path)) {
        peri_err_set(err, PERI_EIO, "cannot write %s: %s", path, strerror(errno));
        if (fd >= 0) unlink(tmp);
        goto out;
    }
    rc = 0;
out:
    if (fd >= 0) close(fd);
    peri_buf_free(&b);
    free(path);
    free(tmp);
    return rc;
}

int peri_local_store_note(peri_local_t *l, const peri_sub_t *s, const char *what,
                          const peri_task_t *t, peri_err_t *err)
{
    peri_buf_t b;
    peri_buf_init(&b, 1u << 16);
    peri_local_format_note(l, what, t, &b);
    char *path = path_of(l, s);
    int rc = -1;
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    off_t before = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (before < 0 || write_all(fd, b.data, b.len)) {
        peri_err_set(err, PERI_EIO, "cannot write %s: %s", path, strerror(errno));
        /* Half a line would spoil the next one. */
        if (before > 0 && ftruncate(fd, before)) write_all(fd, "\n", 1);
        goto out;
    }
    rc = 0;
out:
    if (fd >= 0) close(fd);
    peri_buf_free(&b);
    free(path);
    return rc;
}

void peri_local_store_remove(peri_local_t *l, const peri_sub_t *s)
{
    char *path = path_of(l, s);
    unlink(path);
    free(path);
}

/* ---- read ---- */

static void set_aside(const peri_local_t *l, const char *name)
{
    char *folder = peri_xasprintf("%s/lost+found", l->state);
    char *from = peri_xasprintf("%s/%s", l->queue, name);
    mkdir(folder, 0700);
    for (int i = 0; i < 1000; i++) {
        char *to = i ? peri_xasprintf("%s/%s.%d", folder, name, i)
                     : peri_xasprintf("%s/%s", folder, name);
        bool done = access(to, F_OK) != 0;
        if (done) rename(from, to);
        free(to);
        if (done) break;
    }
    free(folder);
    free(from);
}

/* A torn last line must not grow into one with the next. */
static peri_sub_t *read_file(peri_local_t *l, const char *name, peri_err_t *err)
{
    char *path = peri_xasprintf("%s/%s", l->queue, name);
    char *text = NULL;
    size_t len, whole;
    peri_sub_t *s = NULL;
    struct stat st;
    if (lstat(path, &st) || !S_ISREG(st.st_mode)) {
        peri_err_set(err, PERI_EFORMAT, "%s is not a file", path);
        goto out;
    }
    if (peri_file_slurp(path, MAX_FILE, &text, &len, err)) goto out;
    s = peri_local_format_parse(l, text, len, &whole, err);
    if (s &&
        (strncmp(s->name, name, strlen(s->name)) != 0 ||
         strcmp(name + strlen(s->name), SUFFIX) != 0 || peri_local_by_name(l, s->name) ||
         (whole < len && truncate(path, (off_t)whole)))) {
        peri_err_set(err, PERI_EFORMAT, "%s holds another submission", path);
        peri_local_sub_free(s);
        s = NULL;
    }
out:
    free(path);
    free(text);
    return s;
}

int peri_local_store_load(peri_local_t *l, peri_err_t *err)
{
    DIR *d = opendir(l->queue);
    if (!d)
        return peri_err_set(err, PERI_EIO, "cannot read the folder %s: %s", l->queue,
                            strerror(errno));
    for (struct dirent *e; (e = readdir(d));) {
        peri_err_t why;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (e->d_name[0] == '.') { /* of a submission that was never answered */
            unlinkat(dirfd(d), e->d_name, 0);
            continue;
        }
        peri_sub_t *s = read_file(l, e->d_name, &why);
        if (!s) {
            set_aside(l, e->d_name);
            continue;
        }
        if (s->seq >= l->next_seq) l->next_seq = s->seq + 1;
        peri_local_add(l, s);
    }
    closedir(d);
    return 0;
}
