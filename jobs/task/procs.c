/* procs.c - see procs.h. */
#include "jobs/task/procs.h"

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
#include "jobs/task/io.h"

enum { SCRATCH = 64 * 1024, PROCS_MAX = 1 << 22 };
#define YOUNG       5.0 /* seconds in which an exec may still bring the mark */
#define ENVIRON_MAX (4u << 20)

void peri_procs_free(peri_procs_t *t)
{
    free(t->mark);
    free(t->procs);
    free(t->scratch);
    *t = (peri_procs_t){0};
}

static peri_proc_t *find(peri_proc_t *procs, size_t n, pid_t pid)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (procs[mid].pid < pid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && procs[lo].pid == pid ? &procs[lo] : NULL;
}

static ssize_t read_proc(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return peri_read_small(AT_FDCWD, path, out, size);
}

/* Parent, start and CPU time; -1 if it has gone. */
static int read_stat(peri_proc_t *p)
{
    char line[1024];
    if (read_proc(p->pid, "stat", line, sizeof(line)) < 0) return -1;
    const char *after = strrchr(line, ')');
    unsigned long long t[4], start;
    char state;
    int ppid;
    if (!after || sscanf(after + 1,
                         " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu "
                         "%*d %*d %*d %*d %llu",
                         &state, &ppid, &t[0], &t[1], &t[2], &t[3], &start) != 7)
        return -1;
    p->zombie = state == 'Z' || state == 'X';
    p->ppid = ppid;
    p->start = start;
    p->cpu = (double)(t[0] + t[1] + t[2] + t[3]) / (double)sysconf(_SC_CLK_TCK);
    return 0;
}

void peri_procs_init(peri_procs_t *t, const char *mark, pid_t root, uid_t uid)
{
    *t = (peri_procs_t){.mark = peri_xasprintf("%s=%s", PERI_MARK_ENV, mark),
                        .root = root,
                        .uid = uid,
                        .scratch = peri_xmalloc(SCRATCH)};
    peri_proc_t self = {.pid = root};
    if (root > 0 && read_stat(&self) == 0) t->root_start = self.start;
}

/* The string stands whole between two NULs, or at the start. */
static bool holds(const char *text, size_t len, bool first, const char *s, size_t n)
{
    for (const char *p = text, *end = text + len; p < end; p++) {
        p = memmem(p, (size_t)(end - p), s, n);
        if (!p) return false;
        if ((p > text ? p[-1] == '\0' : first) && (p + n == end || p[n] == '\0'))
            return true;
    }
    return false;
}

static bool has_mark(const peri_procs_t *t, pid_t pid)
{
    char path[64];
    const size_t n = strlen(t->mark), keep = n + 2;
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool found = false, first = true;
    size_t have = 0, total = 0;
    while (!found && total < ENVIRON_MAX) {
        ssize_t got = read(fd, t->scratch + have, SCRATCH - have);
        if (got <= 0) break;
        total += (size_t)got;
        have += (size_t)got;
        found = holds(t->scratch, have, first, t->mark, n);
        if (have == SCRATCH) { /* what a string over the edge needs */
            memmove(t->scratch, t->scratch + have - keep, keep);
            have = keep;
            first = false;
        }
    }
    close(fd);
    return found;
}

static bool wrong_user(const peri_procs_t *t, pid_t pid)
{
    char path[64];
    struct stat st;
    if (t->uid == (uid_t)-1) return false;
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    return stat(path, &st) != 0 || st.st_uid != t->uid;
}

/* What is to be known of one process; -1 if it has gone. */
static int look(const peri_procs_t *t, const peri_proc_t *old, double now, peri_proc_t *p)
{
    if (old && !old->member && (old->stranger || now - old->seen > YOUNG)) {
        *p = *old;
        return 0;
    }
    *p = (peri_proc_t){.pid = p->pid, .seen = now};
    if (read_stat(p)) return -1;
    if (old && old->start == p->start) {
        p->seen = old->seen;
        p->member = old->member;
        p->descendant = old->descendant;
        p->bytes_read = old->bytes_read;
        p->bytes_written = old->bytes_written;
        if (p->cpu < old->cpu) p->cpu = old->cpu;
    }
    p->stranger = !p->member && p->start < t->root_start;
    if (!p->member && !p->stranger && !wrong_user(t, p->pid))
        p->member = has_mark(t, p->pid);
    return 0;
}

/* Children of members are members; children of root and theirs are descendants. */
static void close_over(peri_procs_t *t, peri_proc_t *procs, size_t n)
{
    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < n; i++) {
            peri_proc_t *p = &procs[i];
            if ((p->member && p->descendant) || p->ppid == 0) continue;
            const peri_proc_t *parent = find(procs, n, p->ppid);
            const bool of_root = t->root > 0 && p->ppid == t->root;
            const bool desc = of_root || (parent && parent->descendant);
            const bool memb = desc || (parent && parent->member);
            if ((desc && !p->descendant) || (memb && !p->member)) {
                p->descendant |= desc;
                p->member |= memb;
                again = true;
            }
        }
    }
}

