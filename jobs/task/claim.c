/* claim.c - who may decide about a task: the file `claim`.
 *
 * It is written whole under a name of its own and then linked to `claim`: link() is
 * atomic also over NFS, and a claim is never seen half written. NFS may lose the answer
 * of a link that worked: the link count of our own file tells. File systems without links
 * get O_EXCL.
 *
 * Threads: no state.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/failpoint.h"
#include "core/base/util.h"
#include "jobs/task/folder.h"
#include "jobs/task/io.h"

#define CLAIM "claim"
enum { CLAIM_MAX = 4096 };

static const char *const claimants[] = {"none", "launch", "daemon"};

/* ---- this process, and others ---- */

static void read_line(const char *path, char *out, size_t size)
{
    if (peri_read_small(AT_FDCWD, path, out, size) < 0) out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

static void boot_id(char out[64])
{
    read_line("/proc/sys/kernel/random/boot_id", out, 64);
}

/* Field 22 of /proc/PID/stat; the name before it may hold blanks and brackets. 0: no such
 * process, or it is only waiting to be collected. */
static uint64_t start_time(int64_t pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
    read_line(path, line, sizeof(line));
    const char *p = strrchr(line, ')');
    char state = 0;
    unsigned long long start = 0;
    if (!p || sscanf(p + 1,
                     " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                     "%*d %*d %*d %llu",
                     &state, &start) != 2)
        return 0;
    return state == 'Z' || state == 'X' ? 0 : start;
}

void peri_claim_self(peri_claiminfo_t *info)
{
    memset(info, 0, sizeof(*info));
    if (gethostname(info->host, sizeof(info->host) - 1)) info->host[0] = '\0';
    boot_id(info->boot);
    info->pid = getpid();
    info->starttime = start_time(info->pid);
}

bool peri_claim_alive(const peri_claiminfo_t *info)
{
    char boot[64];
    boot_id(boot);
    return info->pid > 0 && info->starttime > 0 && strcmp(boot, info->boot) == 0 &&
           start_time(info->pid) == info->starttime;
}

/* ---- its text ---- */

static int format(peri_claimant_t who, const char *tag, peri_buf_t *out, peri_err_t *err)
{
    peri_claiminfo_t self;
    peri_claim_self(&self);
    json_t *o =
        json_pack("{s:s, s:s, s:I, s:I, s:s, s:s}", "who", claimants[who], "tag", tag,
                  "pid", (json_int_t)self.pid, "start", (json_int_t)self.starttime,
                  "boot", self.boot, "host", self.host);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!text) return peri_err_set(err, PERI_EINVAL, "\"%s\" cannot tag a claim", tag);
    peri_buf_puts(out, text);
    peri_buf_putc(out, '\n');
    free(text);
    return peri_buf_check(out, "the claim", err);
}

static void copy_text(const json_t *o, const char *key, char *out, size_t size)
{
    const char *s = json_string_value(json_object_get(o, key));
    snprintf(out, size, "%s", s ? s : "");
}

static void parse(const char *text, size_t len, peri_claiminfo_t *info)
{
    memset(info, 0, sizeof(*info));
    info->who = PERI_CLAIM_LAUNCH;
    json_t *o = json_loadb(text, len, 0, NULL);
    if (json_is_object(o)) {
        const char *who = json_string_value(json_object_get(o, "who"));
        if (who && strcmp(who, claimants[PERI_CLAIM_DAEMON]) == 0)
            info->who = PERI_CLAIM_DAEMON;
        copy_text(o, "tag", info->tag, sizeof(info->tag));
        copy_text(o, "host", info->host, sizeof(info->host));
        copy_text(o, "boot", info->boot, sizeof(info->boot));
        info->pid = json_integer_value(json_object_get(o, "pid"));
        json_int_t start = json_integer_value(json_object_get(o, "start"));
        info->starttime = start > 0 ? (uint64_t)start : 0;
        if (info->pid <= 0 || info->pid > INT32_MAX) info->pid = 0;
    }
    json_decref(o);
}

