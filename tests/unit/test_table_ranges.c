/* test_table_ranges.c - row ranges against a plain array of flags, and fair shares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/table/table.h"

#define FILES 3
#define ROWS  100

typedef struct {
    unsigned char row[FILES][ROWS];
} flags_t;

static flags_t random_flags(void)
{
    flags_t f = {0};
    for (int i = 0; i < FILES; i++)
        for (int n = rand() % 8; n > 0; n--) {
            int a = rand() % ROWS, b = a + rand() % (ROWS - a);
            memset(&f.row[i][a], 1, (size_t)(b - a));
        }
    return f;
}

static peri_ranges_t from_flags(const flags_t *f)
{
    peri_ranges_t r = {0};
    for (uint32_t i = 0; i < FILES; i++)
        for (uint64_t k = 0; k < ROWS; k++)
            if (f->row[i][k]) peri_ranges_push(&r, i, k, k + 1);
    return r;
}

/* Also checks that the ranges are sorted, apart and not empty. */
static flags_t to_flags(const peri_ranges_t *r)
{
    flags_t f = {0};
    for (size_t i = 0; i < r->n; i++) {
        const peri_range_t *x = &r->v[i];
        assert_true(x->row0 < x->row1 && x->row1 <= ROWS && x->file < FILES);
        if (i > 0 && x[-1].file == x->file) assert_true(x[-1].row1 < x->row0);
        if (i > 0) assert_true(x[-1].file <= x->file);
        memset(&f.row[x->file][x->row0], 1, (size_t)(x->row1 - x->row0));
    }
    return f;
}

static void push_joins_and_drops_empty(void **state)
{
    (void)state;
    peri_ranges_t r = {0};
    peri_ranges_push(&r, 0, 5, 5);
    assert_int_equal(r.n, 0);
    peri_ranges_push(&r, 0, 0, 5);
    peri_ranges_push(&r, 0, 5, 7);
    peri_ranges_push(&r, 0, 6, 6);
    peri_ranges_push(&r, 1, 0, 2);
    assert_int_equal(r.n, 2);
    assert_int_equal(r.v[0].row1, 7);
    assert_int_equal(peri_ranges_rows(&r), 9);
    peri_ranges_free(&r);
    assert_null(r.v);
}

static void intersect_equals_and(void **state)
{
    (void)state;
    srand(2);
    for (int i = 0; i < 2000; i++) {
        flags_t a = random_flags(), b = random_flags(), want;
        peri_ranges_t ra = from_flags(&a), rb = from_flags(&b), out = {0};
        peri_ranges_intersect(&ra, &rb, &out);
        flags_t got = to_flags(&out);
        for (size_t k = 0; k < sizeof(want); k++)
            ((unsigned char *)&want)[k] =
                ((unsigned char *)&a)[k] & ((unsigned char *)&b)[k];
        assert_memory_equal(&got, &want, sizeof(want));
        peri_ranges_free(&ra);
        peri_ranges_free(&rb);
        peri_ranges_free(&out);
    }
}

static void shares_cover_each_row_once(void **state)
{
    (void)state;
    srand(3);
    const uint64_t aligns[] = {0, 1, 7, 10, 64, 1000};
    for (int i = 0; i < 3000; i++) {
        flags_t all = random_flags(), seen = {0};
        peri_ranges_t r = from_flags(&all);
        int nranks = 1 + rand() % 6;
        uint64_t align = aligns[rand() % 6], rows = peri_ranges_rows(&r);
        int owner[FILES][ROWS / 7 + 2];
        memset(owner, -1, sizeof(owner));
        for (int rank = 0; rank < nranks; rank++) {
            peri_ranges_t share = {0}, again = {0};
            peri_ranges_share(&r, align, rank, nranks, &share);
            peri_ranges_share(&r, align, rank, nranks, &again);
            assert_int_equal(share.n, again.n);
            flags_t f = to_flags(&share);
            for (int k = 0; k < FILES * ROWS; k++) {
                unsigned char mine = ((unsigned char *)&f)[k];
                assert_false(mine && ((unsigned char *)&seen)[k]);
                ((unsigned char *)&seen)[k] |= mine;
                if (!mine || align < 7) continue;
                int *o = &owner[k / ROWS][(uint64_t)(k % ROWS) / align];
                assert_true(*o == -1 || *o == rank); /* no chunk in two shares */
                *o = rank;
            }
            if (align <= 1) {
                uint64_t n = peri_ranges_rows(&share), fair = rows / (uint64_t)nranks;
                assert_true(n == fair || n == fair + 1);
            }
            peri_ranges_free(&share);
            peri_ranges_free(&again);
        }
        assert_memory_equal(&seen, &all, sizeof(all));
        peri_ranges_free(&r);
    }
}

static void shares_at_the_largest_rows(void **state)
{
    (void)state;
    peri_ranges_t r = {0}, share = {0};
    peri_ranges_push(&r, 0, 0, UINT64_MAX);
    peri_ranges_share(&r, 1u << 20, 2, 3, &share);
    assert_int_equal(share.n, 1);
    assert_true(share.v[0].row1 == UINT64_MAX && share.v[0].row0 % (1u << 20) == 0);
    peri_ranges_free(&share);
    peri_ranges_free(&r);
    peri_ranges_share(&r, 16, 0, 4, &share);
    assert_int_equal(share.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(push_joins_and_drops_empty),
        cmocka_unit_test(intersect_equals_and),
        cmocka_unit_test(shares_cover_each_row_once),
        cmocka_unit_test(shares_at_the_largest_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
