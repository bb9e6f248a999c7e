/* cmd_run.c - `perigee run NAME INPUT --parameter value`: a kernel by its name. It writes
 * the SQL that calls it and hands that to `perigee query`, so both do the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/kernel_arg.h"
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
    "Behind \"--\" come the input and parameters only.\n"
    "\n"
    "perigee kernels lists the kernels.\n"
    "\n"
    "Example: groups by friends-of-friends\n"
    "  perigee run fof gadget4_run64.dm --snapnum 23 --b 0.2 --into groups.h5\n"
    "  perigee run fof gadget4_run64.dm --snapnum 23 --into mydb.groups\n";

typedef struct {
    const json_t *all, *kernel;
    peri_buf_t sql;
    const char *input;
    char **query; /* arguments for perigee query */
    int nquery;
} request_t;

/* 1,2.5 or [1, 2.5], which have been looked at. */
static void put_numbers(peri_buf_t *b, const char *value)
{
    char *copy = peri_xstrdup(value), *rest = copy, *word;
    peri_buf_putc(b, '[');
    for (int n = 0; (word = strtok_r(rest, " ,[]", &rest)); n++)
        peri_buf_printf(b, "%s%s", n ? ", " : "", word);
    peri_buf_putc(b, ']');
    free(copy);
}

static int put_value(request_t *r, const char *name, const char *value, peri_err_t *err)
{
    peri_buf_t *b = &r->sql;
    const json_t *param = peri_kernels_param(r->all, r->kernel, name);
    const char *type = peri_kernel_arg_type(param);
    if (peri_kernel_arg_check(param, name, value, err)) return -1;
    peri_buf_printf(b, ", %s => ", name);
    if (!strcmp(type, "float") || !strcmp(type, "int") || !strcmp(type, "bool"))
        peri_buf_puts(b, value);
    else if (!strcmp(type, "floats"))
        put_numbers(b, value);
    else
        peri_buf_put_quoted(b, value, '\'');
    return 0;
}

static void hand_on(request_t *r, char *word)
{
    r->query[r->nquery++] = word;
}

/* The number of words used; 0: not ours. */
static int take_parameter(request_t *r, char **argv, int left, peri_err_t *err)
{
    peri_kernelarg_t a;
    int used = peri_kernel_arg(r->all, r->kernel, argv, left, &a, err);
    return used > 0 && put_value(r, a.name, a.value, err) ? -1 : used;
}

/* Options of perigee query that have a value, which is no input. */
static bool has_value(const char *option)
{
    static const char *const known[] = {
        "-n",           "--ranks",           "-t",          "--threads",
        "-c",           "--context",         "-o",          "--into",
        "--format",     "--limit",           "--rows",      "--memory",
        "--timeout",    "--temp-dir",        "--temp-size", "--root",
        "--checkpoint", "--broadcast-limit", "--param"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(option, known[i]) == 0) return true;
    return false;
}

/* Behind "--": the input, whatever it begins with, then nothing but parameters. */
static int take_call(request_t *r, int argc, char **argv, peri_err_t *err)
{
    int i = 0;
    if (!r->input && argc) r->input = argv[i++];
    while (i < argc) {
        int used = take_parameter(r, argv + i, argc - i, err);
        if (used < 0) return -1;
        if (used == 0)
            return peri_kernel_arg_unknown(r->all, r->kernel,
                                           argv[i] + strspn(argv[i], "-"), err);
        i += used;
    }
    return 0;
}

static int take_words(request_t *r, int argc, char **argv, peri_err_t *err)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            return take_call(r, argc - i - 1, argv + i + 1, err);
        int used = take_parameter(r, argv + i, argc - i, err);
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
