/* verdict.c - see verdict.h. The first that fits counts: what we ended, what the kernel
 * ended for memory, output that was lost, then what the program itself says.
 */
#include "jobs/launch/verdict.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "core/base/util.h"
#include "jobs/launch/space.h"
#include "jobs/launch/starter.h"

enum { STDERR_SHOWN = 200 };

typedef struct {
    const peri_watch_t *w;
    const peri_command_t *c;
    peri_record_t *r;
    peri_arena_t *arena;
    bool failed;
    char last[STDERR_SHOWN + 1]; /* of its stderr */
} case_t;

static const char *signal_name(peri_arena_t *arena, int sig)
{
    const char *name = sigabbrev_np(sig), *what = sigdescr_np(sig);
    if (!name) return peri_arena_printf(arena, "signal %d", sig);
    return peri_arena_printf(arena, "SIG%s (signal %d, %s)", name, sig, what);
}

static const char *duration(peri_arena_t *arena, uint32_t s)
{
    if (s < 120) return peri_arena_printf(arena, "%u s", s);
    if (s < 7200)
        return s % 60 ? peri_arena_printf(arena, "%u min %u s", s / 60, s % 60)
                      : peri_arena_printf(arena, "%u min", s / 60);
    const uint32_t min = s / 60 % 60;
    return min ? peri_arena_printf(arena, "%u h %u min", s / 3600, min)
               : peri_arena_printf(arena, "%u h", s / 3600);
}

static const char *with_stderr(const case_t *k, const char *text)
{
    return k->last[0] ? peri_arena_printf(k->arena, "%s; the end of its stderr: %s", text,
                                          k->last)
                      : text;
}

static const char *with_end(const case_t *k, const char *text)
{
    const bool by_signal = k->r->signal != 0;
    return peri_arena_printf(k->arena, "%s; the program ended with %s %d", text,
                             by_signal ? "signal" : "exit status",
                             by_signal ? k->r->signal : k->r->code);
}

/* ---- the cases: true if it is this one ---- */

static bool says(const peri_stream_t *s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memmem(s->tail, s->ntail, words[i], strlen(words[i]))) return true;
    return false;
}
#define SAYS(stream, words) says(stream, words, sizeof(words) / sizeof((words)[0]))

/* A limit that makes malloc fail shows in what the program says of it only. */
static bool was_refused_memory(case_t *k)
{
    static const char *const words[] = {"Cannot allocate memory", "std::bad_alloc",
                                        "MemoryError", "ut of memory", "ENOMEM"};
    char most[16], asked[16];
    if (!k->w->data_max || !k->failed || k->w->why != PERI_ENDED_NOT ||
        !SAYS(&k->w->writer->err, words))
        return false;
    k->r->exit = PERI_EXIT_MEMORY;
    k->r->text = with_stderr(
        k, peri_arena_printf(k->arena,
                             "wanted more memory than the %s that a process of this job, "
                             "which asked for %s, can get; ask for more with --memory",
                             peri_human_bytes(k->w->data_max, most),
                             peri_human_bytes(k->w->t->l.memory, asked)));
    return true;
}

