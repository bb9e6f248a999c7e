/* test_slurm_jobs.c - the Slurm plugin on a real cluster where all goes well: submitting,
 * finding, arrays, cancelling, dependencies, refusals. Run by with_cluster.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "tests/cluster/drive.h"

#define NO PERI_SCHED_NO_INDEX

static void test_bad_conf(void)
{
    static const char *const bad[] = {"{\"conf\": \"/nonexistent/slurm.conf\"}",
                                      "{\"conf\": \"%s/broken.conf\"}",
                                      "{\"partitoin\": \"x\"}", "{\"conf\": 3}"};
    static const char *const says[] = {"/nonexistent/slurm.conf", "libslurm cannot use",
                                       "did you mean \"partition\"", "must be text"};
    drive_run("echo 'Nonsense=1' >\"$SHARED/broken.conf\"");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[512];
        peri_err_t err = {0};
        snprintf(text, sizeof(text), bad[i], getenv("SHARED"));
        json_t *conf = json_loads(text, 0, NULL);
        peri_sched_t *s = peri_sched_open("slurm", conf, "/tmp", getenv("PERIGEE_BIN"),
                                          NULL, NULL, &err);
        json_decref(conf);
        CHECK(!s && err.code == PERI_EINVAL && strstr(err.text, says[i]), "%s: %s", text,
              err.text);
        peri_sched_close(s);
    }
}

static void test_caps(void)
{
    peri_schedcaps_t c;
    peri_err_t err = {0};
    CHECK(peri_sched_caps(drive_sched(), &c, &err) == 0, "%s", err.text);
    CHECK(c.nodes == 3 && c.cores_node == 2 && c.cores == 6, "%u nodes, %u of %u cores",
          c.nodes, c.cores_node, c.cores);
    CHECK(c.memory_node == 4000ull << 20, "%llu bytes",
          (unsigned long long)c.memory_node);
    CHECK(c.time_limit == 86400 && c.array_tasks == 10000, "%u s, %u tasks", c.time_limit,
          c.array_tasks);
    CHECK(c.dependencies && c.multi_node && !strcmp(c.name, "slurm"), "wrong words");
}

/* Its story, its environment, its folder with a difficult name, its exit code. */
static void test_one(void)
{
    sub_t s;
    char id[PERI_SCHED_ID_MAX] = "";
    peri_err_t err = {0};
    setenv("LEAK", "of the daemon", 1);
    drive_make(&s, "one",
               "env >env; pwd >pwd; echo early words; squeue -h -o '%k|%j' >squeue\n"
               "exit 3\n");
    CHECK(peri_sched_find(drive_sched(), s.name, id, &err) == 0, "known already");
    if (!drive_submit(&s)) return;
    CHECK(peri_sched_submit(drive_sched(), &s.req, id, &err) == 0 && !strcmp(id, s.id),
          "the second time %s instead of %s: %s", id, s.id, err.text);
    id[0] = '\0';
    CHECK(peri_sched_find(drive_sched(), s.name, id, &err) == 1 && !strcmp(id, s.id),
          "found as %s", id);
    const told_t *t = drive_wait(&s, NO, PERI_SCHED_ENDED, 30);
    CHECK(t->end == PERI_END_EXITED && t->code == 3 && t->signal == 0, "%d %d", t->end,
          t->code);
    CHECK(!strcmp(t->id, s.id) && !strcmp(t->raw, "FAILED NonZeroExitCode"), "%s %s",
          t->id, t->raw);
    CHECK(t->nodes[0] == 'n' && t->started && t->ended >= t->started, "%s", t->nodes);
    CHECK(strncmp(drive_file(&s, "pwd"), s.folder, strlen(s.folder)) == 0, "%s",
          drive_file(&s, "pwd"));
    CHECK(strstr(drive_file(&s, "squeue"), s.req.comment), "%s",
          drive_file(&s, "squeue"));
    const char *env = drive_file(&s, "env");
    CHECK(!strstr(env, "LEAK"), "the daemon's environment is in the job's");
    CHECK(strstr(env, "SLURM_JOB_ID=") && strstr(env, "HOME=/root") &&
              strstr(env, "USER=root") && strstr(env, "PATH=/usr/local/bin:") &&
              strstr(env, "SLURM_CONF="),
          "%s", env);
    char log[64];
    snprintf(log, sizeof(log), "0/launch-%ld.log", strtol(s.id, NULL, 10));
    CHECK(strstr(drive_file(&s, log), "early words"), "no %s", log);
}

