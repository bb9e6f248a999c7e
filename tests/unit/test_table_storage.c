/* Tables whose files lie on several nodes: the merged table is the one that a process
 * resolves that sees all files; copies, gaps, mistakes, damaged answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/test_storage_fixture.h"

static peri_err_t err;

static int set_up(void **state)
{
    (void)state;
    peri_h5_init(NULL);
    storage_up();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
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

static const peri_storage_t *storages(void)
{
    static peri_storage_t v[2];
    v[0] = (peri_storage_t){disk, true};
    v[1] = (peri_storage_t){shared, false};
    return v;
}

static peri_tablespec_t spec_for(const char *const *pattern)
{
    return (peri_tablespec_t){.name = "d.t",
                              .files = pattern,
                              .nfiles = 1,
                              .path = "/",
                              .storages = storages(),
                              .nstorages = 2};
}

/* What each node says; the first one is asked as the one that asks. */
static int ask_all(const peri_tablespec_t *spec, peri_buf_t answers[NODES],
                   peri_err_t *err)
{
    peri_buf_t ask;
    peri_buf_init(&ask, 1 << 20);
    int rc = peri_survey_ask(spec, &ask, err);
    for (int i = 0; i < NODES; i++) peri_buf_init(&answers[i], 1 << 24);
    for (int i = 0; i < NODES && rc == 0; i++) {
        be_on(i);
        rc = i ? peri_survey_answer(ask.data, ask.len, &answers[i], err)
               : peri_survey_here(spec, &answers[i], err);
    }
    be_on(0);
    peri_buf_free(&ask);
    return rc;
}

static peri_table_t *survey_all(const peri_tablespec_t *spec, peri_err_t *err)
{
    peri_buf_t answers[NODES];
    peri_survey_t v[NODES];
    peri_table_t *t = NULL;
    if (ask_all(spec, answers, err) == 0) {
        for (int i = 0; i < NODES; i++)
            v[i] = (peri_survey_t){node_names[i], answers[i].data, answers[i].len};
        t = peri_survey_merge(spec, v, NODES, err);
    }
    for (int i = 0; i < NODES; i++) peri_buf_free(&answers[i]);
    return t;
}

static const char *const parts[] = {"snap_*.hdf5"};

/* All that does not depend on where files lie. */
static void assert_same_table(const peri_table_t *a, const peri_table_t *b)
{
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->ncolumns, b->ncolumns);
    assert_int_equal(a->nfiles, b->nfiles);
    assert_int_equal(a->has_snapnum, b->has_snapnum);
    assert_int_equal(a->nnotes, b->nnotes);
    for (size_t i = 0; i < a->nnotes; i++) assert_string_equal(a->notes[i], b->notes[i]);
    for (size_t i = 0; i < a->ncolumns; i++) {
        const peri_column_t *x = &a->columns[i], *y = &b->columns[i];
        assert_string_equal(x->name, y->name);
        assert_string_equal(x->dataset, y->dataset);
        assert_string_equal(x->stored_as, y->stored_as);
        assert_int_equal(x->type, y->type);
        assert_int_equal(x->width, y->width);
        assert_int_equal(x->missing_files, y->missing_files);
        assert_int_equal(x->chunk_rows, y->chunk_rows);
    }
    for (size_t i = 0; i < a->nfiles; i++) {
        const peri_file_t *x = &a->files[i], *y = &b->files[i];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->rows, y->rows);
        assert_int_equal(x->row0, y->row0);
        assert_true(x->set_row0 == y->set_row0);
        assert_int_equal(x->snapnum, y->snapnum);
        assert_int_equal(x->size, y->size);
        for (size_t k = 0; k < a->ncolumns; k++)
            assert_int_equal(x->has ? x->has[k] : 1, y->has ? y->has[k] : 1);
    }
}

