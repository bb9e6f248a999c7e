/* test_slurm_waits.c - the Slurm plugin on a real cluster where jobs have to wait or give
 * way: drained and busy nodes, wishes, preemption, the time limit and its warning. Run by
 * with_cluster.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/util.h"
#include "tests/cluster/drive.h"

#define NO PERI_SCHED_NO_INDEX

static const char *const n1[] = {"n1"}, *const n2[] = {"n2"}, *const n3[] = {"n3"};
static const char *const all[] = {"n1", "n2", "n3"};

static void drain(const char *node, const char *reason)
{
    CHECK(drive_run("scontrol update nodename=%s state=drain reason='%s'", node,
                    reason) == 0,
          "scontrol");
}

static void resume(const char *node)
{
    CHECK(drive_run("scontrol update nodename=%s state=resume", node) == 0, "scontrol");
}

/* Data only there: waits for the drained node, says why, and runs when it is back. */
static void test_hard(void)
{
    sub_t one, three;
    drain("n2", "disk exchange");
    drive_make(&one, "hard", "hostname >host\n");
    one.req.nodes_hard = n2;
    one.req.nnodes_hard = 1;
    drive_make(&three, "hard3", "srun -l -N 3 -n 3 true >out 2>&1\n");
    three.req.nodes = three.req.ranks = 3;
    three.req.nodes_hard = all;
    three.req.nnodes_hard = 3;
    if (!drive_submit(&one) || !drive_submit(&three)) return;
    drive_wait_why(&one, "n2 is drained: disk exchange", 20);
    drive_wait_why(&three, "(n[1-3]): n2 is drained: disk exchange", 20);
    sleep(3);
    CHECK(drive_poll(false, NULL), "no answer");
    const told_t *t = drive_told(&one, NO);
    CHECK(t && t->state == PERI_SCHED_PENDING, "it does not wait for its node");
    resume("n2");
    t = drive_wait(&one, NO, PERI_SCHED_ENDED, 40);
    CHECK(t->end == PERI_END_EXITED && t->code == 0 && !strcmp(t->nodes, "n2"),
          "%s on %s", t->raw, t->nodes);
    t = drive_wait(&three, NO, PERI_SCHED_ENDED, 40);
    CHECK(t->end == PERI_END_EXITED && t->code == 0 && !strcmp(t->nodes, "n[1-3]"),
          "%s on %s", t->raw, t->nodes);
}

/* A copy on shared storage: the node if it is free, any other if not. */
static void test_soft(void)
{
    sub_t free_one, drained, both;
    drain("n2", "disk exchange");
    drive_make(&free_one, "soft", "true\n");
    free_one.req.nodes_soft = n3;
    free_one.req.nnodes_soft = 1;
    drive_make(&drained, "softdrained", "true\n");
    drained.req.nodes_soft = n2;
    drained.req.nnodes_soft = 1;
    drive_make(&both, "softboth", "true\n");
    both.req.nodes = both.req.ranks = 2;
    both.req.nodes_soft = all + 1;
    both.req.nnodes_soft = 2;
    if (!drive_submit(&free_one) || !drive_submit(&drained) || !drive_submit(&both))
        return;
    CHECK(!strcmp(drive_wait(&free_one, NO, PERI_SCHED_ENDED, 20)->nodes, "n3"),
          "not on the wished node");
    CHECK(drive_wait(&drained, NO, PERI_SCHED_ENDED, 20)->nodes[0] == 'n', "nowhere");
    CHECK(!strcmp(drive_wait(&both, NO, PERI_SCHED_ENDED, 20)->nodes, "n[1,3]"),
          "not on one of the wished nodes");
    resume("n2");
}

/* The wished node is taken between our look and Slurm's: the wish is given up. */
static void test_wish_given_up(void)
{
    sub_t owner, guest;
    drive_make(&owner, "owner", "sleep 100\n");
    owner.req.nodes_hard = n1;
    owner.req.nnodes_hard = 1;
    owner.req.cpus = 2;
    drive_make(&guest, "guest", "sleep 2\n");
    guest.req.nodes_soft = n1;
    guest.req.nnodes_soft = 1;
    guest.req.cpus = 2;
    if (!drive_submit(&owner) || !drive_submit(&guest)) return;
    const told_t *t = drive_wait(&guest, NO, PERI_SCHED_ENDED, 40);
    CHECK(t->nodes[0] == 'n' && strcmp(t->nodes, "n1") != 0, "on %s", t->nodes);
    CHECK(drive_poll(false, NULL), "no answer");
    t = drive_told(&owner, NO);
    CHECK(t && t->state == PERI_SCHED_RUNNING, "the node was free after all");
    peri_sched_cancel(drive_sched(), owner.id, NO, NULL);
    drive_wait(&owner, NO, PERI_SCHED_ENDED, 20);
}

