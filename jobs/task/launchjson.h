/* launchjson.h - one task's part of launch.json, for perigee-launch. */
#ifndef JOBS_TASK_LAUNCHJSON_H
#define JOBS_TASK_LAUNCHJSON_H

#include <jansson.h>

#include "jobs/task/record.h"

/* The value of "sandbox" (launchsandbox.c). New reference; NULL: text that is not UTF-8.
 */
json_t *peri_launch_sandbox_json(const peri_sandbox_t *s);
/* NULL with *err if it is not as it must be: paths absolute and without "." or "..". */
const peri_sandbox_t *peri_launch_sandbox_read(const json_t *o, peri_arena_t *arena,
                                               peri_err_t *err);

/* As peri_launch_from_json, but of `tasks` only the one with this index, if there is one.
 */
int peri_launch_for_task(const char *json, size_t len, int32_t index, peri_arena_t *arena,
                         peri_launch_t *l, peri_err_t *err);

#endif
