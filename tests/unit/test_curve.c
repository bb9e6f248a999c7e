/* Keys along curves: those of GADGET, and what makes a curve one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/curve.h"

/* Computed with GADGET-2's tables of quadrants, rotations and senses (Springel 2005), by
 * a program that shares nothing with ours. */
static void keys_are_those_of_gadget(void **state)
{
    (void)state;
    static const struct {
        uint32_t x, y, z;
        int bits;
        uint64_t key;
    } known[] = {
        {0, 0, 0, 8, 0},
        {120, 155, 52, 8, 4070633},
        {202, 245, 79, 8, 5675300},
        {46, 34, 10, 8, 66668},
        {822, 592, 120, 10, 398989130},
        {930834, 1510976, 1160491, 21, 7351267019445820049},
        {724207, 445365, 1097731, 21, 8887179200035232385},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_true(peri_ph_key(known[i].x, known[i].y, known[i].z, known[i].bits) ==
                    known[i].key);
}

/* All keys of cubes of 2 to 32 cells a side, against an FNV-1a hash of GADGET's. */
static void whole_cubes_are_those_of_gadget(void **state)
{
    (void)state;
    static const uint64_t hashes[] = {0x57eeefe4a6127ea5, 0x28e4c608fdad4225,
                                      0xf4baa5046802165, 0xe94e053cecdb3385,
                                      0x5377c0d9ff496585};
    for (int bits = 1; bits <= 5; bits++) {
        const uint32_t n = 1u << bits;
        uint64_t hash = 0xcbf29ce484222325;
        for (uint32_t i = 0; i < n * n * n; i++) {
            uint64_t key = peri_ph_key(i / n / n, i / n % n, i % n, bits);
            for (int byte = 0; byte < 8; byte++, key >>= 8)
                hash = (hash ^ (key & 255)) * 0x100000001b3;
        }
        assert_true(hash == hashes[bits - 1]);
    }
}

static uint32_t apart(uint32_t a, uint32_t b)
{
    return a > b ? a - b : b - a;
}

/* Every key once, and the cell of the next key is a neighbour. */
static void the_curve_goes_from_cell_to_cell(void **state)
{
    (void)state;
    enum { BITS = 6, N = 1 << BITS };
    uint32_t *cell = calloc(N * N * N, sizeof *cell);
    uint8_t *seen = calloc(N * N * N, 1);
    for (uint32_t i = 0; i < N * N * N; i++) {
        uint64_t key = peri_ph_key(i / N / N, i / N % N, i % N, BITS);
        assert_true(key < N * N * N);
        assert_int_equal(seen[key]++, 0);
        cell[key] = i;
        /* the key of the cell that holds it, with fewer bits, is the beginning of it */
        assert_true(peri_ph_key(i / N / N / 4, i / N % N / 4, i % N / 4, BITS - 2) ==
                    key >> 6);
    }
    for (uint32_t k = 1; k < N * N * N; k++) {
        uint32_t a = cell[k - 1], b = cell[k];
        assert_int_equal(apart(a / N / N, b / N / N) + apart(a / N % N, b / N % N) +
                             apart(a % N, b % N),
                         1);
    }
    free(seen);
    free(cell);
}

static void z_index_interleaves(void **state)
{
    (void)state;
    assert_true(peri_z_index(1, 0, 0, 3) == 1);
    assert_true(peri_z_index(0, 1, 0, 3) == 2);
    assert_true(peri_z_index(0, 0, 1, 3) == 4);
    srand(3);
    for (int i = 0; i < 1000; i++) {
        uint32_t v[3];
        uint64_t want = 0;
        for (int d = 0; d < 3; d++) v[d] = (uint32_t)rand() & 0x1fffff;
        for (int bit = 0; bit < 21; bit++)
            for (int d = 0; d < 3; d++)
                want |= (uint64_t)(v[d] >> bit & 1) << (3 * bit + d);
        assert_true(peri_z_index(v[0], v[1], v[2], 21) == want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_those_of_gadget),
        cmocka_unit_test(whole_cubes_are_those_of_gadget),
        cmocka_unit_test(the_curve_goes_from_cell_to_cell),
        cmocka_unit_test(z_index_interleaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
