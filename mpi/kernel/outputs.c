/* outputs.c - files that a kernel writes: a temporary name beside the right one until the
 * whole call has succeeded. Rank 0 decides.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "mpi/kernel/run_private.h"

static char *beside(const char *path)
{
    const char *slash = strrchr(path, '/');
    const int dir = slash ? (int)(slash - path + 1) : 0;
    return peri_xasprintf("%.*s.%.160s.perigee-%ld-out.tmp", dir, path, path + dir,
                          (long)getpid());
}

static int open_one(peri_run_t *run, const peri_arg_t *a, peri_err_t *err)
{
    if (run->noutputs == PERI_MAX_OUTPUTS)
        return peri_err_set(err, PERI_EINTERNAL, "a kernel has too many outputs");
    const char *base = run->spec->base;
    const char *path = *a->text == '/' || !base
                           ? peri_arena_strdup(run->arena, a->text)
                           : peri_arena_printf(run->arena, "%s/%s", base, a->text);
    if (access(path, F_OK) == 0 && !run->spec->overwrite)
        return peri_err_set(err, PERI_EINVAL,
                            "%s exists: choose another name for %s, or say --overwrite",
                            path, a->param->name);
    char *temporary = beside(path);
    FILE *f = fopen(temporary, "wx");
    if (!f) {
        peri_err_set(err, PERI_EIO, "cannot write %s (%s): %m", path, a->param->name);
        free(temporary);
        return -1;
    }
    fclose(f);
    run->outputs[run->noutputs++] = (peri_output_t){a->param->name, path, temporary};
    return 0;
}

static int open_all(peri_run_t *run, peri_err_t *err)
{
    for (size_t i = 0; i < run->kernel->nparams; i++) {
        const peri_arg_t *a = &run->args.own[i];
        if (a->param->type == PERI_PARAM_OUTPUT && a->there && open_one(run, a, err))
            return -1;
    }
    return 0;
}

/* Names come from rank 0: they hold its process id. */
static void share_names(peri_run_t *run)
{
    uint64_t n = run->noutputs;
    MPI_Bcast(&n, 1, MPI_UINT64_T, 0, run->comm);
    run->noutputs = n;
    for (size_t i = 0; i < n; i++) {
        peri_output_t *o = &run->outputs[i];
        uint64_t len = run->rank ? 0 : strlen(o->temporary) + 1;
        uint64_t name = run->rank ? 0 : strlen(o->param) + 1;
        MPI_Bcast(&len, 1, MPI_UINT64_T, 0, run->comm);
        MPI_Bcast(&name, 1, MPI_UINT64_T, 0, run->comm);
        if (run->rank) {
            o->temporary = peri_xcalloc(len, 1);
            o->param = peri_arena_alloc(run->arena, name);
        }
        MPI_Bcast(o->temporary, (int)len, MPI_CHAR, 0, run->comm);
        MPI_Bcast((char *)o->param, (int)name, MPI_CHAR, 0, run->comm);
    }
}

int peri_outputs_open(peri_run_t *run, peri_err_t *err)
{
    int rc = run->rank == 0 ? open_all(run, err) : 0;
    if (peri_ranks_agree(rc, run->comm, err)) return -1;
    share_names(run);
    return 0;
}

int peri_outputs_close(peri_run_t *run, int rc, peri_err_t *err)
{
    for (size_t i = 0; i < run->noutputs; i++) {
        peri_output_t *o = &run->outputs[i];
        if (run->rank == 0 && rc == 0 && rename(o->temporary, o->path))
            rc = peri_err_set(err, PERI_EIO, "cannot rename %s to %s: %m", o->temporary,
                              o->path);
        if (run->rank == 0 && rc) unlink(o->temporary);
        free(o->temporary);
    }
    run->noutputs = 0;
    return rc;
}

const char *peri_run_output(peri_run_t *run, const char *param)
{
    for (size_t i = 0; i < run->noutputs; i++)
        if (strcmp(run->outputs[i].param, param) == 0) return run->outputs[i].temporary;
    return NULL;
}
