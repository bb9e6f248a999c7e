/* Pruning never loses a row, and does skip what it can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/test_index_fixture.h"

static fixture_t *fx;
static peri_index_t *idx;

static int setup(void **state)
{
    (void)state;
    peri_err_t err;
    fx = fx_new();
    idx = peri_index_open(fx->path, &err);
    return idx ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    peri_index_unref(idx);
    fx_free(fx);
    return 0;
}

static void check_shape(const peri_ranges_t *r)
{
    for (size_t i = 0; i < r->n; i++) {
        assert_true(r->v[i].row0 < r->v[i].row1);
        assert_true(r->v[i].row1 <= fx->files[r->v[i].file].rows);
        if (i > 0)
            assert_true(
                r->v[i - 1].file < r->v[i].file ||
                (r->v[i - 1].file == r->v[i].file && r->v[i - 1].row1 < r->v[i].row0));
    }
}

/* Every row for which all conditions hold is in the ranges. */
static void check_no_row_is_lost(const cond_t *conds, size_t n, const peri_ranges_t *r)
{
    size_t at = 0;
    for (int k = 0; k < FX_FILES; k++) {
        for (uint64_t row = 0; row < fx->files[k].rows; row++) {
            while (at < r->n && (r->v[at].file < (uint32_t)k ||
                                 (r->v[at].file == (uint32_t)k && r->v[at].row1 <= row)))
                at++;
            bool kept = at < r->n && r->v[at].file == (uint32_t)k && r->v[at].row0 <= row;
            if (kept) continue;
            bool all = true;
            for (size_t i = 0; i < n && all; i++) all = fx_true(fx, &conds[i], k, row);
            if (all)
                fail_msg("row %llu of file %d is lost: %s op %d", (unsigned long long)row,
                         k, conds[0].pred.column, conds[0].pred.op);
        }
    }
}

static void random_conditions_lose_no_row(void **state)
{
    (void)state;
    uint64_t kept = 0, all = 0, skipped_by_target[FX_NTARGETS] = {0};
    for (int round = 0; round < 1500; round++) {
        cond_t conds[3];
        peri_pred_t preds[3];
        size_t n = 1 + (size_t)lrand48() % 3;
        for (size_t i = 0; i < n; i++) {
            fx_random_cond(fx, &conds[i]);
            preds[i] = conds[i].pred;
        }
        peri_ranges_t r = {0};
        peri_index_prune(round % 10 == 0 ? NULL : idx, &fx->table, preds, n, &r);
        check_shape(&r);
        check_no_row_is_lost(conds, n, &r);
        kept += peri_ranges_rows(&r);
        all += fx->table.rows;
        if (n == 1)
            skipped_by_target[conds[0].target] += fx->table.rows - peri_ranges_rows(&r);
        peri_ranges_free(&r);
    }
    assert_true(kept > 0 && kept < all / 2);
    for (int t = 0; t < FX_NTARGETS; t++)
        if (t == FX_S)
            assert_true(skipped_by_target[t] == 0);
        else
            assert_true(skipped_by_target[t] > 0);
}

static uint64_t rows_left(const peri_index_t *x, const char *column, int component,
                          peri_op_t op, peri_const_t value, peri_ranges_t *out)
{
    peri_ranges_t mine = {0};
    if (out == NULL) out = &mine;
    peri_pred_t p = {.column = column,
                     .component = component,
                     .op = op,
                     .nvalues = 1,
                     .values = &value};
    peri_index_prune(x, &fx->table, &p, 1, out);
    uint64_t n = peri_ranges_rows(out);
    peri_ranges_free(&mine);
    return n;
}

#define INT(v)  ((peri_const_t){.kind = PERI_CONST_INT, .i = (v)})
#define REAL(v) ((peri_const_t){.kind = PERI_CONST_REAL, .d = (v)})
#define STR(v)  ((peri_const_t){.kind = PERI_CONST_STR, .s = (v)})

static void a_sorted_column_leaves_single_zones(void **state)
{
    (void)state;
    /* rows 5000 of 12345: only the last file has values near 400 */
    peri_ranges_t r = {0};
    assert_int_equal(rows_left(idx, "i", -1, PERI_OP_EQ, INT(925), &r), FX_ZONE);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.v[0].file, 5);
    assert_int_equal(r.v[0].row0 % FX_ZONE, 0);
    peri_ranges_free(&r);
    assert_int_equal(rows_left(idx, "I", -1, PERI_OP_LT, INT(-1000), NULL), 0);
    assert_int_equal(rows_left(idx, "i", -1, PERI_OP_GE, INT(-1000), NULL),
                     fx->table.rows);
    /* the last, short zone */
    assert_int_equal(
        rows_left(idx, "u", -1, PERI_OP_EQ, INT(UINT64_MAX - 12344 * 1000003ull), NULL),
        12345 % FX_ZONE);
}

