/* words.c - the command line of bubblewrap.
 *
 * Pure but for the look at which of the system's folders are links on this machine. The
 * order matters: what comes later covers what came before.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/sandbox/sandbox.h"

enum { WORDS_MAX = 256 };

typedef struct {
    peri_arena_t *arena;
    const char **v;
    size_t n;
} words_t;

static void put1(words_t *w, const char *a)
{
    w->v[w->n++] = a;
}

static void put2(words_t *w, const char *a, const char *b)
{
    put1(w, a);
    put1(w, b);
}

static void put3(words_t *w, const char *a, const char *b, const char *c)
{
    put2(w, a, b);
    put1(w, c);
}

static const char *number(words_t *w, uint64_t n)
{
    return peri_arena_printf(w->arena, "%llu", (unsigned long long)n);
}

static void put_walls(words_t *w, const peri_sandbox_words_t *in)
{
    static const char *const walls[] = {
        "--unshare-user",       "--unshare-pid",     "--unshare-ipc", "--unshare-uts",
        "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--as-pid-1"};
    for (size_t i = 0; i < sizeof(walls) / sizeof(*walls); i++) put1(w, walls[i]);
    if (!in->network) put1(w, "--unshare-net");
    put2(w, "--cap-drop", "ALL");
    put2(w, "--info-fd", number(w, (uint64_t)in->info));
}

/* A link stays one: the program sees the same paths as outside. */
static void put_system(words_t *w)
{
    static const char *const folders[] = {"/bin",   "/sbin",  "/lib",
                                          "/lib32", "/lib64", "/libx32"};
    put3(w, "--ro-bind", "/usr", "/usr");
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
        struct stat st;
        char target[PATH_MAX];
        if (lstat(folders[i], &st)) continue;
        ssize_t n =
            S_ISLNK(st.st_mode) ? readlink(folders[i], target, sizeof(target) - 1) : 0;
        if (n > 0)
            put3(w, "--symlink", peri_arena_strndup(w->arena, target, (size_t)n),
                 folders[i]);
        else
            put3(w, "--ro-bind", folders[i], folders[i]);
    }
}

static void put_etc(words_t *w, const peri_sandbox_words_t *in)
{
    static const char *const files[] = {"ld.so.cache",
                                        "ld.so.conf",
                                        "ld.so.conf.d",
                                        "alternatives",
                                        "ssl",
                                        "ca-certificates",
                                        "localtime",
                                        "timezone",
                                        "hosts",
                                        "protocols",
                                        "services",
                                        "openmpi",
                                        "pmix-mca-params.conf",
                                        "libibverbs.d",
                                        "fonts",
                                        "magic",
                                        "mime.types",
                                        "python3",
                                        "matplotlibrc",
                                        "inputrc",
                                        "bash.bashrc",
                                        "profile"};
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        const char *path = peri_arena_printf(w->arena, "/etc/%s", files[i]);
        put3(w, "--ro-bind-try", path, path);
    }
    if (in->network) put3(w, "--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf");
    put3(w, "--ro-bind-data", number(w, (uint64_t)in->passwd), "/etc/passwd");
    put3(w, "--ro-bind-data", number(w, (uint64_t)in->group), "/etc/group");
}

static void put_tmpfs(words_t *w, const char *mode, uint64_t max, const char *path)
{
    put2(w, "--perms", mode);
    if (max) put2(w, "--size", number(w, max));
    put2(w, "--tmpfs", path);
}

static void put_cover(words_t *w, const char *path)
{
    put_tmpfs(w, "0000", 4096, path);
    put2(w, "--remount-ro", path);
}

static void put_machine(words_t *w, const peri_sandbox_words_t *in)
{
    put2(w, "--proc", "/proc");
    /* Its files ask for a user only: root's jobs could set core_pattern. */
    put3(w, "--ro-bind", "/proc/sys", "/proc/sys");
    put2(w, "--dev", "/dev");
    if (in->shm)
        put3(w, "--bind", in->shm, "/dev/shm");
    else
        put_tmpfs(w, "1777", in->tmp_max, "/dev/shm");
    put_tmpfs(w, "1777", in->tmp_max, "/tmp");
    put2(w, "--dir", "/volumes");
    if (in->user) put2(w, "--dir", peri_arena_printf(w->arena, "/volumes/%s", in->user));
    if (in->srun)
        put3(w, "--symlink", in->self, peri_arena_printf(w->arena, "%s/srun", in->srun));
    /* How many cores there are, and how they share memory. */
    put3(w, "--ro-bind-try", "/sys/devices/system", "/sys/devices/system");
}

static bool is_below(const char *path, const char *folder)
{
    const size_t n = strlen(folder);
    return !strncmp(path, folder, n) && (path[n] == '/' || !path[n]);
}

static void put_places(words_t *w, const peri_sandbox_words_t *in)
{
    const peri_places_in_t *p = in->places;
    size_t i = 0;
    for (const char *const *s = in->own; *s; s++)
        if (!is_below(*s, "/usr")) put3(w, "--ro-bind-try", *s, *s);
    for (const char *const *s = in->servers; *s; s++) put3(w, "--bind-try", *s, *s);
    for (bool hidden = false; i < p->n; i++) {
        /* Data first, which is seen only, then what hides parts of it. */
        if (!hidden && (p->v[i].write || is_below(p->v[i].to, "/volumes"))) {
            hidden = true;
            /* Task folders may lie in them: read-only comes at the end. */
            for (const char *const *s = in->hide; *s; s++)
                put_tmpfs(w, "0755", 1 << 20, *s);
        }
        put3(w, p->v[i].write ? "--bind" : "--ro-bind",
             p->v[i].from ? p->v[i].from
                          : peri_arena_printf(w->arena, "/proc/self/fd/%d", p->v[i].fd),
             p->v[i].to);
        if (p->v[i].hide)
            put_cover(w, peri_arena_printf(w->arena, "%s/%s", p->v[i].to, p->v[i].hide));
    }
}

const char *const *peri_sandbox_words(const peri_sandbox_words_t *in, peri_arena_t *arena)
{
    size_t most = WORDS_MAX + 12 * in->places->n, ninside = 0;
    for (const char *const *s = in->hide; *s; s++) most += 8;
    for (const char *const *s = in->own; *s; s++) most += 3;
    for (const char *const *s = in->servers; *s; s++) most += 3;
    while (in->inside[ninside]) ninside++;
    words_t w = {arena, peri_arena_calloc(arena, most + ninside, sizeof(*w.v)), 0};
    put1(&w, in->bwrap);
    put_walls(&w, in);
    put_system(&w);
    put_etc(&w, in);
    put_machine(&w, in);
    put_places(&w, in);
    /* Nothing can be put where it would be lost: only the binds and /tmp take files. */
    for (const char *const *s = in->hide; *s; s++) put2(&w, "--remount-ro", *s);
    put2(&w, "--remount-ro", "/dev");
    put2(&w, "--remount-ro", "/");
    put2(&w, "--chdir", "/");
    put1(&w, "--");
    for (size_t i = 0; i < ninside; i++) put1(&w, in->inside[i]);
    return w.v;
}
