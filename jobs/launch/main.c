/* main.c - perigee-launch: takes the claim of a task, runs its program, and tells in the
 * task's folder how it goes and how it ended.
 *
 * What must hold: nothing runs without the claim; `started` is on the disk before the
 * program can run; the exit record is the last one and is written when nothing of the
 * program is left. docs/launch.md has the formats.
 *
 * Threads: this one, and the writer's (writer.h) between the start and the end of the
 * program.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"
#include "jobs/launch/inside.h"
#include "jobs/launch/srun.h"
#include "jobs/launch/verdict.h"
#include "jobs/task/folder.h"
#include "jobs/task/start.h"

#define LAST_PATIENCE 30.0 /* seconds for a full disk to get some room */
#define OWN_FAULT     125
#define DATA_SLACK    (256ull << 20) /* stacks of threads, what is reserved only */

typedef struct {
    peri_task_t t;
    peri_journal_t journal;
    peri_writer_t writer;
    bool has_writer;
    peri_meter_t meter;
    peri_command_t command;
    peri_watch_t watch;
    int signals;
    int tale; /* of the outer half of a sandbox that failed; -1: none */
} run_t;

static void complain(const char *text)
{
    fprintf(stderr, "perigee-launch: %s\n", text);
}

/* ---- the end ---- */

static int tell_end(run_t *run, peri_record_t *r)
{
    peri_err_t err;
    r->kind = PERI_REC_EXIT;
    r->attempt = run->t.l.attempt;
    r->time = peri_epoch();
    if (r->text && *r->text) complain(r->text);
    if (peri_journal_put_last(&run->journal, r, LAST_PATIENCE, &err)) complain(err.text);
    peri_failpoint("launch.told");
    return peri_verdict_status(r);
}

/* Something of ours failed before the program ran. */
static int tell_fault(run_t *run, const peri_err_t *err)
{
    peri_record_t r = {.exit = err->code == PERI_ELIMIT      ? PERI_EXIT_NO_SPACE
                               : err->code == PERI_ENOTFOUND ? PERI_EXIT_NO_PROGRAM
                                                             : PERI_EXIT_FAULT,
                       .text = err->text};
    return tell_end(run, &r);
}

static int tell_not_started(run_t *run, int error, bool in_dir)
{
    peri_record_t r = {.exit = PERI_EXIT_NO_PROGRAM,
                       .code = error == ENOENT || in_dir ? 127 : 126,
                       .text = peri_command_why(&run->t, &run->command, error, in_dir)};
    return tell_end(run, &r);
}

static int tell_how(run_t *run)
{
    peri_record_t r = {0};
    peri_meter_sample(&run->meter, 0, false); /* they have just been looked for */
    r.usage = run->meter.usage;
    peri_report_read(run->t.dirfd, &r.usage);
    if (!peri_writer_finish(&run->writer)) {
        complain("the task's folder does not answer: the end of the program cannot be "
                 "recorded");
        run->has_writer = false; /* it still uses all that it has */
        peri_verdict(&run->watch, &run->command, &r);
        _exit(peri_verdict_status(&r));
    }
    peri_verdict(&run->watch, &run->command, &r);
    peri_outside_failed(run->tale, run->t.arena, &r);
    /* The notes at the end of the files belong before the record. */
    peri_writer_close(&run->writer);
    run->has_writer = false;
    return tell_end(run, &r);
}

/* ---- from the start to it ---- */

static int record_started(run_t *run, peri_err_t *err)
{
    const peri_record_t r = {.kind = PERI_REC_STARTED,
                             .time = peri_epoch(),
                             .attempt = run->t.l.attempt,
                             .host = run->t.host,
                             .pid = getpid(),
                             .nodes = run->t.nodes,
                             .scheduler = run->t.scheduler};
    return peri_journal_put(&run->journal, &r, true, err);
}

static void prepare_limits(run_t *run, peri_start_t *s, peri_startlimit_t *data)
{
    const peri_launch_t *l = &run->t.l;
    peri_watch_t *w = &run->watch;
    /* In Slurm it is Slurm that makes cgroups. */
    if (l->memory && !run->t.in_slurm)
        w->cgroup = peri_cgroup_new(run->t.mark, l->memory);
    if (w->cgroup) s->cgroup = peri_cgroup_enter_fd(w->cgroup);
    if (l->memory && !run->t.in_slurm && !w->cgroup) {
        /* Samples keep the limit, of all processes together and of what they touch. This
         * holds up the one that grows faster than we look. */
        w->data_max = 2 * l->memory + DATA_SLACK;
        *data = (peri_startlimit_t){.what = RLIMIT_DATA, .max = w->data_max};
        s->limits = data;
        s->nlimits = 1;
    }
    if (!w->cgroup) {
        w->cgroup = peri_cgroup_own();
        w->own = true;
    }
    w->ooms = w->cgroup ? peri_cgroup_ooms(w->cgroup) : -1;
}

