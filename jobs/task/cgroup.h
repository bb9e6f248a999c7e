/* cgroup.h - a cgroup for one task: its memory limit, and the sure way to end all of it.
 *
 * Where this machine lets us: cgroup v2 with the memory controller in a folder that is
 * ours, or the v1 memory controller. Elsewhere there is none, and the caller does
 * without. The cgroup is a child of the one that the caller is in (v2: or a brother of
 * it).
 */
#ifndef JOBS_TASK_CGROUP_H
#define JOBS_TASK_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct peri_cgroup peri_cgroup_t;

/* NULL if it cannot be made here. mark as in procs.h; memory in bytes, 0: no limit. */
peri_cgroup_t *peri_cgroup_new(const char *mark, uint64_t memory);
/* That of a task whose perigee-launch was killed; NULL if there is none. */
peri_cgroup_t *peri_cgroup_find(const char *mark);
/* The one that this process is in, for its counts only. NULL if it cannot be told. */
peri_cgroup_t *peri_cgroup_own(void);
/* Writing "0" to this brings the writer in. The caller closes it; -1 if it fails. */
int peri_cgroup_enter_fd(const peri_cgroup_t *c);
/* Processes that the kernel has killed in it for want of memory; -1: cannot tell. */
int64_t peri_cgroup_ooms(const peri_cgroup_t *c);
/* SIGKILL to all in it; how many there were. */
int peri_cgroup_kill(const peri_cgroup_t *c);
/* Remove it (if it is not that of _own). false if somebody is still in it. */
bool peri_cgroup_remove(const peri_cgroup_t *c);
void peri_cgroup_free(peri_cgroup_t *c); /* accepts NULL; does not remove it */

#endif
