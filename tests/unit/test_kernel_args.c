/* Arguments of kernels: what is taken, and what each wrong one is told. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/sql/parse.h"
#include "mpi/builtin.h"
#include "mpi/kernel/args.h"
#include "mpi/kernel/registry.h"

static int no_run(peri_run_t *run, peri_err_t *err)
{
    (void)run;
    return peri_err_set(err, PERI_EINTERNAL, "not run here");
}

static const peri_param_t params[] = {
    {.name = "b",
     .type = PERI_PARAM_FLOAT,
     .preset = "0.2",
     .min = 0,
     .max = 10,
     .above_min = true,
     .help = "Length."},
    {.name = "n", .type = PERI_PARAM_INT, .min = 1, .max = 100, .help = "Number."},
    {.name = "on", .type = PERI_PARAM_BOOL, .preset = "true", .help = "Whether."},
    {.name = "scheme",
     .type = PERI_PARAM_TEXT,
     .preset = "cic",
     .choices = "ngp|cic|tsc",
     .help = "How."},
    {.name = "radii",
     .type = PERI_PARAM_FLOATS,
     .preset = "[1, 2.5]",
     .min = 0,
     .max = 9,
     .help = "Which."},
    {.name = "file", .type = PERI_PARAM_OUTPUT, .preset = "", .help = "Where."}};
static const peri_input_t inputs[] = {
    {.name = "particles", .help = "All."},
    {.name = "centres", .optional = true, .help = "Some."}};
static const peri_coldef_t columns[] = {{"x", PERI_COL_F64, 1, "", "A number."}};
static const peri_kernel_t kernel = {.abi = PERI_KERNEL_ABI,
                                     .size = sizeof(peri_kernel_t),
                                     .name = "k",
                                     .summary = "s",
                                     .help = "h",
                                     .example = "",
                                     .params = params,
                                     .nparams = 6,
                                     .inputs = inputs,
                                     .ninputs = 2,
                                     .columns = columns,
                                     .ncolumns = 1,
                                     .run = no_run};

static peri_arena_t *arena;

static int make_arena(void **state)
{
    (void)state;
    arena = peri_arena_new();
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    peri_arena_free(arena);
    return 0;
}

static int reads(const char *text, peri_args_t *out, peri_err_t *err)
{
    json_error_t je;
    json_t *o = json_loads(text, JSON_DECODE_ANY, &je);
    assert_non_null(o);
    int rc = peri_args_read(&kernel, o, arena, out, err);
    json_decref(o);
    return rc;
}

static void presets_and_values(void **state)
{
    (void)state;
    peri_args_t a;
    peri_err_t err = {0};
    assert_int_equal(reads("{\"particles\": \"a.b\", \"n\": 3}", &a, &err), 0);
    assert_true(peri_args_find(&a, "b")->number == 0.2);
    assert_false(peri_args_find(&a, "b")->given);
    assert_int_equal(peri_args_find(&a, "n")->integer, 3);
    assert_int_equal(peri_args_find(&a, "on")->integer, 1);
    assert_string_equal(peri_args_find(&a, "scheme")->text, "cic");
    assert_int_equal(peri_args_find(&a, "radii")->n, 2);
    assert_true(peri_args_find(&a, "radii")->list[1] == 2.5);
    assert_false(peri_args_find(&a, "file")->there);
    assert_string_equal(a.inputs[0], "a.b");
    assert_null(a.inputs[1]);

    assert_int_equal(
        reads("{\"particles\": \"a\", \"n\": 4.0, \"radii\": 7, \"on\": false, "
              "\"mass\": 1.5, \"snapnum\": 2, \"file\": \"f\", \"b\": null}",
              &a, &err),
        0);
    assert_int_equal(peri_args_find(&a, "n")->integer, 4);
    assert_int_equal(peri_args_find(&a, "radii")->n, 1);
    assert_int_equal(peri_args_find(&a, "on")->integer, 0);
    assert_string_equal(peri_args_find(&a, "mass")->text, "1.5");
    assert_true(peri_args_find(&a, "file")->given);
    assert_null(peri_args_find(&a, "nothing"));
}

static void wrong_ones(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"n\": 1}", "k needs particles"},
        {"{\"particles\": 3, \"n\": 1}", "particles must name a table"},
        {"{\"particles\": \"a\"}", "n must be given"},
        {"{\"particles\": \"a\", \"n\": 0}", "n = 0 is not possible"},
        {"{\"particles\": \"a\", \"n\": 101}", "at most 100"},
        {"{\"particles\": \"a\", \"n\": 1.5}", "n must be a whole number"},
        {"{\"particles\": \"a\", \"n\": 1e300}", "n must be a whole number"},
        {"{\"particles\": \"a\", \"n\": true}", "n must be a whole number"},
        {"{\"particles\": \"a\", \"n\": 1, \"b\": 0}", "b = 0 is not possible"},
        {"{\"particles\": \"a\", \"n\": 1, \"b\": \"x\"}", "b must be a number"},
        {"{\"particles\": \"a\", \"n\": 1, \"scheme\": \"ci\"}", "ngp|cic|tsc"},
        {"{\"particles\": \"a\", \"n\": 1, \"scheme\": \"\"}", "is not known"},
        {"{\"particles\": \"a\", \"n\": 1, \"radii\": [1, \"x\"]}", "radii must be"},
        {"{\"particles\": \"a\", \"n\": 1, \"radii\": [1, 10]}", "radii = 10"},
        {"{\"particles\": \"a\", \"n\": 1, \"file\": \"\"}", "file is empty"},
        {"{\"particles\": \"a\", \"n\": 1, \"schema\": 1}", "did you mean scheme?"},
        {"{\"particles\": \"a\", \"n\": 1, \"redshift\": -3}", "redshift = -3"},
        {"[]", "are no object"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        peri_args_t a;
        peri_err_t err = {0};
        assert_int_equal(reads(cases[i][0], &a, &err), -1);
        if (!strstr(err.text, cases[i][1])) fail_msg("%s: %s", cases[i][0], err.text);
    }
}

static void ill_made_kernels(void **state)
{
    (void)state;
    peri_err_t err = {0};
    assert_int_equal(peri_kernel_check(&kernel, &err), 0);
    peri_kernel_t k = kernel;
    k.abi = 99;
    assert_int_equal(peri_kernel_check(&k, &err), -1);
    assert_non_null(strstr(err.text, "compile it again"));
    k = kernel;
    k.name = "Upper";
    assert_int_equal(peri_kernel_check(&k, &err), -1);
    k = kernel;
    k.run = NULL;
    assert_int_equal(peri_kernel_check(&k, &err), -1);
    k = kernel;
    k.ninputs = 0;
    assert_int_equal(peri_kernel_check(&k, &err), -1);
    const peri_param_t taken[] = {
        {.name = "box", .type = PERI_PARAM_FLOAT, .preset = "1", .help = "x"}};
    k = kernel;
    k.params = taken;
    k.nparams = 1;
    assert_int_equal(peri_kernel_check(&k, &err), -1);
    assert_non_null(strstr(err.text, "in use"));
    const peri_coldef_t wide[] = {{"x", PERI_COL_F64, 65, "", ""}};
    k = kernel;
    k.columns = wide;
    assert_int_equal(peri_kernel_check(&k, &err), -1);
}

/* May it stand before => in SQL? Reserved words may not. */
static void assert_usable(duckdb_connection con, const char *kernel, const char *name)
{
    peri_err_t err = {0};
    const char *sql = peri_arena_printf(arena, "SELECT * FROM f('a', %s => 1)", name);
    json_t *query = peri_sql_parse(con, sql, &err);
    if (!query) fail_msg("%s, %s: %s", kernel, name, err.text);
    json_decref(query);
}

