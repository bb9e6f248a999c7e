/* deliver_move.h - from a job's folder of results into a folder of a volume.
 *
 * Each name goes as a whole: by rename on the same file system, else as a copy that gets
 * its name when it is whole, after which the original goes. So it is here or there at any
 * time, and what was begun goes on when it is called again. Nothing is overwritten unless
 * it is asked for: "x.csv" becomes "x (2).csv". One thread.
 */
#ifndef PORTAL_JOBS_DELIVER_MOVE_H
#define PORTAL_JOBS_DELIVER_MOVE_H

#include <stdatomic.h>

#include "portal/storage/ops.h"

typedef struct {
    const char *job; /* its folder, with "results" in it; ours */
    const char *to;  /* clean path in the volume; made if it is not there */
    bool overwrite;  /* files take the place of files */
    const atomic_bool *stopping;
} peri_moving_t;

typedef struct {
    peri_amount_t made, freed; /* in the volume */
    uint64_t left;             /* names that no volume can have: they stay */
} peri_moved_t;

/* What it will take. */
int peri_results_amount(const peri_moving_t *how, peri_amount_t *need, peri_err_t *err);
/* root: of the volume. *done is right also with -1. */
int peri_results_move(const peri_moving_t *how, int root, peri_arena_t *arena,
                      peri_moved_t *done, peri_err_t *err);

#endif
