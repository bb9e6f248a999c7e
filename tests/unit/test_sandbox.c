/* test_sandbox.c - the walls of jobs/sandbox: the words of bubblewrap, folders opened
 * beneath a volume, the filter of system calls, and what a program in them finds.
 */
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <pty.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "jobs/sandbox/sandbox.h"
#include "jobs/task/launchjson.h"
#include "test_launch_fixture.h"

/* ---- the words ---- */

static const char *words_text(const char *const *w, peri_arena_t *arena)
{
    const char *text = "";
    for (; *w; w++) text = peri_arena_printf(arena, "%s %s", text, *w);
    return text;
}

static void expect_order(const char *text, const char *const *parts, size_t n)
{
    const char *at = text;
    for (size_t i = 0; i < n; i++) {
        at = strstr(at, parts[i]);
        if (!at) fail_msg("no \"%s\" in its place in%s", parts[i], text);
    }
}
#define EXPECT_ORDER(text, parts)                                                        \
    expect_order(text, parts, sizeof(parts) / sizeof((parts)[0]))

static void words(void **state)
{
    (void)state;
    peri_arena_t *arena = peri_arena_new();
    peri_place_in_t v[] = {
        {.fd = 7, .to = "/data/sim", .write = false},
        {.fd = 8, .to = "/volumes/ana/persistent", .hide = ".perigee", .write = true},
        {.fd = 9, .to = "/volumes/bob/shared", .write = false},
        {.fd = 10, .to = "/spool/1", .write = true}};
    const peri_places_in_t places = {v, 4};
    const char *const inside[] = {"/opt/p/bin/perigee-launch", "--inside", "11", NULL},
                      *const own[] = {"/opt/p/bin", "/usr/lib/perigee", NULL},
                      *const hide[] = {"/data/sim/state", NULL}, *const none[] = {NULL};
    peri_sandbox_words_t in = {.bwrap = "/usr/bin/bwrap",
                               .inside = inside,
                               .places = &places,
                               .own = own,
                               .servers = none,
                               .hide = hide,
                               .tmp_max = 1000,
                               .passwd = 12,
                               .group = 13,
                               .info = 14};
    const char *text = words_text(peri_sandbox_words(&in, arena), arena);
    static const char *const walls[] = {
        "/usr/bin/bwrap", "--unshare-user",    "--unshare-pid", "--unshare-ipc",
        "--unshare-uts",  "--die-with-parent", "--new-session", "--unshare-net",
        "--cap-drop ALL", "--info-fd 14"};
    static const char *const order[] = {"--ro-bind /usr /usr",
                                        "--ro-bind-data 12 /etc/passwd",
                                        "--proc /proc",
                                        "--size 1000 --tmpfs /dev/shm",
                                        "--size 1000 --tmpfs /tmp",
                                        "--ro-bind-try /opt/p/bin /opt/p/bin",
                                        "--ro-bind /proc/self/fd/7 /data/sim",
                                        "--tmpfs /data/sim/state",
                                        "--bind /proc/self/fd/8 /volumes/ana/persistent",
                                        "--tmpfs /volumes/ana/persistent/.perigee",
                                        "--ro-bind /proc/self/fd/9 /volumes/bob/shared",
                                        "--bind /proc/self/fd/10 /spool/1",
                                        "--remount-ro /dev",
                                        "--remount-ro / ",
                                        "-- /opt/p/bin/perigee-launch --inside 11"};
    EXPECT_ORDER(text, walls);
    EXPECT_ORDER(text, order);
    assert_null(strstr(text, "/usr/lib/perigee")); /* is in /usr */
    assert_null(strstr(text, "resolv.conf"));
    assert_null(strstr(text, "--bind /usr"));
    assert_null(strstr(text, "/run"));
    in.network = true;
    in.shm = "/dev/shm/x";
    text = words_text(peri_sandbox_words(&in, arena), arena);
    assert_null(strstr(text, "--unshare-net"));
    assert_non_null(strstr(text, "--bind /dev/shm/x /dev/shm"));
    assert_non_null(strstr(text, "resolv.conf"));
    peri_arena_free(arena);
}

/* ---- the folders ---- */

