/* expire.c - see expire.h. */
#include "portal/storage/expire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/trash.h"

#define DAY 86400.0
/* No copy, upload of a small file or deletion takes longer. */
#define UNFINISHED_AGE (3 * DAY)

struct peri_sweep {
    int root;
    peri_expiry_t rule;
    double now;
    enum { FILES, TRASH, UNFINISHED, OVER } part;
    peri_walk_t *walk;
    /* Folders on the way to where the walk is: has a file of it gone in this sweep? */
    bool went[PERI_WALK_LEVELS + 1];
    double until; /* of this step */
};

double peri_expires(const peri_expiry_t *rule, double mtime)
{
    return rule->file_days > 0 ? mtime + rule->file_days * DAY : 0;
}

peri_sweep_t *peri_sweep_new(int root, const peri_expiry_t *rule, double now)
{
    peri_sweep_t *s = peri_xcalloc(1, sizeof(*s));
    s->root = root;
    s->rule = *rule;
    s->now = now;
    return s;
}

void peri_sweep_free(peri_sweep_t *s)
{
    if (!s) return;
    peri_walk_free(s->walk);
    free(s);
}

static bool time_is_over(void *arg)
{
    return peri_now() >= ((peri_sweep_t *)arg)->until;
}

static bool expired(const peri_sweep_t *s, const struct stat *st)
{
    double mtime = (double)st->st_mtim.tv_sec + 1e-9 * (double)st->st_mtim.tv_nsec;
    return peri_expires(&s->rule, mtime) <= s->now;
}

/* Aside first, then looked at again: it may have been replaced just now, and is put back
 * then. */
static bool take(peri_sweep_t *s, const peri_visit_t *v, peri_amount_t *freed)
{
    struct stat st;
    char aside[PERI_UNFINISHED_NAME];
    int to = peri_unfinished_open(s->root, "expired", aside, NULL);
    bool gone = false;
    if (to < 0) return false;
    if (renameat(v->parent, v->name, to, aside) == 0) {
        gone = fstatat(to, aside, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
               !S_ISDIR(st.st_mode) && expired(s, &st);
        if (!gone && renameat2(to, aside, v->parent, v->name, RENAME_NOREPLACE) &&
            errno == EEXIST)
            gone = true; /* and there is a still newer one */
        if (gone) peri_remove_at(to, aside, NULL, freed, NULL);
    }
    close(to);
    return gone;
}

static void visit(peri_sweep_t *s, const peri_visit_t *v, peri_amount_t *freed)
{
    switch (v->event) {
    case PERI_WALK_ENTER:
        s->went[v->depth + 1] = false;
        break;
    case PERI_WALK_LEAVE:
        /* Not one that was made empty: somebody may be about to fill it. */
        if (s->went[v->depth + 1] && unlinkat(v->parent, v->name, AT_REMOVEDIR) == 0) {
            s->went[v->depth] = true;
            freed->files++;
        }
        break;
    case PERI_WALK_ENTRY:
        if (expired(s, &v->st) && take(s, v, freed)) s->went[v->depth] = true;
        break;
    case PERI_WALK_FAILED:
        break;
    }
}

/* 1: time is over. */
static int files(peri_sweep_t *s, peri_amount_t *freed, peri_err_t *err)
{
    peri_visit_t v;
    if (s->rule.file_days <= 0) return 0;
    if (!s->walk) s->walk = peri_walk_new(s->root, PERI_PATH_PRIVATE);
    if (!s->walk) return peri_path_errno(err, errno, "read", "");
    while (peri_walk_next(s->walk, &v)) {
        visit(s, &v, freed);
        if (time_is_over(s)) return 1;
    }
    peri_walk_free(s->walk);
    s->walk = NULL;
    return 0;
}

int peri_sweep_step(peri_sweep_t *s, double seconds, peri_amount_t *freed,
                    peri_err_t *err)
{
    peri_stop_t stop = {time_is_over, s};
    peri_err_t e = {0};
    bool more = false;
    int rc = 0;
    const double age = s->rule.unfinished > 0 && s->rule.unfinished < UNFINISHED_AGE
                           ? s->rule.unfinished
                           : UNFINISHED_AGE;
    s->until = peri_now() + seconds;
    for (; s->part != OVER; s->part++) {
        if (s->part == FILES)
            rc = files(s, freed, &e);
        else if (s->part == TRASH && s->rule.trash_days > 0)
            rc = peri_trash_empty(s->root, s->now - s->rule.trash_days * DAY, &stop,
                                  freed, &more, &e);
        else if (s->part == UNFINISHED)
            rc = peri_unfinished_sweep(s->root, age, &stop, freed, &e);
        if (rc == 1 || more || (rc && e.code == PERI_ECANCEL)) return 1;
        if (rc) {
            if (err) *err = e;
            return -1;
        }
    }
    return 0;
}
