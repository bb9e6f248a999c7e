/* main.c - perigee-helper: `identity: unix`. Started by `perigee up` as root; see
 * helper.h and the README.
 *
 * Two processes: the first only starts the second anew when it dies. Jobs are children of
 * the second; they go on without it.
 */
#include "portal/helper/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define UNUSABLE   3 /* exit status: starting again would not help */
#define UID_LOWEST 100

static const char help_text[] =
    "usage: perigee-helper --service USER --socket FILE --spool FOLDER --volumes FOLDER\n"
    "                      --launch PROGRAM [--min-uid N] [--group NAME]\n"
    "Starts perigee-launch as the Unix users that jobs belong to (identity: unix). Only\n"
    "'perigee up' of root starts it; docs/admin/web.md tells more.\n";

static _Noreturn void unusable(const char *why, const char *what)
{
    peri_helper_log("%s: %s", what, why);
    fprintf(stderr, "perigee-helper: %s: %s\n", what, why);
    exit(UNUSABLE);
}

/* ---- checks at the start ---- */

/* Nobody but root can change what is there: the file, and every folder on the way. A
 * sticky folder lets nobody rename what is root's. */
static void check_program(const char *path)
{
    char part[PATH_MAX], whole[PATH_MAX];
    struct stat st;
    if (path[0] != '/' || !realpath(path, whole)) unusable(strerror(errno), path);
    for (const char *s = whole; s; s = strchr(s + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", s == whole ? 1 : (int)(s - whole), whole);
        if (lstat(part, &st)) unusable(strerror(errno), part);
        if (st.st_uid != 0 || ((st.st_mode & 022) && !(st.st_mode & S_ISVTX)))
            unusable("it is not root's alone, so others could change which program is "
                     "started: install perigee where only root may write",
                     part);
    }
    if (stat(whole, &st) || !S_ISREG(st.st_mode) || st.st_uid != 0 ||
        (st.st_mode & 022) || !(st.st_mode & 0111))
        unusable("it is not a program that only root can change", whole);
}

static void check_folder(const char *path)
{
    if (path[0] != '/' || strlen(path) > 3000)
        unusable("an absolute path is needed", path);
}

static void make_place(void)
{
    struct stat st;
    mkdir(PERI_HELPER_AT, 0755);
    if (lstat(PERI_HELPER_AT, &st) || !S_ISDIR(st.st_mode) || st.st_uid != 0 ||
        chmod(PERI_HELPER_AT, 0755))
        unusable("it is no folder of root", PERI_HELPER_AT);
}

/* Rather now than at every job. */
static void probe(const peri_helper_t *h, const char *folder)
{
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0) _exit(peri_helper_probe(folder, &h->service) ? errno : 0);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (pid < 0 || !WIFEXITED(status)) unusable("it cannot be tried", folder);
    const int e = WEXITSTATUS(status);
    if (e == EINVAL || e == ENOSYS)
        unusable("its file system, or the kernel, cannot show files as another user's: "
                 "Linux 5.12 and ext4, xfs or btrfs can, NFS and Lustre cannot",
                 folder);
    if (e == EPERM)
        unusable("root may not mount here, as in a container without CAP_SYS_ADMIN",
                 folder);
    if (e) unusable(strerror(e), folder);
}

/* ---- the socket ---- */

/* Made as the service user, in whose folder it lies: so no link there leads root
 * anywhere. Listened to as root: that is how its clients know us. */
static int make_socket(const peri_helper_t *h, int *lock)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char path[sizeof(at.sun_path) + 8];
    if (strlen(h->socket) >= sizeof(at.sun_path)) unusable("too long a path", h->socket);
    strcpy(at.sun_path, h->socket);
    snprintf(path, sizeof(path), "%s.lock", h->socket);
    if (setegid(h->service.pw_gid) || seteuid(h->service.pw_uid))
        unusable(strerror(errno), h->service.pw_name);
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (*lock < 0) unusable(strerror(errno), path);
    if (flock(*lock, LOCK_EX | LOCK_NB))
        unusable("another perigee-helper runs", h->socket);
    int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(h->socket);
    umask(077);
    if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof(at)))
        unusable(strerror(errno), h->socket);
    if (seteuid(0) || setegid(0)) unusable(strerror(errno), "root");
    if (listen(s, 64)) unusable(strerror(errno), h->socket);
    return s;
}

/* ---- its own rights ---- */

