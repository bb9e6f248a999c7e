/* mount.c - the folders of a task, in the eyes of its user.
 *
 * On the disk all that the portal keeps is the service user's. In a mount namespace of
 * the new process these folders are shown through idmapped mounts in which the service
 * user's files are the job's user's: what she makes there is the service user's again
 * on the disk. Nobody else sees it, nothing has to be taken back, and nothing on the disk
 * changes.
 *
 * Every folder is opened beneath spool or volumes without following links, and must be
 * the service user's. System calls only: this runs between fork and exec.
 */
#include "portal/helper/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Not <sys/mount.h>: it and the kernel's header do not go together everywhere. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
          const void *data);

void peri_helper_task(const peri_helperask_t *a, bool index, char *out, size_t space)
{
    if (index)
        snprintf(out, space, "%s/%s/%d/%d", a->uuid, a->step, a->attempt, a->index);
    else
        snprintf(out, space, "%s/%s/%d", a->uuid, a->step, a->attempt);
}

static int open_beneath(int at, const char *path)
{
    const struct open_how how = {.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
                                 .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                                            RESOLVE_NO_XDEV};
    return (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
}

/* ---- whose files are whose ---- */

static int write_map(pid_t pid, const char *name, unsigned from, unsigned to)
{
    char path[64], text[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    const int n = snprintf(text, sizeof(text), "%u %u 1\n", from, to);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    const int rc = write(fd, text, (size_t)n) == n ? 0 : -1;
    const int e = errno;
    close(fd);
    errno = e;
    return rc;
}

/* A user namespace with this mapping. It lives as long as the descriptor. */
static int make_map(const struct passwd *service, const struct passwd *who)
{
    int ready[2], fd = -1, status, e;
    char one = 0, path[64];
    if (pipe2(ready, O_CLOEXEC)) return -1;
    const pid_t pid = fork();
    if (pid == 0) {
        /* After it: a change of rights takes it back. */
        if (unshare(CLONE_NEWUSER) || prctl(PR_SET_PDEATHSIG, SIGKILL) ||
            write(ready[1], &one, 1) != 1)
            _exit(1);
        for (;;) pause();
    }
    e = errno;
    close(ready[1]);
    if (pid > 0) {
        if (read(ready[0], &one, 1) != 1)
            errno = ENOSPC; /* user.max_user_namespaces */
        else if (!write_map(pid, "uid_map", service->pw_uid, who->pw_uid) &&
                 !write_map(pid, "gid_map", service->pw_gid, who->pw_gid)) {
            snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
            fd = open(path, O_RDONLY | O_CLOEXEC);
        }
        e = errno;
        kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    close(ready[0]);
    errno = e;
    return fd;
}

/* ---- one folder ---- */

/* A copy of the mount at the folder fd, in which it is hers. */
static int show(int fd, int map, bool write)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID |
                                          MOUNT_ATTR_NODEV |
                                          (write ? 0 : MOUNT_ATTR_RDONLY),
                              .userns_fd = (uint64_t)map};
    int tree = (int)syscall(SYS_open_tree, fd, "",
                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree < 0) return -1;
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0)
        return tree;
    const int e = errno;
    close(tree);
    errno = e;
    return -1;
}

