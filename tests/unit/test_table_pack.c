/* test_table_pack.c - a packed table comes back the same; damaged bytes are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/arena.h"
#include "core/table/table.h"

static peri_table_t *make_table(void)
{
    peri_arena_t *a = peri_arena_new();
    peri_table_t *t = peri_arena_calloc(a, 1, sizeof(*t));
    static const peri_column_t columns[] = {
        {"id", "/G/id", "", -1, PERI_T_U64, 1, "", "identity", "meta.id", 0, 512, "u64",
         "UBIGINT[1]", true},
        {"x", "/G/Pos", "", 0, PERI_T_F32, 1, "ckpc/h", "", "", 1, 0, "f32", "", false},
        {"met", "/G/met", "a.b", -1, PERI_T_F64, 10, "", "", "", 0, 7, "f64", "", true}};
    static const uint8_t has[] = {1, 0, 1};
    static const peri_file_t files[] = {{.path = "/data/s_001.0.hdf5",
                                         .name = "s_001.0.hdf5",
                                         .rows = 10,
                                         .snapnum = 1,
                                         .size = 1000,
                                         .mtime_ns = -5,
                                         .inode = 7},
                                        {.path = "/data/s_001.1.hdf5",
                                         .name = "s_001.1.hdf5",
                                         .rows = 5,
                                         .row0 = 10,
                                         .set_row0 = 10,
                                         .snapnum = 1,
                                         .size = 2000,
                                         .mtime_ns = 1700000000123456789,
                                         .inode = 8,
                                         .has = has,
                                         .at = PERI_AT_NODE,
                                         .root = "/data"},
                                        {.path = "/else/where",
                                         .name = "shown",
                                         .row0 = 15,
                                         .set_row0 = PERI_ROW_UNKNOWN,
                                         .snapnum = 2,
                                         .at = PERI_AT_AWAY}};
    static const char *const notes[] = {"one", "two"};
    *t = (peri_table_t){.name = "d.t",
                        .description = "text",
                        .root = "/data",
                        .columns = columns,
                        .ncolumns = 3,
                        .files = files,
                        .nfiles = 3,
                        .rows = 15,
                        .has_snapnum = true,
                        .box_size = 35000.5,
                        .notes = notes,
                        .nnotes = 2,
                        .arena = a,
                        .refs = 1};
    return t;
}

static void assert_same(const peri_table_t *a, const peri_table_t *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->description, b->description);
    assert_string_equal(a->root, b->root);
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->has_snapnum, b->has_snapnum);
    assert_true(a->box_size == b->box_size);
    assert_int_equal(a->ncolumns, b->ncolumns);
    assert_int_equal(a->nfiles, b->nfiles);
    assert_int_equal(a->nnotes, b->nnotes);
    for (size_t i = 0; i < a->ncolumns; i++) {
        const peri_column_t *x = &a->columns[i], *y = &b->columns[i];
        assert_string_equal(x->name, y->name);
        assert_string_equal(x->dataset, y->dataset);
        assert_string_equal(x->field, y->field);
        assert_string_equal(x->unit, y->unit);
        assert_string_equal(x->ucd, y->ucd);
        assert_string_equal(x->description, y->description);
        assert_string_equal(x->stored_as, y->stored_as);
        assert_int_equal(x->component, y->component);
        assert_int_equal(x->type, y->type);
        assert_int_equal(x->width, y->width);
        assert_int_equal(x->chunk_rows, y->chunk_rows);
        assert_int_equal(x->missing_files, y->missing_files);
    }
    for (size_t i = 0; i < a->nfiles; i++) {
        const peri_file_t *x = &a->files[i], *y = &b->files[i];
        assert_string_equal(x->path, y->path);
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->at, y->at);
        assert_int_equal(x->root != NULL, y->root != NULL);
        if (x->root) assert_string_equal(x->root, y->root);
        assert_int_equal(x->rows, y->rows);
        assert_int_equal(x->row0, y->row0);
        assert_int_equal(x->set_row0, y->set_row0);
        assert_int_equal(x->snapnum, y->snapnum);
        assert_int_equal(x->size, y->size);
        assert_int_equal(x->mtime_ns, y->mtime_ns);
        assert_int_equal(x->inode, y->inode);
        assert_int_equal(x->has == NULL, y->has == NULL);
        if (x->has) assert_memory_equal(x->has, y->has, a->ncolumns);
    }
    for (size_t i = 0; i < a->nnotes; i++) assert_string_equal(a->notes[i], b->notes[i]);
}

static void round_trip(void **state)
{
    (void)state;
    peri_table_t *t = make_table();
    peri_buf_t b;
    peri_err_t err = {0};
    peri_buf_init(&b, 1 << 20);
    assert_int_equal(peri_table_pack(t, &b, &err), 0);
    peri_table_t *u = peri_table_unpack(b.data, b.len, &err);
    assert_non_null(u);
    assert_same(t, u);
    assert_non_null(peri_table_column(u, "MET"));
    assert_null(peri_table_column(u, "nope"));
    peri_table_unref(peri_table_ref(u));
    peri_table_unref(u);
    peri_table_unref(t);
    peri_table_unref(NULL);
    peri_buf_free(&b);
}

static void too_small_a_buffer(void **state)
{
    (void)state;
    peri_table_t *t = make_table();
    peri_buf_t b;
    peri_err_t err = {0};
    peri_buf_init(&b, 20);
    assert_int_equal(peri_table_pack(t, &b, &err), -1);
    assert_true(err.code != PERI_OK);
    peri_buf_free(&b);
    peri_table_unref(t);
}

/* Every shorter or longer message, and 200,000 random changes: refused or sound, and
 * never a bad access (this test runs under the sanitizers). */
static void damaged_bytes(void **state)
{
    (void)state;
    peri_table_t *t = make_table();
    peri_buf_t b;
    peri_err_t err = {0};
    peri_buf_init(&b, 1 << 20);
    assert_int_equal(peri_table_pack(t, &b, &err), 0);
    peri_table_unref(t);
    for (size_t n = 0; n < b.len; n++) {
        char *copy = malloc(n ? n : 1);
        memcpy(copy, b.data, n);
        assert_null(peri_table_unpack(copy, n, &err));
        assert_int_equal(err.code, PERI_EFORMAT);
        free(copy);
    }
    char *copy = malloc(b.len + 1);
    memcpy(copy, b.data, b.len);
    copy[b.len] = 0;
    assert_null(peri_table_unpack(copy, b.len + 1, &err));
    srand(4);
    size_t sound = 0;
    for (int i = 0; i < 200000; i++) {
        memcpy(copy, b.data, b.len);
        for (int n = 1 + rand() % 3; n > 0; n--) {
            size_t at = (size_t)rand() % b.len;
            copy[at] = rand() % 3 ? (char)rand() : (char)0xff;
        }
        peri_table_t *u = peri_table_unpack(copy, b.len, &err);
        if (!u) continue;
        uint64_t rows = 0;
        for (size_t k = 0; k < u->nfiles; k++) {
            assert_int_equal(u->files[k].row0, rows);
            rows += u->files[k].rows;
            assert_non_null(u->files[k].name);
        }
        assert_int_equal(rows, u->rows);
        sound++;
        peri_table_unref(u);
    }
    assert_true(sound > 0);
    free(copy);
    peri_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(too_small_a_buffer),
        cmocka_unit_test(damaged_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
