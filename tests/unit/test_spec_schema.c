/* test_spec_schema.c - the published schema and the examples say what the parser does.
 *
 * The schema's properties are the parser's keys, with the same types; its lists of words
 * and its limits are the parser's, which is asked for each of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/out/writer.h"
#include "jobs/spec/spec_private.h"

static json_t *schema;

static int load_schema(void **state)
{
    (void)state;
    json_error_t at;
    schema = json_load_file(PERIGEE_SOURCE_DIR "/docs/job-spec.schema.json",
                            JSON_REJECT_DUPLICATES, &at);
    if (!schema) print_error("job-spec.schema.json:%d: %s\n", at.line, at.text);
    return schema ? 0 : -1;
}

static int free_schema(void **state)
{
    (void)state;
    json_decref(schema);
    return 0;
}

static json_t *def(const char *name)
{
    json_t *d = json_object_get(json_object_get(schema, "$defs"), name);
    if (!d) fail_msg("the schema has no \"%s\"", name);
    return d;
}

static unsigned one_type(const char *name)
{
    static const struct {
        const char *name;
        unsigned type;
    } types[] = {{"string", PERI_J_TEXT},
                 {"integer", PERI_J_INT},
                 {"object", PERI_J_OBJECT},
                 {"array", PERI_J_ARRAY},
                 {"boolean", PERI_J_BOOL}};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (!strcmp(name, types[i].name)) return types[i].type;
    return 0;
}

/* The types that the schema of one value names, through "$ref" and "enum". */
static unsigned types_of(const json_t *v)
{
    const char *ref = json_string_value(json_object_get(v, "$ref"));
    if (ref) return types_of(def(strrchr(ref, '/') + 1));
    const json_t *type = json_object_get(v, "type"), *one;
    if (json_is_string(type)) return one_type(json_string_value(type));
    unsigned all = 0;
    size_t i;
    json_array_foreach(type, i, one) all |= one_type(json_string_value(one));
    return all;
}

/* The same keys and types. skip: keys of all steps, which a kind only narrows. */
static void same_keys(const peri_keys_t *keys, const char *const *defs, size_t ndefs,
                      const peri_keys_t *skip)
{
    for (size_t d = 0; d < ndefs; d++) {
        const char *key;
        json_t *v;
        json_object_foreach(json_object_get(def(defs[d]), "properties"), key, v)
        {
            if (skip && peri_keys_has(skip, key)) continue;
            if (!peri_keys_has(keys, key))
                fail_msg("the schema's %s has \"%s\", the parser has not", defs[d], key);
        }
    }
    for (size_t i = 0; i < keys->n; i++) {
        const json_t *v = NULL;
        for (size_t d = 0; d < ndefs && !v; d++)
            v = json_object_get(json_object_get(def(defs[d]), "properties"),
                                keys->keys[i].name);
        if (!v) fail_msg("the schema's %s lacks \"%s\"", defs[0], keys->keys[i].name);
        if (types_of(v) != keys->keys[i].types)
            fail_msg("\"%s\": types %x in the schema, %x in the parser",
                     keys->keys[i].name, types_of(v), keys->keys[i].types);
    }
}

static void keys(void **state)
{
    (void)state;
    static const struct {
        const peri_keys_t *keys;
        const char *def;
    } tables[] = {{&peri_keys_job, "job"},
                  {&peri_keys_graph, "graph"},
                  {&peri_keys_step, "step"},
                  {&peri_keys_stepname, "stepName"},
                  {&peri_keys_resources, "resources"},
                  {&peri_keys_warn, "warn"},
                  {&peri_keys_after, "after"}};
    static const char *const arrays[] = {"arrayRange", "arrayIndexes", "arrayParameters"};
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        same_keys(tables[i].keys, &tables[i].def, 1, NULL);
    same_keys(&peri_keys_array, arrays, 3, NULL);
    for (size_t i = 0; i < peri_nkinds; i++) {
        const char *const defs[] = {peri_kinds[i]->name, "rows"};
        const bool rows = peri_keys_has(&peri_kinds[i]->keys, "into");
        same_keys(&peri_kinds[i]->keys, defs, rows ? 2 : 1, &peri_keys_step);
    }
}

static const json_t *property(const char *in, const char *key)
{
    return json_object_get(json_object_get(def(in), "properties"), key);
}

