/* launchjson.h - one task's part of launch.json, for perigee-launch. */
#ifndef JOBS_TASK_LAUNCHJSON_H
#define JOBS_TASK_LAUNCHJSON_H

#include "jobs/task/record.h"

/* As peri_launch_from_json, but of `tasks` only the one with this index, if there is one.
 */
int peri_launch_for_task(const char *json, size_t len, int32_t index, peri_arena_t *arena,
                         peri_launch_t *l, peri_err_t *err);

#endif