typedef struct {
    char root[64];
    peri_arena_t *arena;
} tree_t;

static char *in_tree(tree_t *t, const char *name)
{
    return peri_arena_printf(t->arena, "%s/%s", t->root, name);
}

static void tree_open(tree_t *t)
{
    t->arena = peri_arena_new();
    strcpy(t->root, "/tmp/perigee-test-XXXXXX");
    assert_non_null(mkdtemp(t->root));
    static const char *const folders[] = {"vol", "vol/sub", "vol/sub/deep", "other",
                                          "task"};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(mkdir(in_tree(t, folders[i]), 0700), 0);
    assert_int_equal(symlink("../other", in_tree(t, "vol/link")), 0);
    assert_int_equal(symlink("vol", in_tree(t, "volume")), 0);
    assert_int_equal(symlink("sub", in_tree(t, "vol/near")), 0);
}

static void tree_close(tree_t *t)
{
    peri_folder_sweep(t->root);
    peri_arena_free(t->arena);
}

static int open_path(tree_t *t, const char *from, const char *path, peri_places_in_t *p,
                     peri_err_t *err)
{
    const peri_bind_t bind = {
        .from = in_tree(t, from), .path = path, .to = "/volumes/a/v"};
    const peri_sandbox_t s = {.binds = &bind, .nbinds = 1};
    return peri_sandbox_open(&s, in_tree(t, "task"), NULL, t->arena, p, err);
}

static void folders(void **state)
{
    (void)state;
    static const struct {
        const char *from, *path;
        peri_code_t code; /* PERI_OK: it can be opened */
    } cases[] = {{"vol", NULL, PERI_OK},
                 {"vol", "sub/deep", PERI_OK},
                 {"volume", "sub", PERI_OK}, /* the administrator's link */
                 {"vol", "link", PERI_EDENIED},
                 {"vol", "near", PERI_EDENIED},
                 {"vol", "near/deep", PERI_EDENIED},
                 {"vol", "../other", PERI_EDENIED},
                 {"vol", "sub/../../other", PERI_EDENIED},
                 {"vol", "/etc", PERI_EDENIED},
                 {"vol", "gone", PERI_ENOTFOUND},
                 {"gone", NULL, PERI_ENOTFOUND}};
    tree_t t;
    tree_open(&t);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        peri_places_in_t p = {0};
        peri_err_t err = {0};
        const int rc = open_path(&t, cases[i].from, cases[i].path, &p, &err);
        if ((rc == 0) != (cases[i].code == PERI_OK) || (rc && err.code != cases[i].code))
            fail_msg("%s %s: %d %s", cases[i].from, cases[i].path, err.code, err.text);
        if (rc == 0) assert_int_equal(p.n, 2);
        peri_sandbox_close(&p);
    }
    tree_close(&t);
}

/* A part of somebody else's that is no file or folder any more takes nothing from others.
 */
static void special(void **state)
{
    (void)state;
    tree_t t;
    tree_open(&t);
    assert_int_equal(mkfifo(in_tree(&t, "vol/x.h5"), 0600), 0);
    for (int optional = 0; optional < 2; optional++) {
        peri_places_in_t p = {0};
        peri_err_t err = {0};
        const peri_bind_t binds[] = {
            {.from = in_tree(&t, "vol"),
             .path = "x.h5",
             .to = "/volumes/b/v/x.h5",
             .optional = optional},
            {.from = in_tree(&t, "vol/sub"), .to = "/volumes/a/v"}};
        const peri_sandbox_t s = {.binds = binds, .nbinds = 2};
        const int rc =
            peri_sandbox_open(&s, in_tree(&t, "task"), NULL, t.arena, &p, &err);
        assert_int_equal(rc, optional ? 0 : -1);
        if (optional) {
            assert_int_equal(p.n, 2);
            assert_string_equal(p.v[0].to, "/volumes/a/v");
        }
        peri_sandbox_close(&p);
    }
    tree_close(&t);
}

