/* test_slurm_breaks.c - the Slurm plugin when parts of the cluster are killed: slurmctld,
 * slurmd, a node. What is lost must be told as lost, and nothing else. Run by
 * with_cluster.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "tests/cluster/drive.h"

#define NO PERI_SCHED_NO_INDEX
/* Slurm writes its jobs down every 5 seconds; a slurmctld that is killed before forgets.
 */
#define SAVED 7

static const char *const n1[] = {"n1"}, *const n3[] = {"n3"};

/* Every call fails with "asked again later", none hangs. */
static void check_silence(const sub_t *known)
{
    sub_t other;
    peri_err_t err = {0};
    peri_schedcaps_t caps;
    char id[PERI_SCHED_ID_MAX];
    double began = peri_now();
    CHECK(!drive_poll(false, &err) && err.code == PERI_EIO &&
              strstr(err.text, "Slurm does not answer"),
          "%s", err.text);
    double took = peri_now() - began;
    printf("a poll of a dead slurmctld: %.1f s (MessageTimeout=5)\n", took);
    CHECK(took < 20, "%.1f s", took);
    began = peri_now();
    CHECK(peri_sched_find(drive_sched(), known->name, id, &err) == -1 &&
              err.code == PERI_EIO,
          "%s", err.text);
    CHECK(peri_sched_cancel(drive_sched(), known->id, NO, &err) == -1 &&
              err.code == PERI_EIO,
          "%s", err.text);
    CHECK(peri_sched_caps(drive_sched(), &caps, &err) == -1 && err.code == PERI_EIO, "%s",
          err.text);
    drive_make(&other, "silent", "true\n");
    CHECK(peri_sched_submit(drive_sched(), &other.req, other.id, &err) == -1 &&
              err.code == PERI_EIO,
          "%s", err.text);
    took = peri_now() - began;
    CHECK(took < 1.9, "four more calls waited for the same silence: %.1f s", took);
}

static void answer_again(void)
{
    peri_err_t err = {0};
    CHECK(drive_cluster("start", "slurmctld") == 0, "slurmctld does not start");
    double end = peri_now() + 10;
    while (!drive_poll(false, &err) && peri_now() < end) usleep(100000);
    CHECK(drive_poll(true, &err), "%s", err.text);
}

/* What began just before slurmctld was killed, and is unknown to it, still runs: its node
 * would refuse another job with that number, and slurmctld would drain it. */
static void nothing_runs(void)
{
    double end = peri_now() + 30;
    for (int i = 1; i <= 3; i++) {
        char args[64];
        snprintf(args, sizeof(args), "n%d pgrep -x slurmstepd >/dev/null", i);
        while (drive_cluster("exec", args) == 0 && peri_now() < end) usleep(200000);
    }
    CHECK(peri_now() < end, "jobs run for ever");
}

static void test_slurmctld_killed(void)
{
    sub_t waits, runs;
    drive_make(&runs, "runs", "echo run >>ran; sleep 30; exit 7\n");
    drive_make(&waits, "waits", "echo run >>ran\n");
    waits.req.nodes = waits.req.ranks = 3;
    waits.req.cpus = 2;
    if (!drive_submit(&runs) || !drive_wait_file(&runs, "ran", 20) ||
        !drive_submit(&waits))
        return;
    drive_wait_why(&waits, "waits for free cores or memory", 10);
    sleep(SAVED);
    drive_cluster("kill", "slurmctld");
    check_silence(&runs);
    answer_again();
    const told_t *t = drive_told(&runs, NO);
    CHECK(t && t->state == PERI_SCHED_RUNNING && !strcmp(t->id, runs.id), "%s",
          t ? t->raw : "not known");
    t = drive_told(&waits, NO);
    CHECK(t && t->state == PERI_SCHED_PENDING, "%s", t ? t->raw : "not known");
    t = drive_wait(&runs, NO, PERI_SCHED_ENDED, 40);
    CHECK(t->end == PERI_END_EXITED && t->code == 7, "%s", t->raw);
    t = drive_wait(&waits, NO, PERI_SCHED_ENDED, 40);
    CHECK(t->end == PERI_END_EXITED && t->code == 0, "%s", t->raw);
    CHECK(!strcmp(drive_file(&runs, "ran"), "run\n") &&
              !strcmp(drive_file(&waits, "ran"), "run\n"),
          "run twice");
}

/* A job that Slurm accepted and forgot: told as unknown, and what gets its number is not
 * taken for it. */
