/* wall.c - limits, and the filter of system calls: a list of what is allowed.
 *
 * HDF5's library was not written for files of an enemy. Whoever takes it over has this
 * process: its memory, the file (which the person asking may read anyway) and the answer
 * to the same person. No open, no socket, no process, no signal to others, no code that
 * was not there. Refused calls fail with EPERM, so that HDF5 says what it could not open.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "portal/h5/view/view.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "the wall knows the system calls of x86-64 and of aarch64 only"
#endif

static const unsigned allowed[] = {
    SYS_read,          SYS_pread64,      SYS_write,       SYS_ftruncate,
    SYS_lseek,         SYS_fstat,        SYS_close,       SYS_brk,
    SYS_munmap,        SYS_mremap,       SYS_madvise,     SYS_futex,
    SYS_rt_sigreturn,  SYS_exit,         SYS_exit_group,  SYS_getrandom,
    SYS_clock_gettime, SYS_gettimeofday, SYS_sched_yield, SYS_rt_sigprocmask,
    SYS_getpid,        SYS_gettid,
};
/* No memory that is code: their third argument. */
static const unsigned mapping[] = {SYS_mmap, SYS_mprotect};
#define N(a) (sizeof(a) / sizeof(*(a)))

enum { MOST = 96 };

static int put_filter(void)
{
    struct sock_filter f[MOST];
    unsigned short n = 0;
#define PUT(...) f[n++] = (struct sock_filter)__VA_ARGS__
#define LOAD(field)                                                                      \
    PUT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field)))
#define IS(k, jt, jf) PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, jt, jf))
#define ANSWER(a)     PUT(BPF_STMT(BPF_RET | BPF_K, a))
    LOAD(arch);
    IS(ARCH, 1, 0);
    ANSWER(SECCOMP_RET_KILL_PROCESS);
    LOAD(nr);
    for (size_t i = 0; i < N(allowed); i++) {
        IS(allowed[i], 0, 1);
        ANSWER(SECCOMP_RET_ALLOW);
    }
    for (size_t i = 0; i < N(mapping); i++) {
        IS(mapping[i], 0, 4);
        LOAD(args[2]);
        PUT(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0));
        ANSWER(SECCOMP_RET_ALLOW);
        ANSWER(SECCOMP_RET_ERRNO | EPERM);
    }
    /* abort() */
    IS(SYS_tgkill, 0, 4);
    LOAD(args[0]);
    IS((unsigned)getpid(), 0, 1);
    ANSWER(SECCOMP_RET_ALLOW);
    ANSWER(SECCOMP_RET_ERRNO | EPERM);
    ANSWER(SECCOMP_RET_ERRNO | EPERM);
    const struct sock_fprog program = {n, f};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static int limit(int what, rlim_t soft, rlim_t hard)
{
    const struct rlimit r = {soft, hard};
    return setrlimit(what, &r);
}

int peri_h5view_limits(int file, peri_err_t *err)
{
    const struct itimerval wall = {.it_value = {PERI_H5VIEW_SECONDS + 1, 0}};
    int bad = limit(RLIMIT_CPU, PERI_H5VIEW_SECONDS, PERI_H5VIEW_SECONDS + 1) ||
              limit(RLIMIT_CORE, 0, 0) ||
              limit(RLIMIT_FSIZE, PERI_H5VIEW_ANSWER, PERI_H5VIEW_ANSWER) ||
              setitimer(ITIMER_REAL, &wall, NULL) ||
              prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    /* AddressSanitizer's own memory is beyond any limit. */
    if (!PERIGEE_SANITIZED)
        bad |= limit(RLIMIT_AS, PERI_H5VIEW_MEMORY, PERI_H5VIEW_MEMORY);
    if (bad) return peri_err_set(err, PERI_EINTERNAL, "cannot set limits: %m");
    if (file != 3 && dup2(file, 3) < 0)
        return peri_err_set(err, PERI_EINTERNAL, "descriptor %d is not open", file);
    (void)syscall(SYS_close_range, 4u, ~0u, 0u);
    return 0;
}

int peri_h5view_wall(peri_err_t *err)
{
    /* ... and its reports need files and signals. */
    if (PERIGEE_SANITIZED) return 0;
    if (put_filter() == 0) return 0;
    return peri_err_set(err, PERI_EINTERNAL,
                        "this kernel has no seccomp filters, without which no file is "
                        "looked into: %m");
}
