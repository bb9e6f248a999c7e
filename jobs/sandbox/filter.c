/* filter.c - the system calls that a sandboxed program is refused, as a seccomp filter.
 *
 * Namespaces keep it from what it cannot see; this keeps it from parts of the kernel that
 * have been ways out of them: namespaces of its own, mounts, keys, BPF, other processes'
 * memory by ptrace, exotic sockets. A refused call fails with EPERM (or ENOSYS, after
 * which libraries take the older call that the filter can look into).
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "jobs/sandbox/sandbox.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "the sandbox knows the system calls of x86-64 and of aarch64 only"
#endif

#define X32_BIT 0x40000000u
#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

/* Of unshare and clone. CLONE_NEWTIME shares its bit with the exit signal of clone. */
#define NEW_SPACES                                                                       \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |       \
     CLONE_NEWPID | CLONE_NEWNET)

static const unsigned refused[] = {
    /* other processes */
    SYS_ptrace,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_process_vm_writev,
    /* mounts and namespaces */
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_setns,
    SYS_unshare,
    SYS_open_by_handle_at,
    /* keys and the kernel itself */
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_syslog,
    SYS_acct,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_fanotify_init,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_vhangup,
    SYS_personality,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};

/* Absent, as on an older kernel: what takes its flags from memory cannot be looked into.
 */
static const unsigned absent[] = {SYS_clone3, SYS_io_uring_setup, SYS_io_uring_enter,
                                  SYS_io_uring_register};

static const unsigned families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

enum { MOST = 256 };

typedef struct {
    struct sock_filter code[MOST];
    unsigned short n;
} filter_t;

static void put(filter_t *f, unsigned short code, unsigned k, unsigned char jt,
                unsigned char jf)
{
    f->code[f->n++] = (struct sock_filter){code, jt, jf, k};
}

static void load(filter_t *f, size_t offset)
{
    put(f, BPF_LD | BPF_W | BPF_ABS, (unsigned)offset, 0, 0);
}

static void load_call(filter_t *f)
{
    load(f, offsetof(struct seccomp_data, nr));
}

/* The low half: the high one of these arguments the kernel does not look at. */
static void load_arg(filter_t *f, int i)
{
    load(f, offsetof(struct seccomp_data, args) + 8u * (unsigned)i);
}

static void answer(filter_t *f, unsigned action)
{
    put(f, BPF_RET | BPF_K, action, 0, 0);
}

static unsigned fails_with(int e)
{
    return SECCOMP_RET_ERRNO | (unsigned)e;
}

static void put_list(filter_t *f, const unsigned *calls, size_t n, int e)
{
    for (size_t i = 0; i < n; i++) {
        put(f, BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
        answer(f, fails_with(e));
    }
}

static void put_arguments(filter_t *f)
{
    /* clone(flags): threads and processes, no namespaces */
    put(f, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4);
    load_arg(f, 0);
    put(f, BPF_JMP | BPF_JSET | BPF_K, NEW_SPACES, 0, 1);
    answer(f, fails_with(EPERM));
    answer(f, SECCOMP_RET_ALLOW);
    /* ioctl(fd, request): no words put into a terminal */
    put(f, BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 5);
    load_arg(f, 1);
    put(f, BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 1, 0);
    put(f, BPF_JMP | BPF_JEQ | BPF_K, TIOCLINUX, 0, 1);
    answer(f, fails_with(EPERM));
    answer(f, SECCOMP_RET_ALLOW);
    /* socket(family) */
    const unsigned char n = sizeof(families) / sizeof(*families);
    put(f, BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, (unsigned char)(n + 3));
    load_arg(f, 0);
    for (unsigned char i = 0; i < n; i++)
        put(f, BPF_JMP | BPF_JEQ | BPF_K, families[i], (unsigned char)(n - i), 0);
    answer(f, fails_with(EAFNOSUPPORT));
    answer(f, SECCOMP_RET_ALLOW);
}

int peri_sandbox_filter(void)
{
    filter_t f = {.n = 0};
    load(&f, offsetof(struct seccomp_data, arch));
    put(&f, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    answer(&f, SECCOMP_RET_KILL_PROCESS);
    load_call(&f);
#if defined(__x86_64__)
    put(&f, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    answer(&f, fails_with(ENOSYS));
#endif
    put_arguments(&f);
    put_list(&f, refused, sizeof(refused) / sizeof(*refused), EPERM);
    put_list(&f, absent, sizeof(absent) / sizeof(*absent), ENOSYS);
    answer(&f, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {f.n, f.code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}