static void test_busy(void)
{
    sub_t busy, next, last;
    drive_make(&busy, "busy", "sleep 100\n");
    busy.req.nodes = busy.req.ranks = 3;
    busy.req.cpus = 2;
    busy.req.time_limit = 120;
    drive_make(&next, "next", "sleep 1\n");
    next.req.nodes = next.req.ranks = 2;
    drive_make(&last, "last", "sleep 1\n");
    last.req.nodes = last.req.ranks = 2;
    last.req.priority = -50;
    if (!drive_submit(&busy)) return;
    drive_wait(&busy, NO, PERI_SCHED_RUNNING, 20);
    if (!drive_submit(&next) || !drive_submit(&last)) return;
    drive_wait_why(&next, "waits for free cores or memory on 2 nodes", 10);
    drive_wait_why(&last, "others are before it", 10);
    int64_t now = time(NULL);
    const told_t *t = drive_told(&next, NO);
    for (int i = 0; i < 50 && !(t && t->expected > now); i++) {
        usleep(200000);
        if (drive_poll(false, NULL)) t = drive_told(&next, NO);
    }
    CHECK(t && t->expected > now && t->expected < now + 300, "expected in %lld s",
          t ? (long long)(t->expected - now) : -1);
    peri_sched_cancel(drive_sched(), busy.id, NO, NULL);
    drive_wait(&next, NO, PERI_SCHED_ENDED, 30);
    drive_wait(&last, NO, PERI_SCHED_ENDED, 30);
}

/* In the partition that gives way: one that may start again does, the other ends. */
static void test_preemption(void)
{
    sub_t again, once, boss;
    drive_make(
        &again, "again",
        "echo $SLURM_RESTART_COUNT >>starts; [ \"$SLURM_RESTART_COUNT\" ] && exit 0\n"
        "sleep 100\n");
    again.req.partition = "preemptible";
    again.req.requeue = true;
    again.req.nodes_hard = n1;
    again.req.nnodes_hard = 1;
    again.req.cpus = 2;
    drive_make(&once, "once",
               "trap 'echo told >told; exit 0' TERM\n"
               "while :; do sleep 0.2; done\n");
    once.req.partition = "preemptible";
    once.req.nodes_hard = n2;
    once.req.nnodes_hard = 1;
    once.req.cpus = 2;
    drive_make(&boss, "boss", "sleep 3\n");
    boss.req.nodes_hard = all;
    boss.req.nnodes_hard = 2;
    boss.req.nodes = boss.req.ranks = 2;
    boss.req.cpus = 2;
    if (!drive_submit(&again) || !drive_submit(&once)) return;
    drive_wait(&again, NO, PERI_SCHED_RUNNING, 20);
    drive_wait(&once, NO, PERI_SCHED_RUNNING, 20);
    if (!drive_submit(&boss)) return;
    const told_t *t = drive_wait(&once, NO, PERI_SCHED_ENDED, 40);
    CHECK(t->end == PERI_END_PREEMPTED && strstr(t->why, "make room"), "%s %s", t->raw,
          t->why);
    CHECK(!strcmp(drive_file(&once, "told"), "told\n"), "it was not told");
    t = drive_wait(&boss, NO, PERI_SCHED_ENDED, 40);
    CHECK(t->end == PERI_END_EXITED && t->code == 0, "%s", t->raw);
    t = drive_wait(&again, NO, PERI_SCHED_ENDED, 60);
    CHECK(t->end == PERI_END_EXITED && t->code == 0 && t->restarts == 1,
          "%s, %u restarts", t->raw, t->restarts);
    CHECK(!strcmp(drive_file(&again, "starts"), "\n1\n"), "%s",
          drive_file(&again, "starts"));
}

/* Only submits: it takes more than a minute, in which the other tests run. */
static void begin_time(sub_t *s)
{
    drive_make(s, "time",
               "trap 'echo warned >warned' USR1; trap 'echo told >told; exit 0' TERM\n"
               "echo started >started; while :; do sleep 0.2; done\n");
    s->req.time_limit = 60;
    s->req.warn_signal = 10;
    s->req.warn_seconds = 55;
    s->req.nodes_hard = n3;
    s->req.nnodes_hard = 1;
    drive_submit(s);
    drive_wait_file(s, "started", 20);
}

static void end_time(const sub_t *s)
{
    const told_t *t = drive_wait(s, NO, PERI_SCHED_ENDED, 120);
    CHECK(t->end == PERI_END_TIME && strstr(t->why, "time limit"), "%s %s", t->raw,
          t->why);
    CHECK(!strcmp(drive_file(s, "warned"), "warned\n"), "no warning");
    CHECK(!strcmp(drive_file(s, "told"), "told\n"), "no SIGTERM at the end");
}

int main(void)
{
    char conf[600];
    sub_t timed;
    snprintf(conf, sizeof(conf), "{\"conf\": \"%s\", \"soft_wait\": 3}",
             getenv("SLURM_CONF"));
    drive_begin(conf);
    test_hard();
    test_soft();
    test_wish_given_up();
    test_busy();
    begin_time(&timed);
    test_preemption();
    end_time(&timed);
    return drive_end();
}