static int put(int tree, int at)
{
    return (int)syscall(SYS_move_mount, tree, "", at, "",
                        MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static bool is_service(int fd, const peri_helper_t *h, mode_t *kind)
{
    struct stat st;
    if (fstat(fd, &st)) return false;
    *kind = st.st_mode & S_IFMT;
    if (st.st_uid == h->service.pw_uid && (*kind == S_IFDIR || *kind == S_IFREG))
        return true;
    errno = EPERM;
    return false;
}

/* A folder that is shown where it is: the one on the disk, and what is seen. */
typedef struct {
    int fd, tree;
} shown_t;

static int prepare(const peri_helper_t *h, int at, const char *path, int map, bool write,
                   shown_t *s)
{
    mode_t kind;
    *s = (shown_t){open_beneath(at, path), -1};
    if (s->fd < 0 || !is_service(s->fd, h, &kind)) return -1;
    s->tree = show(s->fd, map, write);
    return s->tree < 0 ? -1 : 0;
}

static void drop(shown_t *s)
{
    const int e = errno;
    if (s->tree >= 0) close(s->tree);
    if (s->fd >= 0) close(s->fd);
    errno = e;
}

static int show_results(const peri_helper_t *h, int spool, const peri_helperask_t *a,
                        int map)
{
    char path[64];
    shown_t results;
    snprintf(path, sizeof(path), "%s/results", a->uuid);
    int rc =
        prepare(h, spool, path, map, true, &results) ? -1 : put(results.tree, results.fd);
    drop(&results);
    return rc;
}

/* The submission's folder is hers to read, with launch.json, and in it that of this task
 * to write. */
static int show_task(const peri_helper_t *h, int spool, const peri_helperask_t *a,
                     int map)
{
    char path[400], index[16];
    shown_t all = {-1, -1}, task = {-1, -1};
    int rc = -1, target = -1;
    snprintf(index, sizeof(index), "%d", a->index);
    peri_helper_task(a, false, path, sizeof(path));
    if (prepare(h, spool, path, map, false, &all) == 0 &&
        prepare(h, all.fd, index, map, true, &task) == 0 && put(all.tree, all.fd) == 0 &&
        (target = open_beneath(all.tree, index)) >= 0)
        rc = put(task.tree, target);
    const int e = errno;
    if (target >= 0) close(target);
    errno = e;
    drop(&task);
    drop(&all);
    return rc;
}

/* ---- the volumes ---- */

/* What Perigee itself keeps in a volume is not for jobs. */
static int cover(int at, int empty)
{
    int own = open_beneath(at, ".perigee"), tree = -1, rc = -1;
    if (own < 0) return errno == ENOENT || errno == ELOOP ? 0 : -1;
    tree = (int)syscall(SYS_open_tree, empty, "",
                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree >= 0) rc = put(tree, own);
    const int e = errno;
    if (tree >= 0) close(tree);
    close(own);
    errno = e;
    return rc;
}

static int open_source(int volumes, const peri_helperbind_t *b)
{
    char name[24];
    snprintf(name, sizeof(name), "%llu", (unsigned long long)b->volume);
    int root = open_beneath(volumes, name);
    if (root < 0 || !*b->path) return root;
    int fd = open_beneath(root, b->path);
    const int e = errno;
    close(root);
    errno = e;
    return fd;
}

/* Something to mount on: a folder, or for a file a file. */
static int make_target(int at, const char *name, mode_t kind)
{
    if (kind == S_IFDIR) {
        if (mkdirat(at, name, 0755)) return -1;
    } else {
        int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0) return -1;
        close(fd);
    }
    return open_beneath(at, name);
}

static int show_volume(const peri_helper_t *h, int volumes, int at,
                       const peri_helperbind_t *b, int map, int empty)
{
    char name[PERI_HELPER_SLOT];
    mode_t kind;
    int rc = -1, tree = -1, target = -1, fd = open_source(volumes, b);
    peri_helper_slot(b->volume, b->path, name);
    const bool right = fd >= 0 && is_service(fd, h, &kind);
    /* A part that is gone, or a link or a pipe now, is not shown. */
    if (fd < 0 && *b->path && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR))
        return 0;
    if (fd >= 0 && !right && *b->path) {
        close(fd);
        return 0;
    }
    if (right && (tree = show(fd, map, b->write)) >= 0 &&
        (target = make_target(at, name, kind)) >= 0)
        rc = put(tree, target);
    else if (tree >= 0 && errno == EEXIST)
        rc = 0; /* two names of one slot: the first is there */
    if (rc == 0 && kind == S_IFDIR && !*b->path) {
        int in = open_beneath(tree, ".");
        rc = in < 0 ? -1 : cover(in, empty);
        if (in >= 0) close(in);
    }
    const int e = errno;
    if (target >= 0) close(target);
    if (tree >= 0) close(tree);
    if (fd >= 0) close(fd);
    errno = e;
    return rc;
}

static int show_volumes(const peri_helper_t *h, const peri_helperrequest_t *r, int map)
{
    const unsigned long flags = MS_NOSUID | MS_NODEV;
    int rc = -1, empty = -1, at = -1, volumes = -1;
    if (mount("perigee", PERI_HELPER_AT, "tmpfs", flags,
              "mode=0755,size=1m,nr_inodes=1k"))
        return -1;
    at = open(PERI_HELPER_AT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    volumes = open(h->volumes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0 || (volumes < 0 && r->ask.nmounts)) goto out;
    if (mkdirat(at, "empty", 0555) || (empty = open_beneath(at, "empty")) < 0) goto out;
    for (size_t i = 0; i < r->ask.nmounts; i++)
        if (show_volume(h, volumes, at, &r->binds[i], map, empty)) goto out;
    rc =
        mount(NULL, PERI_HELPER_AT, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL);
out:;
    const int e = errno;
    if (empty >= 0) close(empty);
    if (at >= 0) close(at);
    if (volumes >= 0) close(volumes);
    errno = e;
    return rc;
}

int peri_helper_mount(const peri_helper_t *h, const peri_helperrequest_t *r,
                      const struct passwd *who)
{
    int rc = -1, spool = -1, map = -1;
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
        return -1;
    map = make_map(&h->service, who);
    spool = open(h->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (map >= 0 && spool >= 0 && show_task(h, spool, &r->ask, map) == 0 &&
        show_results(h, spool, &r->ask, map) == 0)
        rc = show_volumes(h, r, map);
    const int e = errno;
    if (spool >= 0) close(spool);
    if (map >= 0) close(map);
    errno = e;
    return rc;
}

int peri_helper_probe(const char *folder, const struct passwd *service)
{
    struct passwd other = *service;
    int rc = -1, map = -1, tree = -1, fd = -1;
    other.pw_uid++;
    other.pw_gid++;
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
        return -1;
    fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return 0; /* it is made later */
    map = fd < 0 ? -1 : make_map(service, &other);
    tree = map < 0 ? -1 : show(fd, map, true);
    rc = tree < 0 ? -1 : 0;
    const int e = errno;
    if (tree >= 0) close(tree);
    if (map >= 0) close(map);
    if (fd >= 0) close(fd);
    errno = e;
    return rc;
}