/* The enum of a property is this list. */
static void same_words(const char *in, const char *key, const char *const *words,
                       size_t n)
{
    const json_t *list = json_object_get(property(in, key), "enum");
    assert_int_equal(json_array_size(list), n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(json_string_value(json_array_get(list, i)), words[i]);
}

static void words(void **state)
{
    (void)state;
    const char *list[32];
    size_t n = 0;
    for (size_t i = 0; i < peri_nkinds; i++) list[n++] = peri_kinds[i]->name;
    same_words("step", "kind", list, n);
    n = 0;
    for (size_t i = 0; i < peri_nrowformats; i++) list[n++] = peri_rowformats[i].name;
    same_words("rows", "format", list, n);

    const json_t *v, *signals = json_object_get(property("warn", "signal"), "enum");
    size_t i;
    assert_int_equal(json_array_size(signals), 2 * peri_nsignal_names);
    json_array_foreach(signals, i, v)
        assert_int_not_equal(peri_signal_number(json_string_value(v)), 0);
}

/* perigee query knows the formats, and tells them from the same endings. */
static void formats(void **state)
{
    (void)state;
    peri_format_t f, g;
    peri_err_t err = {0};
    for (size_t i = 0; i < peri_nrowformats; i++) {
        assert_int_equal(peri_format_parse(peri_rowformats[i].name, &f, &err), 0);
        char *copy = peri_xstrdup(peri_rowformats[i].endings), *rest = copy, *word;
        while ((word = strtok_r(rest, " ", &rest))) {
            char path[64];
            snprintf(path, sizeof(path), "/x/y%s", word);
            assert_int_equal(peri_format_from_path(path, &g, &err), 0);
            assert_int_equal(f, g);
        }
        free(copy);
        char path[64];
        snprintf(path, sizeof(path), "x%s", peri_rowformats[i].ending);
        assert_int_equal(peri_format_from_path(path, &g, &err), 0);
        assert_int_equal(f, g);
    }
    assert_int_equal(peri_format_parse("csvx", &f, &err), -1);
    assert_true(strstr(err.text, "one of table, csv, tsv") != NULL);
    /* No format that we do not know. */
    const char *last = strrchr(err.text, ' ') + 1;
    assert_string_equal(last, peri_rowformats[peri_nrowformats - 1].name);
}

/* Of a kernel: taken, one more is not. */
static void takes_at_most(json_t *parameters, bool taken)
{
    peri_err_t err = {0};
    json_t *o = json_pack("{s:s, s:s, s:s, s:O}", "kind", "kernel", "kernel", "fof",
                          "input", "a.b", "parameters", parameters);
    char *text = json_dumps(o, 0);
    peri_spec_t *s = peri_spec_parse(text, strlen(text), NULL, &err);
    if ((s != NULL) != taken) fail_msg("%.200s: %s", text, err.text);
    peri_spec_free(s);
    free(text);
    json_decref(o);
}

static void most_parameters(json_int_t n)
{
    json_t *o = json_object();
    for (json_int_t i = 0; i <= n; i++) {
        char name[32];
        if (i == n) takes_at_most(o, true);
        snprintf(name, sizeof(name), "p%d", (int)i);
        json_object_set_new(o, name, json_true());
    }
    takes_at_most(o, false);
    json_decref(o);
}

static void most_numbers(json_int_t n)
{
    json_t *list = json_array(), *o = json_pack("{s:O}", "radii", list);
    for (json_int_t i = 0; i < n; i++) json_array_append_new(list, json_real(0.1));
    takes_at_most(o, true);
    json_array_append_new(list, json_real(0.1));
    takes_at_most(o, false);
    json_decref(list);
    json_decref(o);
}

/* Numbers that the schema calls the smallest and the largest: taken; one more: refused.
 */
static void limits(void **state)
{
    (void)state;
    static const struct {
        const char *def, *key, *format;
    } numbers[] = {
        {"job", "priority", "{\"kind\":\"sql\",\"sql\":\"x\",\"priority\":%lld}"},
        {"resources", "threads",
         "{\"kind\":\"sql\",\"sql\":\"x\",\"resources\":{\"threads\":%lld}}"},
        {"resources", "ranks",
         "{\"kind\":\"sql\",\"sql\":\"x\",\"resources\":{\"ranks\":%lld}}"},
        {"resources", "nodes",
         "{\"kind\":\"sql\",\"sql\":\"x\",\"resources\":{\"nodes\":%lld}}"},
        {"resources", "memory",
         "{\"kind\":\"sql\",\"sql\":\"x\",\"resources\":{\"memory\":%lld}}"},
        {"resources", "time",
         "{\"kind\":\"sql\",\"sql\":\"x\",\"resources\":{\"time\":%lld}}"},
        {"warn", "before", "{\"kind\":\"sql\",\"sql\":\"x\",\"warn\":{\"before\":%lld}}"},
        {"arrayRange", "from",
         "{\"kind\":\"sql\",\"sql\":\"x\",\"array\":{\"from\":%lld,\"to\":999999,"
         "\"by\":999999}}"},
        {"arrayRange", "to",
         "{\"kind\":\"sql\",\"sql\":\"x\",\"array\":{\"to\":%lld,\"by\":999}}"},
        {"arrayRange", "by",
         "{\"kind\":\"sql\",\"sql\":\"x\",\"array\":{\"to\":9,\"by\":%lld}}"},
        {"arrayRange", "parallel",
         "{\"kind\":\"sql\",\"sql\":\"x\",\"array\":{\"to\":9,\"parallel\":%lld}}"},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        const json_t *p = property(numbers[i].def, numbers[i].key);
        long long min = json_integer_value(json_object_get(p, "minimum"));
        long long max = json_integer_value(json_object_get(p, "maximum"));
        const struct {
            long long value;
            bool good;
        } tries[] = {{min, true}, {max, true}, {min - 1, false}, {max + 1, false}};
        for (size_t k = 0; k < 4; k++) {
            char json[256];
            peri_err_t err = {0};
            snprintf(json, sizeof(json), numbers[i].format, tries[k].value);
            peri_spec_t *s = peri_spec_parse(json, strlen(json), NULL, &err);
            if ((s != NULL) != tries[k].good) fail_msg("%s: %s", json, err.text);
            peri_spec_free(s);
        }
    }
    const json_t *steps = property("graph", "steps");
    assert_int_equal(json_integer_value(json_object_get(steps, "maxItems")),
                     PERI_STEPS_MAX);
    assert_int_equal(
        json_integer_value(json_object_get(property("script", "command"), "maxItems")),
        PERI_WORDS_MAX);
    const json_t *parameters = property("kernel", "parameters");
    const json_t *value = json_object_get(parameters, "additionalProperties");
    most_parameters(json_integer_value(json_object_get(parameters, "maxProperties")));
    most_numbers(json_integer_value(json_object_get(value, "maxItems")));
}

/* ---- examples, and those of the guide ---- */

static void examples(void **state)
{
    (void)state;
    DIR *d = opendir(PERIGEE_SOURCE_DIR "/examples/jobs");
    assert_non_null(d);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        size_t len = strlen(e->d_name), size;
        if (len < 6 || strcmp(e->d_name + len - 5, ".json")) continue;
        char *path = peri_xasprintf("%s/examples/jobs/%s", PERIGEE_SOURCE_DIR, e->d_name),
             *text;
        peri_err_t err = {0};
        assert_int_equal(peri_file_slurp(path, PERI_SPEC_MAX, &text, &size, &err), 0);
        peri_spec_t *s = peri_spec_parse(text, size, "/home/ana", &err);
        if (!s) fail_msg("%s: %s", e->d_name, err.text);
        json_t *plan = peri_plan_json(s);
        assert_int_equal(json_array_size(json_object_get(plan, "steps")), s->nsteps);
        json_decref(plan);
        peri_spec_free(s);
        free(text);
        free(path);
        n++;
    }
    closedir(d);
    assert_true(n >= 4);
}