static void test_user(void)
{
    sub_t s;
    drive_make(&s, "user", "id -u >0/id; id -g >0/gid; echo $HOME >0/home\n");
    s.req.uid = 1; /* daemon, everywhere */
    s.req.gid = 1;
    s.req.user = "daemon";
    if (!drive_submit(&s)) return;
    const told_t *t = drive_wait(&s, NO, PERI_SCHED_ENDED, 30);
    CHECK(t->end == PERI_END_EXITED && t->code == 0, "%s", t->raw);
    CHECK(!strcmp(drive_file(&s, "0/id"), "1\n") &&
              !strcmp(drive_file(&s, "0/gid"), "1\n"),
          "%s", drive_file(&s, "0/id"));
}

static void test_many_nodes(void)
{
    sub_t s;
    drive_make(
        &s, "nodes",
        "srun --mpi=pmix -N 3 -n 6 hostname | sort | uniq -c | tr -s ' \\n' >out\n");
    s.req.nodes = 3;
    s.req.ranks = 6;
    if (!drive_submit(&s)) return;
    const told_t *t = drive_wait(&s, NO, PERI_SCHED_ENDED, 40);
    CHECK(!strcmp(drive_file(&s, "out"), " 2 n1\n 2 n2\n 2 n3\n"), "%s",
          drive_file(&s, "out"));
    CHECK(!strcmp(t->nodes, "n[1-3]"), "%s", t->nodes);
}

static void refuse(const char *what, void (*change)(sub_t *), peri_code_t code,
                   const char *says)
{
    sub_t s;
    peri_err_t err = {0};
    drive_make(&s, what, "true\n");
    change(&s);
    int rc = peri_sched_submit(drive_sched(), &s.req, s.id, &err);
    CHECK(rc == -1 && err.code == code && strstr(err.text, says), "%s: %d, code %d, %s",
          what, rc, err.code, err.text);
}

static void no_partition(sub_t *s)
{
    s->req.partition = "nope";
}
static void no_account(sub_t *s)
{
    s->req.constraint = "nope";
}
static void much_memory(sub_t *s)
{
    s->req.memory = 1ull << 40;
}
static void many_nodes(sub_t *s)
{
    s->req.nodes = s->req.ranks = 4;
}
static void many_cores(sub_t *s)
{
    s->req.cpus = 3;
}
static void long_time(sub_t *s)
{
    s->req.time_limit = 86400 * 3;
}
static void no_node(sub_t *s)
{
    static const char *const names[] = {"n1", "n77"};
    s->req.nodes_hard = names;
    s->req.nnodes_hard = 2;
}
static void high_index(sub_t *s)
{
    static const int32_t indexes[] = {1, 20000};
    s->req.indexes = indexes;
    s->req.nindexes = 2;
}
static void unknown_job(sub_t *s)
{
    static const peri_scheddep_t after = {"4000000:abcdef", false};
    s->req.after = &after;
    s->req.nafter = 1;
}

static void test_refusals(void)
{
    refuse("partition", no_partition, PERI_EINVAL, "(nope)");
    refuse("constraint", no_account, PERI_EINVAL, "(nope)");
    refuse("memory", much_memory, PERI_ELIMIT, "memory");
    refuse("many", many_nodes, PERI_ELIMIT, "nodes");
    refuse("cores", many_cores, PERI_ELIMIT, "cores");
    refuse("time", long_time, PERI_ELIMIT, "time");
    refuse("node", no_node, PERI_EINVAL, "n1, n77");
    refuse("index", high_index, PERI_ELIMIT, "MaxArraySize");
    refuse("after", unknown_job, PERI_EINVAL, "4000000");
}

