/* path.h - names and paths of users, resolved beneath the folder of a volume.
 *
 * A volume is a folder on disk, held open as `root`. A path is relative to it, clean
 * (see _clean), and names no link on its way or at its end: links are never followed, so
 * neither "..", nor a link, nor someone who swaps a folder for a link meanwhile leads out
 * of the volume. openat2() does it in the kernel; where that is missing, a walk from
 * folder to folder does the same.
 *
 * Below a volume's root ".perigee" is Perigee's own (trash, unfinished files). No path of
 * a user leads there; _private opens it. What is in it may have been touched by a user's
 * job all the same: it is no more trusted than the rest.
 *
 * Errors: PERI_EINVAL a bad name; PERI_ENOTFOUND; PERI_EDENIED a link, a device, a fifo,
 * a socket, or the system's refusal; PERI_EIO. Sentences name paths as they are given.
 * Threads: all functions, any number, on the same root too.
 */
#ifndef PORTAL_STORAGE_PATH_H
#define PORTAL_STORAGE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "core/base/arena.h"
#include "perigee/err.h"

#define PERI_NAME_MAX     255  /* bytes of one name */
#define PERI_PATH_MAX     4096 /* bytes of a path, without its NUL */
#define PERI_PATH_LEVELS  64   /* names in a path */
#define PERI_PATH_PRIVATE ".perigee"
#define PERI_PATH_UPLOADS "uploads" /* in it: parts of uploads */

/* A name: 1 to PERI_NAME_MAX bytes of UTF-8 without '/', NUL or control characters (C0,
 * DEL, C1), not "." or "..". */
bool peri_filename_ok(const char *name, size_t len);
/* The same with the sentence why not. */
int peri_filename_check(const char *name, size_t len, peri_err_t *err);

/* The clean form of a path from outside, allocated from the arena: names with one '/'
 * between them, none at its start or end; "" is the volume itself. One '/' at the start
 * and one at the end of what is given are dropped. NULL: PERI_EINVAL. */
const char *peri_path_clean(peri_arena_t *a, const char *path, size_t len,
                            peri_err_t *err);
/* The last name of a clean path ("" of ""). Points into it. */
const char *peri_path_name(const char *path);
/* True if path is `folder` or lies in it; both clean. */
bool peri_path_within(const char *path, const char *folder);

/* The folder of a volume, made by us; not a link. A descriptor (close()) or -1. */
int peri_path_open_root(const char *folder, peri_err_t *err);

/* All that follow take clean paths. Descriptors are close-on-exec. */

/* A regular file. flags: those of open() but O_CREAT with a mode of 0666 less umask; a
 * new name needs its folder. Anything but a regular file is refused without waiting for
 * it. */
int peri_path_open_file(int root, const char *path, int flags, peri_err_t *err);
/* A folder, for reading names and as the start of *at() calls; "" is the root again. */
int peri_path_open_folder(int root, const char *path, peri_err_t *err);
/* The folder that holds path's last name, and that name (in path). Not for "". */
int peri_path_open_parent(int root, const char *path, const char **name, peri_err_t *err);
/* What is there; a link is told as a link. */
int peri_path_stat(int root, const char *path, struct stat *st, peri_err_t *err);
/* The folder .perigee/SUB ("trash", "unfinished"), made if it is not there. */
int peri_path_open_private(int root, const char *sub, peri_err_t *err);

/* One entry of a folder that is already open, for walks: the same rules as above, name
 * need not be one that a user may give. An errno, not a sentence: walks meet many that
 * vanish. */
int peri_path_folder_at(int folder, const char *name); /* -1 with errno */
int peri_path_file_at(int folder, const char *name, int flags, struct stat *st);

/* errno of a call about path as an error; returns -1. doing: "read", "make", "write". */
int peri_path_errno(peri_err_t *err, int error, const char *doing, const char *path);

/* Tests only: the walk also where there is openat2. */
void peri_path_use_walk(bool walk);

#endif
