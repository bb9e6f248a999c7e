/* test_dataset.c - descriptors: the example of the documentation, every mistake with its
 * place, random damage, and the catalogue.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/table/dataset.h"

#ifndef PERIGEE_SOURCE_DIR
#define PERIGEE_SOURCE_DIR "."
#endif

static peri_err_t err;
static char folder[] = "/tmp/perigee-dataset-XXXXXX";

static peri_dataset_t *parse(const char *text)
{
    err = (peri_err_t){0};
    return peri_dataset_parse(text, strlen(text), "f.yaml", "/nonexistent", &err);
}

/* The first ```yaml block of docs/dataset.md. */
static char *example(void)
{
    char *path = peri_xasprintf("%s/docs/dataset.md", PERIGEE_SOURCE_DIR), *all;
    size_t len;
    if (peri_file_slurp(path, 1 << 20, &all, &len, &err) < 0) fail_msg("%s", err.text);
    free(path);
    char *start = strstr(all, "```yaml\n");
    assert_non_null(start);
    start += strlen("```yaml\n");
    char *end = strstr(start, "```");
    assert_non_null(end);
    char *text = strndup(start, (size_t)(end - start));
    free(all);
    return text;
}

#define TABLES "tables: {t: {files: a.h5, path: /a}}\n"

static void for_a_portal(void **state)
{
    (void)state;
    peri_dataset_t *d = parse("name: a\n" TABLES);
    assert_non_null(d);
    assert_false(d->is_private);
    assert_null(d->folder);
    assert_int_equal(d->nteams + d->nqueries, 0);
    peri_dataset_free(d);
    d = parse(
        "name: a\naccess: private\nfolder: files\nqueries: {One: SELECT 1}\n" TABLES);
    assert_non_null(d);
    assert_true(d->is_private);
    assert_string_equal(d->folder, "/nonexistent/files");
    assert_string_equal(d->queries[0].title, "One");
    assert_string_equal(d->queries[0].sql, "SELECT 1");
    peri_dataset_free(d);
    d = parse("name: a\naccess: [mhd, halos]\n" TABLES);
    assert_non_null(d);
    assert_true(d->is_private);
    assert_int_equal(d->nteams, 2);
    assert_string_equal(d->teams[1], "halos");
    peri_dataset_free(d);
    static const char *const wrong[][2] = {
        {"access: secret\n", "public, private, or a list of teams"},
        {"access: {mhd: yes}\n", "public, private, or a list of teams"},
        {"access: [[a]]\n", "access"},
        {"queries: {One: }\n", "no SQL"},
        {"queries: SELECT\n", "queries"},
        {"folder: [a]\n", "folder"}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char *text = peri_xasprintf("name: a\n%s" TABLES, wrong[i][0]);
        assert_null(parse(text));
        if (!strstr(err.text, wrong[i][1])) fail_msg("%s", err.text);
        free(text);
    }
}

static void the_documented_example(void **state)
{
    (void)state;
    char *text = example();
    peri_dataset_t *d = parse(text);
    if (!d) fail_msg("%s", err.text);
    free(text);
    assert_string_equal(d->name, "run64");
    assert_string_equal(d->title, "64^3 dark matter run");
    assert_non_null(strstr(d->description, "24 outputs"));
    assert_string_equal(d->licence, "CC-BY-4.0");
    assert_string_equal(d->contact, "someone@example.org");
    assert_int_equal(d->ntags, 2);
    assert_string_equal(d->tags[1], "dark matter");
    assert_string_equal(d->root, "/nonexistent/gadget4_run64");
    static const char *const names[] = {"particles", "groups",    "subhalos",
                                        "trees",     "treehalos", "z0"};
    assert_int_equal(d->ntables, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(d->tables[i].name, names[i]);
        assert_string_equal(d->tables[i].base, d->root);
        assert_string_equal(d->tables[i].root, d->root);
        assert_int_equal(d->tables[i].nfiles, 1);
        assert_int_equal(d->tables[i].allow_missing, i == 3 || i == 4);
    }
    assert_string_equal(d->tables[0].path, "/PartType1");
    assert_string_equal(d->tables[0].adapter, "gadget-snapshot");
    const peri_tablespec_t *z0 = &d->tables[5];
    assert_null(z0->adapter);
    assert_int_equal(z0->ncolumns, 2);
    assert_int_equal(z0->columns[0].nparts, 3);
    assert_string_equal(z0->columns[0].parts[2], "z");
    assert_string_equal(z0->columns[0].unit, "Mpc/h");
    assert_string_equal(z0->columns[0].ucd, "pos.cartesian");
    assert_string_equal(z0->columns[1].name, "id");
    assert_null(z0->columns[1].unit);
    peri_dataset_free(d);
}

