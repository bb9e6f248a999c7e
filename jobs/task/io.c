/* io.c - see io.h. */
#include "jobs/task/io.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

ssize_t peri_read_some(int fd, void *data, size_t size, off_t offset)
{
    size_t have = 0;
    while (have < size) {
        ssize_t n = pread(fd, (char *)data + have, size - have, offset + (off_t)have);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

ssize_t peri_read_small(int dirfd, const char *name, char *out, size_t size)
{
    size_t have = 0;
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return -1;
    while (have + 1 < size) {
        ssize_t n = read(fd, out + have, size - 1 - have);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            int e = errno;
            close(fd);
            errno = e;
            return -1;
        }
        if (n == 0) break;
        have += (size_t)n;
    }
    close(fd);
    out[have] = '\0';
    return (ssize_t)have;
}
