/* proc.c - processes: is this one still the one that was meant, who holds a task's claim,
 * and what did a launcher leave behind.
 *
 * A process is a number and its start time in a boot of the machine; a number alone is
 * never trusted. Claims lie in folders of users, who may write anything there: whatever
 * is read is bounded, and a process is taken for a launcher only if it is its user's own.
 * No state, free of the scheduler's lock.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/util.h"
#include "scheduler/local/local.h"

#define MAX_CLAIM   4096
#define MAX_ENVIRON (4u << 20)

/* At most cap - 1 bytes and a NUL; -1 with errno. */
static ssize_t read_small(int dirfd, const char *path, char *out, size_t cap)
{
    int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return -1;
    size_t len = 0;
    ssize_t n = 0;
    while (len < cap - 1 && (n = read(fd, out + len, cap - 1 - len)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        len += (size_t)n;
    }
    int e = errno;
    close(fd);
    errno = e;
    out[len] = '\0';
    return n < 0 ? -1 : (ssize_t)len;
}

int peri_local_proc_boot(char out[64], peri_err_t *err)
{
    if (read_small(AT_FDCWD, "/proc/sys/kernel/random/boot_id", out, 64) <= 0)
        return peri_err_set(err, PERI_EUNSUPP,
                            "cannot read /proc/sys/kernel/random/boot_id: the local "
                            "scheduler needs /proc");
    out[strcspn(out, "\n")] = '\0';
    return 0;
}

typedef struct {
    char state;
    pid_t session;
    uint64_t start;
} stat_t;

/* The name in the brackets may hold anything, so count from the last one. */
static int read_stat(pid_t pid, stat_t *out)
{
    char path[64], text[1024];
    int session;
    unsigned long long start;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (read_small(AT_FDCWD, path, text, sizeof(text)) <= 0) return -1;
    const char *p = strrchr(text, ')');
    if (!p || sscanf(p + 1,
                     " %c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                     "%*d %*d %llu",
                     &out->state, &session, &start) != 3)
        return -1;
    out->session = session;
    out->start = start;
    return 0;
}

int peri_local_proc_start(pid_t pid, uint64_t *start)
{
    stat_t st;
    if (read_stat(pid, &st)) return -1;
    *start = st.start;
    return 0;
}

static bool belongs_to(pid_t pid, uid_t uid)
{
    char path[64], text[4096];
    unsigned real;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    if (read_small(AT_FDCWD, path, text, sizeof(text)) <= 0) return false;
    const char *p = strstr(text, "\nUid:");
    return p && sscanf(p + 5, "%u", &real) == 1 && real == uid;
}

bool peri_local_proc_alive(pid_t pid, uint64_t start, uid_t uid)
{
    stat_t st;
    return pid > 0 && read_stat(pid, &st) == 0 && st.start == start && st.state != 'Z' &&
           st.state != 'X' && belongs_to(pid, uid);
}

int peri_local_proc_open(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

void peri_local_proc_signal(pid_t pid, uint64_t start, uid_t uid, int pidfd, int sig)
{
    if (pidfd >= 0 && syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) == 0) return;
    /* Kernels before 5.3: between the look and the kill there is a moment. */
    if (pidfd < 0 && peri_local_proc_alive(pid, start, uid)) kill(pid, sig);
}

/* ---- claims ---- */

char *peri_local_proc_folder(const peri_task_t *t)
{
    int32_t index = t->index == PERI_SCHED_NO_INDEX ? 0 : t->index;
    return peri_xasprintf("%s/%d", t->sub->folder, index);
}

static void parse_claim(const char *text, size_t len, const char *boot, peri_claimed_t *c)
{
    json_t *j = json_loadb(text, len, JSON_DISABLE_EOF_CHECK, NULL);
    const char *who = json_string_value(json_object_get(j, "who"));
    const char *its_boot = json_string_value(json_object_get(j, "boot"));
    json_int_t pid = json_integer_value(json_object_get(j, "pid"));
    json_int_t start = json_integer_value(json_object_get(j, "start"));
    /* One of the daemon's own means that nothing runs, and never will. */
    bool ours = who && strcmp(who, "daemon") == 0;
    if (!ours && its_boot && pid > 1 && pid <= INT32_MAX && start >= 0) {
        c->pid = (pid_t)pid;
        c->start = (uint64_t)start;
        c->other_boot = strcmp(its_boot, boot) != 0;
    }
    json_decref(j);
}

int peri_local_proc_claim(const peri_task_t *t, const char *boot, peri_claimed_t *c)
{
    char text[MAX_CLAIM];
    struct stat st;
    int rc = -1;
    ssize_t n;
    memset(c, 0, sizeof(*c));
    char *folder = peri_local_proc_folder(t);
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 || fstatat(dir, "claim", &st, AT_SYMLINK_NOFOLLOW)) {
        rc = errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1;
    } else if (!S_ISREG(st.st_mode)) {
        rc = 1;
    } else if ((n = read_small(dir, "claim", text, sizeof(text))) >= 0) {
        parse_claim(text, (size_t)n, boot, c);
        rc = 1;
    }
    if (dir >= 0) close(dir);
    free(folder);
    return rc;
}

