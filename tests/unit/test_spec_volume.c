/* test_spec_volume.c - the volumes and the output of a job spec, as they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "jobs/spec/spec.h"

static peri_spec_t *parse(const char *more, peri_err_t *err)
{
    char *json = peri_xasprintf("{\"kind\":\"sql\",\"sql\":\"SELECT 1\",%s}", more);
    peri_spec_t *s = peri_spec_parse(json, strlen(json), "/volumes/ana", err);
    free(json);
    return s;
}

static void taken(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_spec_t *s =
        parse("\"volumes\":[\"persistent\",\"bob/data:ro\",\"team:mhd/files:rw\","
              "\"data:/tng\",\"scratch:ro\"],\"output\":\"persistent:a/b/\","
              "\"output_overwrite\":true",
              &err);
    if (!s) fail_msg("%s", err.text);
    static const peri_volumename_t want[] = {{NULL, "persistent", false, NULL},
                                             {"bob", "data", true, NULL},
                                             {"team:mhd", "files", false, NULL},
                                             {"data:", "tng", false, NULL},
                                             {NULL, "scratch", true, NULL}};
    assert_int_equal(s->nvolumes, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(s->volumes[i].name, want[i].name);
        assert_int_equal(s->volumes[i].read_only, want[i].read_only);
        assert_int_equal(!s->volumes[i].owner, !want[i].owner);
        if (want[i].owner) assert_string_equal(s->volumes[i].owner, want[i].owner);
    }
    assert_null(s->output.owner);
    assert_string_equal(s->output.name, "persistent");
    assert_string_equal(s->output.path, "a/b");
    assert_true(s->output_overwrite);
    peri_spec_free(s);

    s = parse("\"volumes\":[],\"output\":\"team:mhd/files:\"", &err);
    if (!s) fail_msg("%s", err.text);
    assert_true(s->has_volumes);
    assert_int_equal(s->nvolumes, 0);
    assert_string_equal(s->output.owner, "team:mhd");
    assert_string_equal(s->output.path, "");
    assert_false(s->output_overwrite);
    peri_spec_free(s);

    s = parse("\"priority\":1", &err);
    assert_false(s->has_volumes);
    assert_null(s->output.name);
    peri_spec_free(s);
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *more, *says;
    } cases[] = {{"\"volumes\":\"persistent\"", "at /volumes"},
                 {"\"volumes\":[1]", "at /volumes/0"},
                 {"\"volumes\":[\"\"]", "is not a volume"},
                 {"\"volumes\":[\"a/b/c\"]", "is not a volume"},
                 {"\"volumes\":[\"../b\"]", "is not a volume"},
                 {"\"volumes\":[\"a/..\"]", "is not a volume"},
                 {"\"volumes\":[\"a/b:x\"]", "is not a volume"},
                 {"\"volumes\":[\"team:/b\"]", "is not a volume"},
                 {"\"volumes\":[\"a\\nb\"]", "is not a volume"},
                 {"\"volumes\":[\"b\",\"b:ro\"]", "is the same volume as /volumes/0"},
                 {"\"output\":\"persistent\"", "is not a folder of a volume"},
                 {"\"output\":\"/abs\"", "is not a folder of a volume"},
                 {"\"output\":\"persistent:/abs\"", "no part . or .."},
                 {"\"output\":\"persistent:../x\"", "no part . or .."},
                 {"\"output\":\"persistent:a//b\"", "no part . or .."},
                 {"\"output\":\"persistent:a/./b\"", "no part . or .."},
                 {"\"output_overwrite\":true", "needs \"output\""},
                 {"\"output\":5", "at /output"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        peri_err_t err = {0};
        peri_spec_t *s = parse(cases[i].more, &err);
        if (s || !strstr(err.text, cases[i].says))
            fail_msg("%s: %s", cases[i].more, s ? "taken" : err.text);
    }
    char many[2048] = "\"volumes\":[";
    for (int i = 0; i < 65; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "%s\"v%d\"",
                 i ? "," : "", i);
    peri_err_t err = {0};
    assert_null(parse(strcat(many, "]"), &err));
    assert_non_null(strstr(err.text, "at most 64"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(taken),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
