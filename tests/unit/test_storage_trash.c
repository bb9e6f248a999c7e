/* The trash of a volume; and kill -9 while things go there and back. */
#include "tests/unit/test_storage_volume.h"

#include <math.h>
#include <sys/wait.h>
#include <time.h>

#include "portal/storage/trash.h"

#define ROUNDS 25 /* of kill -9 */

static const peri_copying_t ANY = {.most = {UINT64_MAX, UINT64_MAX}};

static void test_trash(void **state)
{
    (void)state;
    char id[4][PERI_TRASH_ID + 1];
    peri_amount_t extra, freed;
    uint64_t made;
    must(peri_ops_mkdir(vol, "d/e", true, &made, err));
    vol_write("d/e/f", "text"), vol_write("g", "gg"), vol_write("h", "");
    peri_amount_t before = vol_amount("");
    must(peri_trash_put(vol, "d/e", "ana", id[0], &extra, err));
    must(peri_trash_put(vol, "g", "ana", id[1], &freed, err));
    must(peri_trash_put(vol, "h", "", id[2], &freed, err));
    assert_false(vol_has("d/e"));
    must_fail(PERI_ENOTFOUND, peri_trash_put(vol, "g", "ana", id[3], &freed, err));
    must_fail(PERI_EINVAL, peri_trash_put(vol, "", "ana", id[3], &freed, err));

    peri_arena_t *a = peri_arena_new();
    peri_trashed_t *list, one;
    size_t n;
    const char *next;
    must(peri_trash_list(vol, NULL, 2, a, &list, &n, &next, err));
    assert_int_equal(n, 2);
    assert_string_equal(list[0].path, "h");
    assert_string_equal(list[1].id, id[1]);
    assert_string_equal(list[1].by, "ana");
    must(peri_trash_list(vol, next, 2, a, &list, &n, &next, err));
    assert_int_equal(n, 1);
    assert_null(next);
    assert_string_equal(list[0].path, "d/e");
    assert_int_equal(list[0].entry.kind, PERI_ENTRY_FOLDER);
    assert_true(list[0].counted);
    assert_int_equal(list[0].amount.files, 2);
    assert_int_equal(list[0].amount.bytes, 4);
    assert_true(fabs(list[0].deleted - (double)time(NULL)) < 60);

    /* Its old place is taken, its folder is gone: nothing is lost. */
    vol_write("g", "new");
    must_fail(PERI_ECONFLICT, peri_trash_restore(vol, id[1], "g", &made, &freed, err));
    must(peri_trash_restore(vol, id[1], "g2", &made, &freed, err));
    assert_string_equal(vol_read("g2"), "gg");
    must(peri_ops_delete(vol, "d", NULL, &freed, err));
    must(peri_trash_restore(vol, id[0], "d/e", &made, &freed, err));
    assert_int_equal(made, 1);
    assert_int_equal(freed.files, extra.files);
    assert_int_equal(freed.bytes, extra.bytes);
    assert_string_equal(vol_read("d/e/f"), "text");
    must_fail(PERI_ENOTFOUND, peri_trash_restore(vol, id[0], "q", &made, &freed, err));
    must_fail(PERI_ENOTFOUND, peri_trash_get(vol, "../../x", a, &one, err));
    must_fail(PERI_ENOTFOUND, peri_trash_delete(vol, "..", NULL, &freed, err));
    freed = (peri_amount_t){0};
    must(peri_trash_delete(vol, id[2], NULL, &freed, err));
    assert_int_equal(freed.files, 3);
    must(unlinkat(vol, "g", 0));
    assert_int_equal(vol_amount("").bytes, before.bytes);

    /* A job has written what it likes. */
    must(peri_trash_put(vol, "g2", "ana", id[0], &extra, err));
    char path[128];
    snprintf(path, sizeof(path), ".perigee/trash/%s/info.json", id[0]);
    vol_write(path,
              "{\"path\":\"../../etc/x\",\"by\":\"\\n\",\"amount\":{\"bytes\":-1}}");
    must(peri_trash_get(vol, id[0], a, &one, err));
    assert_null(one.path);
    assert_string_equal(one.by, "");
    assert_false(one.counted);
    must(unlinkat(vol, path, 0));
    must(symlinkat("/etc/passwd", vol, path));
    must(peri_trash_get(vol, id[0], a, &one, err));
    assert_null(one.path);
    must(peri_trash_restore(vol, id[0], "back", &made, &freed, err));

    bool more;
    for (int i = 0; i < 3; i++) {
        vol_write("x", "x");
        must(peri_trash_put(vol, "x", "ana", id[i], &extra, err));
    }
    freed = (peri_amount_t){0};
    must(peri_trash_empty(vol, (double)time(NULL) - 60, NULL, &freed, &more, err));
    assert_int_equal(freed.files, 0);
    must(peri_trash_empty(vol, HUGE_VAL, NULL, &freed, &more, err));
    assert_int_equal(freed.files, 9);
    assert_false(more);
    must(peri_trash_list(vol, NULL, 2, a, &list, &n, &next, err));
    assert_int_equal(n, 0);
    peri_arena_free(a);
}

