/* why.c - why a program could not be run, as a sentence for the one who asked for it. */
#include "jobs/launch/why.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "jobs/launch/command.h"
#include "jobs/task/io.h"
#include "jobs/task/text.h"

enum { SHOWN = 200, HEAD = 256 };

static const char *in_dir(const char *path, const char *dir, peri_arena_t *arena)
{
    return *path == '/' ? path : peri_arena_printf(arena, "%s/%s", dir, path);
}

const char *peri_why_find(const char *name, const char *path, const char *dir,
                          peri_arena_t *arena)
{
    const char *there = NULL;
    struct stat st;
    if (strchr(name, '/')) return name;
    if (!*name) return NULL;
    for (const char *p = path;;) {
        size_t n = strcspn(p, ":");
        const char *one = n ? peri_arena_printf(arena, "%.*s/%s", (int)n, p, name)
                            : peri_arena_printf(arena, "./%s", name);
        const char *seen = in_dir(one, dir, arena);
        if (stat(seen, &st) == 0 && S_ISREG(st.st_mode)) {
            if (access(seen, X_OK) == 0) return one;
            if (!there) there = one;
        }
        if (!p[n]) return there;
        p += n + 1;
    }
}

/* The first line of a text that names its interpreter: that path; "" if there is none. */
static void interpreter(const char *seen, char out[HEAD])
{
    char head[HEAD];
    out[0] = '\0';
    int fd = open(seen, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return;
    ssize_t n = peri_read_some(fd, head, sizeof(head) - 1, 0);
    close(fd);
    if (n < 3 || head[0] != '#' || head[1] != '!') return;
    head[n] = '\0';
    const char *s = head + 2 + strspn(head + 2, " \t");
    /* A carriage return belongs to the name, as the kernel sees it. */
    snprintf(out, HEAD, "%.*s", (int)strcspn(s, " \t\n"), s);
}

int peri_why_errno(const char *path, const char *dir)
{
    peri_arena_t *arena = peri_arena_new();
    const char *seen = in_dir(path, dir, arena);
    char interp[HEAD];
    struct stat st;
    int e = 0;
    if (!strchr(path, '/') || stat(seen, &st))
        e = strchr(path, '/') ? errno : ENOENT;
    else if (!S_ISREG(st.st_mode) || access(seen, X_OK))
        e = EACCES;
    else {
        interpreter(seen, interp);
        if (*interp && access(*interp == '/' ? interp : in_dir(interp, dir, arena), X_OK))
            e = errno;
    }
    peri_arena_free(arena);
    return e;
}

/* What became of a program in a file that is there, though ENOENT was the answer. */
static const char *why_missing(const peri_task_t *t, const peri_command_t *c,
                               const char *name, const char *seen)
{
    char interp[HEAD], shown[SHOWN + 1];
    struct stat st;
    if (!strchr(c->path, '/'))
        return peri_arena_printf(t->arena,
                                 "no such program: %s is in none of the folders of PATH "
                                 "on node %s",
                                 name, t->host);
    if (stat(seen, &st))
        return peri_arena_printf(t->arena,
                                 *c->path == '/'
                                     ? "no such program: %s%.0s; is the path right on "
                                       "node %s?"
                                     : "no such program: %s (in %s); is the path right "
                                       "on node %s?",
                                 name, c->dir, t->host);
    interpreter(seen, interp);
    const size_t n = strlen(interp);
    peri_text_clean(interp, n && interp[n - 1] == '\r' ? n - 1 : n, shown, SHOWN);
    if (n && interp[n - 1] == '\r')
        return peri_arena_printf(t->arena,
                                 "%s has lines that end as on Windows (CR LF), so that "
                                 "its interpreter %s is not found: convert it, for "
                                 "instance with dos2unix",
                                 name, shown);
    if (n)
        return peri_arena_printf(t->arena,
                                 "the interpreter %s, which the first line of %s names, "
                                 "does not exist on node %s",
                                 shown, name, t->host);
    return peri_arena_printf(t->arena,
                             "%s is there, but the loader that it needs is not on node "
                             "%s: it was built for another system",
                             name, t->host);
}

static const char *why_denied(const peri_task_t *t, const char *name, const char *seen)
{
    char interp[HEAD], shown[SHOWN + 1];
    struct stat st;
    struct statvfs fs;
    if (stat(seen, &st))
        return peri_arena_printf(t->arena, "%s cannot be reached on node %s: %s", name,
                                 t->host, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return peri_arena_printf(t->arena, "%s is a folder, not a program", name);
    interpreter(seen, interp);
    if (access(seen, X_OK) == 0 && *interp) {
        peri_text_clean(interp, strlen(interp), shown, SHOWN);
        return peri_arena_printf(t->arena,
                                 "the interpreter %s, which the first line of %s names, "
                                 "cannot be executed on node %s",
                                 shown, name, t->host);
    }
    if (statvfs(seen, &fs) == 0 && (fs.f_flag & ST_NOEXEC))
        return peri_arena_printf(t->arena,
                                 "%s lies on a file system from which node %s executes "
                                 "nothing (noexec): keep programs elsewhere",
                                 name, t->host);
    return peri_arena_printf(
        t->arena, "%s is not executable: its permissions say so; try chmod +x", name);
}

const char *peri_command_why(const peri_task_t *t, const peri_command_t *c, int error,
                             bool at_dir)
{
    char name[SHOWN + 1], dir[SHOWN + 1];
    const char *seen = in_dir(c->path, c->dir, t->arena);
    peri_text_clean(c->program, strlen(c->program), name, SHOWN);
    peri_text_clean(c->dir, strlen(c->dir), dir, SHOWN);
    if (at_dir)
        return peri_arena_printf(
            t->arena,
            error == ENOENT    ? "the working folder %s does not exist on node %s"
            : error == ENOTDIR ? "the working folder %s is not a folder on node %s"
                               : "the working folder %s cannot be entered on node %s: %s",
            dir, t->host, strerror(error));
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return why_missing(t, c, name, seen);
    case EACCES:
    case EPERM:
        return why_denied(t, name, seen);
    case ENOEXEC:
        return peri_arena_printf(
            t->arena,
            "%s is no program that node %s can run: it was built for "
            "another machine, or it is a text without a first line "
            "such as #!/bin/sh",
            name, t->host);
    case E2BIG:
        return peri_arena_printf(t->arena,
                                 "the command and environment of %s are too long: pass "
                                 "long lists in a file",
                                 name);
    default:
        return peri_arena_printf(t->arena, "%s could not be started on node %s: %s", name,
                                 t->host, strerror(error));
    }
}
