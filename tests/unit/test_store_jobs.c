/* Creating jobs and finding them again: idempotency keys, lists, names, pruning,
 * replicas. */
#include "tests/unit/test_store_fixture.h"

#include <pthread.h>

static pgfix_t *fx;

static int setup(void **state)
{
    (void)state;
    fx = fix_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fix_free(fx);
    return 0;
}

/* ---- create ---- */

static int see_spec(const peri_jobrow_t *row, void *arg)
{
    *(json_t **)arg = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s*,s:I,s:b}", "spec", row->spec,
                                "plan", row->plan, "name", row->name, "kind", row->kind,
                                "user", row->user, "resubmit_of", row->resubmit_of, "uid",
                                (json_int_t)row->uid, "usage", row->usage != NULL);
    return 0;
}

static void what_is_stored(void **state)
{
    (void)state;
    peri_newjob_t j = fix_job("Robert'; DROP TABLE job; --");
    j.spec = "{\"q\": \"it's \\\\ here\"}";
    j.plan = "{\"steps\": []}";
    j.user = "o'neil";
    j.kind = "sql";
    j.priority = -7;
    jobid_t first = fix_create(fx->db, &j);
    j.resubmit_of = first.uuid;
    jobid_t id = fix_create(fx->db, &j);
    assert_true(id.number > first.number);
    json_t *o = NULL;
    assert_ok(peri_store_get(fx->db, id.uuid, see_spec, &o, err));
    assert_string_equal(json_string_value(json_object_get(o, "spec")), j.spec);
    assert_string_equal(json_string_value(json_object_get(o, "plan")), j.plan);
    assert_string_equal(json_string_value(json_object_get(o, "name")), j.name);
    assert_string_equal(json_string_value(json_object_get(o, "user")), j.user);
    assert_string_equal(json_string_value(json_object_get(o, "resubmit_of")), first.uuid);
    assert_int_equal(json_integer_value(json_object_get(o, "uid")), 1000);
    assert_false(json_is_true(json_object_get(o, "usage")));
    json_decref(o);
    assert_int_equal(fix_get(fx->db, &id).row.priority, -7);
    assert_ok(peri_store_verify(fx->db, id.uuid, err));
}

static int64_t owner(unsigned uid)
{
    char sql[96];
    snprintf(sql, sizeof(sql), "SELECT perigee_account_of_uid(%u, 'u%u')", uid, uid);
    return fix_number(fx->db, sql);
}

/* A refused job leaves nothing. */
static void what_is_refused(void **state)
{
    (void)state;
    static const int32_t twice[] = {1, 1};
    jobid_t of_ana = fix_named(fx->db, "ana's");
    const struct {
        struct peri_newstep step;
        uint32_t uid;
        peri_code_t code;
        const char *says;
    } cases[] = {
        {{.name = "main"}, 1000, PERI_EINVAL, "no tasks"},
        {{.name = "main", .indexes = twice, .nindexes = 2},
         1000,
         PERI_EINTERNAL,
         "duplicate"},
        {{.name = "main",
          .indexes = ONE,
          .nindexes = 1,
          .after = (const struct peri_newdep[]){{.step = "main"}},
          .nafter = 1},
         1000,
         PERI_EINVAL,
         "not a step before"},
        {{.name = "main",
          .indexes = ONE,
          .nindexes = 1,
          .after =
              (const struct peri_newdep[]){
                  {.job = "6f0c0000-0000-4000-8000-000000000000"}},
          .nafter = 1},
         1000,
         PERI_ENOTFOUND,
         "no job 6f0c0000-0000-4000-8000-000000000000"},
        {{.name = "main",
          .indexes = ONE,
          .nindexes = 1,
          .after = (const struct peri_newdep[]){{.job = of_ana.uuid, .step = "other"}},
          .nafter = 1},
         1000,
         PERI_ENOTFOUND,
         "no step \"other\""},
        {{.name = "main",
          .indexes = ONE,
          .nindexes = 1,
          .after = (const struct peri_newdep[]){{.job = of_ana.uuid}},
          .nafter = 1},
         1001,
         PERI_ENOTFOUND,
         of_ana.uuid},
    };
    int64_t before = fix_number(fx->db, "SELECT count(*) FROM job");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        peri_err_t err = {0};
        char uuid[PERI_UUID_LEN + 1];
        peri_newjob_t j = fix_job("refused");
        j.steps = &cases[i].step;
        j.uid = cases[i].uid;
        assert_int_equal(peri_store_create(fx->db, &j, uuid, NULL, NULL, &err), -1);
        assert_int_equal(err.code, cases[i].code);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s", err.text);
    }
    assert_int_equal(fix_number(fx->db, "SELECT count(*) FROM job"), before);
    /* An administrator may wait for anybody. */
    assert_int_equal(fix_number(fx->db, "SELECT perigee_account_of_uid(0, 'root')") > 0,
                     1);
    fix_number(fx->db, "WITH u AS (UPDATE account SET admin = true WHERE unix_uid = 0 "
                       "RETURNING 1) SELECT count(*) FROM u");
    peri_newjob_t j = fix_job("root's");
    j.steps = &cases[5].step;
    j.uid = 0;
    fix_create(fx->db, &j);
}