static void test_forgotten(void)
{
    sub_t fill, first, lost, other;
    peri_err_t err = {0};
    char id[PERI_SCHED_ID_MAX];
    drive_make(&fill, "fill", "true\n");
    drive_make(&lost, "lost", "sleep 1\n");
    lost.req.priority = -10;
    drive_make(&other, "other", "sleep 5; echo ran >ran\n");
    drive_submit(&fill);
    drive_wait(&fill, NO, PERI_SCHED_ENDED, 20);
    sleep(SAVED);
    drive_submit(&fill); /* known: nothing happens */
    /* The first one makes slurmctld write; the next must be killed before it writes
     * again. */
    drive_make(&first, "first", "true\n");
    drive_submit(&first);
    usleep(500000);
    if (!drive_submit(&lost)) return;
    drive_cluster("kill", "slurmctld");
    answer_again();
    int known = peri_sched_find(drive_sched(), lost.name, id, &err);
    printf("a job submitted just before slurmctld was killed is %s\n",
           known == 1 ? "known" : "forgotten");
    CHECK(known >= 0, "%s", err.text);
    if (known == 1) return; /* it was quick: nothing to see */
    CHECK(!drive_told(&lost, NO), "forgotten, and yet told");
    nothing_runs();
    for (int i = 0; i < 3 && strtol(other.id, NULL, 10) < strtol(lost.id, NULL, 10);
         i++) {
        drive_make(&other, "other", "sleep 5; echo ran >ran\n");
        drive_submit(&other);
    }
    CHECK(strtol(other.id, NULL, 10) == strtol(lost.id, NULL, 10),
          "the number was not given again: %s, %s", lost.id, other.id);
    CHECK(peri_sched_cancel(drive_sched(), lost.id, NO, &err) == 0, "%s", err.text);
    const told_t *t = drive_wait(&other, NO, PERI_SCHED_ENDED, 40);
    /* Slurm's own doing: a node that takes it for the lost one still, though nothing runs
     * there, has it cancelled; it may say so a moment later. */
    const bool ran = t->end == PERI_END_EXITED && *drive_file(&other, "ran");
    if (!ran && drive_run("for i in $(seq 100); do grep -qs 'Job %s already running' "
                          "'%s'/nodes/*/slurmd.log && exit 0; sleep 0.1; done; exit 1",
                          other.id, getenv("PERIGEE_CLUSTER")) == 0)
        printf("a node refused the number of the lost job: nothing to see\n");
    else
        CHECK(ran, "the job with the number of the lost one was cancelled");
    drive_cluster("resume", "");
}

static void test_slurmd_killed(void)
{
    sub_t s;
    drive_make(&s, "slurmd", "echo run >>ran; sleep 8; exit 5\n");
    s.req.nodes_hard = n1;
    s.req.nnodes_hard = 1;
    if (!drive_submit(&s) || !drive_wait_file(&s, "ran", 20)) return;
    drive_cluster("kill", "slurmd n1");
    sleep(1);
    CHECK(drive_cluster("start", "slurmd n1") == 0, "slurmd does not start");
    const told_t *t = drive_wait(&s, NO, PERI_SCHED_ENDED, 60);
    CHECK(t->end == PERI_END_EXITED && t->code == 5, "%s %d", t->raw, t->code);
    CHECK(!strcmp(drive_file(&s, "ran"), "run\n"), "run twice");
}

static void test_node_vanished(void)
{
    sub_t once, again, later;
    drive_make(&once, "once", "echo run >>ran; sleep 300\n");
    once.req.nodes_hard = n3;
    once.req.nnodes_hard = 1;
    drive_make(&again, "again",
               "echo run >>ran; [ \"$SLURM_RESTART_COUNT\" ] || sleep 300\n");
    again.req.nodes_soft = n3;
    again.req.nnodes_soft = 1;
    again.req.requeue = true;
    drive_make(&later, "later", "true\n");
    later.req.nodes_hard = n3;
    later.req.nnodes_hard = 1;
    if (!drive_submit(&once) || !drive_submit(&again) ||
        !drive_wait_file(&once, "ran", 20) || !drive_wait_file(&again, "ran", 20))
        return;
    CHECK(!strcmp(drive_wait(&again, NO, PERI_SCHED_RUNNING, 5)->nodes, "n3"),
          "elsewhere");
    drive_cluster("node-off", "n3");
    const told_t *t = drive_wait(&once, NO, PERI_SCHED_ENDED, 60);
    CHECK(t->end == PERI_END_NODE && strstr(t->why, "(it ran on n3)"), "%s %s", t->raw,
          t->why);
    drive_submit(&later);
    drive_wait_why(&later, "n3 is down (it does not answer)", 20);
    /* It may start again anywhere: its node was only a wish. */
    t = drive_wait(&again, NO, PERI_SCHED_ENDED, 90);
    CHECK(t->end == PERI_END_EXITED && t->code == 0 && t->restarts >= 1 &&
              strcmp(t->nodes, "n3") != 0,
          "%s on %s after %u restarts", t->raw, t->nodes, t->restarts);
    CHECK(drive_cluster("node-on", "n3") == 0, "n3 does not start");
    t = drive_wait(&later, NO, PERI_SCHED_ENDED, 60);
    CHECK(t->end == PERI_END_EXITED && !strcmp(t->nodes, "n3"), "%s", t->raw);
}

int main(void)
{
    char conf[600];
    snprintf(conf, sizeof(conf), "{\"conf\": \"%s\", \"soft_wait\": 5}",
             getenv("SLURM_CONF"));
    drive_begin(conf);
    test_slurmctld_killed();
    test_forgotten();
    test_slurmd_killed();
    test_node_vanished();
    return drive_end();
}