/* ---- kill -9 ---- */

/* Killed at any time while it copies, moves to the trash, back and deletes: each name is
 * there with all it has, or not at all. */
static void crash_child(void)
{
    for (;;) {
        peri_copied_t done;
        peri_amount_t x;
        uint64_t made;
        char id[PERI_TRASH_ID + 1];
        if (peri_ops_copy(vol, "tree", vol, "copy", &ANY, &done, NULL)) _exit(1);
        if (peri_trash_put(vol, "copy", "ana", id, &x, NULL)) _exit(2);
        if (peri_trash_restore(vol, id, "back", &made, &x, NULL)) _exit(3);
        if (peri_ops_delete(vol, "back", NULL, &x, NULL)) _exit(4);
    }
}

static void test_crash(void **state)
{
    (void)state;
    uint64_t made;
    peri_amount_t freed;
    bool more;
    must(peri_ops_mkdir(vol, "tree/sub", true, &made, err));
    char *big = peri_xcalloc(1, 4 << 20);
    memset(big, 'b', (4 << 20) - 1);
    vol_write("tree/big", big), vol_write("tree/sub/big", big);
    free(big);
    peri_amount_t whole = vol_amount("tree");
    int copies = 0, backs = 0, trashed = 0;
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = fork();
        if (pid == 0) crash_child();
        usleep((useconds_t)(500 + i * 1700));
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        peri_arena_t *a = peri_arena_new();
        peri_trashed_t *list;
        size_t n;
        const char *next;
        must(peri_trash_list(vol, NULL, 9, a, &list, &n, &next, err));
        for (size_t k = 0; k < n; k++) {
            assert_string_equal(list[k].path, "copy");
            must(peri_trash_restore(vol, list[k].id, "restored", &made, &freed, err));
            trashed++;
            assert_int_equal(vol_amount("restored").bytes, whole.bytes);
            assert_int_equal(vol_amount("restored").files, whole.files);
            must(peri_ops_delete(vol, "restored", NULL, &freed, err));
        }
        peri_arena_free(a);
        static const char *const names[] = {"copy", "back"};
        for (int k = 0; k < 2; k++) {
            if (!vol_has(names[k])) continue;
            *(k ? &backs : &copies) += 1;
            peri_amount_t is = vol_amount(names[k]);
            assert_int_equal(is.bytes, whole.bytes);
            assert_int_equal(is.files, whole.files);
            must(peri_ops_delete(vol, names[k], NULL, &freed, err));
        }
        must(peri_unfinished_sweep(vol, 0, NULL, &freed, err));
        must(peri_trash_empty(vol, HUGE_VAL, NULL, &freed, &more, err));
        /* .perigee, its two folders, and the tree */
        assert_true(vol_amount("").files <= whole.files + 3);
    }
    print_message("killed %d times: %d whole copies, %d in the trash, %d back\n", ROUNDS,
                  copies, trashed, backs);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, vol_setup, vol_teardown)
    const struct CMUnitTest tests[] = {T(test_trash), T(test_crash)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