/* Members that have ended since: those whose parent will not tell. */
static void count_gone(peri_procs_t *t, peri_proc_t *now, size_t n)
{
    for (size_t i = 0; i < t->n; i++) {
        const peri_proc_t *old = &t->procs[i];
        if (!old->member || old->descendant) continue;
        const peri_proc_t *same = find(now, n, old->pid);
        if (same && same->start == old->start) continue;
        const peri_proc_t *parent = find(now, n, old->ppid);
        if (parent && parent->member) continue;
        t->gone_cpu += old->cpu;
        t->gone_read += old->bytes_read;
        t->gone_written += old->bytes_written;
    }
}

static int by_pid(const void *a, const void *b)
{
    pid_t x = ((const peri_proc_t *)a)->pid, y = ((const peri_proc_t *)b)->pid;
    return (x > y) - (x < y);
}

int peri_procs_scan(peri_procs_t *t)
{
    const pid_t self = getpid();
    const double now = peri_now();
    DIR *d = opendir("/proc");
    if (!d) return -1;
    size_t n = 0, cap = t->n + 64;
    bool sorted = true;
    peri_proc_t *procs = peri_xcalloc(cap, sizeof(*procs));
    for (struct dirent *e; (e = readdir(d)) && n < PROCS_MAX;) {
        if (e->d_name[0] < '1' || e->d_name[0] > '9') continue;
        peri_proc_t p = {.pid = (pid_t)atol(e->d_name)};
        if (p.pid == self || p.pid == t->root) continue;
        if (look(t, find(t->procs, t->n, p.pid), now, &p)) continue;
        if (n == cap) procs = peri_xrealloc(procs, cap *= 2, sizeof(*procs));
        if (n && procs[n - 1].pid > p.pid) sorted = false;
        procs[n++] = p;
    }
    closedir(d);
    if (!sorted) qsort(procs, n, sizeof(*procs), by_pid);
    close_over(t, procs, n);
    count_gone(t, procs, n);
    free(t->procs);
    t->procs = procs;
    t->n = n;
    return 0;
}

/* ---- what they use ---- */

/* The number behind KEY in a file of lines "Key:   123 kB". */
static uint64_t number_after(const char *text, const char *key)
{
    const char *p = strstr(text, key);
    return p ? strtoull(p + strlen(key), NULL, 10) : 0;
}

static uint64_t memory_of(const peri_procs_t *t, pid_t pid)
{
    if (read_proc(pid, "status", t->scratch, SCRATCH) < 0) return 0;
    return (number_after(t->scratch, "\nRssAnon:") +
            number_after(t->scratch, "\nRssShmem:")) *
           1024;
}

/* With each shared page divided by those who have it. */
static uint64_t exact_memory_of(const peri_procs_t *t, pid_t pid)
{
    if (read_proc(pid, "smaps_rollup", t->scratch, SCRATCH) <= 0 ||
        !strstr(t->scratch, "\nPss_Anon:"))
        return memory_of(t, pid);
    return (number_after(t->scratch, "\nPss_Anon:") +
            number_after(t->scratch, "\nPss_Shmem:")) *
           1024;
}

static void read_io(const peri_procs_t *t, peri_proc_t *p)
{
    if (read_proc(p->pid, "io", t->scratch, SCRATCH) <= 0) return;
    uint64_t r = number_after(t->scratch, "rchar:"),
             w = number_after(t->scratch, "wchar:");
    if (r > p->bytes_read) p->bytes_read = r;
    if (w > p->bytes_written) p->bytes_written = w;
}

void peri_procs_sum(peri_procs_t *t, uint64_t limit, peri_procsum_t *sum)
{
    *sum = (peri_procsum_t){
        .cpu = t->gone_cpu, .bytes_read = t->gone_read, .bytes_written = t->gone_written};
    for (size_t i = 0; i < t->n; i++) {
        peri_proc_t *p = &t->procs[i];
        if (!p->member) continue;
        read_io(t, p);
        sum->n++;
        sum->memory += memory_of(t, p->pid);
        sum->cpu += p->cpu;
        sum->bytes_read += p->bytes_read;
        sum->bytes_written += p->bytes_written;
    }
    if (limit == 0 || sum->memory <= limit || sum->n < 2) return;
    sum->memory = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->procs[i].member) sum->memory += exact_memory_of(t, t->procs[i].pid);
}

/* ---- signals ---- */

/* A number may belong to somebody else by now: hold the process, then look again. */
static void send(const peri_proc_t *p, int sig)
{
    peri_proc_t again = {.pid = p->pid};
    int fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    if (fd < 0 && errno != ENOSYS) return;
    if (read_stat(&again) == 0 && again.start == p->start) {
        if (fd < 0)
            kill(p->pid, sig);
        else
            syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
    }
    if (fd >= 0) close(fd);
}

size_t peri_procs_signal(const peri_procs_t *t, int sig)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (!t->procs[i].member || t->procs[i].zombie) continue;
        if (sig) send(&t->procs[i], sig);
        n++;
    }
    return n;
}