/* What root can do and this need not. */
static void keep_few(void)
{
    static const int kept[] = {CAP_SETUID,         CAP_SETGID, CAP_SETPCAP,
                               CAP_SYS_ADMIN,      CAP_KILL,   CAP_SYS_PTRACE,
                               CAP_DAC_READ_SEARCH};
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        data[kept[i] / 32].permitted |= 1u << kept[i] % 32;
    for (int i = 0; i < 2; i++) data[i].effective = data[i].permitted;
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (!(data[cap / 32].permitted & 1u << cap % 32))
            prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    if (syscall(SYS_capset, &head, data) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        unusable(strerror(errno), "capabilities");
}

/* ---- the two processes ---- */

static volatile sig_atomic_t told;
static pid_t worker;

static void on_signal(int sig)
{
    told = sig;
    if (worker > 0) kill(worker, SIGTERM);
}

static int work(peri_helper_t *h, int listener, pid_t guard)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != guard) return 0;
    keep_few();
    h->runs = calloc(PERI_HELPER_RUNS, sizeof(*h->runs));
    if (!h->runs) return 1;
    peri_helper_log("ready, for uids from %u on%s%s", (unsigned)h->rules.least,
                    h->rules.group ? " in the group " : "",
                    h->rules.group ? h->rules.group : "");
    return peri_helper_serve(h, listener);
}

static int guard(peri_helper_t *h, int listener)
{
    const pid_t self = getpid();
    struct sigaction sa = {.sa_handler = on_signal};
    int status = 0;
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    signal(SIGHUP, SIG_IGN);
    while (!told) {
        worker = fork();
        if (worker == 0) {
            signal(SIGTERM, SIG_DFL);
            signal(SIGINT, SIG_DFL);
            exit(work(h, listener, self));
        }
        if (worker > 0) {
            if (told) kill(worker, SIGTERM);
            while (waitpid(worker, &status, 0) < 0 && errno == EINTR) {
            }
            if (WIFEXITED(status) &&
                (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == UNUSABLE))
                return WEXITSTATUS(status);
        }
        worker = 0;
        if (told) break;
        peri_helper_log("ended unexpectedly (status 0x%x); it is started again", status);
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    }
    return 0;
}

static void set_service(peri_helper_t *h, const char *name)
{
    const struct passwd *pw = getpwnam(name);
    if (!pw || pw->pw_uid == 0 || pw->pw_gid == 0)
        unusable("there is no such user, or it is root", name);
    h->service = *pw;
    h->service.pw_name = strdup(pw->pw_name);
    h->rules.service = pw->pw_uid;
}

int main(int argc, char **argv)
{
    enum { SERVICE = 1, SOCKET, SPOOL, VOLUMES, LAUNCH, MIN_UID, GROUP, HELP, VERSION };
    static const struct option options[] = {{"service", required_argument, NULL, SERVICE},
                                            {"socket", required_argument, NULL, SOCKET},
                                            {"spool", required_argument, NULL, SPOOL},
                                            {"volumes", required_argument, NULL, VOLUMES},
                                            {"launch", required_argument, NULL, LAUNCH},
                                            {"min-uid", required_argument, NULL, MIN_UID},
                                            {"group", required_argument, NULL, GROUP},
                                            {"help", no_argument, NULL, HELP},
                                            {"version", no_argument, NULL, VERSION},
                                            {0}};
    peri_helper_t h = {.rules = {.least = 1000}};
    const char *value[GROUP + 1] = {0};
    int c, lock;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == HELP || c == VERSION) {
            fputs(c == HELP ? help_text : "perigee-helper " PERIGEE_VERSION "\n", stdout);
            return 0;
        }
        if (c < SERVICE || c > GROUP) {
            fputs(help_text, stderr);
            return UNUSABLE;
        }
        value[c] = optarg;
    }
    for (int i = SERVICE; i <= LAUNCH; i++)
        if (!value[i] || optind < argc) {
            fputs(help_text, stderr);
            return UNUSABLE;
        }
    if (value[MIN_UID]) {
        char *end;
        const unsigned long n = strtoul(value[MIN_UID], &end, 10);
        if (*end || end == value[MIN_UID] || n < UID_LOWEST || n > INT_MAX)
            unusable("it is a number of at least 100", "--min-uid");
        h.rules.least = (uid_t)n;
    }
    openlog("perigee-helper", LOG_PID | LOG_NDELAY, LOG_AUTHPRIV);
    if (getuid() != 0 || geteuid() != 0) unusable("only root can start it", argv[0]);
    clearenv();
    if (chdir("/")) return UNUSABLE;
    h.socket = value[SOCKET];
    h.spool = value[SPOOL];
    h.volumes = value[VOLUMES];
    h.launch = value[LAUNCH];
    h.rules.group = value[GROUP];
    set_service(&h, value[SERVICE]);
    check_folder(h.spool);
    check_folder(h.volumes);
    check_folder(h.socket);
    check_program(h.launch);
    make_place();
    probe(&h, h.spool);
    probe(&h, h.volumes);
    return guard(&h, make_socket(&h, &lock));
}
