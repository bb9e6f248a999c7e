/* A folder as a volume, for the tests of portal/storage. */
#ifndef TESTS_UNIT_TEST_STORAGE_VOLUME_H
#define TESTS_UNIT_TEST_STORAGE_VOLUME_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/ops.h"

#define must(call)                                                                       \
    do {                                                                                 \
        peri_err_t e_ = {0};                                                             \
        peri_err_t *err = &e_;                                                           \
        (void)err;                                                                       \
        if ((call) != 0) fail_msg("%s: %s", #call, e_.text);                             \
    } while (0)

#define must_fail(want, call)                                                            \
    do {                                                                                 \
        peri_err_t e_ = {0};                                                             \
        peri_err_t *err = &e_;                                                           \
        if ((call) != -1) fail_msg("%s did not fail", #call);                            \
        if (e_.code != (want)) fail_msg("%s: %d: %s", #call, (int)e_.code, e_.text);     \
        assert_true(strlen(e_.text) > 10);                                               \
    } while (0)

static char vol_dir[64];
static int vol = -1;

static inline int vol_setup_in(const char *folder)
{
    snprintf(vol_dir, sizeof(vol_dir), "%s/peri-volume-XXXXXX", folder);
    assert_non_null(mkdtemp(vol_dir));
    vol = peri_path_open_root(vol_dir, NULL);
    assert_true(vol >= 0);
    return 0;
}

static inline int vol_setup(void **state)
{
    (void)state;
    return vol_setup_in("/tmp");
}

/* In memory where there is such a place: for many files. */
static inline int vol_setup_fast(void **state)
{
    (void)state;
    return vol_setup_in(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static inline int vol_teardown(void **state)
{
    (void)state;
    close(vol);
    peri_folder_sweep(vol_dir);
    return 0;
}

static inline void vol_write(const char *path, const char *text)
{
    int fd = openat(vol, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(peri_ops_write_all(fd, text, strlen(text)), 0);
    close(fd);
}

/* Its text, or "(none)". */
static inline const char *vol_read(const char *path)
{
    static char text[256];
    int fd = openat(vol, path, O_RDONLY);
    if (fd < 0) return "(none)";
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

static inline bool vol_has(const char *path)
{
    return faccessat(vol, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline peri_amount_t vol_amount(const char *path)
{
    peri_amount_t a;
    bool whole;
    must(peri_ops_amount(vol, path, 0, NULL, &a, &whole, err));
    return a;
}

#endif
