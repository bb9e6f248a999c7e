/* cmd_run.c - `perigee run NAME INPUT --parameter value`: a kernel by its name. It writes
 * the SQL that calls it and hands that to `perigee query`, so both do the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/kernels.h"
#include "core/base/buf.h"
#include "core/base/util.h"

#define MAX_SQL (1u << 20)

static const char help_text[] =
    "Usage: perigee run NAME INPUT [--PARAMETER VALUE...] [OPTION...]\n"
    "       perigee run NAME --help\n"
    "\n"
    "Runs a kernel, on all cores or with -n RANKS, over a table (dataset.table), over\n"
    "files ('snapdir_023/*.hdf5:/PartType1') or over the rows of a SELECT. It is the "
    "same\n"
    "as SELECT * FROM NAME('INPUT', parameter => value), and takes the options of\n"
    "perigee query: -n, --into, --format, --explain, --memory, --timeout, ...\n"
    "\n"
    "perigee kernels lists the kernels.\n"
    "\n"
    "Example: groups by friends-of-friends\n"
    "  perigee run fof gadget4_run64.dm --snapnum 23 --b 0.2 --into groups.h5\n";

typedef struct {
    const json_t *all, *kernel;
    peri_buf_t sql;
    const char *input;
    char **query; /* arguments for perigee query */
    int nquery;
} request_t;

static bool is_number(const char *s)
{
    char *end;
    strtod(s, &end);
    /* "nan" and "inf" are no numbers in SQL. */
    return end > s && !*end && strspn(s, "0123456789+-.eE") == strlen(s);
}

static int wrong_value(const char *name, const char *value, const char *want,
                       peri_err_t *err)
{
    return peri_err_set(err, PERI_EINVAL, "--%s needs %s, not \"%s\"", name, want, value);
}

/* 1,2.5 or [1, 2.5] */
static int put_numbers(peri_buf_t *b, const char *name, const char *value,
                       peri_err_t *err)
{
    char *copy = peri_xstrdup(value), *rest = copy, *word;
    int n = 0, rc = 0;
    peri_buf_putc(b, '[');
    while (rc == 0 && (word = strtok_r(n++ ? NULL : copy, " ,[]", &rest))) {
        if (!is_number(word))
            rc = wrong_value(name, value, "numbers, as 1,2.5", err);
        else
            peri_buf_printf(b, "%s%s", n > 1 ? ", " : "", word);
    }
    peri_buf_putc(b, ']');
    free(copy);
    return rc;
}

static int put_value(request_t *r, const json_t *param, const char *name,
                     const char *value, peri_err_t *err)
{
    peri_buf_t *b = &r->sql;
    const char *type = param ? json_string_value(json_object_get(param, "type")) : "text";
    peri_buf_printf(b, ", %s => ", name);
    if (strcmp(type, "float") == 0 || strcmp(type, "int") == 0) {
        if (!is_number(value)) return wrong_value(name, value, "a number", err);
        peri_buf_puts(b, value);
    } else if (strcmp(type, "floats") == 0) {
        return put_numbers(b, name, value, err);
    } else if (strcmp(type, "bool") == 0) {
        if (strcmp(value, "true") && strcmp(value, "false"))
            return wrong_value(name, value, "true or false", err);
        peri_buf_puts(b, value);
    } else {
        peri_buf_put_quoted(b, value, '\'');
    }
    return 0;
}

static bool is_bool(const json_t *param)
{
    const char *type = param ? json_string_value(json_object_get(param, "type")) : NULL;
    return type && strcmp(type, "bool") == 0;
}

static void hand_on(request_t *r, char *word)
{
    r->query[r->nquery++] = word;
}

/* --name value, --name=value, or --name alone for what is true or false. The number of
 * words used; 0: not ours. */
static int take_parameter(request_t *r, char **argv, int left, peri_err_t *err)
{
    const char *equals = strchr(argv[0], '=');
    char *name = equals ? strndup(argv[0] + 2, (size_t)(equals - argv[0] - 2))
                        : peri_xstrdup(argv[0] + 2);
    for (char *p = name; *p; p++)
        if (*p == '-') *p = '_';
    const json_t *param = peri_kernels_param(r->all, r->kernel, name);
    int used = 0;
    if (param || peri_kernels_is_input(r->kernel, name)) {
        const char *next = equals ? equals + 1 : left > 1 ? argv[1] : NULL;
        used = equals ? 1 : 2;
        if (!equals && is_bool(param) &&
            (!next || (strcmp(next, "true") && strcmp(next, "false")))) {
            next = "true";
            used = 1;
        }
        if (!next)
            used = peri_err_set(err, PERI_EINVAL, "--%s needs a value", name);
        else if (put_value(r, param, name, next, err))
            used = -1;
    }
    free(name);
    return used;
}