typedef struct {
    const char *key;
    pthread_barrier_t *start;
    jobid_t id;
    bool existed;
} racer_t;

static void *race(void *arg)
{
    racer_t *r = arg;
    peri_err_t err = {0};
    peri_newjob_t j = fix_job("race");
    j.idem_key = r->key;
    peri_db_t *db = peri_dbpool_get(fx->pool, &err);
    pthread_barrier_wait(r->start);
    if (!db || peri_store_create(db, &j, r->id.uuid, &r->id.number, &r->existed, &err))
        snprintf(r->id.uuid, sizeof(r->id.uuid), "%.30s", err.text);
    peri_dbpool_put(fx->pool, db);
    return NULL;
}

static void same_key_same_job(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        enum { N = 4 };
        char key[32];
        racer_t r[N];
        pthread_t t[N];
        pthread_barrier_t start;
        int made = 0;
        snprintf(key, sizeof(key), "key ' %d", round);
        pthread_barrier_init(&start, NULL, N);
        for (int i = 0; i < N; i++) {
            r[i] = (racer_t){.key = key, .start = &start};
            assert_int_equal(pthread_create(&t[i], NULL, race, &r[i]), 0);
        }
        for (int i = 0; i < N; i++) {
            pthread_join(t[i], NULL);
            assert_string_equal(r[i].id.uuid, r[0].id.uuid);
            assert_int_equal(r[i].id.number, r[0].id.number);
            made += !r[i].existed;
        }
        pthread_barrier_destroy(&start);
        assert_int_equal(made, 1);
    }
    assert_int_equal(fix_number(fx->db, "SELECT count(*) FROM job WHERE name = 'race'"),
                     20);
    peri_newjob_t j = fix_job("race");
    j.idem_key = "key ' 0";
    j.uid = 1001;
    fix_create(fx->db, &j); /* another user's key */
}

/* ---- lists ---- */

typedef struct {
    int n;
    int64_t numbers[64];
} list_t;

static int collect(const peri_jobrow_t *row, void *arg)
{
    list_t *l = arg;
    assert_null(row->spec);
    l->numbers[l->n++] = row->number;
    return l->n == 64;
}

static list_t list(peri_jobfilter_t f)
{
    list_t l = {0};
    if (f.limit == 0) f.limit = 60;
    assert_ok(peri_store_list(fx->db, &f, collect, &l, err));
    return l;
}

