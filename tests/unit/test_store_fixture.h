/* A real private server in a folder of its own, for the tests of jobs/store.
 *
 * A shell waits for the end of the test, however it ends (it reads a pipe that only the
 * test holds), stops the server and removes the folder.
 */
#ifndef TESTS_UNIT_TEST_STORE_FIXTURE_H
#define TESTS_UNIT_TEST_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/store/store.h"

typedef struct {
    char dir[64];
    char *pg; /* of the server */
    char *conninfo;
    int janitor; /* the pipe */
    pid_t janitor_pid;
    peri_dbpool_t *pool;
    peri_db_t *db;
} pgfix_t;

#define assert_ok(call)                                                                  \
    do {                                                                                 \
        peri_err_t e_ = {0};                                                             \
        peri_err_t *err = &e_;                                                           \
        if ((call) != 0) fail_msg("%s: %s", #call, e_.text);                             \
    } while (0)

static inline void fix_janitor(pgfix_t *f)
{
    static const char script[] =
        "cat >/dev/null\n"
        "p=$(head -n1 \"$1/pg/data/postmaster.pid\" 2>/dev/null)\n"
        "if [ -n \"$p\" ]; then kill -QUIT $p 2>/dev/null; i=0\n"
        "while kill -0 $p 2>/dev/null && [ $i -lt 100 ]; do sleep 0.05; i=$((i+1)); "
        "done; fi\n"
        "rm -rf \"$1\"\n";
    int fd[2];
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    f->janitor = fd[1];
    f->janitor_pid = fork();
    if (f->janitor_pid == 0) {
        setsid();
        dup2(fd[0], 0);
        execl("/bin/sh", "sh", "-c", script, "sh", f->dir, (char *)NULL);
        _exit(127);
    }
    close(fd[0]);
}

static inline pgfix_t *fix_folder(void)
{
    pgfix_t *f = peri_xcalloc(1, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/peri-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(chmod(f->dir, 0711), 0);
    f->pg = peri_xasprintf("%s/pg", f->dir);
    fix_janitor(f);
    f->conninfo = peri_pg_conninfo(f->pg);
    return f;
}

static inline pgfix_t *fix_new(void)
{
    pgfix_t *f = fix_folder();
    assert_ok(peri_pg_start(f->pg, err));
    f->pool = peri_dbpool_new(f->conninfo, 8);
    f->db = peri_dbpool_get(f->pool, NULL);
    assert_non_null(f->db);
    assert_ok(peri_db_migrate(f->db, 0, err));
    return f;
}

static inline void fix_free(pgfix_t *f)
{
    if (!f) return;
    if (f->pool) peri_dbpool_put(f->pool, f->db);
    peri_dbpool_free(f->pool);
    close(f->janitor);
    waitpid(f->janitor_pid, NULL, 0);
    free(f->conninfo);
    free(f->pg);
    free(f);
}

/* ---- short ways to say things ---- */

static const int32_t ONE[] = {0};
static const struct peri_newstep ONE_STEP[] = {
    {.name = "main", .indexes = ONE, .nindexes = 1}};

static inline peri_newjob_t fix_job(const char *name)
{
    return (peri_newjob_t){.uid = 1000,
                           .user = "ana",
                           .name = name,
                           .kind = "script",
                           .scheduler = "local",
                           .spec = "{}",
                           .plan = "{}",
                           .steps = ONE_STEP,
                           .nsteps = 1};
}

typedef struct {
    char uuid[PERI_UUID_LEN + 1];
    int64_t number;
} jobid_t;

static inline jobid_t fix_create(peri_db_t *db, const peri_newjob_t *j)
{
    jobid_t id;
    bool existed;
    assert_ok(peri_store_create(db, j, id.uuid, &id.number, &existed, err));
    assert_false(existed);
    return id;
}

static inline jobid_t fix_named(peri_db_t *db, const char *name)
{
    peri_newjob_t j = fix_job(name);
    return fix_create(db, &j);
}

/* What is left out: attempt 1 of task 0 of step "main". NO_ATTEMPT is 0, ALL no list. */
#define NO_ATTEMPT (-1)
#define ALL        SIZE_MAX
#define EV(k, ...) ((peri_event_t){.kind = PERI_EV_##k, ##__VA_ARGS__})

static inline peri_event_t fix_event(const jobid_t *id, peri_event_t e)
{
    e.job = id->uuid;
    if (!e.step && e.kind != PERI_EV_CANCEL) e.step = "main";
    e.attempt = e.attempt == 0 ? 1 : e.attempt == NO_ATTEMPT ? 0 : e.attempt;
    if (e.nindexes == ALL) {
        e.indexes = NULL;
        e.nindexes = 0;
    } else {
        if (!e.indexes) e.indexes = ONE;
        if (e.nindexes == 0) e.nindexes = 1;
    }
    return e;
}

static inline size_t fix_append(peri_db_t *db, const jobid_t *id, peri_event_t e)
{
    size_t applied = 99;
    e = fix_event(id, e);
    assert_ok(peri_store_append(db, &e, &applied, err));
    return applied;
}

#define INTENT    EV(INTENT)
#define SUBMITTED EV(SUBMITTED, .id = "77")
#define STARTED   EV(STARTED, .host = "n1")
#define ENDED_OK  EV(ENDED, .final = PERI_TASK_SUCCEEDED)
#define ENDED_BAD                                                                        \
    EV(ENDED, .final = PERI_TASK_FAILED, .why = PERI_WHY_EXIT, .text = "boom")
#define REVOKED EV(REVOKED)
#define CANCEL  EV(CANCEL)

typedef struct {
    peri_jobrow_t row; /* numbers only */
    char text[256];
} seenjob_t;

static inline int fix_see_job(const peri_jobrow_t *row, void *arg)
{
    seenjob_t *s = arg;
    s->row = *row;
    snprintf(s->text, sizeof(s->text), "%s", row->text);
    return 0;
}

static inline seenjob_t fix_get(peri_db_t *db, const jobid_t *id)
{
    seenjob_t s = {0};
    assert_ok(peri_store_get(db, id->uuid, fix_see_job, &s, err));
    return s;
}

typedef struct {
    const char *step;
    int32_t index;
    bool found;
    peri_taskrow_t row; /* numbers only */
    char text[256], host[64], id[64], usage[256];
} seentask_t;

static inline int fix_see_task(const peri_taskrow_t *row, void *arg)
{
    seentask_t *s = arg;
    if (strcmp(row->step, s->step) != 0 || row->index != s->index) return 0;
    s->found = true;
    s->row = *row;
    snprintf(s->text, sizeof(s->text), "%s", row->text);
    snprintf(s->host, sizeof(s->host), "%s", row->host);
    snprintf(s->id, sizeof(s->id), "%s", row->id);
    snprintf(s->usage, sizeof(s->usage), "%s", row->usage ? row->usage : "");
    return 1;
}

static inline seentask_t fix_task(peri_db_t *db, const jobid_t *id, const char *step,
                                  int32_t index)
{
    seentask_t s = {.step = step, .index = index};
    assert_ok(peri_store_tasks(db, id->uuid, NULL, index, 0, fix_see_task, &s, err));
    assert_true(s.found);
    return s;
}

/* The first column of the first row, as a number. */
static inline int64_t fix_number(peri_db_t *db, const char *sql)
{
    peri_err_t err = {0};
    PGresult *r = peri_db_query(db, &err, sql, 0, NULL);
    if (!r) fail_msg("%s: %s", sql, err.text);
    int64_t n = PQntuples(r) ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : -1;
    PQclear(r);
    return n;
}

#endif
