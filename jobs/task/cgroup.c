/* cgroup.c - see cgroup.h. v1 and v2 differ in the names of files: a table each. */
#include "jobs/task/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/task/io.h"

typedef struct {
    const char *fstype;
    const char *limit, *swap, *swap_value; /* swap_value NULL: the same as limit */
    const char *events, *group;
} flavour_t;

enum { V2, V1, NFLAVOURS };
static const flavour_t flavours[NFLAVOURS] = {
    [V2] = {"cgroup2", "memory.max", "memory.swap.max", "0", "memory.events",
            "memory.oom.group"},
    [V1] = {"cgroup", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", NULL,
            "memory.oom_control", NULL},
};

struct peri_cgroup {
    const flavour_t *how;
    char *dir;
    bool own;
};

enum { TEXT = 1 << 20 };

/* ---- where we are ---- */

static char *slurp(const char *path)
{
    char *text = peri_xmalloc(TEXT);
    if (peri_read_small(AT_FDCWD, path, text, TEXT) >= 0) return text;
    free(text);
    return NULL;
}

static bool has_word(const char *list, const char *word)
{
    const size_t n = strlen(word);
    for (const char *p = list; (p = strstr(p, word)); p += n)
        if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0')) return true;
    return false;
}

/* Our path in that hierarchy: lines "ID:CONTROLLERS:PATH". The caller frees. */
static char *own_path(int v)
{
    char *text = slurp("/proc/self/cgroup"), *path = NULL, *save = NULL;
    for (char *s = text ? strtok_r(text, "\n", &save) : NULL; s && !path;
         s = strtok_r(NULL, "\n", &save)) {
        char *controllers = strchr(s, ':');
        char *p = controllers ? strchr(++controllers, ':') : NULL;
        if (!p) continue;
        *p++ = '\0';
        if (v == V2 ? *controllers == '\0' : has_word(controllers, "memory"))
            path = peri_xstrdup(p);
    }
    free(text);
    return path;
}

/* The folder of our own cgroup: from the lines of mountinfo "ID PARENT DEV ROOT POINT
 * OPTIONS ... - TYPE SOURCE SUPEROPTIONS". The caller frees. */
static char *own_folder(int v)
{
    char *path = own_path(v), *text = path ? slurp("/proc/self/mountinfo") : NULL;
    char *folder = NULL, *save = NULL;
    for (char *s = text ? strtok_r(text, "\n", &save) : NULL; s && !folder;
         s = strtok_r(NULL, "\n", &save)) {
        char root[1024], point[1024], type[64], options[1024];
        const char *dash = strstr(s, " - ");
        if (!dash || sscanf(s, "%*s %*s %*s %1023s %1023s", root, point) != 2 ||
            sscanf(dash, " - %63s %*s %1023s", type, options) != 2)
            continue;
        if (strcmp(type, flavours[v].fstype) != 0 || strchr(point, '\\')) continue;
        if (v == V1 && !has_word(options, "memory")) continue;
        /* In a container the mount shows only a part of the tree. */
        const size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
        if (strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != '\0')) continue;
        folder = peri_xasprintf("%s%s", point, path + n);
        for (size_t len = strlen(folder); len > 1 && folder[len - 1] == '/';)
            folder[--len] = '\0';
    }
    free(path);
    free(text);
    return folder;
}

static char *name_of(const char *mark)
{
    char *name = peri_xasprintf("perigee-%s", mark);
    for (char *p = name; *p; p++)
        if (*p == '/') *p = '.';
    return name;
}

/* Where a cgroup of ours may be: in our own, and with v2, where one that has processes
 * can have no children with limits, beside it. */
static char *place(int v, int which, const char *mark)
{
    char *dir = own_folder(v), *child = NULL, *name = name_of(mark);
    if (dir && which == 1) {
        char *slash = strrchr(dir, '/');
        if (slash && slash != dir)
            *slash = '\0';
        else
            *dir = '\0';
    }
    if (dir && *dir) child = peri_xasprintf("%s/%s", dir, name);
    free(dir);
    free(name);
    return child;
}

/* ---- its files ---- */

