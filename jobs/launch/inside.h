/* inside.h - the two halves of perigee-launch around a sandboxed program, and what they
 * tell each other.
 *
 *   perigee-launch ─▶ [srun ─▶] outside ─▶ bwrap ─▶ inside (process 1) ─▶ the program
 *
 * The outer half reads launch.json, opens the folders, starts bubblewrap, hands signals
 * on and ends as the program did: to whoever waits for it, it is the program. The inner
 * half gets everything by one descriptor, checks what was mounted, puts the filter up and
 * only then takes anything of the user: her environment, her words.
 *
 * The tale is a few short messages, each ended by a NUL:
 *   R            the program runs
 *   S STATUS     it has ended, as waitpid says
 *   N CODE TEXT  it could not be started (exit status 126 or 127)
 *   F TEXT       the sandbox failed
 */
#ifndef JOBS_LAUNCH_INSIDE_H
#define JOBS_LAUNCH_INSIDE_H

#include "core/base/arena.h"
#include "jobs/launch/task.h"

#define PERI_SANDBOX_ARG "--sandbox"
#define PERI_INSIDE_ARG  "--inside"

enum { PERI_TALE_MAX = 2000, PERI_INSIDE_PROCESSES = 4096 };

/* The words that run `words` in the task's sandbox; into *n. ranks: this is started by
 * srun. */
const char **peri_outside_words(const peri_task_t *t, const char *const *words,
                                size_t nwords, size_t nstarter, size_t *n);
/* main() of both halves; the exit status. */
int peri_outside_main(int argc, char **argv);
int peri_inside_main(int argc, char **argv);

/* What the outer half has told about a start that failed; false: it did not fail. */
bool peri_outside_failed(int tale, peri_arena_t *arena, peri_record_t *r);

#endif
