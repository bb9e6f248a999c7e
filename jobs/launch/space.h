/* space.h - is a file system full? */
#ifndef JOBS_LAUNCH_SPACE_H
#define JOBS_LAUNCH_SPACE_H

#include "core/base/arena.h"

/* A sentence about the file system with this path if it is full (or has no room for
 * another file), else NULL. */
const char *peri_space_full(const char *path, peri_arena_t *arena);
/* "the file system /scratch", by its mount point; the path itself if that is not found.
 */
const char *peri_space_name(const char *path, peri_arena_t *arena);

#endif