static int set(const char *dir, const char *name, const char *value)
{
    char *path = peri_xasprintf("%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC), rc = -1;
    if (fd >= 0) {
        rc = write(fd, value, strlen(value)) == (ssize_t)strlen(value) ? 0 : -1;
        close(fd);
    }
    free(path);
    return rc;
}

static bool get(const peri_cgroup_t *c, const char *name, char *out, size_t size)
{
    char *path = peri_xasprintf("%s/%s", c->dir, name);
    ssize_t n = peri_read_small(AT_FDCWD, path, out, size);
    free(path);
    return n >= 0;
}

static peri_cgroup_t *handle(int v, char *dir, bool own)
{
    peri_cgroup_t *c = peri_xcalloc(1, sizeof(*c));
    *c = (peri_cgroup_t){.how = &flavours[v], .dir = dir, .own = own};
    return c;
}

/* Takes dir. */
static peri_cgroup_t *make(int v, char *dir, uint64_t memory)
{
    char value[32];
    if (mkdir(dir, 0755) && errno != EEXIST) {
        free(dir);
        return NULL;
    }
    const flavour_t *how = &flavours[v];
    snprintf(value, sizeof(value), "%llu", (unsigned long long)memory);
    /* Without this file the memory controller does not reach here. */
    if (set(dir, how->limit, memory ? value : v == V2 ? "max" : "-1")) {
        rmdir(dir);
        free(dir);
        return NULL;
    }
    if (memory) set(dir, how->swap, how->swap_value ? how->swap_value : value);
    if (how->group) set(dir, how->group, "1");
    return handle(v, dir, false);
}

peri_cgroup_t *peri_cgroup_new(const char *mark, uint64_t memory)
{
    for (int v = 0; v < NFLAVOURS; v++)
        for (int which = 0; which < (v == V2 ? 2 : 1); which++) {
            char *dir = place(v, which, mark);
            peri_cgroup_t *c = dir ? make(v, dir, memory) : NULL;
            if (c) return c;
        }
    return NULL;
}

peri_cgroup_t *peri_cgroup_find(const char *mark)
{
    struct stat st;
    for (int v = 0; v < NFLAVOURS; v++)
        for (int which = 0; which < (v == V2 ? 2 : 1); which++) {
            char *dir = place(v, which, mark);
            if (dir && stat(dir, &st) == 0) return handle(v, dir, false);
            free(dir);
        }
    return NULL;
}

peri_cgroup_t *peri_cgroup_own(void)
{
    for (int v = 0; v < NFLAVOURS; v++) {
        char *dir = own_folder(v);
        if (!dir) continue;
        peri_cgroup_t *c = handle(v, dir, true);
        if (peri_cgroup_ooms(c) >= 0) return c;
        peri_cgroup_free(c);
    }
    return NULL;
}

int peri_cgroup_enter_fd(const peri_cgroup_t *c)
{
    char *path = peri_xasprintf("%s/cgroup.procs", c->dir);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    free(path);
    return fd;
}

int64_t peri_cgroup_ooms(const peri_cgroup_t *c)
{
    char text[1024];
    if (!get(c, c->how->events, text, sizeof(text))) return -1;
    const char *p = strstr(text, "oom_kill ");
    return p && (p == text || p[-1] == '\n') ? strtoll(p + 9, NULL, 10) : -1;
}

int peri_cgroup_kill(const peri_cgroup_t *c)
{
    int n = 0;
    if (c->own) return 0;
    char *text = peri_xmalloc(TEXT), *save = NULL;
    if (get(c, "cgroup.procs", text, TEXT)) {
        set(c->dir, "cgroup.kill", "1"); /* v2: also what is forked meanwhile */
        for (char *s = strtok_r(text, "\n", &save); s; s = strtok_r(NULL, "\n", &save)) {
            pid_t pid = (pid_t)atol(s);
            if (pid <= 0) continue;
            kill(pid, SIGKILL);
            n++;
        }
    }
    free(text);
    return n;
}

bool peri_cgroup_remove(const peri_cgroup_t *c)
{
    return c->own || rmdir(c->dir) == 0 || errno != EBUSY;
}

void peri_cgroup_free(peri_cgroup_t *c)
{
    if (!c) return;
    free(c->dir);
    free(c);
}