/* Everything in one folder, as a root. */
static peri_table_t *resolve_in_one(const peri_tablespec_t *spec)
{
    char *command = peri_xasprintf("mkdir -p %s/one && cp -p %s/n?/* %s/one/ && "
                                   "cp -p %s/shared/* %s/one/ 2>/dev/null || true",
                                   top, top, top, top, top);
    shell(command);
    free(command);
    char *root = peri_xasprintf("%s/one", top);
    peri_tablespec_t s = *spec;
    s.base = s.root = root;
    s.storages = NULL;
    s.nstorages = 0;
    peri_table_t *t = peri_table_resolve(&s, &err);
    if (!t) fail_msg("%s", err.text);
    command = peri_xasprintf("rm -rf %s", root);
    shell(command);
    free(command);
    free(root);
    return t;
}

static void union_equals_one_process(void **state)
{
    (void)state;
    /* Two snapshots, their parts on three nodes; some parts lack or add a column. */
    make_file("n1", "snap_001.0.hdf5", 0, 250, NULL);
    make_file("n0", "snap_001.1.hdf5", 250, 0, NULL);
    make_file("n2", "snap_001.2.hdf5", 250, 120, "more");
    make_file("n2", "snap_000.0.hdf5", 0, 90, "aside");
    make_file("n0", "snap_000.1.hdf5", 90, 33, "more");
    make_file("shared", "snap_002.0.hdf5", 0, 7, NULL);
    peri_tablespec_t spec = spec_for(parts);
    peri_table_t *t = survey_all(&spec, &err);
    if (!t) fail_msg("%s", err.text);
    peri_table_t *one = resolve_in_one(&spec);
    assert_same_table(t, one);
    peri_table_unref(one);

    assert_int_equal(t->nhosts, NODES);
    static const int hosts[] = {2, 0, 1, 0, 2, PERI_HOST_ANY};
    for (size_t i = 0; i < t->nfiles; i++) {
        assert_int_equal(t->files[i].nplaces, 1);
        assert_int_equal(t->files[i].places[0].host, hosts[i]);
    }
    /* Each node's own view: its paths can be opened, others are away. */
    for (int h = 0; h < NODES; h++) {
        peri_table_t *seen = peri_table_for_host(t, h);
        assert_same_table(t, seen);
        for (size_t i = 0; i < t->nfiles; i++) {
            const peri_file_t *f = &seen->files[i];
            peri_at_t want = hosts[i] == h               ? PERI_AT_NODE
                             : hosts[i] == PERI_HOST_ANY ? PERI_AT_SHARED
                                                         : PERI_AT_AWAY;
            assert_int_equal(f->at, want);
            peri_h5file_t *h5 = peri_h5file_open(f->path, f->root, &err);
            if (!h5) fail_msg("%s", err.text);
            uint64_t size, inode;
            int64_t mtime;
            peri_h5file_stat(h5, &size, &mtime, &inode);
            assert_true(size == f->size && mtime == f->mtime_ns && inode == f->inode);
            peri_h5file_unref(h5);
        }
        peri_table_unref(seen);
    }
    peri_table_unref(t);
}

static void copies_are_one_file(void **state)
{
    (void)state;
    make_file("n0", "snap_0.hdf5", 0, 10, NULL);
    copy_file("n0", "n2", "snap_0.hdf5");
    copy_file("n0", "shared", "snap_0.hdf5");
    make_file("n1", "snap_1.hdf5", 10, 10, NULL);
    peri_tablespec_t spec = spec_for(parts);
    peri_table_t *t = survey_all(&spec, &err);
    if (!t) fail_msg("%s", err.text);
    assert_int_equal(t->nfiles, 2);
    assert_int_equal(t->rows, 20);
    const peri_file_t *f = &t->files[0];
    static const int hosts[] = {0, 2, PERI_HOST_ANY}; /* nodes before shared */
    assert_int_equal(f->nplaces, 3);
    for (size_t i = 0; i < 3; i++) assert_int_equal(f->places[i].host, hosts[i]);
    peri_table_t *b = peri_table_for_host(t, 1);
    assert_int_equal(b->files[0].at, PERI_AT_SHARED);
    assert_non_null(strstr(b->files[0].path, "/shared/"));
    peri_table_unref(b);

    /* An index has to be made for each place; shared ones whether or not a copy is here.
     */
    peri_tablespec_t here = spec;
    here.partial = true;
    peri_table_t *own = peri_table_resolve(&here, &err);
    assert_non_null(own);
    for (size_t s = 0; s < 2; s++) {
        peri_table_t *part = peri_table_in_storage(own, s);
        assert_non_null(part);
        assert_int_equal(part->nfiles, 1);
        assert_int_equal(part->files[0].at, s ? PERI_AT_SHARED : PERI_AT_NODE);
        assert_non_null(strstr(part->files[0].path, s ? "/shared/" : "/n0/"));
        peri_table_unref(part);
    }
    peri_table_unref(own);
    peri_table_unref(t);

    /* Copies that differ are told, with both places. */
    make_file("n2", "snap_0.hdf5", 0, 5000, NULL);
    assert_null(survey_all(&spec, &err));
    assert_int_equal(err.code, PERI_EFORMAT);
    assert_non_null(strstr(err.text, "/n0/snap_0.hdf5"));
    assert_non_null(strstr(err.text, "/n2/snap_0.hdf5"));
    assert_non_null(strstr(err.text, " on a "));
    assert_non_null(strstr(err.text, " on c "));
}

