/* snapshots.c - inputs of many snapshots, read one by one while the kernel runs. */
#include <string.h>

#include "core/base/util.h"
#include "mpi/kernel/run_private.h"

size_t peri_run_snapshots(const peri_run_t *run, size_t input)
{
    return run->infos[input].snapshots;
}

/* The list is kept: each look at one snapshot replaces that of all. */
static int open_list(peri_run_t *run, size_t input, peri_err_t *err)
{
    peri_snapshots_t *s = &run->snapshots[input];
    if (s->n) return 0;
    if (run->infos[input].snapshots == 0)
        return peri_err_set(err, PERI_EINVAL,
                            "%s has no snapshots: its files must have numbers (snapnum)",
                            run->args.inputs[input]);
    s->n = run->infos[input].snapshots;
    s->numbers = peri_arena_calloc(run->arena, s->n, sizeof(*s->numbers));
    if (run->rank == 0)
        memcpy(s->numbers, run->looks[input].snapnums, s->n * sizeof(*s->numbers));
    return 0;
}

/* The input is then settled for this snapshot alone. */
static int look_at_one(peri_run_t *run, size_t input, size_t i, peri_err_t *err)
{
    peri_snapshots_t *s = &run->snapshots[input];
    const uint64_t snapshots = run->infos[input].snapshots;
    s->current = s->numbers[i];
    run->args.only = &s->current;
    int rc = peri_run_look_at(run, input, err);
    run->infos[input].snapshots = snapshots;
    run->args.only = NULL;
    return rc;
}

int peri_run_snapshot_look(peri_run_t *run, size_t input, size_t i,
                           const peri_simulation_t **simulation, peri_err_t *err)
{
    if (peri_run_agree(run, open_list(run, input, err), err)) return -1;
    if (look_at_one(run, input, i, err)) return -1;
    *simulation = &run->infos[input].sim;
    return 0;
}

void peri_run_snapshot_seek(peri_run_t *run, size_t input, size_t i)
{
    run->snapshots[input].next = i;
}

int peri_run_snapshot(peri_run_t *run, size_t input, peri_particles_t **particles,
                      const peri_simulation_t **simulation, peri_err_t *err)
{
    peri_snapshots_t *s = &run->snapshots[input];
    if (peri_run_agree(run, open_list(run, input, err), err)) return -1;
    if (s->next == s->n) return 0;
    const double started = peri_now();
    peri_loader_close(&run->loaders[input]);
    int rc = look_at_one(run, input, s->next++, err);
    const unsigned wanted =
        run->kernel->inputs[input].particles | run->need.particles[input];
    if (rc == 0 && (wanted & PERI_HAS_ID) && !(run->infos[input].has & PERI_HAS_ID))
        rc = peri_err_set(err, PERI_EINVAL,
                          "%s needs the ids of particles, and no column of %s looks like "
                          "them: give id => 'SQL expression'",
                          run->kernel->name, run->args.inputs[input]);
    if (rc == 0) rc = peri_run_read(run, input, err);
    run->stats->reading += peri_now() - started;
    if (rc) return -1;
    *particles = run->loaders[input].particles;
    *simulation = &run->infos[input].sim;
    return 1;
}
