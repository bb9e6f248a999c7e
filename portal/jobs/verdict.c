/* verdict.c - see verdict.h. */
#include "portal/jobs/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void say(peri_verdict_t *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void say(peri_verdict_t *v, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(v->text, sizeof(v->text), fmt, ap);
    va_end(ap);
}

static void end_as(peri_verdict_t *v, peri_taskstate_t final, peri_why_t why)
{
    v->act = PERI_ACT_END;
    v->final = final;
    v->why = why;
}

/* ---- the scheduler's end of a task, in our words ---- */

static const struct {
    peri_schedend_t end;
    peri_taskstate_t final;
    peri_why_t why;
    bool again; /* a restartable task may be tried again */
    const char *text;
} ends[] = {
    {PERI_END_CANCELLED, PERI_TASK_CANCELLED, PERI_WHY_SCHEDULER, false,
     "cancelled in the scheduler, not through Perigee"},
    {PERI_END_TIME, PERI_TASK_FAILED, PERI_WHY_TIME, false,
     "ended by the scheduler at its time limit; ask for more with --time"},
    {PERI_END_MEMORY, PERI_TASK_FAILED, PERI_WHY_MEMORY, false,
     "ended by the scheduler: it used more memory than it asked for; ask for more with "
     "--memory"},
    {PERI_END_NODE, PERI_TASK_FAILED, PERI_WHY_NODE, true,
     "a node that it ran on failed"},
    {PERI_END_PREEMPTED, PERI_TASK_FAILED, PERI_WHY_PREEMPTED, true,
     "ended by the scheduler in favour of another job"},
    {PERI_END_BOOT, PERI_TASK_FAILED, PERI_WHY_REBOOT, true,
     "the machine was started anew while it ran"},
    {PERI_END_KILLED, PERI_TASK_FAILED, PERI_WHY_LAUNCHER, true,
     "perigee-launch was killed, and the program with it"},
    {PERI_END_EXITED, PERI_TASK_FAILED, PERI_WHY_LAUNCHER, true,
     "perigee-launch ended without leaving its exit record"},
    {PERI_END_UNKNOWN, PERI_TASK_FAILED, PERI_WHY_LAUNCHER, true,
     "perigee-launch is gone and has left no exit record: it was killed, or the machine "
     "it ran on has failed"},
    {PERI_END_DEPENDENCY, PERI_TASK_FAILED, PERI_WHY_DEPENDENCY, false,
     "what it waits for did not succeed"},
};

static void by_end(const peri_evidence_t *e, peri_verdict_t *v)
{
    size_t i = 0;
    while (i + 1 < sizeof(ends) / sizeof(ends[0]) && ends[i].end != e->end) i++;
    if (ends[i].again && e->restartable && !e->cancel_requested &&
        e->attempts_lost < PERI_MAX_LOST) {
        v->act = PERI_ACT_REVOKE;
        v->why = ends[i].why;
        say(v, "%s; it is started again", ends[i].text);
        return;
    }
    end_as(v, ends[i].final, ends[i].why);
    if (e->cancel_requested && ends[i].why == PERI_WHY_SCHEDULER) {
        v->why = PERI_WHY_CANCELLED;
        say(v, "cancelled");
        return;
    }
    say(v, "%s%s%.300s%s", ends[i].text, *e->end_text ? " (" : "", e->end_text,
        *e->end_text ? ")" : "");
}

/* ---- with an exit record ---- */

static void by_record(const peri_evidence_t *e, peri_verdict_t *v)
{
    static const peri_why_t whys[] = {
        [PERI_EXIT_DONE] = PERI_WHY_EXIT,
        [PERI_EXIT_SIGNAL] = PERI_WHY_SIGNAL,
        [PERI_EXIT_MEMORY] = PERI_WHY_MEMORY,
        [PERI_EXIT_TIME] = PERI_WHY_TIME,
        [PERI_EXIT_NO_PROGRAM] = PERI_WHY_NO_PROGRAM,
        [PERI_EXIT_NO_SPACE] = PERI_WHY_NO_SPACE,
        [PERI_EXIT_FAULT] = PERI_WHY_LAUNCHER,
        [PERI_EXIT_STOPPED] = PERI_WHY_TIME,
    };
    if (e->exit == PERI_EXIT_DONE && e->exit_code == 0) {
        end_as(v, PERI_TASK_SUCCEEDED, PERI_WHY_NONE);
        return;
    }
    if (e->exit == PERI_EXIT_STOPPED && e->cancel_requested) {
        end_as(v, PERI_TASK_CANCELLED, PERI_WHY_CANCELLED);
        say(v, "cancelled");
        return;
    }
    if (e->exit == PERI_EXIT_STOPPED && e->restartable) {
        v->act = PERI_ACT_REVOKE;
        v->why = PERI_WHY_TIME;
        say(v, "%.600s; it is started again", e->exit_text);
        return;
    }
    if (e->exit == PERI_EXIT_TERMINATED) {
        if (e->cancel_requested) {
            end_as(v, PERI_TASK_CANCELLED, PERI_WHY_CANCELLED);
            say(v, "cancelled");
        } else if (e->ended && e->end != PERI_END_UNKNOWN && e->end != PERI_END_EXITED) {
            by_end(e, v);
        } else if (e->grace_over) {
            end_as(v, PERI_TASK_FAILED, PERI_WHY_SIGNAL);
            say(v,
                "perigee-launch was told to end (SIGTERM), not through Perigee: %.400s",
                e->exit_text);
        }
        return;
    }
    /* Slurm's own limit on memory kills without a word to the program. */
    peri_why_t why = whys[e->exit];
    if (e->exit == PERI_EXIT_SIGNAL && e->ended && e->end == PERI_END_MEMORY) {
        by_end(e, v);
        return;
    }
    end_as(v, PERI_TASK_FAILED, why);
    say(v, "%.690s", e->exit_text);
}

/* ---- it never ran ---- */

static void never_ran(const peri_evidence_t *e, peri_verdict_t *v)
{
    if (e->cancel_requested) {
        end_as(v, PERI_TASK_CANCELLED, PERI_WHY_CANCELLED);
        say(v, "cancelled before it started");
    } else if (e->ended && e->end == PERI_END_CANCELLED) {
        by_end(e, v);
    } else if (e->attempts_lost >= PERI_MAX_LOST) {
        end_as(v, PERI_TASK_FAILED, PERI_WHY_LOST);
        say(v, "%s did not start it, %d times%s%.300s", e->scheduler, PERI_MAX_LOST + 1,
            *e->end_text ? "; it says: " : "", e->end_text);
    } else {
        v->act = PERI_ACT_REVOKE;
        v->why = PERI_WHY_LOST;
        say(v, "%s ended it before it started%s%.300s%s; it is submitted again",
            e->scheduler, *e->end_text ? " (" : "", e->end_text, *e->end_text ? ")" : "");
    }
}

void peri_verdict(const peri_evidence_t *e, peri_verdict_t *v)
{
    memset(v, 0, sizeof(*v));
    v->act = PERI_ACT_WAIT;
    if (e->has_exit) {
        by_record(e, v);
        return;
    }
    if (e->claim == PERI_CLAIM_DAEMON) {
        never_ran(e, v);
        return;
    }
    if (!e->ended || !e->grace_over || e->beats) return;
    if (e->claim == PERI_CLAIM_NONE)
        v->act = PERI_ACT_CLAIM;
    else if (!e->has_started && e->end != PERI_END_UNKNOWN)
        never_ran(e, v); /* `started` is written before the program is */
    else
        by_end(e, v);
}