static void lists(void **state)
{
    (void)state;
    static const char *const names[] = {"mass 50%", "mass_50x", "Mass*", "a\\b"};
    jobid_t id[20];
    for (int i = 0; i < 20; i++) {
        peri_newjob_t j = fix_job(names[i % 4]);
        j.uid = 2000 + (uint32_t)(i % 2);
        j.kind = i % 5 ? "sql" : "script";
        id[i] = fix_create(fx->db, &j);
        if (i >= 10) fix_append(fx->db, &id[i], INTENT);
        if (i >= 15) fix_append(fx->db, &id[i], ENDED_OK);
        if (i == 14) fix_append(fx->db, &id[i], ENDED_BAD);
    }
    assert_int_equal(list((peri_jobfilter_t){.owner = owner(2000)}).n, 10);
    assert_int_equal(list((peri_jobfilter_t){.owner = owner(2002)}).n, 0);
    assert_true(list((peri_jobfilter_t){.owner = 0}).n >= 20);
    assert_int_equal(list((peri_jobfilter_t){.owner = owner(2000), .name = "mass 50%"}).n,
                     5);
    assert_int_equal(list((peri_jobfilter_t){.owner = owner(2001), .name = "mass_50x"}).n,
                     5);
    assert_int_equal(list((peri_jobfilter_t){.owner = owner(2001), .name = "mass_5*"}).n,
                     5);
    assert_int_equal(list((peri_jobfilter_t){.owner = owner(2000), .name = "*ass*"}).n,
                     10);
    assert_int_equal(list((peri_jobfilter_t){.owner = owner(2000), .name = "mass?50%"}).n,
                     5);
    assert_int_equal(list((peri_jobfilter_t){.owner = owner(2001), .name = "a\\b"}).n, 5);
    assert_int_equal(list((peri_jobfilter_t){.owner = owner(2001), .name = "a%"}).n, 0);
    assert_int_equal(
        list((peri_jobfilter_t){.owner = owner(2000), .name = "' OR 1=1 --"}).n, 0);
    assert_int_equal(list((peri_jobfilter_t){.owner = owner(2000), .kind = "script"}).n,
                     2);
    assert_int_equal(
        list((peri_jobfilter_t){.owner = owner(2000), .states = 1u << PERI_JOB_SUCCEEDED})
            .n,
        2);
    assert_int_equal(
        list((peri_jobfilter_t){.owner = owner(2000),
                                .states = 1u << PERI_JOB_FAILED | 1u << PERI_JOB_QUEUED})
            .n,
        3);
    double created = fix_get(fx->db, &id[10]).row.created;
    assert_int_equal(list((peri_jobfilter_t){.owner = owner(2000), .since = created}).n,
                     5);
    assert_int_equal(list((peri_jobfilter_t){.owner = owner(2000), .until = created}).n,
                     6);

    /* Page by page, newest first, everything once. */
    peri_jobfilter_t f = {.owner = owner(2000), .limit = 3};
    int64_t last = INT64_MAX;
    int n = 0;
    for (list_t l = list(f); l.n; l = list(f)) {
        assert_true(l.n <= 3);
        for (int i = 0; i < l.n; i++, n++) {
            assert_true(l.numbers[i] < last);
            last = l.numbers[i];
        }
        f.before = last;
    }
    assert_int_equal(n, 10);
    f.limit = 0;
    assert_int_equal(peri_store_list(fx->db, &f, collect, NULL, NULL), -1);
    f.limit = 1001;
    assert_int_equal(peri_store_list(fx->db, &f, collect, NULL, NULL), -1);
}

static void lookup(void **state)
{
    (void)state;
    char uuid[PERI_UUID_LEN + 1], what[64];
    peri_err_t err = {0};
    jobid_t id = fix_named(fx->db, "lookup");
    snprintf(what, sizeof(what), "%lld", (long long)id.number);
    const char *const good[] = {what, id.uuid};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(peri_store_lookup(fx->db, good[i], uuid, NULL, &err), 0);
        assert_string_equal(uuid, id.uuid);
        assert_ok(peri_db_begin_as(fx->db, owner(1001), err));
        assert_int_equal(peri_store_lookup(fx->db, good[i], uuid, NULL, &err), -1);
        peri_db_rollback(fx->db);
        assert_int_equal(err.code, PERI_ENOTFOUND);
    }
    for (int n = 8; n < PERI_UUID_LEN; n++) {
        snprintf(what, sizeof(what), "%.*s", n, id.uuid);
        assert_int_equal(peri_store_lookup(fx->db, what, uuid, NULL, &err), 0);
        assert_string_equal(uuid, id.uuid);
    }
    const char *const bad[] = {"",
                               "0",
                               "99999999",
                               "6f0c",
                               "zzzzzzzz",
                               "6f0c-0000",
                               "1 OR 1=1",
                               "99999999999999999999999",
                               "'; DROP TABLE job; --",
                               "6f0c0000-0000-4000-8000-000000000000-"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(peri_store_lookup(fx->db, bad[i], uuid, NULL, &err), -1);
        assert_int_equal(err.code, PERI_ENOTFOUND);
    }
    /* Two that start the same. */
    assert_true(
        peri_db_exec(fx->db, NULL,
                     "UPDATE job SET uuid = ('aaaaaaaa-0000-4000-8000-00000000000' || "
                     "number % 2)::uuid WHERE number IN (SELECT number FROM job ORDER "
                     "BY number LIMIT 2)",
                     0, NULL) == 2);
    assert_int_equal(peri_store_lookup(fx->db, "aaaaaaaa", uuid, NULL, &err), -1);
    assert_int_equal(err.code, PERI_EINVAL);
    assert_int_equal(peri_store_lookup(fx->db, "AAAAAAAA-0000-4000-8000-000000000001",
                                       uuid, NULL, &err),
                     0);
}