static void virtual_columns_need_no_index(void **state)
{
    (void)state;
    assert_int_equal(rows_left(NULL, "snapnum", -1, PERI_OP_EQ, INT(2), NULL),
                     501 + 12345);
    assert_int_equal(rows_left(NULL, "snapnum", -1, PERI_OP_LT, REAL(0.5), NULL), 5000);
    assert_int_equal(
        rows_left(NULL, "file", -1, PERI_OP_EQ, STR("snap_001/f.2.hdf5"), NULL), 499);
    assert_int_equal(rows_left(NULL, "file", -1, PERI_OP_EQ, STR("other"), NULL), 0);
    assert_int_equal(rows_left(NULL, "file", -1, PERI_OP_EQ, INT(1), NULL),
                     fx->table.rows);
    assert_int_equal(rows_left(NULL, "row", -1, PERI_OP_EQ, INT(12344), NULL), 1);
    assert_int_equal(rows_left(NULL, "row", -1, PERI_OP_EQ, INT(499), NULL), 4);
    assert_int_equal(rows_left(NULL, "row", -1, PERI_OP_LT, INT(3), NULL), 15);
    assert_int_equal(rows_left(NULL, "row", -1, PERI_OP_LE, REAL(2.5), NULL), 15);
    assert_int_equal(rows_left(NULL, "row", -1, PERI_OP_GT, REAL(12342.5), NULL), 2);
    assert_int_equal(rows_left(NULL, "row", -1, PERI_OP_EQ, REAL(2.5), NULL), 0);
    assert_int_equal(rows_left(NULL, "row", -1, PERI_OP_LT, INT(-1), NULL), 0);
    const __int128 huge = (__int128)1 << 126;
    assert_int_equal(rows_left(NULL, "row", -1, PERI_OP_LE, INT(huge + (huge - 1)), NULL),
                     fx->table.rows);
    assert_int_equal(rows_left(NULL, "row", -1, PERI_OP_GT, INT(huge), NULL), 0);
    assert_int_equal(rows_left(NULL, "row", -1, PERI_OP_GE, INT(-huge - huge), NULL),
                     fx->table.rows);
    assert_int_equal(rows_left(NULL, "row", -1, PERI_OP_LT, REAL(NAN), NULL),
                     fx->table.rows);
    assert_int_equal(rows_left(NULL, "row", -1, PERI_OP_LT, REAL(1e300), NULL),
                     fx->table.rows);
    peri_const_t in[] = {INT(7), INT(3), INT(4), INT(3), INT(-9)};
    peri_pred_t p = {
        .column = "row", .component = -1, .op = PERI_OP_IN, .nvalues = 5, .values = in};
    peri_ranges_t r = {0};
    peri_index_prune(NULL, &fx->table, &p, 1, &r);
    assert_int_equal(peri_ranges_rows(&r), 15);
    assert_int_equal(r.n, 10);
    peri_ranges_free(&r);
}

static void a_real_column_wins_over_a_virtual_one(void **state)
{
    (void)state;
    const char *name = fx->columns[FX_I].name;
    fx->columns[FX_I].name = "Row";
    assert_int_equal(rows_left(NULL, "row", -1, PERI_OP_EQ, INT(3), NULL),
                     fx->table.rows);
    assert_int_equal(rows_left(idx, "row", -1, PERI_OP_LT, INT(-1000), NULL), 0);
    fx->columns[FX_I].name = name;
    fx->table.has_snapnum = false;
    assert_int_equal(rows_left(NULL, "snapnum", -1, PERI_OP_EQ, INT(2), NULL),
                     fx->table.rows);
    fx->table.has_snapnum = true;
}

static void missing_columns_skip_the_file(void **state)
{
    (void)state;
    /* even without an index: NULL compares as not true */
    uint64_t without = fx->files[2].rows + fx->files[5].rows;
    assert_int_equal(rows_left(NULL, "m", -1, PERI_OP_GE, INT(0), NULL),
                     fx->table.rows - without);
}

