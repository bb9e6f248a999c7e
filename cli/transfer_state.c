/* transfer_state.c - see transfer_priv.h: one small JSON file an upload, whose name is
 * made of where it goes and which file it is (device, inode, size, time of change). A
 * file that changed is another one. Files that nobody went on with for a month go.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "cli/transfer_priv.h"
#include "core/base/hash.h"
#include "core/base/util.h"

#define OLD      (30 * 86400)
#define FILE_MAX 65536

static char *folder_path(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache == '/') return peri_xasprintf("%s/perigee/uploads", cache);
    if (home && *home == '/') return peri_xasprintf("%s/.cache/perigee/uploads", home);
    return NULL;
}

static void sweep(const char *folder)
{
    static bool swept;
    if (swept) return;
    swept = true;
    DIR *d = opendir(folder);
    struct stat st;
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st, 0) == 0 &&
            st.st_mtime < time(NULL) - OLD)
            unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
}

static char *identity(const peri_slot_t *s)
{
    const char *portal = peri_client_portal(s->all->c);
    char *to = peri_place_text(&s->t->remote);
    char *text = peri_xasprintf("%s\n%s\n%s\n%llu %llu %lld %lld.%09ld %d",
                                portal ? portal : peri_client_socket(s->all->c),
                                s->all->account, to, (unsigned long long)s->st.st_dev,
                                (unsigned long long)s->st.st_ino,
                                (long long)s->st.st_size, (long long)s->st.st_mtim.tv_sec,
                                s->st.st_mtim.tv_nsec, s->all->o->check);
    free(to);
    return text;
}

/* The id in the file if it is of this upload. */
static bool read_id(const peri_slot_t *s, const char *who, char id[40])
{
    char text[FILE_MAX];
    ssize_t n = pread(s->state_fd, text, sizeof(text), 0);
    json_t *j = n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
    const char *found = peri_json_str(j, "id");
    bool good = j && !strcmp(peri_json_str(j, "upload"), who) && strlen(found) == 36;
    if (good) memcpy(id, found, 37);
    json_decref(j);
    return good;
}

int peri_upstate_open(peri_slot_t *s, char id[40], peri_err_t *err)
{
    char *folder = folder_path(), *who = identity(s);
    int rc = 0;
    if (!folder || peri_mkdirs(folder, NULL)) goto out; /* it goes without */
    sweep(folder);
    s->state_path = peri_xasprintf(
        "%s/%016llx", folder, (unsigned long long)peri_hash_text(PERI_HASH_START, who));
    s->state_fd = open(s->state_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->state_fd < 0) goto out;
    if (flock(s->state_fd, LOCK_EX | LOCK_NB)) {
        rc =
            peri_err_set(err, PERI_ECONFLICT,
                         "another perigee cp sends this file to the same place just now");
        goto out;
    }
    rc = read_id(s, who, id) ? 1 : 0;
out:
    free(folder);
    free(who);
    return rc;
}

int peri_upstate_write(peri_slot_t *s, const char *id, peri_err_t *err)
{
    if (s->state_fd < 0) return 0;
    char *who = identity(s);
    json_t *j =
        json_pack("{s:s, s:s, s:s}", "id", id, "upload", who, "from", s->t->local);
    if (!j) j = json_pack("{s:s, s:s}", "id", id, "upload", who);
    char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
    size_t n = text ? strlen(text) : 0;
    int rc = 0;
    if (!text || ftruncate(s->state_fd, 0) ||
        pwrite(s->state_fd, text, n, 0) != (ssize_t)n)
        rc = peri_err_set(err, PERI_EIO, "cannot remember the upload in %s: %m",
                          s->state_path);
    free(text);
    json_decref(j);
    free(who);
    return rc;
}

void peri_upstate_forget(peri_slot_t *s)
{
    if (s->state_fd >= 0) unlink(s->state_path);
    peri_upstate_close(s);
}

void peri_upstate_close(peri_slot_t *s)
{
    struct stat st;
    /* One that nothing was written to would look like a promise. */
    if (s->state_fd >= 0 && fstat(s->state_fd, &st) == 0 && st.st_size == 0)
        unlink(s->state_path);
    if (s->state_fd >= 0) close(s->state_fd);
    free(s->state_path);
    s->state_fd = -1;
    s->state_path = NULL;
}