static int count_tasks(const peri_taskrow_t *row, void *arg)
{
    list_t *l = arg;
    l->numbers[l->n++] = row->index;
    return l->n == 64;
}

static int count_events(const char *json, int seq, void *arg)
{
    json_t *e = json_loads(json, 0, NULL);
    json_t *list = arg;
    assert_int_equal(json_integer_value(json_object_get(e, "seq")), seq);
    return json_array_append_new(list, e);
}

static void tasks_and_events(void **state)
{
    (void)state;
    int32_t v[50];
    for (int i = 0; i < 50; i++) v[i] = i * 3;
    const struct peri_newstep steps[] = {
        {.name = "z", .indexes = v, .nindexes = 50, .is_array = true},
        {.name = "a", .indexes = ONE, .nindexes = 1}};
    peri_newjob_t j = fix_job("pages");
    j.steps = steps;
    j.nsteps = 2;
    jobid_t id = fix_create(fx->db, &j);
    list_t l = {0};
    assert_ok(peri_store_tasks(fx->db, id.uuid, NULL, 0, 0, count_tasks, &l, err));
    assert_int_equal(l.n, 51);
    assert_int_equal(l.numbers[49], 147); /* steps in their order, not by name */
    l.n = 0;
    assert_ok(peri_store_tasks(fx->db, id.uuid, "z", 10, 5, count_tasks, &l, err));
    assert_int_equal(l.n, 5);
    assert_int_equal(l.numbers[0], 12);
    l.n = 0;
    assert_ok(peri_store_tasks(fx->db, id.uuid, "none", 0, 0, count_tasks, &l, err));
    assert_int_equal(l.n, 0);

    fix_append(fx->db, &id, EV(INTENT, .step = "z", .indexes = v, .nindexes = 2));
    fix_append(fx->db, &id,
               EV(STARTED, .step = "z", .host = "n'1", .time = 1.75e9 + 0.25));
    json_t *events = json_array();
    assert_ok(peri_store_events(fx->db, id.uuid, 1, 10, count_events, events, err));
    assert_int_equal(json_array_size(events), 2);
    json_t *e = json_array_get(events, 1);
    assert_string_equal(json_string_value(json_object_get(e, "event")), "started");
    assert_true(json_real_value(json_object_get(e, "time")) == 1.75e9 + 0.25);
    assert_int_equal(json_array_size(json_object_get(e, "indexes")), 1);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(e, "context"), "host")), "n'1");
    json_decref(events);
    events = json_array();
    assert_ok(peri_store_events(fx->db, id.uuid, 0, 1, count_events, events, err));
    assert_int_equal(json_array_size(events), 1);
    json_decref(events);
    peri_err_t err = {0};
    assert_int_equal(peri_store_tasks(fx->db, "6f0c0000-0000-4000-8000-000000000000",
                                      NULL, 0, 0, count_tasks, &l, &err),
                     -1);
    assert_int_equal(err.code, PERI_ENOTFOUND);
}

/* ---- pruning ---- */

static int keep_uuids(const char *uuid, void *arg)
{
    json_array_append_new(arg, json_string(uuid));
    return 0;
}

static int stop_at_once(const char *uuid, void *arg)
{
    (void)uuid;
    (void)arg;
    return 1;
}