/* Every ```json block of docs/jobs.md that is a whole spec. */
static void guide(void **state)
{
    (void)state;
    char *text;
    size_t len;
    peri_err_t err = {0};
    int n = 0;
    assert_int_equal(
        peri_file_slurp(PERIGEE_SOURCE_DIR "/docs/jobs.md", 1 << 20, &text, &len, &err),
        0);
    for (const char *p = text; (p = strstr(p, "```json\n"));) {
        p += 8;
        const char *end = strstr(p, "```");
        assert_non_null(end);
        peri_spec_t *s = peri_spec_parse(p, (size_t)(end - p), "/home/ana", &err);
        if (!s) fail_msg("%.*s\n%s", (int)(end - p), p, err.text);
        peri_spec_free(s);
        p = end + 3;
        n++;
    }
    assert_true(n >= 5);
    /* Every key is described. */
    const peri_keys_t *const tables[] = {&peri_keys_job,         &peri_keys_graph,
                                         &peri_keys_step,        &peri_keys_resources,
                                         &peri_keys_warn,        &peri_keys_array,
                                         &peri_keys_after,       &peri_kind_sql.keys,
                                         &peri_kind_kernel.keys, &peri_kind_script.keys};
    for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++) {
        for (size_t i = 0; i < tables[t]->n; i++) {
            char word[64];
            snprintf(word, sizeof(word), "`%s`", tables[t]->keys[i].name);
            if (!strstr(text, word)) fail_msg("docs/jobs.md does not describe %s", word);
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),   cmocka_unit_test(words),    cmocka_unit_test(formats),
        cmocka_unit_test(limits), cmocka_unit_test(examples), cmocka_unit_test(guide),
    };
    return cmocka_run_group_tests(tests, load_schema, free_schema);
}
