/* ops.h - what can be done with the files and folders of a volume.
 *
 * root is the volume's folder (peri_path_open_root), paths are clean (peri_path_clean).
 * Nothing here knows accounts, rights or HTTP; quotas are counted by the caller (usage.h)
 * with what _put, _copy and the others say.
 *
 * Every change is whole or not there, also after a crash, and on disk (fsync of file and
 * folder) when the call returns 0. What is made in several steps is made in
 * .perigee/unfinished and moved to its place at the end; peri_unfinished_sweep removes
 * what a crash left there.
 *
 * Errors: those of path.h, PERI_ECONFLICT (the name is taken, the folder is not empty,
 * If-Match), PERI_ECANCEL. Threads: all.
 */
#ifndef PORTAL_STORAGE_OPS_H
#define PORTAL_STORAGE_OPS_H

#include "portal/storage/path.h"
#include "portal/storage/walk.h"

/* ---- looking ---- */

typedef enum {
    PERI_ENTRY_FOLDER,
    PERI_ENTRY_FILE,
    PERI_ENTRY_LINK, /* made by a job; not followed, but can be moved and deleted */
    PERI_ENTRY_OTHER
} peri_entrykind_t;

typedef struct {
    const char *name;
    peri_entrykind_t kind;
    uint64_t size;     /* bytes; 0 for anything but a file */
    int64_t mtime, ns; /* changed: seconds since the epoch, and nanoseconds */
    uint64_t inode;
} peri_entry_t;

const char *peri_entrykind_name(peri_entrykind_t k); /* "folder", "file", ... */
void peri_entry_fill(peri_entry_t *e, const char *name, const struct stat *st);
/* A strong entity tag, without quotes: of inode, size and time of change. */
#define PERI_ETAG_LEN 64
const char *peri_etag(const peri_entry_t *e, char out[PERI_ETAG_LEN]);

int peri_ops_stat(int root, const char *path, peri_entry_t *e, peri_err_t *err);

typedef enum { PERI_SORT_NAME, PERI_SORT_SIZE, PERI_SORT_TIME } peri_sort_t;
#define PERI_LIST_MAX 1000
/* after: the cursor of the page before, or NULL. A cursor is the place of an entry in the
 * order, so that entries that come and go move no other to another page. */
typedef struct {
    peri_sort_t sort;
    bool descending; /* folders come first all the same */
    const char *after;
    size_t limit; /* 1 to PERI_LIST_MAX */
} peri_listing_t;
typedef struct {
    peri_entry_t *entry; /* all of the arena */
    size_t n;
    const char *next; /* NULL: this was the last page */
    uint64_t total;   /* names in the folder that can be listed */
    uint64_t unnamed; /* others: made by a job, with names that no path can have */
} peri_page_t;
/* Reads the whole folder, but keeps one page in memory. */
int peri_ops_list(int root, const char *path, const peri_listing_t *how, peri_arena_t *a,
                  peri_page_t *page, peri_err_t *err);

/* How much a file or a folder with all in it counts. most: stop after so many names (0:
 * never); *whole tells whether it was all. Unreadable and too deep folders are left out
 * and make it not whole. */
int peri_ops_amount(int root, const char *path, uint64_t most, const peri_stop_t *stop,
                    peri_amount_t *amount, bool *whole, peri_err_t *err);

/* ---- changing ---- */

/* parents: folders on the way are made too, and one that is there is no error. *made: how
 * many. */
int peri_ops_mkdir(int root, const char *path, bool parents, uint64_t *made,
                   peri_err_t *err);

/* Within a volume or from one to another on the same file system; else PERI_EUNSUPP (copy
 * and delete then). overwrite: a file may take the place of a file; *freed is what that
 * file counted. */
int peri_ops_move(int root, const char *path, int to_root, const char *to, bool overwrite,
                  peri_amount_t *freed, peri_err_t *err);

/* A file or a whole tree; the new one is nobody's until it is whole. Shares blocks where
 * the file system can. Links are copied as links; devices, pipes and sockets are left out
 * and counted in *skipped. More than `most` (what was reserved) is PERI_ELIMIT: it grew
 * meanwhile. *freed as in _move. */
typedef struct {
    bool overwrite;
    peri_amount_t most;
    const peri_stop_t *stop; /* or NULL */
} peri_copying_t;
typedef struct {
    peri_amount_t made, freed;
    uint64_t skipped;
} peri_copied_t;
int peri_ops_copy(int root, const char *path, int to_root, const char *to,
                  const peri_copying_t *how, peri_copied_t *done, peri_err_t *err);

/* Gone for good, at once. *freed: what it counted; less if `stop` ended it early, then
 * the sweep frees the rest. */
int peri_ops_delete(int root, const char *path, const peri_stop_t *stop,
                    peri_amount_t *freed, peri_err_t *err);

/* A whole file from memory. if_match: the tag that it must have now, "*": any, NULL: do
 * not care. only_new: PERI_ECONFLICT if it is there. *before: what was there counted (0
 * files: nothing was). */
typedef struct {
    const char *if_match;
    bool only_new;
} peri_putting_t;
int peri_ops_put(int root, const char *path, const void *data, size_t len,
                 const peri_putting_t *how, peri_amount_t *before, peri_entry_t *now,
                 peri_err_t *err);

/* ---- for the parts of this folder ---- */

/* A new name in .perigee/unfinished, that starts with what is made. folder: opened. */
#define PERI_UNFINISHED_NAME 40
int peri_unfinished_open(int root, const char *what, char name[PERI_UNFINISHED_NAME],
                         peri_err_t *err);
/* Move a name to its place, for good on disk. path: of the place, for sentences. freed:
 * as in _move (not NULL). if_match: as in _put, or NULL. */
int peri_place(int from, const char *from_name, int to, const char *to_name,
               const char *path, bool overwrite, const char *if_match,
               peri_amount_t *freed, peri_err_t *err);
int peri_ops_write_all(int fd, const void *data, size_t len); /* -1 with errno */
/* Remove a name in an open folder and all below, however deep. *freed is added to. */
int peri_remove_at(int folder, const char *name, const peri_stop_t *stop,
                   peri_amount_t *freed, peri_err_t *err);
/* What is in .perigee/unfinished and was not touched for so many seconds. *freed is added
 * to. */
int peri_unfinished_sweep(int root, double older, const peri_stop_t *stop,
                          peri_amount_t *freed, peri_err_t *err);

#endif