static void pruning(void **state)
{
    (void)state;
    jobid_t old = fix_named(fx->db, "old"), needed = fix_named(fx->db, "needed"),
            young = fix_named(fx->db, "young");
    const jobid_t *ended[] = {&old, &needed, &young};
    for (int i = 0; i < 3; i++) {
        fix_append(fx->db, ended[i], INTENT);
        fix_append(
            fx->db, ended[i],
            EV(ENDED, .final = PERI_TASK_SUCCEEDED, .time = i == 2 ? 0 : 1.5e9 + i));
    }
    const struct peri_newstep step = {
        .name = "main",
        .indexes = ONE,
        .nindexes = 1,
        .after = (const struct peri_newdep[]){{.job = needed.uuid}},
        .nafter = 1};
    peri_newjob_t j = fix_job("waits");
    j.steps = &step;
    jobid_t waits = fix_create(fx->db, &j);

    json_t *gone = json_array();
    assert_ok(peri_store_prune(fx->db, 1.6e9, 100, stop_at_once, NULL, err));
    assert_ok(peri_store_prune(fx->db, 1.6e9, 100, keep_uuids, gone, err));
    assert_int_equal(json_array_size(gone), 1);
    assert_string_equal(json_string_value(json_array_get(gone, 0)), old.uuid);
    fix_append(fx->db, &waits, CANCEL);
    assert_ok(peri_store_prune(fx->db, 1.6e9, 100, keep_uuids, gone, err));
    assert_int_equal(json_array_size(gone), 2);
    json_decref(gone);
    char uuid[PERI_UUID_LEN + 1];
    assert_int_equal(peri_store_lookup(fx->db, old.uuid, uuid, NULL, NULL), -1);
    assert_int_equal(peri_store_lookup(fx->db, needed.uuid, uuid, NULL, NULL), -1);
    assert_int_equal(peri_store_lookup(fx->db, young.uuid, uuid, NULL, NULL), 0);
    assert_int_equal(fix_number(fx->db,
                                "SELECT count(*) FROM job_event e WHERE NOT EXISTS "
                                "(SELECT FROM job WHERE number = e.job)"),
                     0);
    assert_true(peri_db_exec(fx->db, NULL, "DELETE FROM job_event", 0, NULL) < 0);
    assert_ok(peri_store_verify(fx->db, NULL, err));
}

/* ---- replicas ---- */

static int see_replica(const peri_replica_t *r, void *arg)
{
    json_array_append_new(arg,
                          json_pack("{s:s,s:s,s:s,s:I,s:I,s:f}", "file", r->file, "node",
                                    r->node, "path", r->path, "size", (json_int_t)r->size,
                                    "mtime", (json_int_t)r->mtime_ns, "seen", r->seen));
    return 0;
}

static void replicas(void **state)
{
    (void)state;
    enum { N = 2000 };
    peri_replica_t *v = calloc(N, sizeof(*v));
    char(*names)[32] = calloc(N, sizeof(*names));
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "snap'%04d.hdf5", i);
        v[i] = (peri_replica_t){.file = names[i],
                                .path = "/data/x",
                                .size = 5000000000000 + (uint64_t)i,
                                .mtime_ns = 1700000000123456789};
    }
    assert_ok(peri_store_replicas_put(fx->db, "milli", "n1", v, N, err));
    assert_ok(peri_store_replicas_put(fx->db, "milli", "", v, 2, err));
    assert_ok(peri_store_replicas_put(fx->db, "other", "n1", v, 3, err));
    json_t *seen = json_array();
    assert_ok(peri_store_replicas(fx->db, "milli", see_replica, seen, err));
    assert_int_equal(json_array_size(seen), N + 2);
    json_t *r = json_array_get(seen, 1);
    assert_string_equal(json_string_value(json_object_get(r, "file")), "snap'0000.hdf5");
    assert_string_equal(json_string_value(json_object_get(r, "node")), "n1");
    assert_int_equal(json_integer_value(json_object_get(r, "size")), 5000000000000);
    assert_int_equal(json_integer_value(json_object_get(r, "mtime")),
                     1700000000123456789);
    assert_true(json_real_value(json_object_get(r, "seen")) > 1.7e9);
    json_decref(seen);
    /* What is gone there is gone here; others stay. */
    assert_ok(peri_store_replicas_put(fx->db, "milli", "n1", v + 5, 1, err));
    seen = json_array();
    assert_ok(peri_store_replicas(fx->db, "milli", see_replica, seen, err));
    assert_int_equal(json_array_size(seen), 3);
    json_decref(seen);
    assert_ok(peri_store_replicas_put(fx->db, "milli", "n1", NULL, 0, err));
    assert_int_equal(fix_number(fx->db, "SELECT count(*) FROM replica"), 5);
    free(names);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_stored),    cmocka_unit_test(what_is_refused),
        cmocka_unit_test(same_key_same_job), cmocka_unit_test(lists),
        cmocka_unit_test(tasks_and_events),  cmocka_unit_test(pruning),
        cmocka_unit_test(replicas),          cmocka_unit_test(lookup),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