static void what_is_missing_is_told(void **state)
{
    (void)state;
    make_file("n0", "snap_001.0.hdf5", 0, 10, NULL);
    make_file("n2", "snap_001.2.hdf5", 10, 10, NULL);
    peri_tablespec_t spec = spec_for(parts);
    assert_null(survey_all(&spec, &err));
    assert_int_equal(err.code, PERI_ENOTFOUND);
    assert_non_null(strstr(err.text, "snap_001.1.hdf5"));
    assert_non_null(strstr(err.text, "a, b, c"));
    spec.allow_missing = true;
    peri_table_t *t = survey_all(&spec, &err);
    if (!t) fail_msg("%s", err.text);
    assert_true(t->files[1].set_row0 == PERI_ROW_UNKNOWN);
    peri_table_unref(t);

    /* One machine alone: an error for a query, a note for a look. */
    spec.allow_missing = false;
    be_on(2);
    assert_null(peri_table_resolve(&spec, &err));
    assert_non_null(strstr(err.text, "this machine"));
    spec.partial = true;
    t = peri_table_resolve(&spec, &err);
    if (!t) fail_msg("%s", err.text);
    assert_int_equal(t->nfiles, 1);
    assert_int_equal(t->nnotes, 1);
    assert_non_null(strstr(t->notes[0], "Other nodes may have them"));
    peri_table_unref(t);
    be_on(1);
    t = peri_table_resolve(&spec, &err);
    if (!t) fail_msg("%s", err.text);
    assert_int_equal(t->nfiles, 0);
    assert_int_equal(t->ncolumns, 0);
    peri_table_unref(t);

    static const char *const none[] = {"x_*.hdf5"};
    spec = spec_for(none);
    assert_null(survey_all(&spec, &err));
    assert_int_equal(err.code, PERI_ENOTFOUND);
    assert_non_null(strstr(err.text, "x_*.hdf5"));
    assert_non_null(strstr(err.text, "a, b, c"));
    static const char *const outside[] = {"../n1/snap_*.hdf5", "/etc/*.hdf5"};
    for (size_t i = 0; i < 2; i++) {
        spec = spec_for(&outside[i]);
        assert_null(survey_all(&spec, &err));
        assert_int_equal(err.code, PERI_EDENIED);
    }
}

static void types_must_agree_over_nodes(void **state)
{
    (void)state;
    make_file("n0", "snap_0.hdf5", 0, 10, NULL);
    char *path = peri_xasprintf("%s/n1/snap_1.hdf5", top);
    hid_t f = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    static const double v[4] = {1, 2, 3, 4};
    put_column(f, "id", H5T_NATIVE_DOUBLE, v, 4, 0);
    H5Fclose(f);
    free(path);
    peri_tablespec_t spec = spec_for(parts);
    assert_null(survey_all(&spec, &err));
    assert_int_equal(err.code, PERI_EFORMAT);
    assert_non_null(strstr(err.text, "n0/snap_0.hdf5"));
    assert_non_null(strstr(err.text, "n1/snap_1.hdf5"));
}

