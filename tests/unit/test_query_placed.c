/* Queries over tables whose files lie on several nodes: who reads what, and that each
 * rank opens its own node's copies and gets its rows. The nodes are folders of one
 * machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/query/placing.h"
#include "core/query/query.h"
#include "tests/unit/test_storage_fixture.h"

static peri_err_t err;
static char *state_dir;

static int set_up(void **state)
{
    (void)state;
    peri_h5_init(NULL);
    storage_up();
    state_dir = peri_xasprintf("%s/state", top);
    setenv("PERIGEE_STATE", state_dir, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(state_dir);
    storage_down();
    return 0;
}

static int clear(void **state)
{
    (void)state;
    storage_clear();
    be_on(0);
    err = (peri_err_t){0};
    return 0;
}

/* ---- placing ---- */

typedef struct {
    peri_table_t table;
    peri_file_t files[40];
    peri_copy_t places[40][4];
    peri_ranges_t kept;
    int host_of[9], nranks;
} case_t;

/* Files on some of the hosts, shared or both; every file is somewhere. */
static void make_case(case_t *c, unsigned *seed)
{
    memset(c, 0, sizeof(*c));
    c->nranks = 3 + rand_r(seed) % 7;
    /* Every host has a rank. */
    for (int r = 0; r < c->nranks; r++) c->host_of[r] = r < 3 ? r : rand_r(seed) % 3;
    c->table = (peri_table_t){.files = c->files, .nhosts = 3};
    c->table.nfiles = 1 + (size_t)rand_r(seed) % 40;
    for (size_t f = 0; f < c->table.nfiles; f++) {
        peri_file_t *file = &c->files[f];
        int where = 1 + rand_r(seed) % 15;
        if (rand_r(seed) % 2) where = 1 << rand_r(seed) % 4;
        file->rows = (uint64_t)rand_r(seed) % 1000;
        file->places = c->places[f];
        for (int h = 0; h < 4; h++)
            if (where & 1 << h)
                c->places[f][file->nplaces++].host = h < 3 ? h : PERI_HOST_ANY;
        if (rand_r(seed) % 4)
            peri_ranges_push(&c->kept, (uint32_t)f, 0, file->rows);
        else if (file->rows > 20)
            peri_ranges_push(&c->kept, (uint32_t)f, 7, file->rows - 3);
    }
}

static bool may_read(const peri_file_t *f, int host)
{
    for (size_t i = 0; i < f->nplaces; i++)
        if (f->places[i].host == host || f->places[i].host == PERI_HOST_ANY) return true;
    return false;
}

/* Does a node have it? Then it must not be read from what is shared. */
static bool has_own(const peri_file_t *f, int host)
{
    for (size_t i = 0; i < f->nplaces; i++)
        if (f->places[i].host == host) return true;
    return false;
}

static void each_row_once_where_it_lies(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int round = 0; round < 2000; round++) {
        case_t c;
        make_case(&c, &seed);
        uint64_t align = (uint64_t[]){1, 16, 100}[round % 3];
        peri_ranges_t shares[9] = {0}, all = {0};
        peri_placing_share(&c.table, &c.kept, align, c.host_of, c.nranks, shares);
        for (int r = 0; r < c.nranks; r++) {
            peri_ranges_t sum = {0}, both = {0};
            for (size_t i = 0; i < shares[r].n; i++) {
                const peri_range_t *x = &shares[r].v[i];
                const peri_file_t *f = &c.files[x->file];
                assert_true(may_read(f, c.host_of[r]));
                bool on_nodes = f->places[0].host != PERI_HOST_ANY;
                assert_true(!on_nodes || has_own(f, c.host_of[r]));
            }
            peri_ranges_intersect(&all, &shares[r], &both);
            assert_int_equal(both.n, 0); /* no row twice */
            peri_ranges_merge(&all, &shares[r], &sum);
            peri_ranges_free(&all);
            peri_ranges_free(&both);
            all = sum;
        }
        assert_int_equal(all.n, c.kept.n);
        for (size_t i = 0; i < all.n; i++) {
            assert_int_equal(all.v[i].file, c.kept.v[i].file);
            assert_int_equal(all.v[i].row0, c.kept.v[i].row0);
            assert_int_equal(all.v[i].row1, c.kept.v[i].row1);
        }
        for (int r = 0; r < c.nranks; r++) peri_ranges_free(&shares[r]);
        peri_ranges_free(&all);
        peri_ranges_free(&c.kept);
    }
}

