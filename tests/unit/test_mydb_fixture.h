/* test_mydb_fixture.h - a schema in a folder of the test's own. */
#ifndef TEST_MYDB_FIXTURE_H
#define TEST_MYDB_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/base/util.h"
#include "core/mydb/private.h"
#include "tests/unit/test_h5_fixture.h"

static inline peri_schema_t db_schema(const char *folder)
{
    static int64_t spent[8];
    static unsigned turn;
    int64_t *mine = &spent[turn++ % 8];
    *mine = 0;
    return (peri_schema_t){.name = "mydb",
                           .folder = folder,
                           .owner = "ana/persistent",
                           .write = true,
                           .left = -1,
                           .quota = -1,
                           .spare = 1000,
                           .spent = mine};
}

/* A folder below the test's that is not there yet. */
static inline const char *db_folder(void)
{
    static char names[32][512];
    static unsigned n;
    char name[32];
    assert_true(n < 32);
    snprintf(name, sizeof(name), "db%u", n);
    snprintf(names[n], sizeof(names[n]), "%s", fx_path(name));
    return names[n++];
}

static inline void db_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* Bytes of a table that need be no HDF5. */
static inline int db_put(const peri_schema_t *s, const char *name, unsigned flags,
                         const char *text, peri_err_t *err)
{
    memset(err, 0, sizeof(*err));
    peri_mydbchange_t *c = peri_mydbchange_new(s, name, flags, err);
    if (!c) return -1;
    db_write(peri_mydbchange_path(c), text);
    int rc = peri_mydbchange_commit(c, err);
    peri_mydbchange_free(c);
    return rc;
}

static inline void db_must_put(const peri_schema_t *s, const char *name, const char *text)
{
    peri_err_t err;
    if (db_put(s, name, 0, text, &err)) fail_msg("%s", err.text);
}

static inline void db_is(const peri_schema_t *s, const char *name, const char *text)
{
    char *path = peri_mydb_path(s, name), *has;
    size_t n;
    peri_err_t err = {0};
    if (peri_file_slurp(path, 1 << 20, &has, &n, &err)) fail_msg("%s", err.text);
    assert_string_equal(has, text);
    free(has);
    free(path);
}

/* Files in the folder whose names have this in them. */
static inline unsigned db_count(const peri_schema_t *s, const char *part)
{
    unsigned n = 0;
    DIR *d = opendir(s->folder);
    for (struct dirent *e; d && (e = readdir(d));) n += strstr(e->d_name, part) != NULL;
    if (d) closedir(d);
    return n;
}

static inline void db_says(const peri_err_t *err, peri_code_t code, const char *part)
{
    if (err->code != code || !strstr(err->text, part))
        fail_msg("code %d, \"%s\": not %d with \"%s\"", (int)err->code, err->text,
                 (int)code, part);
}

#endif