static void order_and_absent(void **state)
{
    (void)state;
    tree_t t;
    tree_open(&t);
    peri_places_in_t p = {0};
    peri_err_t err;
    const peri_bind_t binds[] = {
        {.from = in_tree(&t, "vol/sub"), .to = "/volumes/a/v/sub"},
        {.from = in_tree(&t, "vol"), .to = "/volumes/a/v", .write = true}};
    /* A descriptor may lie in /etc, of which a job sees only what all need. */
    const char *const read[] = {in_tree(&t, "other"), in_tree(&t, "gone"), "/proc",
                                "/etc", "/etc/passwd"};
    const peri_sandbox_t s = {.binds = binds, .nbinds = 2, .read = read, .nread = 5};
    assert_int_equal(peri_sandbox_open(&s, in_tree(&t, "task"), NULL, t.arena, &p, &err),
                     0);
    assert_int_equal(p.n, 5);
    assert_string_equal(p.v[0].to, "/etc/passwd");
    assert_string_equal(p.v[1].to, read[0]);
    assert_string_equal(p.v[2].to, "/volumes/a/v");
    assert_string_equal(p.v[3].to, "/volumes/a/v/sub");
    assert_false(p.v[3].write);
    peri_sandbox_close(&p);
    const peri_bind_t bad = {.from = in_tree(&t, "vol"), .to = "/etc/ssl"};
    const peri_sandbox_t over = {.binds = &bad, .nbinds = 1};
    assert_int_equal(
        peri_sandbox_open(&over, in_tree(&t, "task"), NULL, t.arena, &p, &err), -1);
    peri_sandbox_close(&p);
    tree_close(&t);
}

/* ---- launch.json ---- */

static void json(void **state)
{
    (void)state;
    const peri_bind_t binds[] = {{.from = "/s/1", .to = "/volumes/a/v", .write = true},
                                 {.from = "/s/2",
                                  .path = "x/y",
                                  .to = "/volumes/b/v",
                                  .hide = ".p",
                                  .optional = true}};
    const char *const read[] = {"/data"}, *const hide[] = {"/data/state"},
                      *const argv[] = {"true"};
    const peri_sandbox_t s = {.binds = binds,
                              .nbinds = 2,
                              .read = read,
                              .nread = 1,
                              .hide = hide,
                              .nhide = 1,
                              .user = "ana",
                              .home = "/volumes/a/v",
                              .network = true};
    const peri_launch_t l = {
        .uuid = UUID, .step = "main", .argv = argv, .argc = 1, .sandbox = &s};
    peri_arena_t *arena = peri_arena_new();
    peri_buf_t text;
    peri_err_t err;
    peri_launch_t back;
    peri_buf_init(&text, 1 << 20);
    assert_int_equal(peri_launch_to_json(&l, &text, &err), 0);
    assert_int_equal(peri_launch_from_json(text.data, text.len, arena, &back, &err), 0);
    assert_int_equal(back.sandbox->nbinds, 2);
    assert_true(back.sandbox->binds[0].write);
    assert_null(back.sandbox->binds[0].path);
    assert_string_equal(back.sandbox->binds[1].path, "x/y");
    assert_string_equal(back.sandbox->binds[1].hide, ".p");
    assert_true(back.sandbox->binds[1].optional);
    assert_false(back.sandbox->binds[0].optional);
    assert_string_equal(back.sandbox->hide[0], "/data/state");
    assert_string_equal(back.sandbox->user, "ana");
    assert_true(back.sandbox->network);
    peri_buf_free(&text);
    static const char *const bad[] = {
        "[]",
        "{\"binds\":[{\"from\":\"/a/../b\",\"to\":\"/c\"}]}",
        "{\"binds\":[{\"from\":\"/a\",\"to\":\"c\"}]}",
        "{\"binds\":[{\"from\":\"/a\",\"to\":\"/c\",\"path\":\"../x\"}]}",
        "{\"binds\":[{\"from\":\"/a\",\"to\":\"/c\",\"path\":\"/x\"}]}",
        "{\"binds\":[{\"from\":\"/a\",\"to\":\"/c/\"}]}",
        "{\"binds\":[{\"from\":\"/a\",\"to\":\"/c\",\"write\":1}]}",
        "{\"binds\":{}}",
        "{\"read\":[\"/\"]}",
        "{\"read\":[\"/a//b\"]}",
        "{\"hide\":[5]}",
        "{\"home\":\".\"}",
        "{\"user\":\"a:0\"}",
        "{\"user\":\"a\\nroot:x:0:0\"}",
        "{\"network\":\"yes\"}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        json_t *o = json_loads(bad[i], 0, NULL);
        assert_non_null(o);
        if (peri_launch_sandbox_read(o, arena, &err)) fail_msg("taken: %s", bad[i]);
        assert_int_equal(err.code, PERI_EFORMAT);
        json_decref(o);
    }
    peri_arena_free(arena);
}