static void damaged_answers(void **state)
{
    (void)state;
    make_file("n0", "snap_001.0.hdf5", 0, 250, NULL);
    make_file("n1", "snap_001.1.hdf5", 250, 120, "more");
    make_file("n2", "snap_001.2.hdf5", 370, 10, NULL);
    peri_tablespec_t spec = spec_for(parts);
    peri_buf_t answers[NODES];
    assert_int_equal(ask_all(&spec, answers, &err), 0);
    unsigned seed = 3;
    int refused = 0;
    for (int round = 0; round < 600; round++) {
        peri_survey_t v[NODES];
        for (int i = 0; i < NODES; i++)
            v[i] = (peri_survey_t){node_names[i], answers[i].data, answers[i].len};
        size_t len = answers[1].len;
        char *copy = peri_xmalloc(len);
        memcpy(copy, answers[1].data, len);
        for (int k = 0; k < 1 + round % 4; k++)
            copy[(size_t)rand_r(&seed) % len] = (char)rand_r(&seed);
        v[1].data = copy;
        v[1].len = round % 3 ? len : (size_t)rand_r(&seed) % len;
        peri_table_t *t = peri_survey_merge(&spec, v, NODES, &err);
        refused += t == NULL;
        peri_table_unref(t);
        free(copy);
    }
    assert_in_range(refused, 200, 600); /* all that are too short, at least */
    for (int i = 0; i < NODES; i++) peri_buf_free(&answers[i]);
    for (int round = 0; round < 200; round++) {
        char bytes[64];
        for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (char)rand_r(&seed);
        if (round % 2) memcpy(bytes, "PRIQURV1", 8);
        peri_buf_t out;
        peri_buf_init(&out, 1 << 20);
        assert_int_equal(peri_survey_answer(bytes, sizeof(bytes), &out, &err), -1);
        peri_buf_free(&out);
    }
}

static void a_node_lists_its_files(void **state)
{
    (void)state;
    make_file("n0", "snap_001.0.hdf5", 0, 10, NULL);
    make_file("n1", "snap_001.1.hdf5", 10, 10, NULL);
    copy_file("n0", "shared", "snap_001.0.hdf5");
    char *yaml = peri_xasprintf("name: d\nstorage:\n  - {folder: %s, on: nodes}\n"
                                "  - {folder: %s, on: shared}\n"
                                "tables:\n  t: {files: 'snap_*.hdf5', path: /}\n"
                                "  u: {files: [snap_001.0.hdf5, 'none_*'], path: /id}\n",
                                disk, shared);
    peri_dataset_t *d = peri_dataset_parse(yaml, strlen(yaml), "f.yaml", "/", &err);
    if (!d) fail_msg("%s", err.text);
    assert_true(peri_dataset_on_nodes(d));
    peri_seenlist_t l;
    if (peri_dataset_places(d, NULL, &l, &err)) fail_msg("%s", err.text);
    assert_int_equal(l.n, 2); /* each place once, though two tables lie in them */
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(l.v[i].file, "snap_001.0.hdf5");
        assert_int_equal(l.v[i].on_node, i == 0);
        assert_non_null(strstr(l.v[i].path, i ? "/shared/" : "/n0/"));
        assert_true(l.v[i].size > 0 && l.v[i].mtime_ns > 0);
    }
    peri_seenlist_free(&l);
    be_on(1);
    peri_table_t *t = peri_dataset_table_here(d, "T", false, &err);
    if (!t) fail_msg("%s", err.text);
    assert_int_equal(t->nfiles, 2);
    peri_table_unref(t);
    peri_dataset_free(d);
    free(yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(union_equals_one_process, clear),
        cmocka_unit_test_setup(copies_are_one_file, clear),
        cmocka_unit_test_setup(what_is_missing_is_told, clear),
        cmocka_unit_test_setup(types_must_agree_over_nodes, clear),
        cmocka_unit_test_setup(damaged_answers, clear),
        cmocka_unit_test_setup(a_node_lists_its_files, clear),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
