/* meter.h - what the task uses: CPU time, memory, bytes read and written.
 *
 * Of processes that have ended the kernel tells us by those who waited for them, and as a
 * subreaper we wait for all that nobody else does: that is exact. Of those that live (and
 * of ranks that Slurm has started, which are not our children) samples of /proc tell.
 */
#ifndef JOBS_LAUNCH_METER_H
#define JOBS_LAUNCH_METER_H

#include "jobs/task/procs.h"
#include "jobs/task/record.h"

typedef struct {
    peri_procs_t procs;
    peri_usage_t usage; /* never gets smaller */
    uint64_t memory;    /* at the last sample */
    double cost;        /* CPU seconds of the last sample that was not quick */
    double quick_cost;
} peri_meter_t;

void peri_meter_init(peri_meter_t *m, const char *mark);
void peri_meter_free(peri_meter_t *m);
/* limit: of memory, see peri_procs_sum. Not all: only of the processes that are known
 * already, which costs little. */
void peri_meter_sample(peri_meter_t *m, uint64_t limit, bool all);

#endif
