/* words.c - the words that start the outer half around a program. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/launch/outside.h"

enum { TELL_NONE = -1 };

const char *peri_outside_self(peri_arena_t *arena)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    return n > 0 ? peri_arena_strndup(arena, path, (size_t)n) : "perigee-launch";
}

const char *peri_outside_parent(const char *path, peri_arena_t *arena)
{
    const char *slash = strrchr(path, '/');
    return slash && slash > path ? peri_arena_strndup(arena, path, (size_t)(slash - path))
                                 : "/";
}

const char **peri_outside_words(const peri_task_t *t, const char *const *words,
                                size_t nwords, size_t nstarter, size_t *n)
{
    const char **w = peri_arena_calloc(t->arena, nwords + 8, sizeof(*w));
    *n = 0;
    w[(*n)++] = peri_outside_self(t->arena);
    w[(*n)++] = PERI_SANDBOX_ARG;
    w[(*n)++] = peri_outside_parent(t->folder, t->arena);
    w[(*n)++] = peri_arena_printf(t->arena, "%d", (int)t->index);
    /* Seen from the outer half itself, ranks are what it starts. */
    w[(*n)++] = peri_arena_printf(t->arena, "%d", t->srun ? TELL_NONE : t->tell);
    w[(*n)++] = peri_arena_printf(t->arena, "%zu", nstarter);
    for (size_t i = 0; i < nwords; i++) w[(*n)++] = words[i];
    return w;
}
