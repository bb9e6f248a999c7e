/* why.h - finding a program, and why it cannot be run. */
#ifndef JOBS_LAUNCH_WHY_H
#define JOBS_LAUNCH_WHY_H

#include "core/base/arena.h"

/* The path that a shell would take for this name: itself if it has a slash, else the
 * first in `path` that can be executed (then: that is there). Relative ones are seen from
 * dir. NULL: there is none. */
const char *peri_why_find(const char *name, const char *path, const char *dir,
                          peri_arena_t *arena);
/* 0 if it looks as if it could be executed, else what execve would say. */
int peri_why_errno(const char *path, const char *dir);

#endif
