/* failpoint.c - see failpoint.h. Threads: the count is of all threads together. */
#include "core/base/failpoint.h"

#if PERIGEE_FAILPOINTS
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void note(const char *name)
{
    const char *path = getenv("PERIGEE_FAILPOINT_LOG");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd >= 0) dprintf(fd, "%s\n", name);
}

void peri_failpoint(const char *name)
{
    static atomic_long passed;
    const char *want = getenv("PERIGEE_FAILPOINT");
    const char *colon = want ? strrchr(want, ':') : NULL;
    if (!colon) return;
    size_t n = (size_t)(colon - want);
    if (*want != '*' && (strlen(name) != n || strncmp(name, want, n))) return;
    if (atomic_fetch_add(&passed, 1) + 1 != atol(colon + 1)) return;
    note(name);
    raise(SIGKILL);
}
#else
/* A file with nothing in it is not C. */
typedef int peri_no_failpoints_t;
#endif