static void shared_files_even_it_out(void **state)
{
    (void)state;
    /* 1000 rows on host 0, 200 on host 1, none on host 2; 1800 shared: 1000 each. */
    peri_copy_t on[] = {{.host = 0}, {.host = 1}, {.host = PERI_HOST_ANY}};
    peri_file_t files[] = {{.rows = 1000, .places = &on[0], .nplaces = 1},
                           {.rows = 200, .places = &on[1], .nplaces = 1},
                           {.rows = 900, .places = &on[2], .nplaces = 1},
                           {.rows = 900, .places = &on[2], .nplaces = 1}};
    peri_table_t t = {.files = files, .nfiles = 4, .nhosts = 3};
    peri_ranges_t kept = {0}, shares[4] = {0};
    peri_ranges_all(&kept, &t);
    static const int hosts[] = {0, 1, 2};
    peri_placing_share(&t, &kept, 100, hosts, 3, shares);
    for (int r = 0; r < 3; r++) {
        assert_int_equal(peri_ranges_rows(&shares[r]), 1000);
        peri_ranges_free(&shares[r]);
    }
    /* Two ranks on the host with a file of its own share it. */
    static const int two[] = {0, 0, 1, 2};
    peri_placing_share(&t, &kept, 1, two, 4, shares);
    for (int r = 0; r < 4; r++) {
        assert_in_range(peri_ranges_rows(&shares[r]), 748, 752);
        peri_ranges_free(&shares[r]);
    }
    peri_ranges_free(&kept);
}

/* ---- whole queries ---- */

static int ask(void *arg, const void *question, size_t len, peri_buf_t *answers,
               peri_err_t *e)
{
    (void)arg;
    int rc = 0;
    for (int h = 1; h < NODES && rc == 0; h++) {
        be_on(h);
        rc = peri_query_answer(question, len, &answers[h], e);
    }
    be_on(0);
    return rc;
}

static const int host_of[] = {0, 1, 2, 1};
static const peri_locator_t locator = {
    .hosts = node_names, .nhosts = NODES, .host_of = host_of, .ask = ask};
#define RANKS 4

static void add_dataset(void)
{
    char *folder = peri_xasprintf("%s/datasets", state_dir);
    char *path = peri_xasprintf("%s/d.yaml", folder);
    char *yaml = peri_xasprintf("name: d\nstorage:\n  - {folder: %s, on: nodes}\n"
                                "  - {folder: %s, on: shared}\n"
                                "tables:\n  t: {files: 'snap_*.hdf5', path: /}\n",
                                disk, shared);
    assert_int_equal(peri_mkdirs(folder, &err), 0);
    assert_int_equal(peri_file_write_atomic(path, yaml, strlen(yaml), &err), 0);
    free(yaml);
    free(path);
    free(folder);
}

static void make_data(void)
{
    make_file("n1", "snap_001.0.hdf5", 0, 3000, NULL);
    make_file("n0", "snap_001.1.hdf5", 3000, 1000, NULL);
    make_file("n2", "snap_001.2.hdf5", 4000, 2000, NULL);
    make_file("shared", "snap_001.3.hdf5", 6000, 500, NULL);
    copy_file("n1", "n2", "snap_001.0.hdf5");
}

static int add_row(duckdb_data_chunk chunk, void *arg, peri_err_t *e)
{
    (void)e;
    int64_t *sums = arg;
    for (int c = 0; c < 2; c++) {
        const int64_t *v =
            duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, (idx_t)c));
        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++) sums[c] += v[i];
    }
    return 0;
}