int peri_claim_info(int dirfd, peri_claiminfo_t *info, peri_err_t *err)
{
    struct stat st;
    char text[CLAIM_MAX];
    memset(info, 0, sizeof(*info));
    int fd =
        openat(dirfd, CLAIM, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return 0;
    if (fd < 0 && errno != ELOOP && errno != ENXIO)
        return peri_err_set(err, PERI_EIO, "cannot read the claim: %m");
    /* Whatever else lies there keeps everybody from taking it. */
    ssize_t n = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
                    ? pread(fd, text, sizeof(text), 0)
                    : 0;
    int failed = errno;
    if (fd >= 0) close(fd);
    if (n < 0)
        return peri_err_set(err, PERI_EIO, "cannot read the claim: %s", strerror(failed));
    parse(text, (size_t)n, info);
    return 0;
}

int peri_claim_read(int dirfd, peri_claimant_t *who, peri_err_t *err)
{
    peri_claiminfo_t info;
    if (peri_claim_info(dirfd, &info, err)) return -1;
    *who = info.who;
    return 0;
}

/* ---- taking ---- */

static bool links_unknown(int e)
{
    return e == EPERM || e == EOPNOTSUPP || e == ENOSYS || e == EMLINK || e == EXDEV;
}

/* 1 it is there now and ours, 0 there was one, -1 failed with errno. */
static int link_claim(int dirfd, const char *text, size_t len)
{
    struct stat st;
    char name[64];
    uint64_t salt = 0;
    (void)!getrandom(&salt, sizeof(salt), GRND_NONBLOCK);
    snprintf(name, sizeof(name), ".claim-%d-%016" PRIx64, (int)getpid(), salt);
    int fd =
        openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) return -1;
    int rc = -1;
    if (peri_write_all(fd, text, len) == 0 && fsync(fd) == 0) {
        peri_failpoint("claim.written");
        rc = linkat(dirfd, name, dirfd, CLAIM, 0) == 0 ? 1 : -1;
        int e = errno;
        if (rc < 0 && fstat(fd, &st) == 0 && st.st_nlink == 2) rc = 1;
        if (rc < 0 && e == EEXIST) rc = 0;
        errno = e;
    }
    int e = errno;
    close(fd);
    unlinkat(dirfd, name, 0);
    errno = e;
    return rc;
}

static int create_claim(int dirfd, const char *text, size_t len)
{
    int fd =
        openat(dirfd, CLAIM, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) return errno == EEXIST ? 0 : -1;
    /* It is taken, whatever becomes of its text. */
    if (peri_write_all(fd, text, len) == 0) (void)fsync(fd);
    close(fd);
    return 1;
}

/* 1: that claim is of the one who asks. */
static int is_mine(int dirfd, peri_claimant_t who, const char *tag, peri_err_t *err)
{
    peri_claiminfo_t has, self;
    if (peri_claim_info(dirfd, &has, err)) return -1;
    if (has.who != who || strcmp(has.tag, tag) != 0) return 0;
    if (who == PERI_CLAIM_DAEMON) return 1;
    peri_claim_self(&self);
    return has.pid == self.pid && has.starttime == self.starttime &&
           strcmp(has.boot, self.boot) == 0 && strcmp(has.host, self.host) == 0;
}

int peri_claim_take(int dirfd, peri_claimant_t who, const char *tag, peri_err_t *err)
{
    peri_buf_t text;
    peri_buf_init(&text, CLAIM_MAX);
    int rc = -1;
    if (who == PERI_CLAIM_NONE || strlen(tag) >= sizeof(((peri_claiminfo_t *)0)->tag)) {
        peri_err_set(err, PERI_EINVAL, "\"%s\" cannot tag a claim", tag);
        goto out;
    }
    if (format(who, tag, &text, err)) goto out;
    rc = link_claim(dirfd, text.data, text.len);
    if (rc < 0 && links_unknown(errno)) rc = create_claim(dirfd, text.data, text.len);
    if (rc < 0)
        peri_err_set(err, PERI_EIO, "cannot take the claim of the task: %m");
    else if (rc > 0)
        (void)fsync(dirfd);
    else
        rc = is_mine(dirfd, who, tag, err);
out:
    peri_buf_free(&text);
    return rc;
}