/* ---- the filter ---- */

#define CHECK(n, call, e)                                                                \
    do {                                                                                 \
        errno = 0;                                                                       \
        if ((long)(call) >= 0 || errno != (e)) _exit(n);                                 \
    } while (0)

static _Noreturn void filtered(void)
{
    int pty = posix_openpt(O_RDWR | O_NOCTTY);
    char byte = 'x';
    if (peri_sandbox_filter()) _exit(1);
    CHECK(2, syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0), EPERM);
    CHECK(3, syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0),
          EPERM);
    CHECK(4, mount("none", "/tmp", "tmpfs", 0, NULL), EPERM);
    CHECK(5, syscall(SYS_bpf, 0, NULL, 0), EPERM);
    CHECK(6, syscall(SYS_userfaultfd, 0), EPERM);
    CHECK(7, syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0), EPERM);
    CHECK(8, ioctl(pty, TIOCSTI, &byte), EPERM);
    CHECK(9, unshare(CLONE_NEWUSER), EPERM);
    CHECK(10, syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM);
    CHECK(11, syscall(SYS_clone3, NULL, 0), ENOSYS);
    CHECK(12, syscall(SYS_io_uring_setup, 1, NULL), ENOSYS);
    CHECK(13, socket(40 /* AF_VSOCK */, SOCK_STREAM, 0), EAFNOSUPPORT);
    CHECK(14, socket(AF_PACKET, SOCK_RAW, 0), EAFNOSUPPORT);
    CHECK(15, setns(0, 0), EPERM);
    CHECK(16, syscall(SYS_open_by_handle_at, 0, NULL, 0), EPERM);
    CHECK(17, ioctl(pty, 0xffffffff00000000ul | TIOCSTI, &byte), EPERM);
    /* and nothing of what programs do */
    if (socket(AF_UNIX, SOCK_STREAM, 0) < 0 || socket(AF_INET, SOCK_STREAM, 0) < 0 ||
        socket(AF_INET6, SOCK_STREAM, 0) < 0 || socket(AF_NETLINK, SOCK_RAW, 0) < 0)
        _exit(20);
    struct winsize size;
    if (ioctl(pty, TIOCGWINSZ, &size)) _exit(21);
    pid_t pid = fork();
    if (pid == 0) _exit(7);
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7) _exit(22);
    _exit(0);
}

static void filter(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) filtered();
    assert_int_equal(place_wait(pid), 0);
}

/* ---- programs ---- */

static bool can(void)
{
    peri_err_t err;
    if (access(launcher(), X_OK) == 0 && peri_sandbox_probe(&err) == 0) return true;
    print_message("SKIP: no sandbox can be made here\n");
    return false;
}

static void walled(place_t *p, const char *text, const peri_sandbox_t *s)
{
    place_open(p);
    p->l.sandbox = s;
    place_sh(p, text);
    place_run(p);
}

/* Nothing of ours is in the environment, nothing of the user's in that of bubblewrap. */
static void environment(void **state)
{
    (void)state;
    static const peri_sandbox_t s = {.user = "ana", .home = "/volumes"};
    const peri_env_t env[] = {{"MINE", "1"}, {"LD_PRELOAD", "/no/such.so"}};
    place_t p;
    if (!can()) skip();
    setenv("PERIGEE_TEST_SECRET", "yes", 1);
    place_open(&p);
    p.l.sandbox = &s;
    p.l.env = env;
    p.l.nenv = 2;
    place_sh(&p,
             "echo $MINE-$PERIGEE_TEST_SECRET-$HOME-$USER; id -un; cat /proc/1/environ");
    place_run(&p);
    unsetenv("PERIGEE_TEST_SECRET");
    assert_true(p.has_exit);
    assert_string_equal(place_file(&p, "stdout"), "1--/volumes-ana\nana\n");
    /* ld.so complains in the program only, once for each of the three */
    const char *s1 = strstr(place_file(&p, "stderr"), "LD_PRELOAD");
    assert_non_null(s1);
    assert_null(strstr(place_file(&p, "stderr"), "bwrap"));
    place_close(&p);
}