static int run_program(run_t *run)
{
    peri_err_t err;
    peri_watch_t *w = &run->watch;
    peri_startlimit_t data;
    const peri_command_t *c = &run->command;
    peri_start_t s = {.path = c->path,
                      .argv = c->argv,
                      .envp = c->envp,
                      .dir = c->dir,
                      .in = -1,
                      .out = run->writer.out.program,
                      .err = run->writer.err.program,
                      .keep = run->t.tell,
                      .cgroup = -1};
    int error;
    bool in_dir;
    *w = (peri_watch_t){.t = &run->t,
                        .signals = run->signals,
                        .meter = &run->meter,
                        .writer = &run->writer};
    prepare_limits(run, &s, &data);
    w->child = peri_start(&s, &error, &in_dir);
    const int e = errno;
    peri_failpoint("launch.forked");
    if (s.cgroup >= 0) close(s.cgroup);
    close(run->writer.out.program);
    close(run->writer.err.program);
    run->writer.out.program = run->writer.err.program = -1;
    if (run->t.tell >= 0) close(run->t.tell);
    run->t.tell = -1;
    if (w->child < 0) {
        peri_watch_tidy(w);
        if (error >= 0) return tell_not_started(run, error, in_dir);
        peri_err_set(&err, PERI_EINTERNAL, "cannot make a process on node %s: %s",
                     run->t.host, strerror(e));
        return tell_fault(run, &err);
    }
    if (peri_writer_start(&run->writer, &err)) {
        kill(-w->child, SIGKILL);
        peri_watch_tidy(w);
        return tell_fault(run, &err);
    }
    peri_watch_run(w);
    peri_failpoint("launch.ended");
    peri_watch_tidy(w);
    return tell_how(run);
}

static int open_tale(run_t *run, peri_err_t *err)
{
    int ends[2];
    if (!run->t.l.sandbox || run->t.srun) return 0;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return peri_err_set(err, PERI_EINTERNAL, "cannot make a pipe: %m");
    run->tale = ends[0];
    run->t.tell = ends[1];
    return 0;
}

/* With the claim. */
static int run_task(run_t *run)
{
    peri_err_t err;
    int status = OWN_FAULT;
    if (peri_journal_open(&run->journal, run->t.dirfd, &err)) {
        complain(err.text);
        return OWN_FAULT;
    }
    peri_meter_init(&run->meter, run->t.mark);
    if (record_started(run, &err)) {
        status = tell_fault(run, &err);
        goto out;
    }
    peri_failpoint("launch.started");
    if (peri_writer_open(&run->writer, &run->t, &run->journal, &err)) {
        status = tell_fault(run, &err);
        goto out;
    }
    run->has_writer = true;
    if (open_tale(run, &err) || peri_command_make(&run->t, &run->command, &err)) {
        status = tell_fault(run, &err);
    } else if (peri_watch_told(run->signals)) {
        peri_record_t r = {.exit = PERI_EXIT_TERMINATED,
                           .text = "was told to end before it had begun"};
        status = tell_end(run, &r);
    } else {
        status = run_program(run);
    }
out:
    if (run->tale >= 0) close(run->tale);
    if (run->has_writer) peri_writer_close(&run->writer);
    peri_cgroup_free(run->watch.cgroup);
    peri_meter_free(&run->meter);
    peri_journal_close(&run->journal);
    return status;
}

static int launch(const char *folder, int64_t index)
{
    run_t *run = peri_xcalloc(1, sizeof(*run));
    peri_err_t err;
    int status = OWN_FAULT;
    run->tale = -1;
    run->signals = peri_watch_signals(&err);
    if (run->signals < 0 || peri_task_load(folder, index, &run->t, &err)) {
        complain(err.text);
        goto out;
    }
    peri_failpoint("launch.begun");
    int taken = peri_claim_take(run->t.dirfd, PERI_CLAIM_LAUNCH, run->t.tag, &err);
    peri_failpoint("launch.claimed");
    if (taken < 0) {
        complain(err.text);
    } else if (taken == 0) {
        complain("this task belongs to somebody else (it was started before, or "
                 "cancelled): nothing is run");
        status = 0;
    } else {
        /* What the program leaves behind becomes ours, and its folders may go away. */
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        status = chdir("/") ? OWN_FAULT : run_task(run);
    }
out:
    peri_task_close(&run->t);
    if (run->signals >= 0) close(run->signals);
    free(run);
    return status;
}

static int usage(void)
{
    fputs("usage: perigee-launch ATTEMPT_FOLDER [--index N]\n"
          "Runs one task of a job of Perigee as its launch.json says (docs/launch.md).\n"
          "N: of an array's task; otherwise from SLURM_ARRAY_TASK_ID, or 0.\n",
          stderr);
    return OWN_FAULT;
}

int main(int argc, char **argv)
{
    const char *folder = NULL;
    int64_t index = -1;
    const char *slash = strrchr(argv[0], '/');
    if (strcmp(slash ? slash + 1 : argv[0], "srun") == 0)
        return peri_srun_main(argc, argv);
    if (argc > 1 && strcmp(argv[1], PERI_SANDBOX_ARG) == 0)
        return peri_outside_main(argc, argv);
    if (argc > 1 && strcmp(argv[1], PERI_INSIDE_ARG) == 0)
        return peri_inside_main(argc, argv);
    for (int i = 1; i < argc; i++) {
        char *end;
        if (strcmp(argv[i], "--version") == 0) {
            puts("perigee-launch " PERIGEE_VERSION);
            return 0;
        }
        if (strcmp(argv[i], "--index") == 0 && i + 1 < argc) {
            index = strtoll(argv[++i], &end, 10);
            if (*end || end == argv[i] || index < 0) return usage();
        } else if (argv[i][0] == '-' || folder) {
            return usage();
        } else {
            folder = argv[i];
        }
    }
    return folder ? launch(folder, index) : usage();
}