static void mistakes_have_a_place(void **state)
{
    (void)state;
#define T "name: a\ntables:\n  t:\n    files: x.h5\n    path: /g\n"
    static const struct {
        const char *text, *place, *part;
    } cases[] = {
        {"", "f.yaml:1:1:", "empty"},
        {"# nothing\n", "f.yaml:1:1:", "empty"},
        {"- a\n", "f.yaml:1:3:", "mapping"},
        {"just text", "f.yaml:1:1:", "mapping"},
        {"titel: x\n" T, "f.yaml:1:1:", "did you mean \"title\"?"},
        {"qqqqqqqq: x\n" T, "f.yaml:1:1:", "It may have: name"},
        {"tables:\n  t: {files: x, path: /g}\n", "f.yaml:1:1:", "\"name\""},
        {"name: Big\n", "f.yaml:1:7:", "small letter"},
        {"name: [a]\n", "f.yaml:1:8:", "one text"},
        {"name: {}\n", "f.yaml:1:1:", "one text"},
        {"name: a\n", "f.yaml:1:1:", "no tables"},
        {"name: a\ntables: {}\n", "f.yaml:1:1:", "no tables"},
        {"name: a\ntables:\n  t:\n    files: x\n    paht: /g\n",
         "f.yaml:5:5:", "did you mean \"path\"?"},
        {"name: a\ntables:\n  t:\n    files: x\n", "f.yaml:4:5:", "\"path\""},
        {"name: a\ntables:\n  t:\n    path: /g\n", "f.yaml:4:5:", "\"files\""},
        {"name: a\ntables:\n  t:\n", "f.yaml:3:3:", "\"files\" and \"path\""},
        {"name: a\ntables:\n  t:\n    files: []\n    path: /g\n", "f.yaml:4:5:", "empty"},
        {"name: a\ntables:\n  t:\n    files: ['']\n    path: /g\n",
         "f.yaml:4:13:", "empty"},
        {"name: a\ntables:\n  t:\n    files: {a: b}\n    path: /g\n",
         "f.yaml:4:13:", "one text"},
        {"name: a\ntables:\n  t:\n    files: x\n    path: g\n",
         "f.yaml:5:11:", "start with /"},
        {"name: a\ntables:\n  T-1:\n    files: x\n", "f.yaml:3:3:", "small letter"},
        {T "    allow_missing: maybe\n", "f.yaml:6:20:", "true or false"},
        {T "    columns: [a]\n", "f.yaml:6:15:", "mapping"},
        {T "    columns:\n      c: {nme: x}\n", "f.yaml:7:11:", "did you mean \"name\"?"},
        {T "    columns:\n      c: {name: x, parts: [a]}\n", "f.yaml:7:28:", "not both"},
        {T "    columns:\n      c: {parts: ['']}\n", "f.yaml:7:19:", "empty"},
        {T "sources: x\n", "f.yaml:6:10:", "list"},
        {T "storage: /x\n", "f.yaml:6:10:", "list"},
        {T "storage: []\n", "f.yaml:6:1:", "1 to"},
        {T "storage:\n  - {folder: /x}\n", "f.yaml:7:6:", "\"on\""},
        {T "storage:\n  - {on: nodes}\n", "f.yaml:7:6:", "\"folder\""},
        {T "storage:\n  - {folder: x, on: nodes}\n", "f.yaml:7:14:", "absolute"},
        {T "storage:\n  - {folder: /, on: nodes}\n", "f.yaml:7:14:", "below /"},
        {T "storage:\n  - {folder: /x, on: node}\n", "f.yaml:7:22:", "\"nodes\""},
        {T "storage:\n  - {folder: /x, at: nodes}\n", "f.yaml:7:18:", "\"at\""},
        {T "storage:\n  - {folder: /x, on: nodes}\n  - {folder: /x/, on: shared}\n",
         "f.yaml:8:14:", "already"},
        {T "root: /x\nstorage:\n  - {folder: /x, on: nodes}\n",
         "f.yaml:6:7:", "not both"},
        {T "sources:\n  - files: x\n", "f.yaml:7:5:", "\"format\""},
        {T "sources:\n  - {format: gadget-grops, files: x}\n",
         "f.yaml:7:14:", "did you mean \"gadget-groups\"?"},
        {T "sources:\n  - {format: gadget-groups}\n", "f.yaml:7:6:", "\"files\""},
        {T "sources:\n  - {format: gadget-groups, files: x, tables: [group]}\n",
         "f.yaml:7:48:", "did you mean \"groups\"?"},
        {T "sources:\n  - {format: gadget-groups, files: x, tables: {groups: t}}\n",
         "f.yaml:3:3:", "already"},
        {"name: a\nname: b\n", "f.yaml:2:", "not valid YAML"},
        {"name: a\n  bad: [\n", "f.yaml:", "not valid YAML"},
        {"name: 'a\n", "f.yaml:", "not valid YAML"},
        {"a: &x 1\nb: *x\n", "f.yaml:2:5:", "aliases"},
        {"a: !!int 1\n", "f.yaml:1:", "tags"},
        {T "---\nname: b\n", "f.yaml:1:1:", "more than one"},
        {"name: \"a\\0b\"\n", "f.yaml:1:", "NUL"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        peri_dataset_t *d = parse(cases[i].text);
        if (d) fail_msg("accepted: %s", cases[i].text);
        if (strncmp(err.text, cases[i].place, strlen(cases[i].place)) != 0 ||
            !strstr(err.text, cases[i].part))
            fail_msg("for:\n%s\nwanted: %s ... %s\ngot: %s", cases[i].text,
                     cases[i].place, cases[i].part, err.text);
        assert_int_equal(err.code, PERI_EINVAL);
    }
    assert_null(peri_dataset_parse("name: a\0b", 9, "f.yaml", NULL, &err));
    assert_null(peri_dataset_parse("name: \xff\xfe", 8, "f.yaml", NULL, &err));
    char *large = calloc(1, (1 << 20) + 2);
    memset(large, '#', (1 << 20) + 1);
    assert_null(parse(large));
    assert_int_equal(err.code, PERI_ELIMIT);
    free(large);
}

/* Nesting and size must not cost more than their bytes. */
static void hostile_shapes(void **state)
{
    (void)state;
    char *deep = calloc(1, 200001);
    memset(deep, '[', 200000);
    assert_null(parse(deep));
    free(deep);
    char *bomb = calloc(1, 5000);
    strcpy(bomb, "a: &a [x,x,x,x,x,x,x,x]\n");
    for (char c = 'b'; c < 'k'; c++) {
        char line[100];
        snprintf(line, sizeof(line), "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c,
                 c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
        strcat(bomb, line);
    }
    assert_null(parse(bomb));
    free(bomb);
}

static void random_damage(void **state)
{
    (void)state;
    char *text = example();
    size_t len = strlen(text);
    char *copy = malloc(len);
    static const char marks[] = "[]{}:-,&*!|>'\"%@`#? \n\t\\";
    srand(5);
    size_t sound = 0;
    for (int i = 0; i < 4000; i++) {
        memcpy(copy, text, len);
        size_t n = rand() % 4 ? len : (size_t)rand() % len;
        for (int k = rand() % 4; k >= 0; k--)
            copy[(size_t)rand() % len] =
                rand() % 2 ? marks[(size_t)rand() % (sizeof(marks) - 1)] : (char)rand();
        err = (peri_err_t){0};
        peri_dataset_t *d = peri_dataset_parse(copy, n, "f.yaml", "/nonexistent", &err);
        sound += d != NULL;
        assert_true(d || (err.code != PERI_OK && *err.text));
        peri_dataset_free(d);
    }
    assert_true(sound > 0);
    free(copy);
    free(text);
}

/* ---- the catalogue ---- */

static int set_up(void **state)
{
    (void)state;
    peri_h5_init(NULL);
    if (!mkdtemp(folder)) return -1;
    char *path = peri_xasprintf("%s/state", folder);
    setenv("PERIGEE_STATE", path, 1);
    free(path);
    unsetenv("PERIGEE_DATASETS");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char *cmd = peri_xasprintf("rm -rf %s", folder);
    int rc = system(cmd);
    free(cmd);
    return rc;
}

static char *write_file(const char *name, const char *text)
{
    char *path = peri_xasprintf("%s/%s", folder, name);
    assert_int_equal(peri_file_write_atomic(path, text, strlen(text), &err), 0);
    return path;
}

static void adding_makes_the_root_absolute(void **state)
{
    (void)state;
#define TAB "tables: {t: {files: x.h5, path: /g}}\n"
    static const struct {
        const char *text, *root; /* below the folder */
    } cases[] = {
        {"# a comment\nname: one\n" TAB, ""},
        {"---\nname: one\nroot: .\n" TAB, ""},
        {"name: one\nroot: sub/dir   # here\n" TAB, "/sub/dir"},
        {"name: one\nroot: 'sub/d i r'\n" TAB, "/sub/d i r"},
        {"root: \"sub/\\u00e4\"\nname: one\n" TAB, "/sub/\xc3\xa4"},
        {"name: one\nroot:\n" TAB, NULL},
        {"{name: one, tables: {t: {files: x.h5, path: /g}}}", ""},
        {"{\"name\": \"one\", \"root\": \"sub\", \"tables\": {\"t\": {\"files\": \"x\", "
         "\"path\": \"/g\"}}}",
         "/sub"},
        {"\"name\": one\n" TAB, ""},
        {"root: >-\n  sub/\n  folded\nname: one\n" TAB, NULL},
    };
    char real[4096];
    assert_non_null(realpath(folder, real));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *path = write_file("one.yaml", cases[i].text), *name = NULL;
        peri_dataset_t *before = peri_dataset_load(path, &err);
        if (!before) fail_msg("%s", err.text);
        int rc = peri_catalog_add(path, true, &name, &err);
        free(path);
        if (rc < 0) { /* a clear refusal is fine where the text is unusual */
            if (cases[i].root) fail_msg("%s: %s", cases[i].text, err.text);
            assert_non_null(strstr(err.text, "root: "));
            peri_dataset_free(before);
            continue;
        }
        assert_string_equal(name, "one");
        peri_dataset_t *d = peri_catalog_find("one", &err);
        if (!d) fail_msg("%s: %s", cases[i].text, err.text);
        assert_string_equal(d->root, before->root);
        if (cases[i].root) {
            char *want = peri_xasprintf("%s%s", real, cases[i].root);
            if (strcmp(d->root, want) != 0) fail_msg("%s: %s", cases[i].text, d->root);
            free(want);
        }
        peri_dataset_free(d);
        peri_dataset_free(before);
        free(name);
    }
    assert_int_equal(peri_catalog_remove("one", &err), 0);
}

static void storages_stay_as_they_are(void **state)
{
    (void)state;
    char *path = write_file("two.yaml", "name: two\nstorage:\n"
                                        "  - {folder: /local/x/, on: nodes}\n"
                                        "  - {folder: /all/x, on: shared}\n" TAB);
    if (peri_catalog_add(path, true, NULL, &err)) fail_msg("%s", err.text);
    peri_dataset_t *d = peri_catalog_find("two", &err);
    if (!d) fail_msg("%s", err.text);
    assert_int_equal(d->nstorages, 2);
    assert_string_equal(d->storages[0].folder, "/local/x");
    assert_true(d->storages[0].on_nodes && !d->storages[1].on_nodes);
    assert_string_equal(d->storages[1].folder, "/all/x");
    assert_string_equal(d->root, "");
    assert_null(d->tables[0].root);
    assert_int_equal(d->tables[0].nstorages, 2);
    assert_true(peri_dataset_on_nodes(d));
    peri_dataset_free(d);
    assert_int_equal(peri_catalog_remove("two", &err), 0);
    free(path);
}

static void add_list_find_remove(void **state)
{
    (void)state;
    char *a = write_file("x.yaml", "name: alpha\n" TAB), *name = NULL;
    char *b = write_file("y.yaml", "name: beta\n" TAB);
    char *bad = write_file("z.yaml", "name: beta\n");
    assert_int_equal(peri_catalog_add(b, false, &name, &err), 0);
    free(name);
    assert_int_equal(peri_catalog_add(a, false, NULL, &err), 0);
    assert_int_equal(peri_catalog_add(a, false, NULL, &err), -1);
    assert_non_null(strstr(err.text, "--replace"));
    assert_int_equal(peri_catalog_add(a, true, NULL, &err), 0);
    assert_int_equal(peri_catalog_add(bad, true, NULL, &err), -1);
    assert_int_equal(peri_catalog_add("/gone.yaml", true, NULL, &err), -1);

    char **names;
    size_t n;
    assert_int_equal(peri_catalog_list(&names, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "alpha");
    assert_string_equal(names[1], "beta");
    peri_catalog_free_names(names, n);

    assert_null(peri_catalog_find("alpah", &err));
    assert_int_equal(err.code, PERI_ENOTFOUND);
    assert_non_null(strstr(err.text, "did you mean alpha?"));
    assert_null(peri_catalog_find("../alpha", &err));
    assert_null(peri_catalog_find("", &err));

    /* A folder of the user's comes first; what is in it cannot be removed here. */
    char *own = peri_xasprintf("%s/own", folder);
    assert_int_equal(peri_mkdirs(own, &err), 0);
    setenv("PERIGEE_DATASETS", own, 1);
    free(write_file("own/gamma.yaml", "name: gamma\n" TAB));
    free(write_file("own/wrong.yaml", "name: right\n" TAB));
    peri_dataset_t *d = peri_catalog_find("gamma", &err);
    assert_non_null(d);
    peri_dataset_free(d);
    assert_null(peri_catalog_find("wrong", &err));
    assert_non_null(strstr(err.text, "right.yaml"));
    assert_int_equal(peri_catalog_remove("gamma", &err), -1);
    assert_int_equal(err.code, PERI_EDENIED);

    /* One descriptor, without its neighbours. */
    char *one = peri_xasprintf("%s/gamma.yaml", own);
    setenv("PERIGEE_DATASETS", one, 1);
    d = peri_catalog_find("gamma", &err);
    assert_non_null(d);
    peri_dataset_free(d);
    assert_null(peri_catalog_find("wrong", &err));
    assert_non_null(strstr(err.text, "no dataset called wrong"));
    assert_int_equal(peri_catalog_list(&names, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_string_equal(names[2], "gamma");
    peri_catalog_free_names(names, n);
    free(one);
    unsetenv("PERIGEE_DATASETS");

    assert_int_equal(peri_catalog_remove("alpha", &err), 0);
    assert_int_equal(peri_catalog_remove("alpha", &err), -1);
    assert_int_equal(peri_catalog_remove("beta", &err), 0);
    free(a);
    free(b);
    free(bad);
    free(own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_example),
        cmocka_unit_test(for_a_portal),
        cmocka_unit_test(mistakes_have_a_place),
        cmocka_unit_test(hostile_shapes),
        cmocka_unit_test(random_damage),
        cmocka_unit_test(adding_makes_the_root_absolute),
        cmocka_unit_test(storages_stay_as_they_are),
        cmocka_unit_test(add_list_find_remove),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
