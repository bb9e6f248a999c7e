/* handover.c - see handover.h. The environment says which descriptor is for which path:
 * "3:/path/of/web.sock" and so on, a line each.
 */
#include "portal/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"

#define VARIABLE "PERIGEE_HANDOVER"
#define MAX      16
#define FIRST    3
#define CHILDREN 64 /* a few may stay in the table of processes */

static struct {
    char *path;
    int fd;
} left[MAX];
static size_t nleft;
static int children[CHILDREN]; /* pidfds: a number may be given again */
static size_t nchildren;

/* A socket or a file; what else a stranger's environment may name is not ours. */
static int is_usable(int fd)
{
    struct stat st;
    return fd >= FIRST && fstat(fd, &st) == 0 &&
           (S_ISSOCK(st.st_mode) || S_ISREG(st.st_mode));
}

static void find_children(void)
{
    char *path = peri_xasprintf("/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "re");
    int pid;
    while (f && nchildren < CHILDREN && fscanf(f, "%d", &pid) == 1) {
        const int fd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (fd >= 0) children[nchildren++] = fd;
    }
    if (f) fclose(f);
    free(path);
}

void peri_handover_reap(void)
{
    size_t n = 0;
    for (size_t i = 0; i < nchildren; i++) {
        siginfo_t info = {0};
        const int fd = children[i];
        if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) == 0 && !info.si_pid)
            children[n++] = fd;
        else
            close(fd);
    }
    nchildren = n;
}

void peri_handover_begin(void)
{
    const char *s = getenv(VARIABLE);
    char *text = s ? peri_xstrdup(s) : NULL, *rest = NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line && nleft < MAX;
         line = strtok_r(NULL, "\n", &rest)) {
        char *colon;
        const long fd = strtol(line, &colon, 10);
        if (*colon != ':' || fd > 1 << 20 || !is_usable((int)fd)) continue;
        fcntl((int)fd, F_SETFD, FD_CLOEXEC);
        left[nleft].path = peri_xstrdup(colon + 1);
        left[nleft++].fd = (int)fd;
    }
    free(text);
    unsetenv(VARIABLE);
    find_children();
}

int peri_handover_take(const char *path)
{
    for (size_t i = 0; i < nleft; i++) {
        if (left[i].fd < 0 || strcmp(left[i].path, path) != 0) continue;
        const int fd = left[i].fd;
        left[i].fd = -1;
        return fd;
    }
    return -1;
}

void peri_handover_end(void)
{
    for (size_t i = 0; i < nleft; i++) {
        if (left[i].fd >= 0) close(left[i].fd);
        free(left[i].path);
    }
    nleft = 0;
}

void peri_handover_exec(const char *program, char **argv, const peri_handed_t *handed,
                        size_t n)
{
    char *text = peri_xstrdup("");
    sigset_t none;
    syscall(SYS_close_range, (unsigned)FIRST, ~0u, CLOSE_RANGE_CLOEXEC);
    for (size_t i = 0; i < n; i++) {
        if (handed[i].fd < 0) continue;
        char *more = peri_xasprintf("%s%d:%s\n", text, handed[i].fd, handed[i].path);
        free(text);
        text = more;
        fcntl(handed[i].fd, F_SETFD, 0);
    }
    setenv(VARIABLE, text, 1);
    free(text);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(program, argv);
    const int e = errno;
    unsetenv(VARIABLE);
    errno = e;
}
