/* guard.c - a clear last sentence when libhdf5 crashes or loops on a damaged file.
 *
 * HDF5 1.10 trusts much of what it reads; a crafted or bit-flipped file can make it
 * crash. Nothing can be saved then, but the user can be told which file it was. Programs
 * call peri_h5_guard_signals() once; libraries never do. Only crashes of the thread that
 * is inside HDF5 are taken, all others keep their default way.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/h5/private.h"

static atomic_bool guard_on;
peri_h5_note_t peri_h5_note;

/* Only async-signal-safe calls here. */
static _Noreturn void say_and_exit(const char *path, const char *what)
{
    const char *part[] = {"perigee: ", path, ": ", what};
    for (size_t i = 0; i < 4; i++)
        if (write(STDERR_FILENO, part[i], strlen(part[i])) < 0) break;
    _exit(1);
}

/* Ends the process if this thread is inside HDF5. */
static void blame_hdf5(void)
{
    const char *path = atomic_load(&peri_h5_note.path);
    if (path && atomic_load(&peri_h5_note.tid) == (int)gettid())
        say_and_exit(path,
                     "the HDF5 library crashed while reading this file; the file is "
                     "damaged. Check it with h5dump, or fetch it again.\n");
}

#if PERIGEE_SANITIZED
/* AddressSanitizer would report HDF5's own reading past a damaged heap before the guard
 * sees a signal, and HDF5's leaks after its errors; neither is ours. What it cannot let
 * pass ends in SIGABRT, as it would without it. */
const char *__asan_default_suppressions(void);
const char *__asan_default_suppressions(void)
{
    return "interceptor_via_lib:libhdf5\n";
}
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5\n";
}
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:abort_on_error=1";
}
/* A heap that HDF5 has broken is found here first; without the sanitizer free() aborts.
 */
void __asan_on_error(void);
void __asan_on_error(void)
{
    if (atomic_load(&guard_on)) blame_hdf5();
}
#endif

static void on_crash(int sig)
{
    blame_hdf5();
    signal(sig, SIG_DFL);
    raise(sig);
}

/* CPU seconds of a thread that may have ended meanwhile: pthread_getcpuclockid would need
 * a live pthread_t, the kernel's clock number of a thread id just fails. */
static double thread_cpu(int tid)
{
    struct timespec ts;
    if (clock_gettime((clockid_t)((~(unsigned)tid << 3) | 6), &ts) != 0) return 0;
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* Waiting for a slow disk is fine, computing without end is not: so CPU time, not clock.
 */
static void *watch(void *arg)
{
    (void)arg;
    unsigned long long seen = 0;
    double start = 0;
    for (;;) {
        sleep(1);
        unsigned long long seq = atomic_load(&peri_h5_note.seq);
        const char *path = atomic_load(&peri_h5_note.path);
        double cpu = path ? thread_cpu(atomic_load(&peri_h5_note.tid)) : 0;
        if (!path || seq != seen) {
            seen = seq;
            start = cpu;
        } else if (cpu - start > atomic_load(&peri_h5_note.busy) &&
                   seq == atomic_load(&peri_h5_note.seq)) {
            say_and_exit(path, "the HDF5 library does not come to an end with this file; "
                               "the file is damaged. Check it with h5dump, or fetch it "
                               "again.\n");
        }
    }
    return NULL;
}

/* An endless recursion leaves no stack for the handler. */
void peri_h5_guard_thread(void)
{
    static __thread char stack[32768] __attribute__((aligned(16)));
    if (!atomic_load(&guard_on)) return;
    /* One that is there already belongs to somebody (AddressSanitizer) who frees it. */
    stack_t old, ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
    if (sigaltstack(NULL, &old) == 0 && !(old.ss_flags & SS_DISABLE)) return;
    sigaltstack(&ss, NULL);
}

void peri_h5_guard_signals(void)
{
    if (atomic_exchange(&guard_on, true)) return;
    peri_h5_guard_thread();
    struct sigaction sa = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_NODEFER};
    sigemptyset(&sa.sa_mask);
    static const int sigs[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof(sigs) / sizeof(*sigs); i++)
        sigaction(sigs[i], &sa, NULL);

    /* The watcher takes no signals: Ctrl-C and timers belong to the program's threads. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 128 * 1024);
    pthread_t t;
    (void)pthread_create(&t, &attr, watch, NULL);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}
