/* walk.c - see walk.h. */
#include "portal/storage/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "portal/storage/path.h"

typedef struct {
    DIR *dir;
    struct stat st;    /* of this folder */
    size_t path, name; /* length of its path; where its name starts in it */
} level_t;

struct peri_walk {
    level_t level[PERI_WALK_LEVELS + 1]; /* [0]: the start */
    int depth;                           /* the one that is read */
    const char *hidden;
    bool skip;
    bool left; /* LEAVE was told: closed by the next call */
    peri_buf_t path;
};

uint64_t peri_amount_bytes(const struct stat *st)
{
    if (!S_ISREG(st->st_mode)) return 0;
    uint64_t size = (uint64_t)st->st_size, disk = (uint64_t)st->st_blocks * 512;
    return size < disk ? size : disk;
}

int peri_stop_check(const peri_stop_t *stop, peri_err_t *err)
{
    if (!stop || !stop->wanted || !stop->wanted(stop->arg)) return 0;
    return peri_err_set(err, PERI_ECANCEL, "it was cancelled");
}

/* Takes fd, also on failure. */
static DIR *open_dir(int fd)
{
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && fd >= 0) {
        int error = errno;
        close(fd);
        errno = error;
    }
    return d;
}

peri_walk_t *peri_walk_new(int folder, const char *hidden)
{
    DIR *d = open_dir(peri_path_folder_at(folder, "."));
    if (!d) return NULL;
    peri_walk_t *w = peri_xcalloc(1, sizeof(*w));
    w->level[0].dir = d;
    w->hidden = hidden;
    peri_buf_init(&w->path, (PERI_WALK_LEVELS + 2) * (PERI_NAME_MAX + 1));
    return w;
}

void peri_walk_free(peri_walk_t *w)
{
    if (!w) return;
    for (int i = 0; i <= w->depth; i++) closedir(w->level[i].dir);
    peri_buf_free(&w->path);
    free(w);
}

static void path_cut(peri_walk_t *w, size_t len)
{
    w->path.len = len;
    if (w->path.data) w->path.data[len] = '\0';
}

static bool leave(peri_walk_t *w, peri_visit_t *v)
{
    const level_t *l = &w->level[w->depth];
    if (w->depth == 0) return false;
    w->left = true;
    path_cut(w, l->path);
    v->event = PERI_WALK_LEAVE;
    v->parent = dirfd(w->level[w->depth - 1].dir);
    v->folder = dirfd(l->dir);
    v->path = w->path.data;
    v->name = w->path.data + l->name;
    v->depth = w->depth - 1;
    v->error = 0;
    v->st = l->st;
    return true;
}

static void enter(peri_walk_t *w, peri_visit_t *v, size_t name)
{
    DIR *d = NULL;
    errno = E2BIG;
    if (w->depth < PERI_WALK_LEVELS)
        d = open_dir(peri_path_folder_at(v->parent, v->name));
    if (!d) {
        v->event = PERI_WALK_FAILED;
        v->error = errno;
        return;
    }
    level_t *l = &w->level[++w->depth];
    *l = (level_t){.dir = d, .path = w->path.len, .name = name};
    /* Not what had the name a moment ago. */
    if (fstat(dirfd(d), &l->st) == 0) v->st = l->st;
    v->event = PERI_WALK_ENTER;
    v->folder = dirfd(d);
}

bool peri_walk_next(peri_walk_t *w, peri_visit_t *v)
{
    if (w->left) closedir(w->level[w->depth--].dir);
    w->left = false;
    for (;;) {
        level_t *l = &w->level[w->depth];
        struct dirent *e = w->skip ? NULL : readdir(l->dir);
        w->skip = false;
        if (!e) return leave(w, v);
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if (w->depth == 0 && w->hidden && !strcmp(e->d_name, w->hidden)) continue;
        path_cut(w, l->path);
        if (w->depth) peri_buf_putc(&w->path, '/');
        size_t name = w->path.len;
        peri_buf_puts(&w->path, e->d_name);
        *v = (peri_visit_t){.event = PERI_WALK_ENTRY,
                            .parent = dirfd(l->dir),
                            .folder = -1,
                            .path = w->path.data,
                            .name = w->path.data + name,
                            .depth = w->depth};
        if (fstatat(v->parent, v->name, &v->st, AT_SYMLINK_NOFOLLOW)) continue;
        if (!S_ISDIR(v->st.st_mode)) return true;
        enter(w, v, name);
        if (v->event == PERI_WALK_FAILED &&
            (v->error == ENOENT || v->error == ENOTDIR || v->error == ELOOP))
            continue; /* gone, or another thing by now */
        return true;
    }
}

void peri_walk_skip(peri_walk_t *w)
{
    w->skip = true;
}