static void what_is_not_known_keeps_everything(void **state)
{
    (void)state;
    assert_int_equal(rows_left(NULL, "i", -1, PERI_OP_EQ, INT(-5000), NULL),
                     fx->table.rows);
    assert_int_equal(rows_left(idx, "nosuch", -1, PERI_OP_EQ, INT(1), NULL),
                     fx->table.rows);
    assert_int_equal(rows_left(idx, "s", -1, PERI_OP_EQ, STR("x"), NULL), fx->table.rows);
    assert_int_equal(rows_left(idx, "v", -1, PERI_OP_EQ, REAL(1e9), NULL),
                     fx->table.rows);
    assert_int_equal(rows_left(idx, "v", 3, PERI_OP_EQ, REAL(1e9), NULL), fx->table.rows);
    assert_true(rows_left(idx, "v", 2, PERI_OP_EQ, REAL(1e9), NULL) < fx->table.rows);
    assert_int_equal(rows_left(idx, "i", 0, PERI_OP_EQ, INT(-5000), NULL),
                     fx->table.rows);
    assert_int_equal(rows_left(idx, "i", -1, PERI_OP_EQ, STR("x"), NULL), fx->table.rows);
    /* another type than the one that was indexed */
    fx->columns[FX_I].type = PERI_T_I64;
    assert_int_equal(rows_left(idx, "i", -1, PERI_OP_EQ, INT(-5000), NULL),
                     fx->table.rows);
    fx->columns[FX_I].type = PERI_T_I32;
    peri_ranges_t r = {0};
    peri_index_prune(idx, &fx->table, NULL, 0, &r);
    assert_int_equal(peri_ranges_rows(&r), fx->table.rows);
    peri_ranges_free(&r);
}

static void never_keeps_nothing(void **state)
{
    (void)state;
    peri_pred_t p = {.column = "nosuch", .component = -1, .op = PERI_OP_NEVER};
    peri_ranges_t r = {0};
    peri_index_prune(NULL, &fx->table, &p, 1, &r);
    assert_int_equal(r.n, 0);
    peri_ranges_free(&r);
}

static void stale_entries_are_ignored(void **state)
{
    (void)state;
    peri_file_t *f = &fx->files[0], saved = *f;
    uint64_t n;
    assert_int_equal(peri_index_fresh_files(idx, &fx->table), FX_FILES);
    for (int what = 0; what < 4; what++) {
        if (what == 0) f->size++;
        if (what == 1) f->mtime_ns++;
        if (what == 2) f->inode++;
        if (what == 3) f->path = "/data/elsewhere.hdf5";
        assert_int_equal(rows_left(idx, "i", -1, PERI_OP_LT, INT(-5000), NULL), f->rows);
        assert_int_equal(peri_index_fresh_files(idx, &fx->table), FX_FILES - 1);
        assert_null(
            peri_index_chunks(idx, f->path, f->size, f->mtime_ns, f->inode, "/T/f", &n));
        *f = saved;
    }
    assert_int_equal(rows_left(idx, "i", -1, PERI_OP_LT, INT(-5000), NULL), 0);
    assert_int_equal(peri_index_fresh_files(NULL, &fx->table), 0);
    /* a column that the entry knows nothing of */
    const char *dataset = fx->columns[FX_D].dataset;
    fx->columns[FX_D].dataset = "/T/new";
    assert_int_equal(peri_index_fresh_files(idx, &fx->table),
                     1); /* the one without rows */
    fx->columns[FX_D].dataset = dataset;
}

static void chunk_maps_are_found(void **state)
{
    (void)state;
    const peri_file_t *f = &fx->files[5];
    uint64_t n = 0;
    const peri_chunkloc_t *c =
        peri_index_chunks(idx, f->path, f->size, f->mtime_ns, f->inode, "/T/f", &n);
    assert_non_null(c);
    assert_int_equal(n, FX_CHUNKS);
    assert_int_equal(c[6].offset, 160);
    assert_true(c[3].offset == UINT64_MAX);
    assert_ptr_equal(
        c, peri_index_chunks(idx, f->path, f->size, f->mtime_ns, f->inode, "/T/f", &n));
    assert_non_null(
        peri_index_chunks(idx, f->path, f->size, f->mtime_ns, f->inode, "/T/s", &n));
    assert_null(
        peri_index_chunks(idx, f->path, f->size, f->mtime_ns, f->inode, "/T/i", &n));
    assert_null(
        peri_index_chunks(idx, f->path, f->size, f->mtime_ns, f->inode, "/T/x", &n));
    assert_null(
        peri_index_chunks(NULL, f->path, f->size, f->mtime_ns, f->inode, "/T/f", &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_conditions_lose_no_row),
        cmocka_unit_test(a_sorted_column_leaves_single_zones),
        cmocka_unit_test(virtual_columns_need_no_index),
        cmocka_unit_test(a_real_column_wins_over_a_virtual_one),
        cmocka_unit_test(missing_columns_skip_the_file),
        cmocka_unit_test(what_is_not_known_keeps_everything),
        cmocka_unit_test(never_keeps_nothing),
        cmocka_unit_test(stale_entries_are_ignored),
        cmocka_unit_test(chunk_maps_are_found),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
