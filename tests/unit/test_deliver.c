/* test_deliver.c - results into a folder of a volume: by rename, by copy, twice the same
 * names, and what a kill in the middle of a copy leaves.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "portal/jobs/deliver_move.h"

typedef struct {
    char job[64], volume[64];
    int root;
    peri_arena_t *arena;
    atomic_bool stopping;
    peri_moving_t how;
    peri_moved_t done;
} world_t;

static char *at(world_t *w, const char *folder, const char *name)
{
    return peri_arena_printf(w->arena, "%s/%s", folder, name);
}

static char *result(world_t *w, const char *name)
{
    return at(w, at(w, w->job, "results"), name);
}

static void put(const char *path, const char *text)
{
    peri_err_t err;
    if (peri_file_write_atomic(path, text, strlen(text), &err)) fail_msg("%s", err.text);
}

static const char *get(world_t *w, const char *path)
{
    char *text = NULL;
    size_t len;
    if (peri_file_slurp(path, 1 << 20, &text, &len, NULL)) return "(none)";
    const char *kept = peri_arena_strndup(w->arena, text, len);
    free(text);
    return kept;
}

/* under: where the volume is; /dev/shm is another file system. */
static void open_world(world_t *w, const char *under)
{
    peri_err_t err;
    *w = (world_t){.arena = peri_arena_new()};
    strcpy(w->job, "/tmp/perigee-test-XXXXXX");
    snprintf(w->volume, sizeof(w->volume), "%s/perigee-test-XXXXXX", under);
    assert_non_null(mkdtemp(w->job));
    assert_non_null(mkdtemp(w->volume));
    assert_int_equal(mkdir(at(w, w->job, "results"), 0700), 0);
    w->root = peri_path_open_root(w->volume, &err);
    assert_true(w->root >= 0);
    w->how = (peri_moving_t){.job = w->job, .to = "out/run", .stopping = &w->stopping};
}

static void close_world(world_t *w)
{
    close(w->root);
    peri_folder_sweep(w->job);
    peri_folder_sweep(w->volume);
    peri_arena_free(w->arena);
}

static void deliver(world_t *w)
{
    peri_err_t err = {0};
    if (peri_results_move(&w->how, w->root, w->arena, &w->done, &err))
        fail_msg("%s", err.text);
}

static void is_there(world_t *w, const char *name, const char *text)
{
    assert_string_equal(get(w, at(w, w->volume, name)), text);
}

static void moves(world_t *w, bool renamed)
{
    peri_amount_t need;
    put(result(w, "a.csv"), "one");
    assert_int_equal(mkdir(result(w, "d"), 0700), 0);
    put(result(w, "d/b"), "two");
    assert_int_equal(symlink("/etc/passwd", result(w, "link")), 0);
    assert_int_equal(mkfifo(result(w, "fifo"), 0600), 0);
    assert_int_equal(mkdir(result(w, ".perigee"), 0700), 0);
    assert_int_equal(peri_results_amount(&w->how, &need, NULL), 0);
    assert_true(need.bytes >= 6 && need.files >= 6);
    deliver(w);
    is_there(w, "out/run/a.csv", "one");
    is_there(w, "out/run/d/b", "two");
    assert_int_equal(w->done.left, renamed ? 2 : 3); /* of links only renamed ones */
    assert_int_equal(access(result(w, "a.csv"), F_OK), -1);
    assert_int_equal(access(result(w, "d"), F_OK), -1);
    assert_int_equal(access(result(w, "fifo"), F_OK), 0);
    assert_int_equal(access(at(w, w->volume, "out/run/.perigee"), F_OK), -1);
    /* the same names again: nothing is overwritten ... */
    put(result(w, "a.csv"), "three");
    assert_int_equal(mkdir(result(w, "d"), 0700), 0);
    deliver(w);
    is_there(w, "out/run/a.csv", "one");
    is_there(w, "out/run/a (2).csv", "three");
    assert_int_equal(access(at(w, w->volume, "out/run/d (2)"), F_OK), 0);
    /* ... unless it is asked for, and then only files */
    w->how.overwrite = true;
    put(result(w, "a.csv"), "four");
    assert_int_equal(mkdir(result(w, "d"), 0700), 0);
    deliver(w);
    is_there(w, "out/run/a.csv", "four");
    is_there(w, "out/run/d/b", "two");
    assert_int_equal(w->done.freed.bytes, 3);
    /* and once more there is nothing to do */
    deliver(w);
    assert_int_equal(w->done.made.bytes, 0);
    assert_int_equal(access(at(w, w->job, "deliver.json"), F_OK), -1);
}

static void by_rename(void **state)
{
    (void)state;
    world_t w;
    open_world(&w, "/tmp");
    moves(&w, true);
    close_world(&w);
}

static bool other_file_system(void)
{
    struct stat a, b;
    return stat("/tmp", &a) == 0 && stat("/dev/shm", &b) == 0 && a.st_dev != b.st_dev;
}

static void by_copy(void **state)
{
    (void)state;
    world_t w;
    if (!other_file_system()) skip();
    open_world(&w, "/dev/shm");
    moves(&w, false);
    close_world(&w);
}

/* Killed when the copy had got its name: only the original goes. Killed before: all of it
 * again, and the other file of this name is somebody else's. */
static void interrupted(void **state)
{
    (void)state;
    world_t w;
    if (!other_file_system()) skip();
    open_world(&w, "/dev/shm");
    w.how.to = "";
    put(result(&w, "a"), "same");
    put(at(&w, w.volume, "a"), "same");
    put(at(&w, w.job, "deliver.json"), "{\"name\": \"a\", \"to\": \"a\"}");
    deliver(&w);
    is_there(&w, "a", "same");
    assert_int_equal(access(at(&w, w.volume, "a (2)"), F_OK), -1);
    assert_int_equal(access(result(&w, "a"), F_OK), -1);

    put(result(&w, "a"), "longer");
    put(at(&w, w.job, "deliver.json"), "{\"name\": \"a\", \"to\": \"a\"}");
    deliver(&w);
    is_there(&w, "a", "same");
    is_there(&w, "a (2)", "longer");
    /* a journal of nonsense */
    put(result(&w, "b"), "b");
    put(at(&w, w.job, "deliver.json"), "{\"name\": \"../../x\", \"to\": 5");
    deliver(&w);
    is_there(&w, "b", "b");
    close_world(&w);
}

static void stopped(void **state)
{
    (void)state;
    world_t w;
    peri_err_t err = {0};
    open_world(&w, "/tmp");
    put(result(&w, "a"), "x");
    atomic_store(&w.stopping, true);
    assert_int_equal(peri_results_move(&w.how, w.root, w.arena, &w.done, &err), -1);
    assert_int_equal(err.code, PERI_ECANCEL);
    assert_string_equal(get(&w, result(&w, "a")), "x");
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_rename), cmocka_unit_test(by_copy),
        cmocka_unit_test(interrupted), cmocka_unit_test(stopped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