/* What leaves its session and ignores signals ends with the sandbox, also if that is
 * killed from outside. */
static void nothing_is_left(void **state)
{
    (void)state;
    static const char text[] =
        "setsid sh -c 'trap \"\" TERM HUP; echo $$ > daemon; exec env -i sleep 1000' "
        "> /dev/null 2>&1 & while [ ! -s daemon ]; do sleep 0.01; done; "
        "echo $$ > ready; sleep 1000";
    place_t p;
    if (!can()) skip();
    setenv("TEST_SANDBOX", "1", 1);
    place_open(&p);
    place_sh(&p, text);
    place_write(&p);
    pid_t pid = place_start(&p, NULL);
    pid_t program = await_pid(&p, "ready");
    assert_true(program > 0 && is_alive(program));
    kill(pid, SIGKILL);
    assert_int_equal(place_wait(pid), 1000 + SIGKILL);
    assert_true(await_death(program));
    for (int i = 0; i < 500 && place_lives(&p); i++) poll(NULL, 0, 10);
    assert_false(place_lives(&p));
    unsetenv("TEST_SANDBOX");
    place_close(&p);
}

/* A folder that becomes a link after it was opened: whatever bubblewrap finds there is
 * compared before anything runs. Swapped as fast as this goes, often. */
static void swapped(void **state)
{
    (void)state;
    tree_t t;
    place_t p;
    if (!can()) skip();
    tree_open(&t);
    char *sub = in_tree(&t, "vol/sub"), *aside = in_tree(&t, "vol/aside");
    assert_int_equal(peri_file_write_atomic(in_tree(&t, "other/secret"), "x", 1, NULL),
                     0);
    assert_int_equal(symlink("../other", aside), 0);
    assert_int_equal(chmod(t.root, 0755) | chmod(in_tree(&t, "other"), 0755), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) syscall(SYS_renameat2, AT_FDCWD, sub, AT_FDCWD, aside, 2 /* exchange */);
    }
    const peri_bind_t bind = {
        .from = in_tree(&t, "vol"), .path = "sub", .to = "/volumes/a/v"};
    const peri_sandbox_t s = {.binds = &bind, .nbinds = 1};
    int ran = 0, refused = 0;
    for (int i = 0; i < 30; i++) {
        walled(&p, "test ! -e /volumes/a/v/secret", &s);
        assert_true(p.has_exit);
        if (p.exit.exit == PERI_EXIT_DONE && p.exit.code == 0)
            ran++;
        else if (p.exit.exit == PERI_EXIT_FAULT)
            refused++;
        else
            fail_msg("%d %d %s", p.exit.exit, p.exit.code, p.exit.text);
        place_close(&p);
    }
    kill(pid, SIGKILL);
    place_wait(pid);
    print_message("%d ran, %d refused\n", ran, refused);
    assert_true(refused > 0);
    tree_close(&t);
}

static void gone_folder(void **state)
{
    (void)state;
    static const peri_bind_t bind = {.from = "/no/such", .to = "/volumes/ana/persistent"};
    static const peri_sandbox_t s = {.binds = &bind, .nbinds = 1};
    place_t p;
    if (!can()) skip();
    walled(&p, "echo ran", &s);
    place_expect(&p, PERI_EXIT_FAULT,
                 "/volumes/ana/persistent cannot be shown to the job");
    assert_string_equal(place_file(&p, "stdout"), "");
    place_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),       cmocka_unit_test(folders),
        cmocka_unit_test(special),     cmocka_unit_test(order_and_absent),
        cmocka_unit_test(json),        cmocka_unit_test(filter),
        cmocka_unit_test(environment), cmocka_unit_test(nothing_is_left),
        cmocka_unit_test(swapped),     cmocka_unit_test(gone_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
