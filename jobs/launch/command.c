/* command.c - the words to execute: the program itself, a script that came with the job,
 * or the starter of an MPI program in front of them. Why a program cannot be run is in
 * why.c.
 */
#include "jobs/launch/command.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/launch/inside.h"
#include "jobs/launch/why.h"
#include "core/base/util.h"

enum { PREFIX_MAX = 16 };

static int write_script(const peri_task_t *t, peri_err_t *err)
{
    /* A new file: the old one, if there is any, may be somebody's. */
    unlinkat(t->dirfd, "script", 0);
    int fd = openat(t->dirfd, "script",
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700);
    if (fd < 0) return peri_err_set(err, PERI_EIO, "cannot write the script: %m");
    int rc = fchmod(fd, 0700) || peri_write_all(fd, t->l.script, strlen(t->l.script));
    if (rc) peri_err_set(err, PERI_EIO, "cannot write the script: %m");
    if (close(fd) && rc == 0)
        rc = peri_err_set(err, PERI_EIO, "cannot write the script: %m");
    return rc ? -1 : 0;
}

static size_t slurm_prefix(const peri_task_t *t, const char **w)
{
    size_t n = 0;
    w[n++] = "srun";
    w[n++] = "--mpi=pmix";
    w[n++] = "--export=ALL"; /* whatever the job itself was submitted with */
    w[n++] = "--kill-on-bad-exit=1";
    if (t->l.nodes) {
        w[n++] = "-N";
        w[n++] = peri_arena_printf(t->arena, "%u", t->l.nodes);
    }
    w[n++] = "-n";
    w[n++] = peri_arena_printf(t->arena, "%u", t->l.ranks ? t->l.ranks : 1);
    w[n++] = "-c";
    w[n++] = peri_arena_printf(t->arena, "%u", t->l.cpus ? t->l.cpus : 1);
    return n;
}

static size_t local_prefix(const peri_task_t *t, const char **w)
{
    size_t n = 0;
    w[n++] = "mpirun";
    /* Which cores are free only the scheduler knows: several jobs that each bind their
     * ranks to the first ones would share these. */
    w[n++] = "--oversubscribe";
    w[n++] = "--bind-to";
    w[n++] = "none";
    w[n++] = "-n";
    w[n++] = peri_arena_printf(t->arena, "%u", t->l.ranks ? t->l.ranks : 1);
    return n;
}

static const char *path_in(char *const *envp)
{
    for (; *envp; envp++)
        if (strncmp(*envp, "PATH=", 5) == 0) return *envp + 5;
    return "/usr/local/bin:/usr/bin:/bin";
}

/* The starter looks for the program itself, and says less well that there is none. */
static int check_ahead(const peri_task_t *t, const peri_command_t *c, const char *program,
                       peri_err_t *err)
{
    const char *path = peri_why_find(program, path_in(c->envp), c->dir, t->arena);
    peri_command_t alone = *c;
    alone.path = path ? path : program;
    const int e = peri_why_errno(alone.path, c->dir);
    if (e == 0) return 0;
    return peri_err_set(err, PERI_ENOTFOUND, "%s", peri_command_why(t, &alone, e, false));
}

/* The starter of ranks that is outside, the outer half, the one that is inside, the
 * program: only the outer half looks for what is inside. */
static int make_walled(const peri_task_t *t, peri_command_t *c, peri_err_t *err)
{
    const peri_launch_t *l = &t->l;
    const char **in = peri_arena_calloc(t->arena, l->argc + PREFIX_MAX, sizeof(*in));
    size_t n = l->mpi && !t->srun ? local_prefix(t, in) : 0, nouter;
    const size_t starter = n;
    c->dir = t->folder;
    c->envp = peri_command_bare_environ(t);
    if (l->script) {
        if (write_script(t, err)) return -1;
        in[n++] = peri_arena_printf(t->arena, "%s/script", t->folder);
    }
    for (size_t i = 0; i < l->argc; i++) in[n++] = peri_command_fill(t, l->argv[i]);
    c->program = l->script ? "the script" : in[starter];
    const char **outer = peri_outside_words(t, in, n, starter, &nouter);
    const char **w = peri_arena_calloc(t->arena, nouter + PREFIX_MAX, sizeof(*w));
    n = t->srun ? slurm_prefix(t, w) : 0;
    memcpy(w + n, outer, nouter * sizeof(*w));
    c->argv = (char *const *)w;
    c->path = peri_why_find(w[0], "/usr/local/bin:/usr/bin:/bin", "/", t->arena);
    if (!c->path)
        return peri_err_set(err, PERI_ENOTFOUND,
                            "%s, which starts MPI programs, was not found on node %s",
                            w[0], t->host);
    return 0;
}

int peri_command_make(const peri_task_t *t, peri_command_t *c, peri_err_t *err)
{
    const peri_launch_t *l = &t->l;
    if (l->sandbox) return make_walled(t, c, err);
    const char **w = peri_arena_calloc(t->arena, l->argc + PREFIX_MAX, sizeof(*w));
    size_t n = 0;
    c->dir = l->dir ? l->dir : t->folder;
    c->envp = peri_command_environ(t);
    if (l->mpi) n = t->srun ? slurm_prefix(t, w) : local_prefix(t, w);
    const size_t first = n;
    if (l->script) {
        if (write_script(t, err)) return -1;
        w[n++] = peri_arena_printf(t->arena, "%s/script", t->folder);
    }
    for (size_t i = 0; i < l->argc; i++) w[n++] = peri_command_fill(t, l->argv[i]);
    c->program = l->script ? "the script" : w[first];
    c->argv = (char *const *)w;
    /* A folder that is not there is found when it is entered, and is said first. */
    if (l->mpi && access(c->dir, X_OK) == 0 && check_ahead(t, c, w[first], err))
        return -1;
    c->path = peri_why_find(w[0], path_in(c->envp), c->dir, t->arena);
    if (!c->path && l->mpi)
        return peri_err_set(err, PERI_ENOTFOUND,
                            "%s, which starts MPI programs, was not found on node %s",
                            w[0], t->host);
    if (!c->path) c->path = w[0];
    return 0;
}
