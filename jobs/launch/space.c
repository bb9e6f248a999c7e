/* space.c - see space.h. */
#include "jobs/launch/space.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/util.h"

enum { ALMOST_NONE = 64 * 1024 };

/* Up as long as it is the same device. */
static const char *mount_point(const char *path, peri_arena_t *arena)
{
    struct stat st, up;
    char *at = peri_arena_strdup(arena, path);
    if (*at != '/' || stat(at, &st)) return NULL;
    for (char *slash; (slash = strrchr(at, '/')) && at[1];) {
        char *parent = slash == at ? peri_arena_strdup(arena, "/")
                                   : peri_arena_strndup(arena, at, (size_t)(slash - at));
        if (stat(parent, &up) || up.st_dev != st.st_dev) return at;
        at = parent;
    }
    return at;
}

const char *peri_space_name(const char *path, peri_arena_t *arena)
{
    const char *point = mount_point(path, arena);
    return point ? peri_arena_printf(arena, "the file system %s", point)
                 : peri_arena_printf(arena, "the file system with %s", path);
}

const char *peri_space_full(const char *path, peri_arena_t *arena)
{
    struct statvfs s;
    char all[16], left[16];
    if (statvfs(path, &s) || s.f_blocks == 0 || (s.f_flag & ST_RDONLY)) return NULL;
    const bool root = geteuid() == 0;
    const uint64_t blocks = root ? s.f_bfree : s.f_bavail,
                   files = root ? s.f_ffree : s.f_favail;
    if (s.f_files > 0 && files == 0)
        return peri_arena_printf(arena, "%s has no room for another file (inodes)",
                                 peri_space_name(path, arena));
    if (blocks * s.f_frsize >= ALMOST_NONE || s.f_blocks * s.f_frsize < 4 * ALMOST_NONE)
        return NULL;
    return peri_arena_printf(arena, "%s is full: %s of %s are free",
                             peri_space_name(path, arena),
                             peri_human_bytes(blocks * s.f_frsize, left),
                             peri_human_bytes(s.f_blocks * s.f_frsize, all));
}