/* What all ranks together find: rows, sum of ids; checks where they read. */
static void run_all(const char *where, bool use_index, int64_t sums[2],
                    peri_progress_t *sum)
{
    char *sql = peri_xasprintf("SELECT count(*), sum(id - idx) FROM d.t WHERE %s", where);
    char *scan = peri_xasprintf("SELECT count(*)::BIGINT, coalesce(sum(id), 0)::BIGINT "
                                "FROM peri_r0 WHERE %s AND id = idx",
                                where);
    peri_queryspec_t s;
    peri_queryspec_init(&s);
    s.sql = sql;
    s.threads = 1;
    s.use_index = use_index;
    be_on(0);
    peri_query_t *q = peri_query_new(&s, RANKS, &locator, &err);
    if (!q) fail_msg("%s", err.text);
    assert_true(peri_query_is_placed(q));
    sums[0] = sums[1] = 0;
    *sum = (peri_progress_t){0};
    peri_query_t *ranks[RANKS] = {q};
    for (int r = 1; r < RANKS; r++) {
        peri_buf_t b;
        peri_buf_init(&b, 1 << 24);
        assert_int_equal(peri_query_pack(q, r, RANKS, &b, &err), 0);
        be_on(host_of[r]);
        ranks[r] = peri_query_unpack(b.data, b.len, &err);
        if (!ranks[r]) fail_msg("%s", err.text);
        /* Damaged: refused or whole, never a crash. */
        for (unsigned seed = 1; seed < 40; seed++) {
            unsigned x = seed;
            char *copy = peri_xmalloc(b.len);
            memcpy(copy, b.data, b.len);
            for (int k = 0; k < 3; k++)
                copy[(size_t)rand_r(&x) % b.len] = (char)rand_r(&x);
            if (r == 1) peri_query_free(peri_query_unpack(copy, b.len, NULL));
            free(copy);
        }
        peri_buf_free(&b);
    }
    be_on(0);
    assert_int_equal(peri_query_take_share(q, 0, RANKS, &err), 0);
    for (int r = 0; r < RANKS; r++) {
        peri_progress_t p;
        be_on(host_of[r]);
        if (peri_session_run(peri_query_session(ranks[r]), scan, add_row, sums, &err))
            fail_msg("rank %d: %s", r, err.text);
        peri_session_progress(peri_query_session(ranks[r]), &p);
        peri_progress_add(sum, &p);
    }
    be_on(0);
    for (int r = 0; r < RANKS; r++) peri_query_free(ranks[r]);
    free(scan);
    free(sql);
}

static void each_rank_reads_its_own(void **state)
{
    (void)state;
    make_data();
    add_dataset();
    int64_t sums[2];
    peri_progress_t p;
    run_all("id >= 0", true, sums, &p);
    assert_int_equal(sums[0], 6500); /* idx is right too */
    assert_int_equal(sums[1], 6500ll * 6499 / 2);
    assert_int_equal(p.rows_all, 6500);
    assert_int_equal(p.remote, 0);
    assert_int_equal(p.local, 6000 * 4);
    assert_int_equal(p.shared, 500 * 4);
    assert_int_equal(p.bytes, p.local + p.shared);
}

static void index_of_each_node_prunes(void **state)
{
    (void)state;
    make_data();
    add_dataset();
    /* Two of three nodes have an index, beside their data. */
    for (int h = 1; h < NODES; h++) {
        be_on(h);
        peri_dataset_t *d = peri_catalog_find("d", &err);
        peri_table_t *t = d ? peri_dataset_table_here(d, "t", false, &err) : NULL;
        if (!t) fail_msg("%s", err.text);
        peri_table_t *part = peri_table_in_storage(t, 0);
        char *path = peri_index_path(part, true);
        peri_index_stats_t stats;
        peri_index_opts_t o = {.threads = 1};
        assert_non_null(strstr(path, h == 1 ? "/n1/.perigee/" : "/n2/.perigee/"));
        if (peri_index_build(part, path, &o, &stats, &err)) fail_msg("%s", err.text);
        free(path);
        peri_table_unref(part);
        peri_table_unref(t);
        peri_dataset_free(d);
    }
    int64_t with[2], without[2];
    peri_progress_t p, all;
    run_all("id >= 6200", true, with, &p);
    run_all("id >= 6200", false, without, &all);
    assert_int_equal(with[0], 300);
    assert_memory_equal(with, without, sizeof(with));
    assert_int_equal(all.rows_all, 6500);
    assert_int_equal(p.rows_all, 1500); /* node 0 and what is shared have none */
}

