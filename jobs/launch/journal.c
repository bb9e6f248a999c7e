/* journal.c - see journal.h. */
#include "jobs/launch/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"

/* Blocks behind the end of the file where the file system can, else a file to remove. */
static void reserve(peri_journal_t *j)
{
    static const char zeros[PERI_RECORD_LINE];
    const off_t end = lseek(j->fd, 0, SEEK_END);
    if (end >= 0 && fallocate(j->fd, FALLOC_FL_KEEP_SIZE, end, PERI_RECORD_LINE) == 0)
        return;
    if (errno != EOPNOTSUPP && errno != ENOSYS) return;
    int fd = openat(j->dirfd, "reserve",
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return;
    j->has_reserve = peri_write_all(fd, zeros, sizeof(zeros)) == 0 && fsync(fd) == 0;
    close(fd);
}

static void drop_reserve(peri_journal_t *j)
{
    if (j->has_reserve) unlinkat(j->dirfd, "reserve", 0);
    j->has_reserve = false;
}

int peri_journal_open(peri_journal_t *j, int dirfd, peri_err_t *err)
{
    struct stat st;
    *j = (peri_journal_t){.dirfd = dirfd};
    j->fd =
        openat(dirfd, "records",
               O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
    if (j->fd >= 0 && fstat(j->fd, &st) == 0 && S_ISREG(st.st_mode)) {
        reserve(j);
        return 0;
    }
    const int e = j->fd >= 0 ? EINVAL : errno;
    peri_journal_close(j);
    return peri_err_set(err, PERI_EIO, "cannot write the records of the task: %s",
                        e == ELOOP || e == EINVAL
                            ? "there is something else in the place "
                              "of the file"
                            : strerror(e));
}

void peri_journal_close(peri_journal_t *j)
{
    struct stat st;
    if (j->fd < 0) return;
    drop_reserve(j);
    if (fstat(j->fd, &st) == 0) (void)!ftruncate(j->fd, st.st_size); /* its reserve */
    close(j->fd);
    j->fd = -1;
}

static int append(peri_journal_t *j, const peri_buf_t *line, bool durable)
{
    const off_t before = lseek(j->fd, 0, SEEK_END);
    if (peri_write_all(j->fd, line->data, line->len) == 0) {
        if (!durable || fsync(j->fd) == 0) return 0;
        /* What could not be made durable may be there all the same: it is said again. */
        return -1;
    }
    const int e = errno;
    if (before >= 0) (void)!ftruncate(j->fd, before);
    errno = e;
    return -1;
}

static int put(peri_journal_t *j, const peri_record_t *r, bool durable, double patience,
               peri_err_t *err)
{
    peri_buf_t line;
    peri_buf_init(&line, 2 * PERI_RECORD_LINE);
    const double until = peri_now() + patience;
    int rc = peri_record_format(r, &line, err);
    while (rc == 0 && append(j, &line, durable)) {
        if (peri_now() < until) {
            poll(NULL, 0, 500);
            continue;
        }
        rc =
            peri_err_set(err, errno == ENOSPC || errno == EDQUOT ? PERI_ELIMIT : PERI_EIO,
                         "cannot write the records of the task: %m");
    }
    peri_buf_free(&line);
    return rc;
}

int peri_journal_put(peri_journal_t *j, const peri_record_t *r, bool durable,
                     peri_err_t *err)
{
    int rc = put(j, r, durable, 0, err);
    if (rc == 0 && !j->has_reserve) reserve(j);
    return rc;
}

int peri_journal_put_last(peri_journal_t *j, const peri_record_t *r, double patience,
                          peri_err_t *err)
{
    drop_reserve(j);
    return put(j, r, true, patience, err);
}

int peri_journal_beat(const peri_journal_t *j, const peri_record_t *r)
{
    static const char fresh[] = ".heartbeat", name[] = "heartbeat";
    const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    peri_buf_t line;
    peri_buf_init(&line, 2 * PERI_RECORD_LINE);
    int rc = -1, fd = -1;
    if (peri_record_format(r, &line, NULL)) goto out;
    fd = openat(j->dirfd, fresh, flags | O_TRUNC, 0640);
    if (fd >= 0 && peri_write_all(fd, line.data, line.len) == 0) {
        rc = renameat(j->dirfd, fresh, j->dirfd, name);
    } else if (errno == ENOSPC || errno == EDQUOT) {
        /* Over the old one: its block is ours already. */
        unlinkat(j->dirfd, fresh, 0);
        if (fd >= 0) close(fd);
        fd = openat(j->dirfd, name, flags, 0640);
        if (fd >= 0 && peri_write_all(fd, line.data, line.len) == 0)
            rc = ftruncate(fd, (off_t)line.len);
    }
out:
    if (fd >= 0) close(fd);
    peri_buf_free(&line);
    return rc;
}