/* 0,2-4 and 6, two at a time; the running 2 is cancelled, and the waiting 6. */
static void test_array(void)
{
    static const int32_t indexes[] = {0, 2, 3, 4, 6};
    sub_t s;
    peri_err_t err = {0};
    drive_make(&s, "array",
               "cd $SLURM_ARRAY_TASK_ID; echo started >started\n"
               "trap 'echo told >told; exit 9' TERM\n"
               "[ $SLURM_ARRAY_TASK_ID = 2 ] && while :; do sleep 0.2; done\n"
               "sleep 2; exit $SLURM_ARRAY_TASK_ID\n");
    s.req.indexes = indexes;
    s.req.nindexes = 5;
    s.req.throttle = 2;
    if (!drive_submit(&s)) return;
    if (!drive_wait_file(&s, "2/started", 30)) return;
    drive_wait(&s, 2, PERI_SCHED_RUNNING, 5);
    size_t running = 0, waiting = 0;
    for (size_t i = 0; i < 5; i++) {
        const told_t *t = drive_told(&s, indexes[i]);
        CHECK(t, "task %d is not told", indexes[i]);
        if (t) running += t->state == PERI_SCHED_RUNNING;
        if (t) waiting += t->state == PERI_SCHED_PENDING;
    }
    CHECK(running <= 2 && waiting >= 1, "%zu running, %zu waiting", running, waiting);
    CHECK(peri_sched_cancel(drive_sched(), s.id, 6, &err) == 0, "%s", err.text);
    /* Slurm drops a waiting task of an array without a trace. */
    CHECK(drive_poll(false, &err), "%s", err.text);
    const told_t *t = drive_told(&s, 6);
    CHECK(!t || t->end == PERI_END_CANCELLED, "task 6: %s", t ? t->raw : "");
    CHECK(peri_sched_cancel(drive_sched(), s.id, 2, &err) == 0, "%s", err.text);
    t = drive_wait(&s, 2, PERI_SCHED_ENDED, 20);
    CHECK(t->end == PERI_END_CANCELLED && t->started, "%d", t->end);
    CHECK(!strcmp(drive_file(&s, "2/told"), "told\n"), "no SIGTERM for task 2");
    for (int32_t i = 0; i <= 4; i++) {
        if (i == 1 || i == 2) continue;
        t = drive_wait(&s, i, PERI_SCHED_ENDED, 40);
        CHECK(t->end == PERI_END_EXITED && t->code == i, "task %d: %d, %d", i, t->end,
              t->code);
    }
    CHECK(!*drive_file(&s, "6/started"), "task 6 was cancelled and has run");
}

/* A rest that is too long for a list comes as one. */
static void test_long_array(void)
{
    static int32_t indexes[100];
    sub_t s;
    peri_err_t err = {0};
    drive_make(&s, "long", "sleep 60\n");
    for (int i = 0; i < 100; i++) indexes[i] = 3 * i;
    s.req.indexes = indexes;
    s.req.nindexes = 100;
    s.req.throttle = 1;
    if (!drive_submit(&s)) return;
    const told_t *t = drive_wait(&s, NO, PERI_SCHED_PENDING, 10);
    CHECK(t->rest && !strcmp(t->id, s.id), "not told as a rest");
    drive_wait(&s, 0, PERI_SCHED_RUNNING, 20);
    CHECK(peri_sched_cancel(drive_sched(), s.id, NO, &err) == 0, "%s", err.text);
    drive_wait(&s, 0, PERI_SCHED_ENDED, 20);
    CHECK(peri_sched_find(drive_sched(), s.name, s.id, &err) == 1, "%s", err.text);
    drive_poll(true, NULL);
    t = drive_told(&s, NO);
    CHECK(!t || t->state == PERI_SCHED_ENDED, "the rest still waits");
}

