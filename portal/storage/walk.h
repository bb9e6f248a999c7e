/* walk.h - everything in a folder, one after the other, pulled by the caller; and how
 * much a file counts.
 *
 * Follows no links and holds one descriptor a level. What vanishes meanwhile is left out;
 * what cannot be opened, or lies deeper than PERI_WALK_LEVELS (no path of a user does,
 * but a job may make such folders), is told as PERI_WALK_FAILED and the walk goes on.
 * Names are those on disk, in no order: they need not be UTF-8. One thread at a time.
 */
#ifndef PORTAL_STORAGE_WALK_H
#define PORTAL_STORAGE_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "perigee/err.h"

#define PERI_WALK_LEVELS 256

/* What is counted against a quota. */
typedef struct {
    uint64_t bytes, files; /* files: names of any kind, folders too */
} peri_amount_t;

/* A file counts as what it takes on disk, but not more than its size: neither holes nor
 * block sizes. Folders, links and others count no bytes. */
uint64_t peri_amount_bytes(const struct stat *st);

/* Asked now and then in everything that takes long; true ends it with PERI_ECANCEL. */
typedef struct {
    bool (*wanted)(void *arg);
    void *arg;
} peri_stop_t;
/* -1 and PERI_ECANCEL if it is time to stop; stop may be NULL. */
int peri_stop_check(const peri_stop_t *stop, peri_err_t *err);

typedef enum {
    PERI_WALK_ENTRY, /* no folder */
    PERI_WALK_ENTER, /* a folder, before what is in it */
    PERI_WALK_LEAVE, /* the same folder after it */
    PERI_WALK_FAILED /* a folder that is not looked into: error */
} peri_walkevent_t;

typedef struct {
    peri_walkevent_t event;
    int parent;       /* the folder that holds it */
    int folder;       /* ENTER, LEAVE: it; else -1 */
    const char *name; /* its own; of the walk, until the next call, as path */
    const char *path; /* from the start of the walk */
    int depth;        /* 0: directly in the start */
    int error;        /* FAILED: an errno; E2BIG: too deep */
    struct stat st;   /* at LEAVE as it was at ENTER */
} peri_visit_t;

typedef struct peri_walk peri_walk_t;
/* What is in `folder` (borrowed, its own position untouched). hidden: a name right in it
 * that is left out, or NULL (borrowed). NULL with errno if it cannot be read. */
peri_walk_t *peri_walk_new(int folder, const char *hidden);
void peri_walk_free(peri_walk_t *w);                  /* accepts NULL */
bool peri_walk_next(peri_walk_t *w, peri_visit_t *v); /* false: the end */
/* After ENTER: not into it (its LEAVE comes next). */
void peri_walk_skip(peri_walk_t *w);

#endif