static void names_in_sql(void **state)
{
    (void)state;
    duckdb_database db;
    duckdb_connection con;
    assert_int_equal(duckdb_open(NULL, &db), DuckDBSuccess);
    assert_int_equal(duckdb_connect(db, &con), DuckDBSuccess);
    peri_registry_t *r = peri_registry_new(peri_builtin_kernels);
    for (size_t i = 0; i < peri_registry_count(r); i++) {
        const peri_kernel_t *k = peri_registry_kernel(r, i);
        for (size_t n = 0; n < k->ninputs; n++)
            assert_usable(con, k->name, k->inputs[n].name);
        for (size_t n = 0; n < k->nparams; n++)
            assert_usable(con, k->name, k->params[n].name);
    }
    for (size_t i = 0; i < peri_nstandard_params; i++)
        assert_usable(con, "standard", peri_standard_params[i].name);
    peri_registry_free(r);
    duckdb_disconnect(&con);
    duckdb_close(&db);
}

/* Every preset of a kernel that comes with Perigee is a value that it takes. */
static void own_kernels(void **state)
{
    (void)state;
    peri_registry_t *r = peri_registry_new(peri_builtin_kernels);
    assert_true(peri_registry_count(r) > 0);
    for (size_t i = 0; i < peri_registry_count(r); i++) {
        const peri_kernel_t *k = peri_registry_kernel(r, i);
        peri_err_t err = {0};
        assert_int_equal(peri_kernel_check(k, &err), 0);
        if (*k->example) /* stands behind perigee run */
            assert_memory_equal(k->example, k->name, strlen(k->name));
        json_t *o = json_object();
        for (size_t n = 0; n < k->ninputs; n++)
            json_object_set_new(o, k->inputs[n].name, json_string("a.b"));
        for (size_t n = 0; n < k->nparams; n++) {
            const peri_param_t *p = &k->params[n];
            if (p->preset) continue;
            json_object_set_new(o, p->name,
                                p->type == PERI_PARAM_TEXT || p->type == PERI_PARAM_OUTPUT
                                    ? json_string("x")
                                    : json_real(fmax(p->min, 1)));
        }
        peri_args_t a;
        if (peri_args_read(k, o, arena, &a, &err)) fail_msg("%s: %s", k->name, err.text);
        json_decref(o);
    }
    peri_registry_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets_and_values), cmocka_unit_test(wrong_ones),
        cmocka_unit_test(ill_made_kernels),   cmocka_unit_test(own_kernels),
        cmocka_unit_test(names_in_sql),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