/* perigee-launch and what it has started hear SIGTERM and have time to write. */
static void test_cancel(void)
{
    sub_t s, other;
    peri_err_t err = {0};
    char wrong[PERI_SCHED_ID_MAX];
    drive_make(&s, "cancel",
               "trap 'sleep 1; echo told >told; exit 0' TERM\n"
               "echo started >started\n"
               "while :; do sleep 0.2; done\n");
    if (!drive_submit(&s) || !drive_wait_file(&s, "started", 30)) return;
    snprintf(wrong, sizeof(wrong), "%.*s:123456", (int)strcspn(s.id, ":"), s.id);
    CHECK(peri_sched_cancel(drive_sched(), wrong, NO, &err) == 0, "%s", err.text);
    usleep(1500000);
    drive_wait(&s, NO, PERI_SCHED_RUNNING, 1);
    CHECK(!*drive_file(&s, "told"), "cancelled by the id of another job");
    CHECK(peri_sched_cancel(drive_sched(), s.id, NO, &err) == 0, "%s", err.text);
    const told_t *t = drive_wait(&s, NO, PERI_SCHED_ENDED, 20);
    CHECK(t->end == PERI_END_CANCELLED, "%d %s", t->end, t->raw);
    CHECK(!strcmp(drive_file(&s, "told"), "told\n"), "no SIGTERM, or no time for it");
    CHECK(peri_sched_cancel(drive_sched(), s.id, NO, &err) == 0, "again: %s", err.text);
    CHECK(peri_sched_cancel(drive_sched(), "4000000:abcdef", NO, &err) == 0, "%s",
          err.text);
    CHECK(peri_sched_cancel(drive_sched(), "rubbish", NO, &err) == 0, "%s", err.text);
    drive_make(&other, "never", "echo ran >ran\n");
    other.req.nodes = other.req.ranks = 3; /* with time to cancel it */
    other.req.priority = -1000;
    if (!drive_submit(&other)) return;
    CHECK(peri_sched_cancel(drive_sched(), other.id, NO, &err) == 0, "%s", err.text);
    t = drive_wait(&other, NO, PERI_SCHED_ENDED, 10);
    CHECK(t->end == PERI_END_CANCELLED, "%d", t->end);
}

static void depend(sub_t *s, peri_scheddep_t *on, const sub_t *of, bool even_failed,
                   const char *what)
{
    drive_make(s, what, "echo ran >ran\n");
    *on = (peri_scheddep_t){of->id, even_failed};
    s->req.after = on;
    s->req.nafter = 1;
    drive_submit(s);
}

static void test_dependencies(void)
{
    sub_t good, bad, a, b, c, d;
    peri_scheddep_t on[4];
    drive_make(&good, "good", "sleep 2\n");
    drive_make(&bad, "bad", "sleep 2; exit 1\n");
    if (!drive_submit(&good) || !drive_submit(&bad)) return;
    depend(&a, &on[0], &good, false, "ok-ok");
    depend(&b, &on[1], &bad, false, "ok-bad");
    depend(&c, &on[2], &bad, true, "any-bad");
    const told_t *t = drive_wait_why(&a, "waits for the end of another job", 5);
    CHECK(drive_wait(&b, NO, PERI_SCHED_ENDED, 40)->end == PERI_END_DEPENDENCY, "%s",
          drive_told(&b, NO) ? drive_told(&b, NO)->raw : "");
    t = drive_wait(&a, NO, PERI_SCHED_ENDED, 20);
    CHECK(t->end == PERI_END_EXITED && t->code == 0, "%s", t->raw);
    t = drive_wait(&c, NO, PERI_SCHED_ENDED, 20);
    CHECK(t->end == PERI_END_EXITED && t->code == 0, "%s", t->raw);
    CHECK(!*drive_file(&b, "ran") && *drive_file(&a, "ran") && *drive_file(&c, "ran"),
          "who ran is wrong");
    depend(&d, &on[3], &bad, false, "late");
    t = drive_wait(&d, NO, PERI_SCHED_ENDED, 20);
    CHECK(t->end == PERI_END_DEPENDENCY, "%s: %s", t->raw, t->why);
}

int main(void)
{
    char conf[600];
    test_bad_conf();
    snprintf(conf, sizeof(conf), "{\"conf\": \"%s\"}", getenv("SLURM_CONF"));
    drive_begin(conf);
    test_caps();
    test_one();
    test_user();
    test_many_nodes();
    test_refusals();
    test_array();
    test_long_array();
    test_cancel();
    test_dependencies();
    return drive_end();
}
