/* drive.c - see drive.h. */
#include "tests/cluster/drive.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"

static struct {
    peri_sched_t *sched;
    unsigned failures, subs, round;
    told_t *told;
    size_t ntold, cap;
} drive;

bool drive_check(bool ok, int line, const char *cond, const char *fmt, ...)
{
    if (ok) return true;
    va_list ap;
    va_start(ap, fmt);
    printf("FAILED: line %d: %s: ", line, cond);
    vprintf(fmt, ap);
    printf("\n");
    fflush(stdout);
    va_end(ap);
    drive.failures++;
    return false;
}

void drive_begin(const char *conf_json)
{
    peri_err_t err = {0};
    json_t *conf = json_loads(conf_json, 0, NULL);
    drive.sched = peri_sched_open("slurm", conf, getenv("SHARED"), getenv("PERIGEE_BIN"),
                                  NULL, NULL, &err);
    json_decref(conf);
    if (!CHECK(drive.sched, "%s", err.text)) exit(1);
}

int drive_end(void)
{
    peri_sched_close(drive.sched);
    free(drive.told);
    if (!drive.failures) printf("all is well\n");
    return drive.failures > 0;
}

peri_sched_t *drive_sched(void)
{
    return drive.sched;
}

/* ---- submissions ---- */

void drive_make(sub_t *s, const char *what, const char *script)
{
    peri_err_t err = {0};
    memset(s, 0, sizeof(*s));
    snprintf(s->name, sizeof(s->name), "perigee-%d-%u-%s", (int)getpid(), ++drive.subs,
             what);
    /* A name that a shell and Slurm would like to change. */
    snprintf(s->folder, sizeof(s->folder), "%s/it's %%j $HOME/%s", getenv("SHARED"),
             s->name);
    for (int i = 0; i < 20; i++) {
        char sub[540];
        snprintf(sub, sizeof(sub), "%s/%d", s->folder, i);
        if (peri_mkdirs(sub, &err)) CHECK(false, "%s", err.text);
        chmod(sub, 0777);
    }
    chmod(s->folder, 0777);
    snprintf(s->file, sizeof(s->file), "%s/script", s->folder);
    if (peri_file_write_atomic(s->file, script, strlen(script), &err))
        CHECK(false, "%s", err.text);
    chmod(s->file, 0644);
    s->argv[0] = "/bin/sh";
    s->argv[1] = s->file;
    s->req = (peri_schedreq_t){.name = s->name,
                               .comment = "00000000-0000-4000-8000-000000000000",
                               .folder = s->folder,
                               .argv = s->argv,
                               .argc = 2,
                               .uid = geteuid(),
                               .gid = getegid(),
                               .user = "root",
                               .nodes = 1,
                               .ranks = 1,
                               .cpus = 1,
                               .memory = 100u << 20,
                               .time_limit = 600};
}

bool drive_submit(sub_t *s)
{
    peri_err_t err = {0};
    int rc = peri_sched_submit(drive.sched, &s->req, s->id, &err);
    return CHECK(rc == 0, "%s: %s", s->name, err.text);
}

const char *drive_file(const sub_t *s, const char *file)
{
    static char *text;
    char path[700];
    size_t len;
    snprintf(path, sizeof(path), "%s/%s", s->folder, file);
    free(text);
    text = NULL;
    if (peri_file_slurp(path, 1u << 20, &text, &len, NULL)) text = peri_xstrdup("");
    return text;
}

static void pause_a_bit(void)
{
    usleep(200000);
}

bool drive_wait_file(const sub_t *s, const char *file, double seconds)
{
    double end = peri_now() + seconds;
    while (!*drive_file(s, file)) {
        if (peri_now() > end) return CHECK(false, "%s: %s does not come", s->name, file);
        pause_a_bit();
    }
    return true;
}

/* ---- what is told ---- */

static void on_task(const peri_schedtask_t *t, void *arg)
{
    (void)arg;
    told_t *to = NULL;
    for (size_t i = 0; i < drive.ntold && !to; i++)
        if (!strcmp(drive.told[i].name, t->name) && drive.told[i].index == t->index &&
            drive.told[i].rest == t->array_rest)
            to = &drive.told[i];
    if (!to) {
        if (drive.ntold == drive.cap) {
            drive.cap = drive.cap ? 2 * drive.cap : 64;
            drive.told = peri_xrealloc(drive.told, drive.cap, sizeof(*drive.told));
        }
        to = &drive.told[drive.ntold++];
    }
    *to = (told_t){.index = t->index,
                   .rest = t->array_rest,
                   .state = t->state,
                   .end = t->end,
                   .code = t->exit_code,
                   .signal = t->signal,
                   .restarts = t->restarts,
                   .expected = t->expected,
                   .started = t->started,
                   .ended = t->ended,
                   .round = drive.round};
    snprintf(to->name, sizeof(to->name), "%s", t->name);
    snprintf(to->id, sizeof(to->id), "%s", t->id);
    snprintf(to->why, sizeof(to->why), "%s", t->why);
    snprintf(to->raw, sizeof(to->raw), "%s", t->raw);
    snprintf(to->nodes, sizeof(to->nodes), "%s", t->nodes);
}

bool drive_poll(bool all, peri_err_t *err)
{
    bool complete = false;
    drive.round++;
    if (peri_sched_poll(drive.sched, all, on_task, NULL, &complete, err)) return false;
    CHECK(complete, "a poll that worked is not complete");
    return true;
}

const told_t *drive_told(const sub_t *s, int32_t index)
{
    for (size_t i = 0; i < drive.ntold; i++)
        if (!strcmp(drive.told[i].name, s->name) && drive.told[i].index == index &&
            drive.told[i].round == drive.round)
            return &drive.told[i];
    return NULL;
}

static const told_t *wait_until(const sub_t *s, int32_t index, const char *what,
                                peri_schedstate_t state, const char *why, double seconds)
{
    static told_t none;
    double end = peri_now() + seconds;
    const told_t *t = NULL;
    for (;;) {
        peri_err_t err = {0};
        if (drive_poll(false, &err)) {
            t = drive_told(s, index);
            if (t && (why ? strstr(t->why, why) != NULL : t->state == state)) return t;
        }
        if (peri_now() > end) break;
        pause_a_bit();
    }
    CHECK(false, "%s %d: not %s; last told: state %d, %s, %s", s->name, index, what,
          t ? (int)t->state : -1, t ? t->raw : "nothing", t ? t->why : "");
    return t ? t : &none;
}

const told_t *drive_wait(const sub_t *s, int32_t index, peri_schedstate_t state,
                         double seconds)
{
    static const char *const names[] = {"pending", "running", "ended"};
    return wait_until(s, index, names[state], state, NULL, seconds);
}

const told_t *drive_wait_why(const sub_t *s, const char *text, double seconds)
{
    return wait_until(s, PERI_SCHED_NO_INDEX, text, PERI_SCHED_PENDING, text, seconds);
}

/* ---- commands ---- */

int drive_run(const char *fmt, ...)
{
    char *line = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&line, fmt, ap) < 0) abort();
    va_end(ap);
    int status = system(line);
    free(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int drive_cluster(const char *command, const char *args)
{
    return drive_run("exec '%s/tests/cluster/cluster.sh' %s '%s' %s", PERIGEE_SOURCE_DIR,
                     command, getenv("PERIGEE_CLUSTER"), args);
}
