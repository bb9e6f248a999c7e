/* target.c - see target.h. */
#include "core/out/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"

struct peri_target {
    char *path;  /* as given, for messages */
    char *place; /* where it goes: links followed */
    char *dir;
    char *temp;
    bool overwrite;
    bool committed;
};

static int fail_exists(const char *path, peri_err_t *err)
{
    return peri_err_set(err, PERI_EINVAL,
                        "%s exists already: choose another name, or allow it to be "
                        "overwritten (--overwrite)",
                        path);
}

/* The folder that holds place: exists, is one, and may be written to. */
static int check_folder(const peri_target_t *t, peri_err_t *err)
{
    struct stat st;
    if (stat(t->dir, &st)) {
        if (errno == ENOENT)
            return peri_err_set(err, PERI_ENOTFOUND,
                                "cannot write %s: there is no folder %s; make it first",
                                t->path, t->dir);
        return peri_err_set(err, PERI_EIO, "cannot write %s: %s", t->path,
                            strerror(errno));
    }
    if (!S_ISDIR(st.st_mode))
        return peri_err_set(err, PERI_EINVAL, "cannot write %s: %s is not a folder",
                            t->path, t->dir);
    if (access(t->dir, W_OK | X_OK))
        return peri_err_set(err, errno == EACCES ? PERI_EDENIED : PERI_EIO,
                            "cannot write %s: the folder %s cannot be written to (%s)",
                            t->path, t->dir, strerror(errno));
    return 0;
}

/* What is in the place now; follows a symbolic link, so that the link survives. */
static int check_place(peri_target_t *t, peri_err_t *err)
{
    struct stat st;
    if (lstat(t->place, &st)) {
        if (errno == ENOENT) return 0;
        return peri_err_set(err, PERI_EIO, "cannot write %s: %s", t->path,
                            strerror(errno));
    }
    if (S_ISLNK(st.st_mode)) {
        char *real = realpath(t->place, NULL);
        if (!real)
            return peri_err_set(err, PERI_EINVAL,
                                "cannot write %s: it is a symbolic link that leads "
                                "nowhere",
                                t->path);
        free(t->place);
        t->place = real;
        if (stat(t->place, &st))
            return peri_err_set(err, PERI_EIO, "cannot write %s: %s", t->path,
                                strerror(errno));
    }
    if (S_ISDIR(st.st_mode))
        return peri_err_set(err, PERI_EINVAL,
                            "cannot write %s: it is a folder; give a file name in it",
                            t->path);
    if (!S_ISREG(st.st_mode))
        return peri_err_set(err, PERI_EINVAL,
                            "cannot write %s: it is not a regular file; to write to a "
                            "pipe or a device, send standard output there",
                            t->path);
    return t->overwrite ? 0 : fail_exists(t->path, err);
}

peri_target_t *peri_target_new(const char *path, bool overwrite, peri_err_t *err)
{
    peri_target_t *t = peri_xcalloc(1, sizeof(*t));
    size_t n = strlen(path);
    t->path = peri_xstrdup(path);
    t->place = peri_xstrdup(path);
    t->overwrite = overwrite;
    if (n == 0 || path[n - 1] == '/') {
        peri_err_set(err, PERI_EINVAL, "\"%s\" is not the name of a file", path);
        goto fail;
    }
    if (check_place(t, err)) goto fail;

    const char *slash = strrchr(t->place, '/');
    const char *name = slash ? slash + 1 : t->place;
    t->dir = !slash ? peri_xstrdup(".")
             : slash == t->place
                 ? peri_xstrdup("/")
                 : peri_xasprintf("%.*s", (int)(slash - t->place), t->place);
    if (check_folder(t, err)) goto fail;
    char *real =
        realpath(t->dir, NULL); /* no library may take it for a URL or a pattern */
    if (!real) {
        peri_err_set(err, PERI_EIO, "cannot write %s: %s", path, strerror(errno));
        goto fail;
    }
    free(t->dir);
    t->dir = real;
    if (strlen(name) > NAME_MAX) {
        peri_err_set(err, PERI_EINVAL, "the file name %s is too long", name);
        goto fail;
    }
    uint64_t random = 0;
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        random = (uint64_t)(peri_now() * 1e9); /* a clash fails, it destroys nothing */
    /* The name may be as long as the file system allows: leave room for the rest. */
    t->temp = peri_xasprintf("%s/.%.160s.perigee-%ld-%016llx.tmp", t->dir, name,
                             (long)getpid(), (unsigned long long)random);
    return t;
fail:
    peri_target_free(t);
    return NULL;
}

const char *peri_target_path(const peri_target_t *t)
{
    return t->path;
}

const char *peri_target_temp(const peri_target_t *t)
{
    return t->temp;
}

int peri_target_commit(peri_target_t *t, bool sync, peri_err_t *err)
{
    if (sync && peri_path_sync(t->temp))
        return peri_err_set(err, PERI_EIO, "cannot write %s to the disk: %s", t->path,
                            strerror(errno));
    if (t->overwrite ? rename(t->temp, t->place) : peri_rename_new(t->temp, t->place)) {
        if (errno == EEXIST) return fail_exists(t->path, err);
        return peri_err_set(err, PERI_EIO, "cannot put %s in place: %s", t->path,
                            strerror(errno));
    }
    t->committed = true;
    if (sync && peri_path_sync(t->dir))
        return peri_err_set(err, PERI_EIO,
                            "%s is written, but its folder could not be "
                            "synced: %s",
                            t->path, strerror(errno));
    return 0;
}

void peri_target_free(peri_target_t *t)
{
    if (!t) return;
    if (t->temp && !t->committed) unlink(t->temp);
    free(t->path);
    free(t->place);
    free(t->dir);
    free(t->temp);
    free(t);
}
