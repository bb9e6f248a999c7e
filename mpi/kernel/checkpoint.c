/* checkpoint.c - what a kernel saves before its time is over, one file a rank, and finds
 * when it is called again in the same way.
 *
 * A file is written beside the old one and renamed when all ranks have written theirs.
 * Who is killed between the renames leaves files of two counts: then none is used.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/util.h"
#include "mpi/kernel/run_private.h"

#define MAGIC     0x3154504b43525050ull /* "PPRCKPT1" */
#define MAX_STATE ((size_t)1 << 40)

typedef struct {
    uint64_t magic, identity, count, size;
} head_t;

static uint64_t add_arguments(uint64_t h, const peri_arg_t *args, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const peri_arg_t *a = &args[i];
        if (a->param->type == PERI_PARAM_OUTPUT) continue;
        h = peri_hash_add(h, (const char *)&a->number, sizeof(a->number));
        h = peri_hash_add(h, (const char *)&a->integer, sizeof(a->integer));
        if (a->text) h = peri_hash_text(h, a->text);
        if (a->list) h = peri_hash_add(h, (const char *)a->list, a->n * sizeof(*a->list));
    }
    return h;
}

/* The same call again: kernel, arguments, inputs, ranks. */
static uint64_t identity(const peri_run_t *run)
{
    uint64_t h = peri_hash_text(PERI_HASH_START, run->kernel->name);
    h = peri_hash_add(h, (const char *)&run->nranks, sizeof(run->nranks));
    h = peri_hash_add(h, (const char *)run->rows_read, sizeof(run->rows_read));
    h = add_arguments(h, run->args.own, run->kernel->nparams);
    h = add_arguments(h, run->args.standard, peri_nstandard_params);
    for (size_t i = 0; i < run->kernel->ninputs; i++)
        if (run->args.inputs[i]) h = peri_hash_text(h, run->args.inputs[i]);
    return h;
}

/* Collective; after the inputs were read. Calls for two results are two, though they are
 * the same: they may run at once. */
void peri_checkpoint_open(peri_run_t *run)
{
    struct {
        char folder[4096];
        uint64_t result;
    } of = {0};
    if (run->rank == 0 && run->spec->checkpoint) {
        const char *into = run->spec->into ? run->spec->into : "";
        snprintf(of.folder, sizeof(of.folder), "%s", run->spec->checkpoint);
        of.result = peri_hash_text(PERI_HASH_START, into);
    }
    MPI_Bcast(&of, sizeof(of), MPI_BYTE, 0, run->comm);
    if (!*of.folder) return;
    run->identity =
        peri_hash_add(identity(run), (const char *)&of.result, sizeof(of.result));
    run->checkpoint =
        peri_xasprintf("%s/%s-%016llx-%d.checkpoint", of.folder, run->kernel->name,
                       (unsigned long long)run->identity, run->rank);
}

void peri_checkpoint_remove(peri_run_t *run)
{
    if (run->checkpoint) unlink(run->checkpoint);
}

bool peri_run_checkpoint_due(peri_run_t *run)
{
    int due = run->checkpoint && atomic_load(&run->due);
    MPI_Allreduce(MPI_IN_PLACE, &due, 1, MPI_INT, MPI_MAX, run->comm);
    return due;
}

static int read_head(const peri_run_t *run, FILE **f, head_t *h)
{
    *f = run->checkpoint ? fopen(run->checkpoint, "rbe") : NULL;
    if (*f && fread(h, sizeof(*h), 1, *f) == 1 && h->magic == MAGIC &&
        h->identity == run->identity && h->size < MAX_STATE)
        return 0;
    if (*f) fclose(*f);
    *f = NULL;
    return -1;
}

static int write_state(const char *path, const head_t *h, const void *state,
                       peri_err_t *err)
{
    FILE *f = fopen(path, "wbe");
    bool ok = f && fwrite(h, sizeof(*h), 1, f) == 1 &&
              (!h->size || fwrite(state, h->size, 1, f) == 1) && fflush(f) == 0 &&
              fsync(fileno(f)) == 0;
    if (!ok) peri_err_set(err, PERI_EIO, "cannot write the checkpoint %s: %m", path);
    if (f && fclose(f) && ok)
        return peri_err_set(err, PERI_EIO, "cannot write the checkpoint %s: %m", path);
    return ok ? 0 : -1;
}

int peri_run_save(peri_run_t *run, const void *state, size_t size, peri_err_t *err)
{
    if (!run->checkpoint) return 0;
    FILE *f;
    head_t h = {0}, old;
    uint64_t count = read_head(run, &f, &old) == 0 ? old.count + 1 : 1;
    if (f) fclose(f);
    MPI_Allreduce(MPI_IN_PLACE, &count, 1, MPI_UINT64_T, MPI_MAX, run->comm);
    h = (head_t){MAGIC, run->identity, count, size};
    char *path = peri_xasprintf("%s.new", run->checkpoint);
    int rc = peri_ranks_agree(write_state(path, &h, state, err), run->comm, err);
    if (rc)
        unlink(path);
    else if (rename(path, run->checkpoint))
        rc = peri_err_set(err, PERI_EIO, "cannot rename %s: %m", path);
    free(path);
    return peri_ranks_agree(rc, run->comm, err);
}

int peri_run_load(peri_run_t *run, void **state, size_t *size, peri_err_t *err)
{
    FILE *f;
    head_t h = {0};
    *state = NULL;
    *size = 0;
    bool ok = read_head(run, &f, &h) == 0;
    char *data = ok ? malloc(h.size + 1) : NULL;
    ok = data && (!h.size || fread(data, h.size, 1, f) == 1);
    if (f) fclose(f);
    uint64_t counts[2] = {ok ? h.count : 0, ok ? UINT64_MAX - h.count : 0};
    MPI_Allreduce(MPI_IN_PLACE, counts, 2, MPI_UINT64_T, MPI_MIN, run->comm);
    (void)err;
    if (!counts[0] || counts[0] != UINT64_MAX - counts[1]) {
        free(data);
        return 0;
    }
    *state = data;
    *size = h.size;
    return 1;
}

int peri_run_stopped(peri_run_t *run, peri_err_t *err)
{
    return peri_err_set(err, PERI_ESTOPPED,
                        "%s stopped before its time was over; what it has done is saved, "
                        "and the same call goes on from there",
                        run->kernel->name);
}
