/* Behind the wall nothing can be opened, started or reached. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "portal/h5/view/view.h"

/* 0, or the number of the first thing that was possible. */
static int escapes(void)
{
    int n = 0;
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#define REFUSED(call)                                                                    \
    do {                                                                                 \
        n++;                                                                             \
        errno = 0;                                                                       \
        if ((long)(call) != -1 || errno != EPERM) return n;                              \
    } while (0)
    REFUSED(open("/etc/passwd", O_RDONLY));
    REFUSED(syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0));
    REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
    REFUSED(fork());
    REFUSED(syscall(SYS_clone3, NULL, 0));
    REFUSED(syscall(SYS_execve, "/bin/true", NULL, NULL));
    REFUSED(kill(getppid(), 0));
    REFUSED(syscall(SYS_tgkill, getppid(), getppid(), 0));
    REFUSED(syscall(SYS_ptrace, 0, 0, 0, 0));
    REFUSED(unlink("/nothing"));
    REFUSED(mprotect(page, 4096, PROT_READ | PROT_EXEC));
    REFUSED(mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REFUSED(syscall(SYS_memfd_create, "x", 0));
    REFUSED(syscall(SYS_prctl, 0, 0, 0, 0, 0));
    return 0;
}

static int status_of(int (*f)(void))
{
    int status = -1;
    const pid_t pid = fork();
    if (pid == 0) {
        if (peri_h5view_wall(NULL)) _exit(99);
        _exit(f());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int work(void)
{
    void *p = malloc(64 << 20);
    const bool ok = p && write(-1, "x", 1) == -1 && errno == EBADF;
    free(p);
    return ok ? 0 : 1;
}

static int give_up(void)
{
    abort();
}

static void test_refused(void **state)
{
    (void)state;
    if (PERIGEE_SANITIZED) skip();
    const int status = status_of(escapes);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_allowed(void **state)
{
    (void)state;
    if (PERIGEE_SANITIZED) skip();
    assert_int_equal(status_of(work), 0);
    const int status = status_of(give_up);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_allowed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