/* Options of perigee query that have a value, which is no input. */
static bool has_value(const char *option)
{
    static const char *const known[] = {"-n",        "--ranks",      "-t",
                                        "--threads", "-c",           "--context",
                                        "-o",        "--into",       "--format",
                                        "--limit",   "--rows",       "--memory",
                                        "--timeout", "--temp-dir",   "--temp-size",
                                        "--root",    "--checkpoint", "--broadcast-limit"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(option, known[i]) == 0) return true;
    return false;
}

static int take_words(request_t *r, int argc, char **argv, peri_err_t *err)
{
    for (int i = 0; i < argc; i++) {
        int used = strncmp(argv[i], "--", 2) == 0
                       ? take_parameter(r, argv + i, argc - i, err)
                       : 0;
        if (used < 0) return -1;
        if (used) {
            i += used - 1;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            hand_on(r, argv[i]);
            if (has_value(argv[i]) && i + 1 < argc) hand_on(r, argv[++i]);
        } else if (r->input) {
            return peri_err_set(
                err, PERI_EINVAL,
                "%s has one input before its parameters: \"%s\" and \"%s\" "
                "were given",
                json_string_value(json_object_get(r->kernel, "name")), r->input, argv[i]);
        } else {
            r->input = argv[i];
        }
    }
    return 0;
}

/* Where the kernel's name stands: options of perigee query may come before it. */
static int find_name(int argc, char **argv)
{
    int i = 1;
    while (i < argc && argv[i][0] == '-') i += has_value(argv[i]) ? 2 : 1;
    return i;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

static int run(request_t *r, int argc, char **argv, int at, peri_err_t *err)
{
    const char *name = json_string_value(json_object_get(r->kernel, "name"));
    for (int i = 1; i < at; i++) hand_on(r, argv[i]);
    if (take_words(r, argc - at - 1, argv + at + 1, err)) return -1;
    if (!r->input)
        return peri_err_set(
            err, PERI_EINVAL,
            "%s needs an input: perigee run %s dataset.table (see perigee "
            "kernels %s)",
            name, name, name);
    peri_buf_t b;
    peri_buf_init(&b, MAX_SQL);
    peri_buf_printf(&b, "SELECT * FROM %s(", name);
    peri_buf_put_quoted(&b, r->input, '\'');
    peri_buf_puts(&b, r->sql.data ? r->sql.data : "");
    peri_buf_putc(&b, ')');
    int status = peri_buf_check(&b, "the call", err);
    if (status == 0) {
        hand_on(r, b.data);
        status = peri_cmd_query(r->nquery, r->query);
    }
    peri_buf_free(&b);
    return status;
}

int peri_cmd_run(int argc, char **argv)
{
    peri_err_t err = {0};
    request_t r = {0};
    int status = 0;
    const int at = find_name(argc, argv);
    if (at >= argc) {
        const bool asked = wants_help(argc, argv);
        fputs(help_text, asked ? stdout : stderr);
        return asked ? peri_cli_done(0) : 2;
    }
    json_t *all = peri_kernels_load(&err);
    r.all = all;
    r.kernel = all ? peri_kernels_find(all, argv[at], &err) : NULL;
    if (!r.kernel) {
        status = peri_cli_fail(&err);
    } else if (wants_help(argc, argv)) {
        peri_kernel_print(stdout, all, r.kernel);
        status = peri_cli_done(0);
    } else {
        char word[] = "query";
        peri_buf_init(&r.sql, MAX_SQL);
        r.query = peri_xcalloc((size_t)argc + 2, sizeof(*r.query));
        hand_on(&r, word);
        status = run(&r, argc, argv, at, &err);
        if (status < 0) status = peri_cli_fail(&err);
        free(r.query);
        peri_buf_free(&r.sql);
    }
    json_decref(all);
    return status;
}