static void explanation_by_node(void **state)
{
    (void)state;
    make_data();
    add_dataset();
    peri_queryspec_t s;
    peri_queryspec_init(&s);
    s.sql = "SELECT sum(id) FROM d.t";
    s.threads = 1;
    s.explain = true;
    peri_query_t *q = peri_query_new(&s, RANKS, &locator, &err);
    if (!q) fail_msg("%s", err.text);
    peri_buf_t costs[RANKS], b;
    for (int r = 0; r < RANKS; r++) {
        peri_buf_init(&costs[r], 1 << 20);
        peri_buf_init(&b, 1 << 24);
        peri_query_t *w = q;
        be_on(host_of[r]);
        if (r) {
            assert_int_equal(peri_query_pack(q, r, RANKS, &b, &err), 0);
            w = peri_query_unpack(b.data, b.len, &err);
            assert_true(peri_query_explains(w));
        } else {
            assert_int_equal(peri_query_take_share(q, 0, RANKS, &err), 0);
        }
        assert_int_equal(peri_query_cost(w, &costs[r], &err), 0);
        if (r) peri_query_free(w);
        peri_buf_free(&b);
    }
    be_on(0);
    peri_buf_init(&b, 1 << 20);
    if (peri_query_explain(q, RANKS, costs, &b, &err)) fail_msg("%s", err.text);
    static const char *const words[] = {
        "6,500 rows in 4 files",
        "reads 6,500 rows",
        "26.0 kB of 26.0 kB",
        "a: 2 files, 1,500 rows, 4.0 kB local, 2.0 kB shared\n",
        "b: 1 file, 3,000 rows for 2 ranks, 12.0 kB local\n",
        "c: 1 file, 2,000 rows, 8.0 kB local\n"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strstr(b.data, words[i])) fail_msg("no \"%s\" in\n%s", words[i], b.data);
    peri_buf_free(&b);

    /* What a rank tells is checked. */
    costs[1].len--;
    peri_buf_init(&b, 1 << 20);
    assert_int_equal(peri_query_explain(q, RANKS, costs, &b, &err), -1);
    peri_buf_free(&b);
    for (int r = 0; r < RANKS; r++) peri_buf_free(&costs[r]);
    peri_query_free(q);
}

static void report_adds_up(void **state)
{
    (void)state;
    const peri_hostread_t hosts[] = {{"n1", {.local = 5, .shared = 1}},
                                     {"n2", {.local = 7, .remote = 2}}};
    char *path = peri_xasprintf("%s/report.json", top), *text;
    setenv("PERIGEE_REPORT", path, 1);
    assert_int_equal(peri_query_report_write(42, hosts, 2, &err), 0);
    unsetenv("PERIGEE_REPORT");
    assert_int_equal(peri_file_slurp(path, 10000, &text, NULL, &err), 0);
    static const char *const words[] = {"\"rows\": 42", "\"local_bytes\": 12",
                                        "\"shared_bytes\": 1", "\"remote_bytes\": 2",
                                        "\"n2\": {"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strstr(text, words[i])) fail_msg("no %s in %s", words[i], text);
    free(text);
    unlink(path);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_once_where_it_lies),
        cmocka_unit_test(shared_files_even_it_out),
        cmocka_unit_test_setup(each_rank_reads_its_own, clear),
        cmocka_unit_test_setup(index_of_each_node_prunes, clear),
        cmocka_unit_test_setup(explanation_by_node, clear),
        cmocka_unit_test(report_adds_up),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
