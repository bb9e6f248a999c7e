/* stream.c - see stream.h. */
#include "jobs/launch/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/task/text.h"

enum { CHUNK = 64 * 1024, LAST_WORDS = 4096 };

static int open_file(int dirfd, const char *name)
{
    struct stat st;
    int fd =
        openat(dirfd, name,
               O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && ftruncate(fd, 0) == 0)
        return fd;
    const int e = fd < 0 ? errno : S_ISREG(st.st_mode) ? errno : EINVAL;
    if (fd >= 0) close(fd);
    errno = e;
    return -1;
}

int peri_stream_open(peri_stream_t *s, int dirfd, const char *name, uint64_t max,
                     peri_err_t *err)
{
    int ends[2];
    *s = (peri_stream_t){.pipe = -1, .program = -1, .max = max};
    s->file = open_file(dirfd, name);
    if (s->file < 0)
        return peri_err_set(err,
                            errno == ENOSPC || errno == EDQUOT ? PERI_ELIMIT : PERI_EIO,
                            "cannot write the file %s of the task: %s", name,
                            errno == ELOOP || errno == EINVAL || errno == ENXIO
                                ? "there is something else in its place"
                                : strerror(errno));
    if (pipe2(ends, O_CLOEXEC)) {
        close(s->file);
        s->file = -1;
        return peri_err_set(err, PERI_EIO, "cannot make a pipe: %m");
    }
    s->pipe = ends[0];
    s->program = ends[1];
    fcntl(s->pipe, F_SETFL, O_NONBLOCK);
    /* What a program says when it has filled the disk should still have room. */
    (void)fallocate(s->file, FALLOC_FL_KEEP_SIZE, 0, LAST_WORDS);
    fcntl(s->pipe, F_SETPIPE_SZ, 4 * CHUNK); /* fewer turns for a busy program */
    return 0;
}

/* How much of it could be written. */
static size_t write_some(peri_stream_t *s, const char *data, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = write(s->file, data + done, len - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (s->error == 0) s->error = n < 0 ? errno : EIO;
            break;
        }
        done += (size_t)n;
    }
    return done;
}

static void keep(peri_stream_t *s, const char *data, size_t len)
{
    static const char gap[] = "\n[perigee: some output is missing here: it could not be "
                              "written]\n";
    const uint64_t left = s->max - s->kept;
    const size_t fits = len < left ? len : (size_t)left;
    s->dropped += len - fits;
    if (fits == 0) return;
    if (s->in_gap && write_some(s, gap, sizeof(gap) - 1) == sizeof(gap) - 1)
        s->in_gap = false;
    const size_t done = s->in_gap ? 0 : write_some(s, data, fits);
    s->kept += done;
    s->lost += fits - done;
    if (done < fits) s->in_gap = true;
}

static void remember(peri_stream_t *s, const char *data, size_t len)
{
    if (len > PERI_STREAM_TAIL) {
        data += len - PERI_STREAM_TAIL;
        len = PERI_STREAM_TAIL;
    }
    if (s->ntail + len > PERI_STREAM_TAIL) {
        const size_t old = PERI_STREAM_TAIL - len;
        memmove(s->tail, s->tail + s->ntail - old, old);
        s->ntail = old;
    }
    memcpy(s->tail + s->ntail, data, len);
    s->ntail += len;
}

bool peri_stream_pump(peri_stream_t *s)
{
    char data[CHUNK];
    if (s->pipe < 0) return false;
    ssize_t n = read(s->pipe, data, sizeof(data));
    if (n < 0 && errno == EINTR) return true;
    if (n < 0 && errno == EAGAIN) return false;
    if (n <= 0) {
        close(s->pipe);
        s->pipe = -1;
        return false;
    }
    keep(s, data, (size_t)n);
    remember(s, data, (size_t)n);
    return true;
}

void peri_stream_close(peri_stream_t *s)
{
    char note[256], size[16], more[16];
    if (s->pipe >= 0) close(s->pipe);
    if (s->program >= 0) close(s->program);
    s->pipe = s->program = -1;
    if (s->file < 0) return;
    int n = 0;
    if (s->dropped)
        n = snprintf(note, sizeof(note),
                     "\n[perigee: %s more were written; only the first %s are kept]\n",
                     peri_human_bytes(s->dropped, more), peri_human_bytes(s->max, size));
    else if (s->in_gap)
        n = snprintf(note, sizeof(note), "\n[perigee: %s of output are missing: %s]\n",
                     peri_human_bytes(s->lost, more), strerror(s->error));
    if (n > 0) (void)peri_write_all(s->file, note, (size_t)n);
    struct stat st;
    if (fstat(s->file, &st) == 0) (void)!ftruncate(s->file, st.st_size);
    close(s->file);
    s->file = -1;
}

void peri_stream_last_line(const peri_stream_t *s, char *out, size_t max)
{
    size_t end = s->ntail;
    while (end > 0 && strchr(" \t\r\n", s->tail[end - 1])) end--;
    size_t start = end;
    while (start > 0 && s->tail[start - 1] != '\n') start--;
    peri_text_clean(s->tail + start, end - start, out, max);
}