static bool was_memory(case_t *k)
{
    char asked[16], peak[16];
    const peri_launch_t *l = &k->w->t->l;
    const bool slurms =
        k->w->t->in_slurm && (strstr(k->last, "oom-kill") || strstr(k->last, "oom_kill"));
    const bool by_us = k->w->why == PERI_ENDED_MEMORY;
    /* What else is in a cgroup that is not the task's own may have been meant. */
    const bool killed = k->r->signal == SIGKILL || k->r->code == 128 + SIGKILL;
    if (!by_us && !(k->failed && slurms) &&
        !(k->w->oom && k->failed && (!k->w->own || killed) &&
          k->w->why == PERI_ENDED_NOT))
        return false;
    k->r->exit = PERI_EXIT_MEMORY;
    if (!by_us && (k->w->own || l->memory == 0))
        k->r->text = peri_arena_printf(
            k->arena,
            "was killed because the memory of node %s, or of what this job may use of "
            "it, "
            "was used up (peak %s); ask for more with --memory",
            k->w->t->host, peri_human_bytes(k->r->usage.memory_peak, peak));
    else if (k->r->usage.memory_peak > l->memory)
        k->r->text = peri_arena_printf(k->arena,
                                       "used more than the %s of memory it asked for "
                                       "(peak %s); ask for more with --memory",
                                       peri_human_bytes(l->memory, asked),
                                       peri_human_bytes(k->r->usage.memory_peak, peak));
    else
        k->r->text =
            peri_arena_printf(k->arena,
                              "used more than the %s of memory it asked for; ask "
                              "for more with --memory",
                              peri_human_bytes(l->memory, asked));
    return true;
}

static bool was_time(case_t *k)
{
    const peri_launch_t *l = &k->w->t->l;
    const bool of_warning =
        k->w->warned && k->w->why == PERI_ENDED_NOT && k->failed &&
        (k->r->signal == k->w->warn_signal || k->r->code == 128 + k->w->warn_signal);
    if (k->w->why != PERI_ENDED_TIME && !of_warning) return false;
    k->r->exit = PERI_EXIT_TIME;
    const char *limit = l->time_limit
                            ? peri_arena_printf(k->arena, "the time limit of %s",
                                                duration(k->arena, l->time_limit))
                            : "the limit of its time";
    k->r->text =
        of_warning
            ? peri_arena_printf(k->arena,
                                "was ended by %s, the warning that %s is near, which it "
                                "does not handle; ask for more with --time",
                                signal_name(k->arena, k->w->warn_signal), limit)
            : peri_arena_printf(k->arena, "reached %s; ask for more with --time", limit);
    return true;
}

/* Only after a warning: what says it at once would be started again for ever. */
static bool was_stopped(case_t *k)
{
    if (!k->w->warned || k->r->code != PERI_EXIT_STATUS_AGAIN ||
        k->w->why != PERI_ENDED_NOT)
        return false;
    k->r->exit = PERI_EXIT_STOPPED;
    k->r->text = with_stderr(
        k, peri_arena_printf(k->arena,
                             "stopped when it was warned that its time was nearly over, "
                             "and wants to go on (exit status %d)",
                             PERI_EXIT_STATUS_AGAIN));
    return true;
}

static bool was_told(case_t *k)
{
    if (k->w->why != PERI_ENDED_TOLD) return false;
    k->r->exit = PERI_EXIT_TERMINATED;
    k->r->text = k->r->signal == SIGKILL
                     ? "was told to end, did not, and was killed"
                     : "was told to end (cancelled, or its place was needed)";
    return true;
}

static bool lost_output(case_t *k)
{
    const peri_writer_t *o = k->w->writer;
    const peri_stream_t *s = o->out.lost ? &o->out : &o->err;
    const uint64_t lost = o->out.lost + o->err.lost;
    char size[16];
    if (lost == 0) return false;
    const bool space = s->error == ENOSPC || s->error == EDQUOT || s->error == EFBIG;
    k->r->exit = space ? PERI_EXIT_NO_SPACE : PERI_EXIT_FAULT;
    const char *fs = peri_space_name(k->w->t->folder, k->arena);
    const char *why = s->error == ENOSPC ? peri_arena_printf(k->arena, "%s is full", fs)
                      : s->error == EDQUOT
                          ? peri_arena_printf(k->arena, "your quota on %s is used up", fs)
                          : peri_arena_printf(k->arena, "%s: %s", fs, strerror(s->error));
    const char *text =
        peri_arena_printf(k->arena, "%s of its output could not be written: %s",
                          peri_human_bytes(lost, size), why);
    k->r->text = k->failed ? with_stderr(k, with_end(k, text)) : text;
    return true;
}

