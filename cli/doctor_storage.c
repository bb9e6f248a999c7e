/* doctor_storage.c - checks of what files and tables of accounts, and queries that are
 * answered at once, need; see doctor.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "core/base/util.h"

/* Paths of users are followed by the kernel's own rules; a container may hide them. */
static bool opens_beneath(void)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static void check_writing(peri_doctor_t *d, const char *folder)
{
    int fd = peri_file_nameless(folder);
    if (fd < 0)
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "storage",
                        "the user that runs perigeed must be able to write there",
                        "no file can be made in %s: %m", folder);
    else if (flock(fd, LOCK_EX | LOCK_NB))
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "storage",
                        "mount it with locks, or name another folder in the section "
                        "storage",
                        "tables of accounts need locks, and %s has none: %m", folder);
    if (fd >= 0) close(fd);
}

void peri_check_storage(peri_doctor_t *d)
{
    const char *path = d->conf->storage.folder;
    char *there = peri_doctor_existing(path);
    const bool made = access(path, F_OK) == 0;
    struct statfs fs;
    if (!opens_beneath())
        peri_doctor_say(
            d, PERI_DOCTOR_PROBLEM, "storage",
            "Linux 5.6 or newer, and a container that does not forbid openat2",
            "files of accounts cannot be opened safely: %m");
    if (statfs(there, &fs))
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "storage", "is its file system mounted?",
                        "cannot look at %s: %m", there);
    else if (!made && access(there, W_OK | X_OK))
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "storage",
                        "make it, or name another folder in the section storage",
                        "%s cannot be made", path);
    else {
        peri_doctor_shared(d, "storage", path, &fs);
        peri_doctor_space(d, "storage", path, &fs);
    }
    if (made && access(path, X_OK) == 0) check_writing(d, path);
    free(there);
}

/* Who opens the door to others should know what they can take; see docs/admin. */
void peri_check_quick(peri_doctor_t *d)
{
    const peri_confquick_t *q = &d->conf->quick;
    const double most = 1.5 * q->processes * (double)q->memory;
    const double all = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    char asked[16], has[16];
    if (!d->conf->web.given) return;
    peri_doctor_say(d, most > all ? PERI_DOCTOR_WARNING : PERI_DOCTOR_OK, "quick",
                    "smaller 'memory' or 'processes' in the section quick",
                    "quick queries take %s of memory at the worst, of %s",
                    peri_human_bytes((uint64_t)most, asked),
                    peri_human_bytes((uint64_t)all, has));
}
