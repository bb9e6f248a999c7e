/* amount.c - how much a file or a tree counts (ops.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/ops.h"

/* Inodes with more than one name that have been counted: open addressing, 0 is free. */
typedef struct {
    ino_t *slot;
    size_t n, cap;
} seen_t;

static bool put(ino_t *slot, size_t cap, ino_t ino)
{
    size_t i = (size_t)(ino * 0x9e3779b97f4a7c15u) & (cap - 1);
    for (; slot[i]; i = (i + 1) & (cap - 1))
        if (slot[i] == ino) return false;
    slot[i] = ino;
    return true;
}

/* .perigee and its own folders cost a user nothing; what a job puts beside them does. */
static bool is_ours(const peri_visit_t *v)
{
    static const char *const ours[] = {PERI_PATH_PRIVATE, PERI_PATH_PRIVATE "/trash",
                                       PERI_PATH_PRIVATE "/unfinished",
                                       PERI_PATH_PRIVATE "/" PERI_PATH_UPLOADS};
    if (!S_ISDIR(v->st.st_mode) || v->depth > 1) return false;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (!strcmp(v->path, ours[i])) return true;
    return false;
}

/* True the first time. */
static bool seen_add(seen_t *s, ino_t ino)
{
    if (2 * s->n >= s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        ino_t *slot = peri_xcalloc(cap, sizeof(*slot));
        for (size_t i = 0; i < s->cap; i++)
            if (s->slot[i]) put(slot, cap, s->slot[i]);
        free(s->slot);
        s->slot = slot;
        s->cap = cap;
    }
    if (!put(s->slot, s->cap, ino)) return false;
    s->n++;
    return true;
}

int peri_ops_amount(int root, const char *path, uint64_t most, const peri_stop_t *stop,
                    peri_amount_t *amount, bool *whole, peri_err_t *err)
{
    struct stat st;
    seen_t seen = {0};
    peri_visit_t v;
    int rc = -1;
    *amount = (peri_amount_t){0};
    *whole = true;
    if (peri_path_stat(root, path, &st, err)) return -1;
    if (!S_ISDIR(st.st_mode)) {
        *amount = (peri_amount_t){.files = 1, .bytes = peri_amount_bytes(&st)};
        return 0;
    }
    int fd = peri_path_open_folder(root, path, err);
    if (fd < 0) return -1;
    peri_walk_t *w = peri_walk_new(fd, NULL);
    if (!w) {
        peri_path_errno(err, errno, "read", path);
        goto out;
    }
    amount->files = *path ? 1 : 0; /* the top folder is free */
    while (peri_walk_next(w, &v)) {
        if (peri_stop_check(stop, err)) goto out;
        if (v.event == PERI_WALK_LEAVE) continue;
        if (v.event == PERI_WALK_FAILED) *whole = false;
        if (*path || !is_ours(&v)) amount->files++;
        if (v.st.st_nlink <= 1 || S_ISDIR(v.st.st_mode) || seen_add(&seen, v.st.st_ino))
            amount->bytes += peri_amount_bytes(&v.st);
        if (most && amount->files >= most) {
            *whole = false;
            break;
        }
    }
    rc = 0;
out:
    free(seen.slot);
    peri_walk_free(w);
    close(fd);
    return rc;
}