static bool was_space(case_t *k)
{
    static const char *const words[] = {"No space left on device", "Disk quota exceeded",
                                        "ENOSPC", "EDQUOT"};
    const peri_task_t *t = k->w->t;
    const bool named = SAYS(&k->w->writer->err, words);
    const char *const paths[] = {t->l.results, k->c->dir, t->folder, "/tmp", "/dev/shm"};
    const size_t ours = 3, all = sizeof(paths) / sizeof(paths[0]);
    const char *full = NULL;
    if (!k->failed) return false;
    /* Places that every program uses tell nothing, unless it says so itself. */
    for (size_t i = 0; !full && i < (named ? all : ours); i++)
        if (paths[i]) full = peri_space_full(paths[i], k->arena);
    if (!named && !full) return false;
    if (!full) full = "some file system has no space left, or a quota is used up";
    k->r->exit = PERI_EXIT_NO_SPACE;
    k->r->text = with_stderr(k, with_end(k, full));
    return true;
}

static bool was_signal(case_t *k)
{
    if (k->r->signal == 0) return false;
    k->r->exit = PERI_EXIT_SIGNAL;
    k->r->text = with_stderr(
        k, peri_arena_printf(k->arena, "%s was ended by %s%s",
                             k->w->t->l.mpi ? "a rank of the program" : "the program",
                             signal_name(k->arena, k->r->signal),
                             k->r->core_dumped ? "; it left a core dump" : ""));
    return true;
}

static bool was_exit(case_t *k)
{
    k->r->exit = PERI_EXIT_DONE;
    k->r->text = "";
    if (k->r->code == 0) return true;
    const int sig = k->r->code - 128;
    const char *as =
        sig > 0 && sigabbrev_np(sig)
            ? peri_arena_printf(k->arena, " (as after SIG%s)", sigabbrev_np(sig))
            : "";
    k->r->text = with_stderr(k, peri_arena_printf(k->arena,
                                                  "the program ended with exit status "
                                                  "%d%s",
                                                  k->r->code, as));
    return true;
}

void peri_verdict(const peri_watch_t *w, const peri_command_t *c, peri_record_t *r)
{
    static bool (*const cases[])(case_t *) = {
        was_memory,  was_refused_memory, was_time,   was_stopped, was_told,
        lost_output, was_space,          was_signal, was_exit};
    case_t k = {.w = w, .c = c, .r = r, .arena = w->t->arena};
    if (WIFSIGNALED(w->status)) {
        r->signal = WTERMSIG(w->status);
        r->core_dumped = WCOREDUMP(w->status);
    } else {
        r->code = WEXITSTATUS(w->status);
        /* A starter says so if a signal has ended a rank. */
        if (w->t->l.mpi && r->code > 128 && sigabbrev_np(r->code - 128)) {
            r->signal = r->code - 128;
            r->code = 0;
        }
    }
    k.failed = r->signal || r->code;
    const peri_stream_t *err = &w->writer->err;
    int first = 0;
    if (w->t->l.mpi)
        peri_starter_read(err->tail, err->ntail, k.last, STDERR_SHOWN, &first);
    else
        peri_stream_last_line(err, k.last, STDERR_SHOWN);
    if (first && k.failed && w->why == PERI_ENDED_NOT) {
        r->signal = first;
        r->code = 0;
    }
    for (size_t i = 0; !cases[i](&k); i++) {
    }
}

int peri_verdict_status(const peri_record_t *r)
{
    if (r->signal) return 128 + r->signal;
    if (r->code) return r->code;
    switch (r->exit) {
    case PERI_EXIT_DONE:
        return 0;
    case PERI_EXIT_MEMORY:
        return 128 + SIGKILL;
    case PERI_EXIT_TIME:
    case PERI_EXIT_TERMINATED:
        return 128 + SIGTERM;
    case PERI_EXIT_NO_PROGRAM:
        return 127;
    default:
        return 125;
    }
}
