/* kill.c - signals to processes of a task, and to no others.
 *
 * One of them is a process of the task's user that has PERIGEE_FOLDER of the task in its
 * environment: perigee-launch gets it from us and all its descendants inherit it. So it
 * can be told also by a helper that did not start it. What a user writes into her own
 * environment can only harm her own processes.
 */
#include "portal/helper/helper.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENVIRON_MAX (1u << 20)

/* At most space - 1 bytes and a NUL; -1. */
static ssize_t read_proc(pid_t pid, const char *name, char *out, size_t space)
{
    char path[64];
    size_t len = 0;
    ssize_t n = -1;
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    while (len < space - 1 && (n = read(fd, out + len, space - 1 - len)) > 0)
        len += (size_t)n;
    close(fd);
    out[len] = '\0';
    return n < 0 ? -1 : (ssize_t)len;
}

uint64_t peri_helper_begin(pid_t pid)
{
    char text[1024], state;
    unsigned long long start;
    if (read_proc(pid, "stat", text, sizeof(text)) <= 0) return 0;
    const char *p = strrchr(text, ')');
    if (!p || sscanf(p + 1,
                     " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                     "%*d %*d %*d %llu",
                     &state, &start) != 2)
        return 0;
    return state == 'Z' || state == 'X' ? 0 : start;
}

/* All of its uids are hers. */
static bool belongs_to(pid_t pid, uid_t uid)
{
    char text[4096];
    unsigned id[4];
    if (read_proc(pid, "status", text, sizeof(text)) <= 0) return false;
    const char *p = strstr(text, "\nUid:");
    if (!p || sscanf(p + 5, "%u %u %u %u", &id[0], &id[1], &id[2], &id[3]) != 4)
        return false;
    return id[0] == uid && id[1] == uid && id[2] == uid && id[3] == uid;
}

static bool has_mark(pid_t pid, const char *mark, char *space)
{
    const ssize_t n = read_proc(pid, "environ", space, ENVIRON_MAX);
    for (const char *p = space; n > 0 && p < space + n; p += strlen(p) + 1)
        if (strcmp(p, mark) == 0) return true;
    return false;
}

/* Held by a pidfd, then looked at again: the number cannot be another's by then. */
static bool signal_one(pid_t pid, uid_t uid, const char *mark, uint64_t start, int sig,
                       char *space)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) return false;
    const uint64_t began = peri_helper_begin(pid);
    const bool hers = began && (!start || began == start) && belongs_to(pid, uid) &&
                      has_mark(pid, mark, space);
    if (hers && sig) (void)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
    close(fd);
    return hers;
}

int peri_helper_kill(const peri_helper_t *h, const peri_helperask_t *a, uid_t uid,
                     pid_t *first)
{
    char task[400], mark[PERI_HELPER_PATH + 512];
    char *space = malloc(ENVIRON_MAX);
    int found = 0;
    *first = 0;
    peri_helper_task(a, true, task, sizeof(task));
    snprintf(mark, sizeof(mark), "PERIGEE_FOLDER=%s/%s", h->spool, task);
    if (!space) return -1;
    if (a->pid) {
        found = signal_one(a->pid, uid, mark, a->start, a->signal, space);
        *first = found ? a->pid : 0;
        free(space);
        return found;
    }
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));) {
        const pid_t pid = isdigit((unsigned char)e->d_name[0]) ? atoi(e->d_name) : 0;
        if (pid <= 1 || !belongs_to(pid, uid) ||
            !signal_one(pid, uid, mark, 0, a->signal, space))
            continue;
        found++;
        if (*first == 0 || pid < *first) *first = pid;
    }
    if (d) closedir(d);
    free(space);
    return d ? found : -1;
}