/* ---- what is left ---- */

typedef struct {
    char *data;
    size_t cap;
} environ_t;

/* Is `mark` one of the variables of this process? */
static bool has_mark(pid_t pid, const char *mark, environ_t *e)
{
    char path[64];
    ssize_t n;
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    for (;;) {
        n = read_small(AT_FDCWD, path, e->data, e->cap);
        if (n < 0) return false;
        if ((size_t)n < e->cap - 1 || e->cap >= MAX_ENVIRON) break;
        e->cap *= 2;
        e->data = peri_xrealloc(e->data, e->cap, 1);
    }
    for (const char *p = e->data, *end = p + n; p < end; p += strlen(p) + 1)
        if (strcmp(p, mark) == 0) return true;
    return false;
}

static bool is_left(const peri_sweep_t *s, pid_t pid, const stat_t *st, environ_t *e)
{
    bool in_session = s->session > 0 && st->session == s->session && pid != s->session;
    return (in_session || has_mark(pid, s->mark, e)) && belongs_to(pid, s->uid);
}

static void sweep_one(peri_sweep_t *s, pid_t pid, int sig, environ_t *e)
{
    stat_t st;
    if (read_stat(pid, &st) || st.state == 'Z' || st.state == 'X') return;
    if (!is_left(s, pid, &st, e)) return;
    int fd = peri_local_proc_open(pid);
    /* Now that it is held it must still be the same. */
    if (peri_local_proc_alive(pid, st.start, s->uid)) {
        s->found++;
        if (s->first == 0 || pid < s->first) s->first = pid;
        if (sig) peri_local_proc_signal(pid, st.start, s->uid, fd, sig);
    }
    if (fd >= 0) close(fd);
}

void peri_local_proc_sweep(peri_sweep_t *s, size_t n, int sig)
{
    environ_t e = {peri_xmalloc(65536), 65536};
    DIR *d = opendir("/proc");
    for (size_t i = 0; i < n; i++) {
        s[i].found = 0;
        s[i].first = 0;
    }
    for (struct dirent *f; d && (f = readdir(d));) {
        struct stat st;
        if (!isdigit((unsigned char)f->d_name[0])) continue;
        pid_t pid = (pid_t)atol(f->d_name);
        if (pid <= 1 || pid == getpid() || fstatat(dirfd(d), f->d_name, &st, 0)) continue;
        /* Root's are also those that may not be looked into. */
        for (size_t i = 0; i < n; i++)
            if (st.st_uid == s[i].uid || st.st_uid == 0) sweep_one(&s[i], pid, sig, &e);
    }
    if (d) closedir(d);
    free(e.data);
}
