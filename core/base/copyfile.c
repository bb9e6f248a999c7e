/* copyfile.c - see copyfile.h. */
#include "core/base/copyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"

#define PIECE ((size_t)16 << 20) /* between two looks whether to go on */

typedef struct {
    int from, to;
    char *piece; /* NULL: the kernel copies */
} copy_t;

/* The next bytes, where both files stand; 0 at the end. */
static ssize_t copy_some(copy_t *c)
{
    if (!c->piece) {
        ssize_t n = copy_file_range(c->from, NULL, c->to, NULL, PIECE, 0);
        if (n > 0) return n;
        /* Two file systems, or one that cannot; some then say that this is the end. */
        if (n < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS &&
            errno != EOPNOTSUPP)
            return -1;
        c->piece = peri_xmalloc(PIECE);
    }
    ssize_t n = read(c->from, c->piece, PIECE);
    return n > 0 && peri_write_all(c->to, c->piece, (size_t)n) ? -1 : n;
}

/* 1: it was told to end. */
static int copy_bytes(copy_t *c, uint64_t all, peri_copytick_f tick, void *arg)
{
    for (uint64_t done = 0;;) {
        ssize_t n = copy_some(c);
        if (n < 0 && errno == EINTR)
            n = 1; /* it is the same to look again */
        else if (n <= 0)
            return n < 0 ? -1 : 0;
        else
            done += (uint64_t)n;
        peri_failpoint("file_copying");
        if (tick && tick(done, all > done ? all : done, arg)) return 1;
    }
}

int peri_file_copy(const char *from, const char *to, peri_copytick_f tick, void *arg,
                   peri_err_t *err)
{
    struct stat st;
    copy_t c = {.from = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
    int rc = -1;
    bool regular = c.from >= 0 && fstat(c.from, &st) == 0 && S_ISREG(st.st_mode);
    if (c.from >= 0 && !regular) errno = EINVAL;
    c.to = regular ? open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
    if (c.to >= 0 && (rc = ioctl(c.to, FICLONE, c.from)) != 0)
        rc = copy_bytes(&c, (uint64_t)st.st_size, tick, arg);
    if (rc > 0)
        peri_err_set(err, PERI_ECANCEL, "cancelled");
    else if (rc)
        peri_err_set(err, errno == ENOSPC || errno == EDQUOT ? PERI_EFULL : PERI_EIO,
                     "%s cannot be copied: %s", from, strerror(errno));
    free(c.piece);
    if (c.to >= 0) close(c.to);
    if (c.to >= 0 && rc) unlink(to);
    if (c.from >= 0) close(c.from);
    return rc ? -1 : 0;
}
